"""Laws of glob patterns: the listing covers what matches, matching is wcmatch's, and an escaped name is itself."""

import re

import bracex
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from wcmatch import glob

from file_cdk.core.errors import ConfigError
from file_cdk.readers.globbing import GlobPatterns

_PIECES = r"a b . .. / // * ** ? [ab] [!a] [a- ] {a,b} {a,b/} {,a} {1..3} { } , ! \ \* \{ \\ - 1 é ( | ^ $ ~ #"
_pieces = st.sampled_from([*_PIECES.split(" "), " ", "\n"])
_patterns = st.lists(_pieces, min_size=1, max_size=7).map("".join)
_uris = st.text(st.sampled_from("ab.*/{},![]-1é\n\\?(|$ "), max_size=8)


def _patterns_object(globs: list[str], prefix: str | None = None) -> GlobPatterns:
    try:
        return GlobPatterns(globs, prefix)
    except ConfigError:
        assume(False)
        raise


@given(st.lists(_patterns, min_size=1, max_size=4), st.lists(_uris, max_size=20), st.none() | _uris)
def test_what_matches_begins_with_a_listing_prefix(globs: list[str], uris: list[str], prefix: str | None) -> None:
    patterns = _patterns_object(globs, prefix)

    for uri in uris:
        if patterns.matches(uri):
            assert uri.startswith(patterns.prefixes), uri
            assert uri.startswith(prefix or "")


@given(st.lists(_patterns, min_size=1, max_size=4), st.none() | _uris)
def test_no_listing_prefix_begins_with_another(globs: list[str], prefix: str | None) -> None:
    prefixes = _patterns_object(globs, prefix).prefixes

    assert list(prefixes) == sorted(set(prefixes))
    for one in prefixes:
        assert [other for other in prefixes if one.startswith(other)] == [one]


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")  # wcmatch's own
@given(st.lists(_patterns, min_size=1, max_size=4), st.lists(_uris.filter(bool), max_size=20))
@example(["**", "!**/*.b"], ["a/.b", "a.b"])
@example(["{!a,b}"], ["!a", "b"])
def test_matches_as_wcmatch_does_one_pattern_at_a_time(globs: list[str], uris: list[str]) -> None:
    """wcmatch expands the braces itself here. Repeated slashes are apart: there a listing could not follow it."""
    assume(not any("//" in text for glob_ in globs for text in bracex.expand(glob_)))
    patterns = _patterns_object(globs)
    flags = glob.GLOBSTAR | glob.BRACE | glob.FORCEUNIX | glob.CASE
    wanted = [pattern for pattern in globs if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in globs if pattern.startswith("!")]

    for uri in (uri for uri in uris if "//" not in uri and not uri.startswith("/")):
        expected = any(glob.globmatch(uri, pattern, flags=flags) for pattern in wanted or ["**"]) and not any(
            glob.globmatch(uri, pattern, flags=flags | glob.DOTMATCH) for pattern in unwanted
        )
        assert patterns.matches(uri) == expected, uri


@given(st.text(st.sampled_from("ab./\n"), max_size=8))
def test_all_that_is_visible_is_what_wcmatch_takes_two_stars_for(uri: str) -> None:
    (regex,), _ = glob.translate("**", flags=glob.GLOBSTAR | glob.FORCEUNIX | glob.CASE)

    assert GlobPatterns(["**"]).matches(uri) == (re.fullmatch(regex, uri) is not None)


@given(st.text(min_size=1, max_size=12) | _uris.filter(bool), st.lists(_uris, max_size=20))
def test_an_escaped_name_matches_that_name_alone(name: str, others: list[str]) -> None:
    patterns = GlobPatterns([GlobPatterns.escape(name)])

    assert patterns.matches(name)
    assert patterns.prefixes == (name,)
    for other in others:
        assert patterns.matches(other) == (other.rstrip("/") == name.rstrip("/") and other.startswith(name))
