"""A cursor whose templates are evaluated: from where to where, in which steps, and how its moments are written."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from file_cdk.declarative import datetimes
from file_cdk.declarative.cursors.age import AgeRange
from file_cdk.declarative.cursors.clamping import Clamp
from file_cdk.declarative.durations import Duration

Length = timedelta | Duration


class DatetimeCursor(msgspec.Struct, frozen=True):
    """field: of a record. format: of moments in states and requests. formats: those that are read, the first that fits counts.

    start, end: where reading begins without a state, and ends; aware. step: maximum length of an interval; None: one takes all.
    granularity: how far the end of an interval is from the next one's start. lookback: how much of what was read is read again.
    start_field, end_field: of the intervals. is_strict: no interval has equal ends.
    """

    field: str
    format: str
    formats: tuple[str, ...]
    start: datetime
    end: datetime
    step: Length | None = None
    granularity: Length | None = None
    lookback: Length | None = None
    start_field: str = "start_time"
    end_field: str = "end_time"
    clamp: Clamp | None = None
    is_strict: bool = False
    is_data_feed: bool = False
    is_client_side: bool = False
    is_global: bool = False

    def moment(self, value: Any) -> datetime:
        """Raises ValueError, which names no value."""
        return _moment(self.formats, value) if isinstance(value, str) else _parsed(self.formats, value)

    def moment_or_none(self, value: Any) -> datetime | None:
        if value is None:
            return None
        try:
            return self.moment(value)
        except ValueError:
            return None

    def text(self, moment: datetime) -> str:
        return datetimes.format(moment, self.format)

    def ages_from(self, read_until: datetime) -> AgeRange:
        """Of records that count where a stream goes on from there."""
        low = read_until
        if self.lookback:
            try:
                low = max(read_until - self.lookback, min(read_until, self.start))
            except OverflowError:
                low = read_until
        return AgeRange(low, self.end, self.moment_or_none)


def _parsed(formats: tuple[str, ...], value: Any) -> datetime:
    for format in formats:
        try:
            return datetimes.parse(value, format)
        except (ValueError, TypeError):
            continue
    raise ValueError(f"no moment in the formats {', '.join(map(repr, formats))}")


# Partitions have the ends of their intervals in common, and records of a page often a day.
_moment = lru_cache(maxsize=4096)(_parsed)
