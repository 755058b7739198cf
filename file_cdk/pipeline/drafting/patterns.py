"""Which patterns name the files of a group, those that are still to come too, and none of the others."""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from os.path import commonprefix

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.uris import split_member
from file_cdk.readers.globbing import GlobPatterns

_HEX = r"[0-9a-fA-F]"
_VARYING = re.compile(rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}|(?=\w*\d){_HEX}{{16,}}|\d+")
"""What differs between the names of files of one kind: ids, hashes, dates, numbers."""

_SEPARATED = re.compile(r"\*(?:[-_.T:]*\*)+")
_KEY = re.compile(r"([^=/]+)=.+", re.DOTALL)
_MAX_LITERAL = 50
"""Names of a group that is told by nothing else."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, as patterns: folders (an archive ends the one that it is), the name without its ending, the ending."""

    folders: tuple[str, ...]
    stem: str
    ending: str


def place_of(uri: str, extensions: Sequence[str]) -> Place:
    """extensions: of its format, with their dots."""
    archive, inner = split_member(uri) or ("", uri)
    *folders, name = inner.split("/")
    outer = archive.split("/") if archive else []
    if outer:
        outer[-1] += "!"
    ending = _ending(name, extensions)
    stem = _varied(name[: len(name) - len(ending)])
    return Place(tuple(map(_varied, (*outer, *folders))), stem, GlobPatterns.escape(ending))


def _ending(name: str, extensions: Sequence[str]) -> str:
    """`.csv.gz`: what tells the format, and what comes after it."""
    at = max((name.lower().rfind(extension) for extension in extensions), default=-1)
    if at < 0:
        at = name.rfind(".")
    return name[at:] if at > 0 else ""


def _varied(segment: str) -> str:
    """The segment as a pattern, with a wildcard for what varies."""
    if (keyed := _KEY.fullmatch(segment)) is not None:
        return f"{GlobPatterns.escape(keyed[1])}=*"
    is_archive = segment.endswith("!")
    parts = _VARYING.split(segment.removesuffix("!"))
    text = _SEPARATED.sub("*", "*".join(map(_escaped, parts)))
    return f"{text}!" if is_archive else text


def _escaped(text: str) -> str:
    """Of characters that no configuration can hold, any one."""
    return "".join(c if c.isprintable() else "?" for c in GlobPatterns.escape(text))


class Universe:
    """All files that were listed, against which patterns are tried."""

    def __init__(self, uris: Collection[str]) -> None:
        self._uris = sorted(uris)

    def are_exact(self, globs: Sequence[str], wanted: Collection[str]) -> bool:
        """Whether they match each that is wanted, and none else. wanted: all of them were listed."""
        try:
            patterns = GlobPatterns(globs)
        except ConfigError:
            return False
        matched = 0
        for prefix in patterns.prefixes:
            for uri in self._beginning_with(prefix):
                if patterns.matches(uri):
                    if uri not in wanted:
                        return False
                    matched += 1
        return matched == len(wanted)

    def _beginning_with(self, prefix: str) -> Iterator[str]:
        for at in range(bisect_left(self._uris, prefix), len(self._uris)):
            if not self._uris[at].startswith(prefix):
                return
            yield self._uris[at]


def patterns_for(uris: Collection[str], places: Collection[Place], universe: Universe) -> list[str]:
    """The most general ones that are exact. Some names alone where nothing else tells the files from others."""
    for globs in _candidates(places):
        if universe.are_exact(globs, uris):
            return globs
    return [_escaped(uri) if split_member(uri) is None else _member(uri) for uri in sorted(uris)[:_MAX_LITERAL]]


def _member(uri: str) -> str:
    archive, inner = split_member(uri) or ("", uri)
    return f"{_escaped(archive)}!{_escaped(inner)}"


def _candidates(places: Collection[Place]) -> Iterator[list[str]]:
    """The most general first."""
    endings = sorted({place.ending for place in places})
    folders = sorted({place.folders for place in places})
    base = folders[0] if len(folders) == 1 else common_folders(folders)
    stems = sorted({(place.stem, place.ending) for place in places})
    if not base and len(folders) == len(stems) == 1:
        yield [_joined((), stem + ending) for stem, ending in stems]  # other files beside it may be of other tables
    if all(endings):
        if len(folders) == 1:
            yield [_joined(base, f"*{ending}") for ending in endings]
        yield [_joined((*base, "**"), f"*{ending}") for ending in endings]
        both = sorted({(place.folders, place.ending) for place in places})
        yield [_joined(each, f"*{ending}") for each, ending in both]
    if len(folders) > 1:
        yield [_joined((*base, "**"), stem + ending) for stem, ending in stems]
    if len(set(stems)) > 1 and len(folders) == 1 and (shared := shared_stem([stem for stem, _ in stems])):
        yield [_joined(base, f"{shared}*{ending}") for ending in endings]
    yield sorted({_joined(place.folders, place.stem + place.ending) for place in places})


def shared_stem(stems: Sequence[str]) -> str:
    """How all of them begin, up to a sign between words."""
    shared = re.split(r"[\\*?\[]", commonprefix(list(stems)), maxsplit=1)[0]  # noqa: RUF071 - cut below
    return shared[: max(shared.rfind(sign) for sign in "-_. ") + 1]


def common_folders(folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Those on the way to all of them."""
    shared: list[str] = []
    for segments in zip(*folders, strict=False):
        if len(set(segments)) > 1:
            break
        shared.append(segments[0])
    return tuple(shared)


def _joined(folders: Sequence[str], name: str) -> str:
    return "/".join([*folders, name]).replace("!/", "!")
