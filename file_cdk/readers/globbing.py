"""Which uris a stream wants: wildcard patterns, and the shortest listing that covers them."""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from functools import lru_cache

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.uris import split_member
from file_cdk.readers.litter import litter_in

_WILDCARD = re.compile(r"[*?\[]")
_HIDDEN = re.compile(r"(?:^|/)\.(?!\.?(?:/|\Z))")
"""A segment that begins with a dot, and is not `.` or `..`."""
_ALL = "**"
_ALL_VISIBLE = r"(?!\.)[^/]*(?:/(?!\.)[^/]*)*"
"""What wcmatch makes of it, told in a quarter of the time, and without the import of wcmatch."""
_SPECIAL = re.compile(r"[\\*?\[\]{}!]")


@dataclass(frozen=True, slots=True, init=False)
class GlobPatterns:
    """The uris that match any of `globs`, and no pattern that begins with `!`; implements core.ports.Matcher.

    `**` any folders, `*` and `?` within one segment, `[abc]` `[a-z]` `[!a]` one character of a set, `{a,b}` `{1..9}`
    alternatives, `\\` before a character takes it literally. Only negated patterns: everything but those. Wildcards do
    not match a leading dot of a segment, except in a negated pattern. The text before the first wildcard is compared
    exactly; after it, repeated slashes count as one.

    A pattern that matches an archive matches its members, as `**` would. `outer!inner`, where `outer` ends as an archive's
    name does (see core.uris), matches members alone: `outer` is compared with the archive's uri, `inner` with the path inside.

    prefix: uris must also begin with this text.
    prefixes: listing prefixes that cover all matches, sorted; empty when nothing can match `prefix` and a glob at once.
    Blank patterns match nothing. Raises ConfigError naming the pattern that cannot be used.
    """

    globs: tuple[str, ...]
    prefix: str | None
    prefixes: tuple[str, ...] = field(repr=False, compare=False)
    _wanted: re.Pattern[str] = field(repr=False, compare=False)
    _unwanted: re.Pattern[str] | None = field(repr=False, compare=False)
    _wanted_inside: "_Inside" = field(repr=False, compare=False)
    _unwanted_inside: "_Inside" = field(repr=False, compare=False)

    def __init__(self, globs: Sequence[str], prefix: str | None = None) -> None:
        wanted: list[str] = []
        unwanted: list[str] = []
        for pattern in globs:
            literals = _expand(pattern.removeprefix("!"), pattern)
            (unwanted if pattern.startswith("!") else wanted).extend(literals)
        if not wanted and not unwanted:
            raise ConfigError("globs hold no pattern", remedy='Give at least one, for example "**"')
        if not wanted:
            wanted = [_ALL]
        outside, inside = _parted(wanted)
        not_outside, not_inside = _parted(unwanted)
        for name, value in (
            ("globs", tuple(globs)),
            ("prefix", prefix),
            ("_wanted", _any_of(outside)),
            ("_unwanted", _any_of(not_outside, hidden=True) if not_outside else None),
            ("_wanted_inside", _inside(inside)),
            ("_unwanted_inside", _inside(not_inside, hidden=True)),
        ):
            object.__setattr__(self, name, value)
        listed = map(_literal_prefix, [*outside, *(archive for archive, _ in inside)])
        object.__setattr__(self, "prefixes", _covering(listed, self._archive_of_prefix or prefix or ""))

    def matches(self, uri: str) -> bool:
        """Also of a member of an archive. About 1 µs for one pattern; grows with the number of patterns.

        An archive itself matches when any of its members might: one that cannot be opened is a file that fails.
        """
        if self.prefix and not uri.startswith(self.prefix):
            return uri == self._archive_of_prefix and self._matches_whole(uri)
        if "!" in uri and (member := split_member(uri)):
            return self._matches_member(*member)
        return self._matches_whole(uri)

    def litter(self, uri: str) -> str | None:
        """Why a file that matches is passed over all the same; None for one that is read: it may be data, or a pattern that
        matches it names what tells that it is none."""
        found = litter_in(uri)
        if found is None or found.sign in (self.prefix or "").lower():
            return None
        for pattern in self.globs:
            if found.sign in pattern.lower() and not pattern.startswith("!") and _patterns(pattern).matches(uri):
                return None
        return found.reason

    def opens(self, archive_uri: str) -> bool:
        """Whether members of an archive of this uri may match."""
        is_near = archive_uri.startswith(self.prefix or "") or archive_uri == self._archive_of_prefix
        return is_near and self._matches_whole(archive_uri)

    @property
    def _archive_of_prefix(self) -> str | None:
        member = split_member(self.prefix or "")
        return None if member is None else member[0]

    def _matches_whole(self, uri: str) -> bool:
        if self._wanted.fullmatch(uri) is None and not any(outer.fullmatch(uri) for outer, _ in self._wanted_inside):
            return False
        return self._unwanted is None or self._unwanted.fullmatch(uri) is None

    def _matches_member(self, archive: str, path: str) -> bool:
        if self._unwanted is not None and self._unwanted.fullmatch(archive) is not None:
            return False
        if _any_inside(self._unwanted_inside, archive, path):
            return False
        if self._wanted.fullmatch(archive) is not None and _HIDDEN.search(path) is None:
            return True
        return _any_inside(self._wanted_inside, archive, path)

    @staticmethod
    def escape(name: str) -> str:
        """A pattern that matches the uri `name` alone, whatever characters it has."""
        return "!".join(_SPECIAL.sub(r"\\\g<0>", part) for part in split_member(name) or (name,))

    def __reduce__(self) -> tuple[type["GlobPatterns"], tuple[tuple[str, ...], str | None]]:
        return GlobPatterns, (self.globs, self.prefix)


