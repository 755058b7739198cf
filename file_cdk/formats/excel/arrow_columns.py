"""Columns of cells as Arrow's: their types, and batches of the columns that are asked for. Imported where tables are read."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from file_cdk.formats.excel.table import SheetBatch
from file_cdk.formats.excel.values import DATES, EXACT, NUMBERS, Cells, duration_text, kinds_of, plain_number
from file_cdk.formats.table_columns import AskedColumns

_TEXTS = (pa.string(), pa.large_string())


def typed(names: Sequence[str], batch: SheetBatch, asked: AskedColumns, first_row: int) -> pa.RecordBatch:
    columns = dict(zip(names, batch.columns, strict=True))
    found = {name: arrow_type(column) for name, column in columns.items()}
    misfits = asked.misfits(pa.schema(list(found.items())))
    arrays = {}
    for name, column in columns.items():
        if name in asked.types and name not in misfits:
            try:
                arrays[name] = arrow_array(column, pa.string() if asked.types[name] in _TEXTS else found[name])
            except pa.ArrowInvalid:  # a duration of more microseconds than 64 bits count
                misfits[name] = pa.string()
    return asked.batch(arrays, batch.rows, first_row, misfits)


def arrow_type(column: Cells) -> pa.DataType:
    """The narrowest type that holds the column's values exactly; null if it has none, string if they are of several kinds."""
    kinds = kinds_of(column)
    if not kinds:
        return pa.null()
    if kinds <= NUMBERS:
        return pa.int64() if all(map(_is_whole, column)) else pa.float64()
    if kinds == DATES:
        return pa.timestamp("us")
    return _ARROW.get(kinds.pop(), pa.string()) if len(kinds) == 1 else pa.string()


_ARROW = {
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
    time: pa.time64("us"),
    timedelta: pa.duration("us"),
}


def _is_whole(value: Any) -> bool:
    return value == "" or (float(value).is_integer() and -EXACT < value < EXACT)


def arrow_array(column: Cells, kind: pa.DataType) -> pa.Array:
    """kind: the `arrow_type` of the column, or string."""
    t = pa.types
    if t.is_null(kind):
        return pa.nulls(len(column))
    if t.is_string(kind):
        return pa.array([_TEXT[value.__class__](value) for value in column], kind)
    if t.is_timestamp(kind):
        return pa.array([_instant(value) for value in column], kind)
    if t.is_int64(kind):
        return pa.array([None if value == "" else int(value) for value in column], kind)
    return pa.array([None if value == "" else value for value in column], kind)


def _instant(value: Any) -> datetime | None:
    if value.__class__ is date:
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - sheets know no time zones
    return value or None


_TEXT: Mapping[type, Callable[[Any], str | None]] = {
    str: lambda value: value or None,
    float: lambda value: str(plain_number(value)),
    int: str,
    bool: lambda value: "true" if value else "false",
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    timedelta: duration_text,
}
