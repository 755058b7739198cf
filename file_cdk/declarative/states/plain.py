"""States of streams without partitions: none, or `{cursor field: moment}`."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.cursors.age import AgeRange
from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.cursors.intervals import Covered, intervals, joined
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.states.progress import StreamProgress

NO_CURSOR = "__ab_no_cursor_state_message"

_RANGES = ("date-range", "integer")
_SMALLEST_GAP = timedelta(milliseconds=1)


class NoCursorProgress:
    """A stream that is read whole each time."""

    def intervals(self, partition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:  # noqa: ARG002 of the protocol
        yield {}

    def ages(self, partition: Mapping[str, Any]) -> AgeRange | None:  # noqa: ARG002 of the protocol
        return None

    def slice_ended(self, of: Slice, highest: Any) -> None:
        pass

    def partition_ended(self, partition: Mapping[str, Any]) -> None:
        pass

    def ended(self, seconds: int) -> None:
        pass

    def parent(self, name: str) -> StreamProgress | None:  # noqa: ARG002 of the protocol
        return None

    def value(self) -> dict[str, Any]:
        return {NO_CURSOR: True}


class Reach:
    """How far a stream, or one partition of it, was read. stored: `{cursor field: moment}`, or the ranges that were read, as
    `{"state_type": "date-range", "slices": [{"start", "end", "most_recent_cursor_value"}]}`. earlier_s: how much earlier than
    `stored` says it goes on. Raises ConfigError where `stored` is malformed."""

    __slots__ = ("_covered", "_cursor", "began_at")

    def __init__(self, cursor: DatetimeCursor, stored: Mapping[str, Any], earlier_s: int = 0) -> None:
        self._cursor = cursor
        try:
            covered = _covered(cursor, stored, earlier_s)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ConfigError(
                f"the state holds no moment of the cursor {cursor.field!r} in one of the formats "
                f"{', '.join(map(repr, cursor.formats))}",
                remedy="Mend the state, or start without one",
            ) from None
        self.began_at = covered[0].highest or covered[0].end
        self._covered = joined(covered, self._gap)

    @property
    def _gap(self) -> Any:
        return self._cursor.granularity or _SMALLEST_GAP

    def intervals(self) -> Iterator[Mapping[str, Any]]:
        cursor = self._cursor
        for start, end in intervals(cursor, self._covered):
            yield {cursor.start_field: cursor.text(start), cursor.end_field: cursor.text(end)}

    def slice_ended(self, of: Slice, highest: datetime | None) -> None:
        cursor = self._cursor
        start, end = (cursor.moment(of.interval[name]) for name in (cursor.start_field, cursor.end_field))
        self._covered = joined([*self._covered, Covered(start, end, highest)], self._gap)

    @property
    def moment(self) -> datetime:
        """Up to which all was read: the highest cursor value before the first gap."""
        return self._covered[0].highest or self._covered[0].start


def _covered(cursor: DatetimeCursor, stored: Mapping[str, Any], earlier_s: int) -> list[Covered]:
    if stored.get("state_type") in _RANGES and stored.get("slices"):
        return [
            Covered(
                cursor.moment(each["start"]),
                cursor.moment(each["end"]),
                cursor.moment(each["most_recent_cursor_value"]) if each.get("most_recent_cursor_value") else None,
            )
            for each in stored["slices"]
        ]
    read_until = cursor.start
    if (value := stored.get(cursor.field)) is not None:
        before = cursor.moment(value)
        if earlier_s:  # as it would stand in a state, which may be without fractions
            before = cursor.moment(cursor.text(before - timedelta(seconds=earlier_s)))
        read_until = max(before, cursor.start)
    return [Covered(cursor.start, read_until, read_until)]


class PlainProgress:
    """stored: the state of the run before, empty for none. What it holds beside the cursor's field stays in it."""

    def __init__(self, cursor: DatetimeCursor, stored: Mapping[str, Any]) -> None:
        self._cursor = cursor
        self._rest = {} if stored.get("state_type") in _RANGES else dict(stored)
        self._reach = Reach(cursor, stored)
        self._ages = cursor.ages_from(self._reach.began_at)

    def intervals(self, partition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:  # noqa: ARG002 of the protocol
        return self._reach.intervals()

    def ages(self, partition: Mapping[str, Any]) -> AgeRange | None:  # noqa: ARG002 of the protocol
        return self._ages

    def slice_ended(self, of: Slice, highest: Any) -> None:
        self._reach.slice_ended(of, highest)

    def partition_ended(self, partition: Mapping[str, Any]) -> None:
        pass

    def ended(self, seconds: int) -> None:
        pass

    def parent(self, name: str) -> StreamProgress | None:  # noqa: ARG002 of the protocol
        return None

    def value(self) -> dict[str, Any]:
        return {**self._rest, self._cursor.field: self._cursor.text(self._reach.moment)}
