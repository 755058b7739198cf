"""The intervals that a stream is read in: all that its state does not cover, in steps.

With a granularity an interval ends that much before the next one begins; without one the next begins where it ends, and what
lies on the boundary is asked for twice.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from file_cdk.declarative.cursors.cursor import DatetimeCursor, Length


class Covered(msgspec.Struct, frozen=True):
    """What was read, with its highest cursor value; None where there was none."""

    start: datetime
    end: datetime
    highest: datetime | None = None


def joined(covered: Sequence[Covered], granularity: Length) -> list[Covered]:
    """In order, those as one between which no more than that is missing."""
    result: list[Covered] = []
    for each in sorted(covered, key=lambda each: (each.start, each.end)):
        if not result or result[-1].end + granularity < each.start:
            result.append(each)
            continue
        last = result[-1]
        highest = max((value for value in (last.highest, each.highest) if value is not None), default=None)
        result[-1] = Covered(last.start, max(last.end, each.end), highest)
    return result


def intervals(cursor: DatetimeCursor, covered: Sequence[Covered]) -> Iterator[tuple[datetime, datetime]]:
    """Their first and last moment, in order. covered: joined, at least one."""
    if cursor.start < covered[0].start:
        yield from _stepped(cursor, cursor.start, covered[0].start, is_last=False)
    for before, after in pairwise(covered):
        begin = before.end + cursor.granularity if cursor.granularity else before.end
        yield from _stepped(cursor, begin, after.start, is_last=False)
    begin = covered[-1].end - cursor.lookback if cursor.lookback else covered[-1].end
    yield from _stepped(cursor, begin, cursor.end, is_last=True)


def _stepped(
    cursor: DatetimeCursor, lower: datetime, upper: datetime, is_last: bool
) -> Iterator[tuple[datetime, datetime]]:
    """is_last: upper is the last moment to read; otherwise what begins there was read."""
    granularity = cursor.granularity
    if lower > upper or (lower == upper and not granularity) or upper < cursor.start:
        return
    lower = _up(cursor, max(lower, cursor.start))
    if lower > upper or (lower == upper and (cursor.is_strict or not is_last)):
        return
    if _stepped_once(cursor, lower) >= upper:
        end = upper if is_last and granularity else _up(cursor, upper)
        yield lower, end - granularity if granularity and not is_last else end
        return
    while True:
        reached = min(_stepped_once(cursor, lower), upper)
        end = reached if reached == upper else _up(cursor, reached)
        is_end = reached >= upper or end == upper
        start = _up(cursor, lower)
        if start >= end:
            return  # clamping left nothing between them
        yield start, end - granularity if granularity and not (is_last and is_end) else end
        if is_end:
            return
        lower = end


def _stepped_once(cursor: DatetimeCursor, moment: datetime) -> datetime:
    if not cursor.step:
        return cursor.end
    try:
        return moment + cursor.step
    except OverflowError:
        return cursor.end


def _up(cursor: DatetimeCursor, moment: datetime) -> datetime:
    return cursor.clamp.up(moment) if cursor.clamp else moment
