"""One stream of a manifest as its other side: which requests it makes, and which records they are answered with."""

import itertools
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, overload

from file_cdk.testing.mirror.asked import Asked
from file_cdk.testing.mirror.cursor_texts import from_text, to_text
from file_cdk.testing.mirror.doors import Check
from file_cdk.testing.mirror.envelopes import envelope
from file_cdk.testing.mirror.paging import Cut, Paging
from file_cdk.testing.mirror.recipes import Recipe, Record
from file_cdk.testing.mirror.shapes import Shape

Component = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """A partition. extra: what requests may use besides. options: what its routers put where, by `inject_into` and name."""

    partition: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return json.dumps(self.partition, sort_keys=True, default=str)

    def times(self, other: "Slot") -> "Slot":
        """The product of two routers' partitions."""
        options = {
            where: {**self.options.get(where, {}), **other.options.get(where, {})}
            for where in {*self.options, *other.options}
        }
        return Slot({**self.partition, **other.partition}, {**self.extra, **other.extra}, options)


@dataclass(frozen=True, slots=True)
class Interval:
    """pattern: of the instants in requests. start and end: the options that carry them. descending: the newest come first."""

    pattern: str
    start: Component | None
    end: Component | None
    descending: bool

    def asked_for(self, asked: Asked, holes: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
        """Both ends are in it. Raises ValueError."""
        ends = []
        for option, hole in ((self.start, "start"), (self.end, "end")):
            sent = asked.option(option) if option else None
            sent = holes.get(hole) if sent is None else sent
            ends.append(from_text(sent, self.pattern) if sent else None)
        return ends[0], ends[1]

    def told(self, instant: datetime) -> datetime:
        """As exactly as requests can tell instants apart."""
        return from_text(to_text(instant, self.pattern), self.pattern)


class Numbered(Sequence[Record]):
    """Records that are made up when they are asked for: there may be a million. numbers: theirs in the partition, in order."""

    def __init__(self, numbers: Sequence[int], made: Callable[[int], Record]) -> None:
        self._numbers = numbers
        self._made = made

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self._made(number) for number in self._numbers[index]]
        return self._made(self._numbers[index])


@dataclass(frozen=True, slots=True)
class MirroredStream:
    """path: of the extractor. single: it leads to one record, not to a list. instants: of the records of a partition, rising, and
    `told` the same as requests tell them. remarks: where the mirror is less than the API."""

    name: str
    component: Component
    recipe: Recipe
    paging: Paging
    path: Sequence[str]
    single: bool
    interval: Interval | None
    check: Check
    slots: Sequence[tuple[Slot, Shape]]
    instants: Sequence[datetime]
    told: Sequence[datetime]
    remarks: Sequence[str] = ()

    def records(self, slot: Slot, numbers: Sequence[int] | None = None) -> Sequence[Record]:
        """Those with these numbers; otherwise all of a partition, the oldest first."""
        name = slot.name

        def made(number: int) -> Record:
            return self.recipe.record(name, number, self.instants[number])

        return Numbered(range(len(self.instants)) if numbers is None else numbers, made)

    def body(self, records: Sequence[Record]) -> Any:
        return envelope(self.path, records, single=self.single)

    def page(self, slot: Slot, asked: Asked, holes: Mapping[str, str]) -> Cut:
        """Raises NoSuchPageError and ValueError for what the request asks."""
        numbers: Sequence[int] = range(len(self.instants))
        start = end = None
        if self.interval is not None:
            start, end = self.interval.asked_for(asked, holes)
            first = 0 if start is None else bisect_left(self.told, start)
            last = len(self.told) if end is None else bisect_right(self.told, end)
            numbers = numbers[first:last]
            if self.interval.descending:
                numbers = numbers[::-1]
        return self.paging.cut(asked, holes, self.records(slot, numbers), (slot.name, start, end), self.body)


def product(routers: Sequence[Sequence[Slot]]) -> Iterator[Slot]:
    for combination in itertools.product(*routers):
        slot = Slot()
        for factor in combination:
            slot = slot.times(factor)
        yield slot
