"""Which uris a stream wants: wildcard patterns, and the shortest listing that covers them."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import bracex
from wcmatch import glob

from file_cdk.core.errors import ConfigError

# CASE and FORCEUNIX: a key means the same whatever machine the sync runs on.
_FLAGS = glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX
_MAX_ALTERNATIVES = 1000
_WILDCARD = re.compile(r"[*?\[]")
_SPECIAL = re.compile(r"[\\*?\[\]{}!]")


@dataclass(frozen=True, slots=True, init=False)
class GlobPatterns:
    """The uris that match any of `globs`, and no pattern that begins with `!`; implements core.ports.Matcher.

    `**` any folders, `*` and `?` within one segment, `[abc]` `[a-z]` `[!a]` one character of a set, `{a,b}` `{1..9}`
    alternatives, `\\` before a character takes it literally. Only negated patterns: everything but those. Wildcards do
    not match a leading dot of a segment, except in a negated pattern. The text before the first wildcard is compared
    exactly; after it, repeated slashes count as one.

    prefix: uris must also begin with this text.
    prefixes: listing prefixes that cover all matches, sorted; empty when nothing can match `prefix` and a glob at once.
    Blank patterns match nothing. Raises ConfigError naming the pattern that cannot be used.
    """

    globs: tuple[str, ...]
    prefix: str | None
    prefixes: tuple[str, ...] = field(repr=False, compare=False)
    _wanted: re.Pattern[str] = field(repr=False, compare=False)
    _unwanted: re.Pattern[str] = field(repr=False, compare=False)

    def __init__(self, globs: Sequence[str], prefix: str | None = None) -> None:
        wanted = [literal for pattern in globs if not _is_negated(pattern) for literal in _expand(pattern, pattern)]
        unwanted = [
            literal
            for pattern in globs
            if _is_negated(pattern)
            for literal in _expand(pattern.removeprefix("!"), pattern)
        ]
        if not wanted and not unwanted:
            raise ConfigError("globs hold no pattern", remedy='Give at least one, for example "**"')
        if not wanted:
            wanted = ["**"]
        for name, value in (
            ("globs", tuple(globs)),
            ("prefix", prefix),
            ("prefixes", _covering(map(_literal_prefix, wanted), prefix or "")),
            ("_wanted", _any_of(wanted, _FLAGS)),
            ("_unwanted", _any_of(unwanted, _FLAGS | glob.DOTMATCH)),
        ):
            object.__setattr__(self, name, value)

    def matches(self, uri: str) -> bool:
        """About 1 µs for one pattern; grows with the number of patterns."""
        return (
            uri.startswith(self.prefix or "")
            and self._wanted.fullmatch(uri) is not None
            and self._unwanted.fullmatch(uri) is None
        )

    @staticmethod
    def escape(name: str) -> str:
        """A pattern that matches the uri `name` alone, whatever characters it has."""
        return _SPECIAL.sub(r"\\\g<0>", name)

    def __reduce__(self) -> tuple[type["GlobPatterns"], tuple[tuple[str, ...], str | None]]:
        return GlobPatterns, (self.globs, self.prefix)


def _is_negated(pattern: str) -> bool:
    return pattern.startswith("!")


def _expand(body: str, pattern: str) -> list[str]:
    """The alternatives that braces stand for, escapes kept; each can be compiled."""
    try:
        alternatives = list(dict.fromkeys(bracex.iexpand(body, keep_escapes=True, limit=_MAX_ALTERNATIVES)))
    except bracex.ExpansionLimitException:
        raise ConfigError(
            f"glob {pattern!r} stands for more than {_MAX_ALTERNATIVES} patterns",
            remedy="Use * or [...] in place of some of its braces",
        ) from None
    for alternative in alternatives:
        try:
            _compiled(_regex(alternative, _FLAGS))
        except (re.error, OverflowError, RecursionError) as exc:
            raise ConfigError(f"glob {pattern!r} cannot be used as a pattern") from exc
    return [alternative for alternative in alternatives if alternative]


def _any_of(patterns: Iterable[str], flags: int) -> re.Pattern[str]:
    """One regular expression for all; without any pattern, one that matches nothing.

    wcmatch lets one slash of a pattern stand for several, even before the first wildcard. A store's listing by prefix
    compares text, so there the look-ahead does as well: what matches does not depend on how the files were listed.
    """
    branches = (f"(?={re.escape(_literal_prefix(pattern))})(?:{_regex(pattern, flags)})" for pattern in patterns)
    return _compiled("|".join(branches) or "(?!)")


def _compiled(regex: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # wcmatch leaves `[` in a set as it is; `re` takes it literally, and warns that it may not always do so.
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(regex)


def _regex(pattern: str, flags: int) -> str:
    (regex,), _ = glob.translate(pattern, flags=flags)
    return str(regex)


def _literal_prefix(pattern: str) -> str:
    """The text that every match of a brace-free pattern begins with."""
    return "".join(_literals(pattern))


def _literals(pattern: str) -> Iterator[str]:
    characters = iter(pattern)
    for character in characters:
        if _WILDCARD.match(character):
            return
        yield next(characters, "") if character == "\\" else character


def _covering(prefixes: Iterable[str], required: str) -> tuple[str, ...]:
    """The fewest of `prefixes`, narrowed to texts that begin with `required`, that cover them all."""
    narrowed = {max(prefix, required, key=len) for prefix in prefixes if _compatible(prefix, required)}
    kept: list[str] = []
    for prefix in sorted(narrowed):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)


def _compatible(one: str, other: str) -> bool:
    """Whether some text begins with both."""
    return one.startswith(other) or other.startswith(one)
