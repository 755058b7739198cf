"""What the key in a URL means."""

import pytest

from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.keys import globs_of_key


@pytest.mark.parametrize(
    ("key", "globs", "name"),
    [
        ("", ("**",), ""),
        ("shop/", ("shop/**",), "shop"),
        ("shop/v1.2/", ("shop/v1.2/**",), "v1.2"),
        ("shop/orders.csv", ("shop/orders.csv",), "orders"),
        ("orders.csv.gz", ("orders.csv.gz",), "orders"),
        ("shop/orders", ("shop/orders", "shop/orders/**"), "orders"),
        ("shop/2024.05", ("shop/2024.05", "shop/2024.05/**"), "2024.05"),
        (".hidden", (".hidden", ".hidden/**"), ".hidden"),
        ("shop/*/may.csv", ("shop/*/may.csv",), "shop"),
        ("!may*.csv", ("\\!may*.csv",), ""),
        ("!may.csv", ("\\!may.csv",), "!may"),
        ("in/a.zip!may.csv", ("in/a.zip!may.csv", "in/a.zip!may.csv/**"), "may"),
        ("in/a.zip!*.csv", ("in/a.zip!*.csv", "in/a.zip!\\*.csv"), "a"),
        ("in/*.zip!*.csv", ("in/*.zip!*.csv", "in/*.zip!\\*.csv"), "in"),
        ("!*.zip!may.csv", ("\\!*.zip!may.csv", "\\!*.zip!may.csv/**"), "may"),
    ],
)
def test_keys(key: str, globs: tuple[str, ...], name: str) -> None:
    assert globs_of_key(key) == (globs, name)
    GlobPatterns(globs)


@pytest.mark.parametrize(
    ("key", "wanted", "unwanted"),
    [
        ("!a*.csv", "!ab.csv", "b.csv"),
        ("!*.zip!x.csv", "!1.zip!x.csv", "1.zip!y.csv"),
        ("in/20*/", "in/2024/may/x.csv", "in/x.csv"),
        ("shop/orders.csv", "shop/orders.csv", "shop/orders.csv/deep"),
        ("shop/orders", "shop/orders/deep", "shop/orders2"),
    ],
)
def test_a_url_never_says_what_is_left_out(key: str, wanted: str, unwanted: str) -> None:
    patterns = GlobPatterns(globs_of_key(key)[0])
    assert (patterns.matches(wanted), patterns.matches(unwanted)) == (True, False)
