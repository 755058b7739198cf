"""Which files of a bucket or folder are of one table: those whose names differ in dates and numbers alone, and those that have
the same columns beside or below one another."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.formats import BUILT_IN
from file_cdk.pipeline.drafting.patterns import Place, place_of

_LIKENESS = 0.75
"""Share of their columns, all told, that files of one table have in common."""

MAX_GROUPS = 100
"""Maximum number of groups that are looked into; of more, those in one folder count as one, and then those in one top folder."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in some files of a group. columns: type by name. options: of a stream's `format`. described: the dialect and
    why, where it is not the usual one. has_names: the files say what their columns are called. notes: what a person should
    know."""

    columns: Mapping[str, str]
    options: Mapping[str, Any]
    described: str | None = None
    has_names: bool = True
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Group:
    """Files of one format."""

    kind: str
    files: list[RemoteFile] = field(default_factory=list)
    places: set[Place] = field(default_factory=set)
    look: Look = Look({}, {})

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def latest(self) -> RemoteFile:
        return max(self.files, key=lambda file: file.sort_key)

    def add(self, file: RemoteFile) -> None:
        self.files.append(file)
        self.places.add(place_of(file.uri, _extensions(self.kind)))

    def take(self, other: "Group") -> None:
        self.files += other.files
        self.places |= other.places
        notes = dict.fromkeys((*self.look.notes, *other.look.notes))
        self.look = replace(self.look, columns={**other.look.columns, **self.look.columns}, notes=tuple(notes))


_Key = Callable[[str, Place], tuple[object, ...]]

_KEYS: Sequence[_Key] = (
    lambda kind, place: (kind, place.folders, place.stem),
    lambda kind, place: (kind, place.folders),
    lambda kind, place: (kind, place.folders[:1]),
    lambda kind, _: (kind,),
)
"""From the narrowest on: what files of one group have in common."""


def grouped(files: Iterable[tuple[RemoteFile, str]]) -> list[Group]:
    """By their names alone. files: each with its format, as `--format` takes it."""
    placed = [(file, kind, place_of(file.uri, _extensions(kind))) for file, kind in files]
    found: dict[tuple[object, ...], Group] = {}
    for key in _KEYS:
        found = {}
        for file, kind, place in placed:
            found.setdefault(key(kind, place), Group(kind)).add(file)
        if len(found) <= MAX_GROUPS:
            break
    return list(found.values())


def _extensions(kind: str) -> Sequence[str]:
    row = BUILT_IN.get(kind)
    return row.extensions if row is not None else ()


def merged(groups: Iterable[Group]) -> list[Group]:
    """The groups, once their columns are known, with those in one that are of one table."""
    found: list[Group] = []
    for group in sorted(groups, key=lambda each: min(file.uri for file in each.files)):
        alike = next((each for each in found if _are_alike(each, group)), None)
        if alike is None:
            found.append(group)
        else:
            alike.take(group)
    return found


def _are_alike(one: Group, other: Group) -> bool:
    left, right = one.look, other.look
    if one.kind != other.kind or left.options != right.options or not _are_near(one, other):
        return False
    if left.has_names and right.has_names:
        return _likeness(left.columns, right.columns) >= _LIKENESS
    return left.columns == right.columns


def _likeness(one: Iterable[str], other: Iterable[str]) -> float:
    left, right = ({name.casefold() for name in names} for names in (one, other))
    return len(left & right) / len(left | right) if left and right else 0.0


def _are_near(one: Group, other: Group) -> bool:
    """In one folder; below one top folder; or called the same in folders beside one another."""
    tops, others = {place.folders[:1] for place in one.places}, {place.folders[:1] for place in other.places}
    if tops & others:
        return True
    return bool({place.stem for place in one.places} & {place.stem for place in other.places})
