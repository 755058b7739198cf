"""Arrow types as SQLite columns, and values as SQLite keeps them.

SQLite has integers of 64 bits, doubles, text and bytes. All other types become text, which the formats write as they do for any
column of text: decimals with all their digits, dates and instants in ISO 8601, nested values in JSON.
"""

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import merge, normal

DECLARED = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "INTEGER",
    pa.float64(): "REAL",
    pa.string(): "TEXT",
    pa.binary(): "BLOB",
}
"""What a column is declared as, which decides what SQLite makes of a value: nothing else of one of the column's own type."""

ARROW = {name: kind for kind, name in DECLARED.items()}

WHOLE = 2**53
"""Doubles hold each integer up to this one, and beyond it they skip some."""


def table_type(kind: pa.DataType) -> pa.DataType:
    """The type that files are decoded for."""
    kind = normal(kind)
    return kind if kind in DECLARED or pa.types.is_null(kind) else pa.string()


def wider(stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
    """The type of a column of type `stored` once it holds values of `kind` too."""
    return table_type(merge(stored, table_type(kind)))


def holds(target: pa.DataType, values: Sequence[Any], source: pa.DataType) -> bool:
    """Whether a column of type `target`, which is `wider` than `source`, keeps all of these values: a double skips integers."""
    if not (pa.types.is_floating(target) and pa.types.is_integer(source)):
        return True
    return all(value is None or abs(value) <= WHOLE or int(float(value)) == value for value in values)


def values_as(values: Sequence[Any], source: pa.DataType, target: pa.DataType) -> Sequence[Any]:
    """Values of type `source` as a column of type `target` keeps them.

    Bytes stay bytes in a column of text. NaN, which SQLite takes for NULL, is the text `NaN`.
    """
    if pa.types.is_floating(source) and pa.types.is_floating(target) and _has_nan(values):
        return ["NaN" if value is not None and math.isnan(value) else value for value in values]
    if pa.types.is_string(target) and not source.equals(target):
        return [as_text(value) for value in values]
    return values


def _has_nan(values: Sequence[float | None]) -> bool:
    return any(value != value for value in values)  # faster than math.isnan, and None is itself


def as_text(value: Any) -> Any:
    """A value of a column that has become text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value != value:
        return "NaN"
    return repr(value) if isinstance(value, int | float) else value


def text_of(value: Any, declared: str) -> Any:
    """For SQL, where a boolean is an integer: the same."""
    return as_text(bool(value)) if declared == "BOOLEAN" and value is not None else as_text(value)
