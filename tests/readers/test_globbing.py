"""What each kind of pattern matches, which listing covers it, and what is refused."""

import pickle

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.readers.globbing import GlobPatterns

URIS = [
    "a.csv",
    "b.jsonl",
    "logs/a.csv",
    "logs/2024/01/a.csv",
    "logs/2024/01/b.csv",
    "logs/2024/02/a.csv",
    "logs/2024/02/.hidden.csv",
    ".git/config.csv",
    "{a}.csv",
    "!a.csv",
]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.csv"], ["a.csv", "{a}.csv", "!a.csv"]),
        (["**/*.csv"], ["a.csv", "logs/a.csv", *URIS[3:6], "{a}.csv", "!a.csv"]),
        (["logs/*/*/a.csv"], ["logs/2024/01/a.csv", "logs/2024/02/a.csv"]),
        (["logs/2024/0?/a.csv"], ["logs/2024/01/a.csv", "logs/2024/02/a.csv"]),
        (["logs/2024/0[2-9]/*"], ["logs/2024/02/a.csv"]),
        (["logs/2024/0[!2-9]/*"], ["logs/2024/01/a.csv", "logs/2024/01/b.csv"]),
        (["{a,b}.{csv,jsonl}"], ["a.csv", "b.jsonl"]),
        (["logs/2024/{01,02}/{a,z}.csv"], ["logs/2024/01/a.csv", "logs/2024/02/a.csv"]),
        (["logs/2024/{01..02}/a.csv"], ["logs/2024/01/a.csv", "logs/2024/02/a.csv"]),
        (["{a}.csv"], ["{a}.csv"]),
        ([r"\!a.csv"], ["!a.csv"]),
        (["*.csv", "!*a*"], []),
        (["**", "!logs/**"], ["a.csv", "b.jsonl", "{a}.csv", "!a.csv"]),
        (["!logs/**"], ["a.csv", "b.jsonl", "{a}.csv", "!a.csv"]),
        (["!{a,logs/**}", "!**/*.csv"], ["b.jsonl"]),
        (["**/.*"], ["logs/2024/02/.hidden.csv"]),
        (["**/{*,.*}", "!**/*.csv"], ["b.jsonl"]),
        (["**/{*,.*}/*", ".git/*"], ["logs/a.csv", *URIS[3:6], ".git/config.csv"]),
        (["", "a.csv"], ["a.csv"]),
        (["A.CSV"], []),
        (["/a.csv"], []),
    ],
)
def test_matches(globs: list[str], expected: list[str]) -> None:
    patterns = GlobPatterns(globs)

    assert [uri for uri in URIS if patterns.matches(uri)] == expected


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["**"], ("",)),
        (["!a/**"], ("",)),
        (["a/b.csv"], ("a/b.csv",)),
        (["a/b*.csv"], ("a/b",)),
        (["a/b?.csv"], ("a/b",)),
        (["a/b[0-9].csv"], ("a/b",)),
        (["a/{b,c}/*.csv"], ("a/b/", "a/c/")),
        (["a/{b,bc}*"], ("a/b",)),
        (["b/*", "a/*", "a/c/*", "!a/d/*"], ("a/", "b/")),
        ([r"a\*b/\[c\]*"], ("a*b/[c]",)),
        ([r"a\{b,c\}*"], ("a{b,c}",)),
        (["a\\"], ("a",)),
        (["a{b}*"], ("a{b}",)),
        (["x/*", "**/y"], ("",)),
    ],
)
def test_prefixes(globs: list[str], expected: tuple[str, ...]) -> None:
    assert GlobPatterns(globs).prefixes == expected


@pytest.mark.parametrize(
    ("globs", "prefix", "expected"),
    [
        (["**"], "a/b", ("a/b",)),
        (["a/b/c*", "z*"], "a/b", ("a/b/c",)),
        (["b*"], "a", ()),
        (["a*"], "b", ()),
        (["**"], "", ("",)),
    ],
)
def test_prefixes_under_a_required_prefix(globs: list[str], prefix: str, expected: tuple[str, ...]) -> None:
    assert GlobPatterns(globs, prefix).prefixes == expected


def test_a_required_prefix_limits_what_matches() -> None:
    patterns = GlobPatterns(["**/*.csv"], prefix="logs/2024/0")

    assert [uri for uri in URIS if patterns.matches(uri)] == URIS[3:6]


def test_text_before_the_first_wildcard_is_exact_so_that_the_listing_covers_it() -> None:
    patterns = GlobPatterns(["logs/2024/*.csv", "a//b.csv"])

    assert patterns.matches("logs/2024/a.csv")
    assert not patterns.matches("logs//2024/a.csv")
    assert patterns.matches("a//b.csv")
    assert not patterns.matches("a/b.csv")


@pytest.mark.parametrize(
    "uri", ["", "/", "//", "a//b", "/a.csv", "./a.csv", "../a.csv", "a/./b", "a/..", "a\n.csv", "\0"]
)
def test_odd_uris_match_when_given_exactly(uri: str) -> None:
    assert GlobPatterns(["**", "*", "a/**/b", "[ab]*", "!**/x"]).matches(uri) in (True, False)
    if uri:
        assert GlobPatterns([GlobPatterns.escape(uri)]).matches(uri)


