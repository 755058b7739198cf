"""Columns of cells as JSON values.

A number is an integer where it is whole and below 2**53: a sheet does not tell the two apart, and holds 15 digits of any.
An empty text is an empty cell.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

from file_cdk.core.instants import elapsed_text

Cells = Sequence[Any]
"""The cells of one column."""

EXACT = 2.0**53
_FIRST_INEXACT = frozenset({int(EXACT), -int(EXACT)})
NUMBERS = frozenset({int, float})
DATES = frozenset({date, datetime})
_REST_OF_INSTANT = {10: "T00:00:00.000000", 19: ".000000", 26: ""}
"""What an ISO text lacks of a time stamp with six digits, by its length."""
_BETWEEN = '","'
_DATE_TIME = {"type": "string", "format": "date-time"}


def _classes(column: Cells) -> set[type]:
    return {value.__class__ for value in column}  # a third of the time of a map of `type`


def kinds_of(column: Cells) -> set[type]:
    """Types of the values; empty cells have none."""
    kinds = _classes(column)
    if str in kinds and not (any(column) if len(kinds) == 1 else any(v.__class__ is str and v for v in column)):
        kinds.remove(str)
    return kinds


# JSON


def json_schema_of(kinds: set[type], rows: int) -> dict[str, Any]:
    """A column without values is of numbers, or of strings in a sheet without records. kinds: the types of its values."""
    if kinds <= NUMBERS and (kinds or rows):
        return {"type": "number"}
    if kinds == {bool}:
        return {"type": "boolean"}
    if kinds and kinds <= DATES:
        return dict(_DATE_TIME)
    return {"type": "string"}


def json_values(column: Cells) -> Cells:
    """What msgspec writes for each cell; None for an empty one. Dates and times are ISO 8601 with six digits of a second."""
    kinds = _classes(column)
    if len(kinds) == 1:
        (kind,) = kinds
        if kind is float:
            return _json_numbers(column)
        if kind is str:
            return column if all(column) else [value or None for value in column]
        if kind is datetime or kind is date:
            return _json_instants(column)
        if kind is bool:
            return column
    if kinds == {float, str} and not any(v for v in column if v.__class__ is str):
        return _json_numbers([v if v.__class__ is float else None for v in column])
    if kinds == {float, str}:
        return [(v if v.__class__ is float and not v.is_integer() else _JSON[v.__class__](v)) for v in column]
    return [_JSON[value.__class__](value) for value in column]


def _json_instants(column: Cells) -> Cells:
    """Text of datetimes or of dates. Written as one list and taken apart again, they take a sixth of the time."""
    text = msgspec.json.encode(column).decode()[2:-2]
    parts = text.split(_BETWEEN, 1)
    if len(text) == (len(parts[0]) + len(_BETWEEN)) * len(column) - len(_BETWEEN):  # all are of the same length
        rest = _REST_OF_INSTANT[len(parts[0])]
        return f"{text.replace(_BETWEEN, rest + _BETWEEN)}{rest}".split(_BETWEEN)
    return [each + _REST_OF_INSTANT[len(each)] for each in text.split(_BETWEEN)]


def _json_numbers(column: Cells) -> Cells:
    """Of floats and None."""
    try:
        # A whole float of up to 2**53 counts as an integer there, and none beyond.
        whole = msgspec.convert(column, list[int | None], strict=False)
    except msgspec.ValidationError:
        return [value if value is None or not value.is_integer() else plain_number(value) for value in column]
    return whole if _FIRST_INEXACT.isdisjoint(whole) else [None if v is None else plain_number(v) for v in column]


def plain_number(value: float) -> int | float:
    return int(value) if value.is_integer() and -EXACT < value < EXACT else value


def duration_text(value: timedelta) -> str:
    return elapsed_text(value // timedelta(microseconds=1), "us")


_JSON: Mapping[type, Callable[[Any], Any]] = {
    str: lambda value: value or None,
    float: plain_number,
    int: lambda value: value,
    bool: lambda value: value,
    date: lambda value: f"{value.isoformat()}T00:00:00.000000",
    datetime: lambda value: value.isoformat("T", "microseconds"),
    time: time.isoformat,
    timedelta: duration_text,
}
