"""Dates, instants and durations as text, and instants from text; dates and instants of any year, spelled as `datetime` does.

Years before 1 and after 9999 have a sign and at least four digits, as ISO 8601 asks of years beyond its own.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal()
_SECONDS_PER_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@lru_cache(maxsize=1 << 15)
def date_text(days: int) -> str:
    """The date `days` after 1970-01-01."""
    ordinal = days + _EPOCH_DAY
    if 1 <= ordinal <= _LAST_DAY:
        return date.fromordinal(ordinal).isoformat()
    # The calendar repeats every 400 years, which are 146097 days.
    cycles, rest = divmod(ordinal - 1, 146_097)
    within = date.fromordinal(rest + 1)
    return f"{cycles * 400 + within.year:+05d}-{within.month:02}-{within.day:02}"


@lru_cache(maxsize=_SECONDS_PER_DAY)
def clock_text(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def instant_text(ticks: int, unit: str) -> str:
    """`ticks` units after 1970 began, without a zone: no fraction if the second is whole, else six digits or nine."""
    seconds, rest = divmod(ticks, _PER_SECOND[unit])
    day, second = divmod(seconds, _SECONDS_PER_DAY)
    nanoseconds = rest * (1_000_000_000 // _PER_SECOND[unit])
    fraction = f".{nanoseconds:09}" if nanoseconds % 1000 else f".{nanoseconds // 1000:06}" if nanoseconds else ""
    return f"{date_text(day)}T{clock_text(second)}{fraction}"


def duration_text(value: bytes) -> str:
    """Months, days and milliseconds, four bytes each, as Avro and Parquet have them; ISO 8601 counts them apart, too."""
    months, days, milliseconds = (int.from_bytes(value[at : at + 4], "little") for at in (0, 4, 8))
    seconds, rest = divmod(milliseconds, 1000)
    return f"P{months}M{days}DT{seconds}.{rest:03}S"


def elapsed_text(ticks: int, unit: str) -> str:
    """ISO 8601: `P1DT6H0M0S`, the seconds with a fraction if they have one; of a negative duration only the days are."""
    seconds, rest = divmod(ticks, _PER_SECOND[unit])
    days, second = divmod(seconds, _SECONDS_PER_DAY)
    minutes, second = divmod(second, 60)
    fraction = f".{rest * (1_000_000_000 // _PER_SECOND[unit]):09}".rstrip("0") if rest else ""
    return f"P{days}DT{minutes // 60}H{minutes % 60}M{second}{fraction}S"


def microseconds(instant: datetime) -> int:
    """Since the epoch, exact (no float in between). instant: aware."""
    return (instant - EPOCH) // MICROSECOND


def of_microseconds(count: int) -> datetime:
    """Raises OverflowError beyond the years 1 to 9999."""
    return EPOCH + count * MICROSECOND


def parse_instant(text: str) -> datetime:
    """An ISO date or date-time as an aware UTC datetime; a missing zone means UTC. Raises ValueError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date such as 2024-01-01 or a date-time such as 2024-01-01T00:00:00Z") from None
    try:
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999 UTC") from None