@pytest.mark.parametrize(
    ("globs", "message"),
    [
        (["ok", "x{1..1001}"], r"glob 'x\{1\.\.1001\}' stands for more than 1000 patterns"),
        (["!{a,b}{1..501}"], r"glob '!\{a,b\}\{1\.\.501\}' stands for more than 1000 patterns"),
        ([], "globs hold no pattern"),
        (["", "!"], "globs hold no pattern"),
    ],
)
def test_unusable_patterns_are_config_errors(globs: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        GlobPatterns(globs)
    assert caught.value.remedy


def test_pickles_and_compares_by_its_patterns() -> None:
    patterns = GlobPatterns(["a/{b,c}*", "!**/x"], prefix="a/")

    copy = pickle.loads(pickle.dumps(patterns))

    assert copy == patterns
    assert hash(copy) == hash(patterns)
    assert copy.prefixes == patterns.prefixes
    assert [copy.matches(uri) for uri in ("a/b", "a/c/d", "a/cx", "a/d")] == [True, False, True, False]
    assert patterns != GlobPatterns(["a/{b,c}*", "!**/x"])
    with pytest.raises(AttributeError):
        patterns.prefix = "b"  # type: ignore[misc]


MEMBER_URIS = [
    "a.csv",
    "a!b.csv",
    "in/a.zip",
    "in/a.zip!x.csv",
    "in/a.zip!dir/x.csv",
    "in/a.zip!dir/.y.csv",
    "in/a.zip!b.zip!x.csv",
    "in/b.TGZ!x.csv",
]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["**"], [*MEMBER_URIS[:5], *MEMBER_URIS[6:]]),
        (["**/*.csv"], ["a.csv", "a!b.csv"]),
        (["a!b.csv"], ["a!b.csv"]),
        (["*!*"], ["a!b.csv"]),
        (["in/*.zip"], [*MEMBER_URIS[2:5], MEMBER_URIS[6]]),
        (["in/*.zip!**/.*"], ["in/a.zip", "in/a.zip!dir/.y.csv"]),
        (["in/*.zip!**/*.csv"], ["in/a.zip", "in/a.zip!x.csv", "in/a.zip!dir/x.csv", MEMBER_URIS[6]]),
        (["in/*.zip!*.csv"], ["in/a.zip", "in/a.zip!x.csv", MEMBER_URIS[6]]),
        (["in/*.{zip,TGZ}!{x,y}.csv"], ["in/a.zip", "in/a.zip!x.csv", "in/b.TGZ!x.csv"]),
        (["in/*.zip!dir/*", "in/*.zip!x.*"], ["in/a.zip", "in/a.zip!x.csv", "in/a.zip!dir/x.csv"]),
        (["**/*.tgz!**"], []),
        (["**/*.TGZ!**"], ["in/b.TGZ!x.csv"]),
        (["**", "!**/*.zip"], ["a.csv", "a!b.csv", "in/b.TGZ!x.csv"]),
        (["**", "!**/*.zip!**"], ["a.csv", "a!b.csv", "in/a.zip", "in/b.TGZ!x.csv"]),
        (["**", "!in/a.zip!dir/*"], [*MEMBER_URIS[:4], *MEMBER_URIS[6:]]),
        (["!a.zip!x", "!in/**"], ["a.csv", "a!b.csv"]),
    ],
)
def test_matches_members_of_archives(globs: list[str], expected: list[str]) -> None:
    patterns = GlobPatterns(globs)

    assert [uri for uri in MEMBER_URIS if patterns.matches(uri)] == expected


@pytest.mark.parametrize(
    ("globs", "prefix", "opened"),
    [
        (["**"], None, True),
        (["**/*.csv"], None, False),
        (["in/*.zip!**/*.csv"], None, True),
        (["in/*.zip!**/*.csv", "!**/a.*"], None, False),
        (["in/*.zip", "!in/a.zip!**"], None, True),
        (["**"], "in/", True),
        (["**"], "in/a.zip!dir/", True),
        (["**"], "in/b", False),
        (["**"], "in/a.zip!", False),
    ],
)
def test_says_which_archives_are_to_be_opened(globs: list[str], prefix: str | None, opened: bool) -> None:
    patterns = GlobPatterns(globs, prefix)

    assert patterns.opens("in/a.zip") is opened
    assert patterns.matches("in/a.zip") is opened


@pytest.mark.parametrize(
    ("globs", "prefix", "expected"),
    [
        (["in/a.zip!dir/*.csv"], None, ("in/a.zip",)),
        (["in/*.zip!dir/*.csv", "out/a.tar!*"], None, ("in/", "out/a.tar")),
        (["a!b/*"], None, ("a!b/",)),
        (["**"], "in/a.zip!dir/", ("in/a.zip",)),
        (["in/**"], "in/a.zip!dir/", ("in/a.zip",)),
    ],
)
def test_prefixes_of_archives(globs: list[str], prefix: str | None, expected: tuple[str, ...]) -> None:
    patterns = GlobPatterns(globs, prefix)

    assert patterns.prefixes == expected
    if prefix:
        assert patterns.matches(f"{prefix}x.csv")
        assert not patterns.matches("in/a.zip!x.csv")


def test_archives_inside_archives_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="archive inside an archive") as caught:
        GlobPatterns(["a.zip!b.zip!*.csv"])
    assert caught.value.remedy
    assert GlobPatterns([r"a.zip!b.zip\!*.csv"]).matches("a.zip!b.zip!x.csv")


@pytest.mark.parametrize("uri", ["a.zip!b*.csv", "a[1].zip!b!c", "a.zip!b.zip!c", "!a.zip!b", "a.zip!", "a{b}.tar!\\x"])
def test_escapes_members(uri: str) -> None:
    patterns = GlobPatterns([GlobPatterns.escape(uri)])

    assert patterns.matches(uri)
    assert not patterns.matches(uri + "x")
    assert not patterns.matches("x" + uri)


def test_members_pickle() -> None:
    patterns = GlobPatterns(["in/*.zip!**/*.csv", "!in/a.zip!dir/*"])

    copy = pickle.loads(pickle.dumps(patterns))

    assert copy == patterns
    assert [copy.matches(uri) for uri in MEMBER_URIS[3:5]] == [True, False]
