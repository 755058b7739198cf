"""What a read gives out."""

from collections import Counter
from typing import Any

import msgspec

from file_cdk.declarative.pages import Page
from file_cdk.declarative.slices import Slice


class PageReady(msgspec.Struct, frozen=True):
    """A page of the slice that is read, number: in the slice, from 0. highest: of the slice's cursor values so far, a moment."""

    slice: Slice
    number: int
    page: Page
    highest: Any = None


class Counts(msgspec.Struct):
    """pages_requested = pages, and found = emitted + filtered + rejected, or the slice does not end well.

    pages: given out. pages_in_vain: asked for ahead, behind the end of the slice."""

    pages_requested: int = 0
    pages: int = 0
    pages_in_vain: int = 0
    found: int = 0
    emitted: int = 0
    filtered: int = 0
    rejected: int = 0

    def add_page(self, page: Page) -> None:
        self.pages += 1
        self.found += page.found
        self.emitted += len(page.records)
        self.filtered += page.filtered
        self.rejected += len(page.rejected)

    def add(self, other: "Counts") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class SliceDone(msgspec.Struct, frozen=True):
    """All pages of the slice came out. warnings: why it may have ended too early. highest: of its cursor's values, a moment."""

    slice: Slice
    counts: Counts
    warnings: tuple[str, ...] = ()
    highest: Any = None


class StreamCounts(msgspec.Struct):
    """slices_done_before: passed over, because an earlier run committed them. partitions_again: met a second time and dropped.
    parents_without_key: records of a parent that made no partition. parents: what was read of each stream above.
    warnings: how many slices had each."""

    slices: int = 0
    slices_done_before: int = 0
    partitions: int = 0
    partitions_again: int = 0
    parents_without_key: Counter[str] = msgspec.field(default_factory=Counter)
    read: Counts = msgspec.field(default_factory=Counts)
    parents: list[tuple[str, "StreamCounts"]] = msgspec.field(default_factory=list)
    warnings: Counter[str] = msgspec.field(default_factory=Counter)


class ReadDone(msgspec.Struct, frozen=True):
    """Every slice came out. warnings: what was passed over on the way, in words, for the streams above too."""

    counts: StreamCounts
    warnings: tuple[str, ...] = ()


Event = PageReady | SliceDone | ReadDone


def said(name: str, counts: StreamCounts) -> tuple[str, ...]:
    """One line for each thing that was not read, or may not have been."""
    lines = [f"stream {name!r}: {number} slices ended early: {why}" for why, number in counts.warnings.items()]
    if counts.partitions_again:
        lines.append(f"stream {name!r}: {counts.partitions_again} partitions were met again, and read once")
    for parent, number in counts.parents_without_key.items():
        lines.append(f"stream {name!r}: {number} records of its parent {parent!r} have no key, and no slice")
    return (*lines, *(line for parent, of_parent in counts.parents for line in said(parent, of_parent)))
