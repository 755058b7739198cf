"""One stream of a manifest as its other side: which requests it makes, and which records they are answered with."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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

    def contains(self, instant: datetime, start: datetime | None, end: datetime | None) -> bool:
        """Compared as exactly as requests can tell instants apart."""
        told = from_text(to_text(instant, self.pattern), self.pattern)
        return (start is None or start <= told) and (end is None or told <= end)


@dataclass(frozen=True, slots=True)
class MirroredStream:
    """path: of the extractor. single: it leads to one record, not to a list. remarks: where the mirror is less than the
    API."""

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
    remarks: Sequence[str] = ()
    made: dict[str, list[Record]] = field(default_factory=dict)

    def records(self, slot: Slot) -> list[Record]:
        """All of a partition, the oldest first."""
        name = slot.name
        if name not in self.made:
            numbered = enumerate(self.instants)
            self.made[name] = [self.recipe.record(name, number, instant) for number, instant in numbered]
        return self.made[name]

    def body(self, records: Sequence[Record]) -> Any:
        return envelope(self.path, records, single=self.single)

    def page(self, slot: Slot, asked: Asked, holes: Mapping[str, str]) -> Cut:
        """Raises NoSuchPageError and ValueError for what the request asks."""
        records, key = self.records(slot), (slot.name, None, None)
        if self.interval is not None:
            start, end = self.interval.asked_for(asked, holes)
            contains = self.interval.contains
            records = [
                record for instant, record in zip(self.instants, records, strict=True) if contains(instant, start, end)
            ]
            if self.interval.descending:
                records = records[::-1]
            key = (slot.name, start, end)  # type: ignore[assignment]
        return self.paging.cut(asked, holes, records, key, self.body)


def product(routers: Sequence[Sequence[Slot]]) -> Iterator[Slot]:
    for combination in itertools.product(*routers):
        slot = Slot()
        for factor in combination:
            slot = slot.times(factor)
        yield slot