@lru_cache(maxsize=100)
def _patterns(pattern: str) -> GlobPatterns:
    return GlobPatterns([pattern])


_Inside = tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
"""For archives that match the first pattern, their members that match the second."""


def _parted(patterns: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Patterns of whole uris, and of an archive and a path inside. Raises ConfigError for an archive inside an archive."""
    whole: list[str] = []
    inside: list[tuple[str, str]] = []
    for pattern in patterns:
        parted = split_member(pattern)
        if parted is None:
            whole.append(pattern)
            continue
        if split_member(parted[1]):
            raise ConfigError(
                f"glob {pattern!r} names files of an archive inside an archive, which is not opened",
                remedy="Unpack the outer archive once, so that those inside are files of their own",
            )
        inside.append(parted)
    return whole, inside


def _inside(parted: Iterable[tuple[str, str]], *, hidden: bool = False) -> _Inside:
    inner_of: dict[str, list[str]] = {}
    for outer, inner in parted:
        inner_of.setdefault(outer, []).append(inner)
    return tuple((_any_of([outer], hidden=hidden), _any_of(inner, hidden=hidden)) for outer, inner in inner_of.items())


def _any_inside(inside: _Inside, archive: str, path: str) -> bool:
    return any(outer.fullmatch(archive) and inner.fullmatch(path) for outer, inner in inside)


def _expand(body: str, pattern: str) -> list[str]:
    """The alternatives that braces stand for, escapes kept; each can be compiled."""
    if body == _ALL:
        return [body]
    from file_cdk.readers.wildcards import MAX_ALTERNATIVES, TooManyAlternatives, expanded

    try:
        alternatives = expanded(body)
    except TooManyAlternatives:
        raise ConfigError(
            f"glob {pattern!r} stands for more than {MAX_ALTERNATIVES} patterns",
            remedy="Use * or [...] in place of some of its braces",
        ) from None
    for alternative in alternatives:
        try:
            _compiled(_regex(alternative))
        except (re.error, OverflowError, RecursionError) as exc:
            raise ConfigError(f"glob {pattern!r} cannot be used as a pattern") from exc
    return [alternative for alternative in alternatives if alternative]


def _any_of(patterns: Iterable[str], *, hidden: bool = False) -> re.Pattern[str]:
    """One regular expression for all; without any pattern, one that matches nothing. hidden: wildcards match a leading dot.

    wcmatch lets one slash of a pattern stand for several, even before the first wildcard. A store's listing by prefix
    compares text, so there the look-ahead does as well: what matches does not depend on how the files were listed.
    """
    branches = (f"(?={re.escape(_literal_prefix(each))})(?:{_regex(each, hidden=hidden)})" for each in patterns)
    return _compiled("|".join(branches) or "(?!)")


def _compiled(regex: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # wcmatch leaves `[` in a set as it is; `re` takes it literally, and warns that it may not always do so.
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(regex)


def _regex(pattern: str, *, hidden: bool = False) -> str:
    if pattern == _ALL and not hidden:
        return _ALL_VISIBLE
    from file_cdk.readers.wildcards import regex

    return regex(pattern, hidden=hidden)


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
    narrowed = {
        max(prefix, required, key=len)
        for prefix in prefixes
        if prefix.startswith(required) or required.startswith(prefix)
    }
    kept: list[str] = []
    for prefix in sorted(narrowed):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)
