"""Instants as the formats of cursors write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_COUNTS = {
    "%s": _SECOND,
    "%ms": timedelta(milliseconds=1),
    "%epoch_microseconds": timedelta(microseconds=1),
}
_COMMON = (
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M%z",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
)


def to_text(instant: datetime, pattern: str) -> str:
    """instant: aware. Counts since 1970 (`%s`, `%ms`, `%epoch_microseconds`, `%s_as_float`) are written in digits."""
    if pattern == "%s_as_float":
        return str((instant - _EPOCH) / _SECOND)
    if pattern in _COUNTS:
        return str((instant - _EPOCH) // _COUNTS[pattern])
    milliseconds = f"{instant.microsecond // 1000:03}"
    written = pattern.replace("%_ms", milliseconds).replace("%s", to_text(instant, "%s") if "%s" in pattern else "")
    return instant.astimezone(UTC).strftime(written)


def from_text(value: Any, pattern: str | None = None) -> datetime:
    """pattern: None for any that is common. Without a zone it is UTC. Raises ValueError."""
    if pattern is None:
        return _from_common(value)
    if pattern == "%s_as_float":
        return _EPOCH + float(value) * _SECOND
    if pattern in _COUNTS:
        return _EPOCH + int(value) * _COUNTS[pattern]
    if "%s" in pattern:
        written = re.fullmatch(re.escape(pattern).replace("%s", r"(\d+)"), str(value))
        if written is None:
            raise ValueError(f"{value} is not written as {pattern}")
        return from_text(written[1], "%s")
    return _parsed(str(value), pattern.replace("%_ms", "%f"))


def _from_common(value: Any) -> datetime:
    if isinstance(value, int | float):
        return _EPOCH + value * _SECOND
    for pattern in _COMMON:
        try:
            return _parsed(str(value), pattern)
        except ValueError:
            continue
    if str(value).isdigit():
        return _EPOCH + int(value) * _SECOND
    raise ValueError(f"{value} is no instant in a common form")


def _parsed(value: str, pattern: str) -> datetime:
    instant = datetime.strptime(value, pattern)  # noqa: DTZ007  the zone follows
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
