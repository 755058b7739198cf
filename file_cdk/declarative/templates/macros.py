"""The functions that templates may call beside the methods of their values."""

import builtins
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

from file_cdk.declarative import datetimes, durations
from file_cdk.declarative.templates.faults import FaultError

_WITH_MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%f%z"


def now_utc() -> datetime:
    return datetime.now(UTC)


def today_utc() -> date:
    return datetime.now(UTC).date()


def today_with_timezone(timezone: str) -> date:
    """timezone: by its IANA name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # 5 ms that few templates need

    try:
        return datetime.now(ZoneInfo(timezone)).date()
    except (ZoneInfoNotFoundError, OSError):
        raise FaultError("`today_with_timezone` knows no such time zone") from None


def timestamp(moment: int | float | str) -> int | float:
    """Seconds since 1970: of a number its whole part, of an ISO 8601 text with fractions."""
    if isinstance(moment, int | float):
        return int(moment)
    return str_to_datetime(moment).timestamp()


def str_to_datetime(text: Any) -> datetime:
    """In UTC; text: ISO 8601."""
    if not isinstance(text, str):
        _ = getattr(text, "read", None)  # says of what is not there that it is not
        raise TypeError("str_to_datetime is for texts")
    with _said():
        return datetimes.parse_iso(text)


def max(*values: Any) -> Any:
    return builtins.max(*values)


def min(*values: Any) -> Any:
    return builtins.min(*values)


def day_delta(num_days: int, format: str = _WITH_MICROSECONDS) -> str:
    """Now and so many days, as a text."""
    return (datetime.now(UTC) + timedelta(days=num_days)).strftime(format)


def duration(datestring: str) -> timedelta | durations.Duration:
    """ISO 8601: `P1D`, `PT1H`, `P1M`."""
    if not isinstance(datestring, str):
        raise TypeError("duration is for texts")
    with _said():
        return durations.parse(datestring)


def format_datetime(dt: str | datetime | int, format: str, input_format: str | None = None) -> str:
    """dt: a moment, an ISO 8601 text or one in the input format, or a whole number of seconds since 1970."""
    if isinstance(dt, datetime):
        return dt.strftime(format)
    with _said():
        if isinstance(dt, int):
            moment = datetimes.parse(dt, input_format or "%s")
        elif input_format:
            # Formats of an epoch are for numbers alone here.
            moment = datetimes.parse_by_directives(dt, input_format)
        else:
            moment = str_to_datetime(dt)
        return datetimes.format(moment, format)


@contextmanager
def _said() -> Iterator[None]:
    """The messages of datetimes and durations hold no values."""
    try:
        yield
    except ValueError as error:
        raise FaultError(str(error)) from None


def sanitize_url(value: str) -> str:
    return quote_plus(value)


def camel_case_to_snake_case(value: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", value).lower()


def generate_uuid() -> str:
    import uuid  # 10 ms, for its look at the machine

    return str(uuid.uuid4())


MACROS: Mapping[str, Callable[..., Any]] = {
    macro.__name__: macro
    for macro in (
        now_utc,
        today_utc,
        today_with_timezone,
        timestamp,
        str_to_datetime,
        max,
        min,
        day_delta,
        duration,
        format_datetime,
        sanitize_url,
        camel_case_to_snake_case,
        generate_uuid,
    )
}
