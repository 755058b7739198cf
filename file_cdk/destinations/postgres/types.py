"""Arrow types as Postgres columns, and values as Postgres takes them in binary COPY.

Lists, structs and maps become `json`, which keeps the text as the file has it: `jsonb` would round no number, but drops the order
and the doubles of keys, refuses `\\u0000`, and could not become text again without a change. Nanoseconds, durations and unsigned
integers of 64 bits become text.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from file_cdk.core.arrow_types import merge, normal

JSON = pa.json_()
"""Stands for a column of type json, whose values are text to Arrow."""

_DECLARED = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE PRECISION",
    pa.string(): "TEXT",
    pa.binary(): "BYTEA",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
    JSON: "JSON",
}
_ARROW = {name: kind for kind, name in _DECLARED.items()}
_NUMERIC = re.compile(r"NUMERIC\((\d+), (\d+)\)")

WHOLE = 2**53
"""Doubles hold each integer up to this one, and beyond it they skip some."""

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - Postgres counts from it, in columns with and without a zone
_EPOCH_DAYS = (_EPOCH.date() - date(1970, 1, 1)).days
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000
_DAYS = range(-2_451_545, 2_145_031_949)
_MICROSECONDS = range(-211_813_488_000_000_000, 9_223_371_331_200_000_000)
"""Since 2000, from the year 4713 before Christ on; beyond are what Postgres takes for infinity, and what it refuses."""


def declared(kind: pa.DataType) -> str:
    return _DECLARED.get(kind) or f"NUMERIC({kind.precision}, {kind.scale})"


def arrow_type(name: str) -> pa.DataType:
    """The reverse of `declared`."""
    found = _NUMERIC.fullmatch(name)
    return pa.decimal128(int(found[1]), int(found[2])) if found else _ARROW[name]


def table_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column for values of type `kind`."""
    if kind == JSON:
        return JSON
    kind = normal(kind)
    if pa.types.is_nested(kind):
        return JSON
    if kind in _DECLARED or pa.types.is_null(kind) or pa.types.is_decimal128(kind):
        return kind
    return pa.string()


def wider(stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
    """The type of a column of type `stored` once it holds values of `kind` too."""
    new = table_type(kind)
    if JSON not in (stored, new):
        return table_type(merge(stored, new))
    if stored == new or pa.types.is_null(new):
        return stored
    return new if pa.types.is_null(stored) else pa.string()


def may_change(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether some values of `source` are no values of `target`, which is `wider`: doubles skip integers and decimals."""
    t = pa.types
    return bool(t.is_floating(target) and (t.is_integer(source) or t.is_decimal(source)))


def holds(target: pa.DataType, values: Sequence[Any], source: pa.DataType) -> bool:
    """Whether a column of type `target`, which is `wider` than `source`, keeps all of these values."""
    return not may_change(source, target) or all(
        value is None or Decimal(repr(float(value))) == Decimal(value) for value in values
    )


def is_json(values: Sequence[str | None]) -> bool:
    """Whether each is a list or an object in JSON."""
    decoder = msgspec.json.Decoder(msgspec.Raw)
    try:
        for value in values:
            if value is not None:
                if value[:1] not in ("{", "["):
                    return False
                decoder.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Column:
    """Values for binary COPY. dumper: the Postgres type by whose rules psycopg writes them; the bytes are those of the column's
    own type. fault: what is wrong with one of them that Postgres does not hold."""

    dumper: str
    values: Sequence[Any]
    fault: str | None = None


def column_of(array: pa.Array, source: pa.DataType, target: pa.DataType) -> Column:
    """An array of type `source`, as a column of type `target` takes it."""
    if target in (pa.string(), JSON):
        values = array.to_pylist() if pa.types.is_string(source) else [_text(value) for value in array.to_pylist()]
        is_bad = "\0" in "".join(filter(None, values))
        return Column("text", values, "NUL characters in it, which Postgres has not in texts" if is_bad else None)
    if pa.types.is_date(target):
        return _since(array.cast(pa.int32()), _EPOCH_DAYS, _DAYS, "int4")
    if pa.types.is_timestamp(target):
        zoned = array.cast(pa.timestamp("us", target.tz)) if pa.types.is_date(source) else array
        return _since(zoned.cast(pa.int64()), _EPOCH_US, _MICROSECONDS, "int8")
    if pa.types.is_time(target):
        return Column("int8", array.cast(pa.int64()).to_pylist())
    if pa.types.is_decimal(target):
        values = array.to_pylist()
        return Column(
            "numeric", [v if v is None else Decimal(v) for v in values] if pa.types.is_integer(source) else values
        )
    if pa.types.is_floating(target):
        values = array.to_pylist()
        return Column(
            "float8", values if pa.types.is_floating(source) else [v if v is None else float(v) for v in values]
        )
    return Column({"BOOLEAN": "bool", "BIGINT": "int8", "BYTEA": "bytea"}[_DECLARED[target]], array.to_pylist())


def _since(numbers: pa.Array, epoch: int, held: range, dumper: str) -> Column:
    values = [None if number is None else number - epoch for number in numbers.to_pylist()]
    is_bad = any(value is not None and value not in held for value in values)
    return Column(dumper, values, "dates outside of the years that Postgres holds" if is_bad else None)


def _text(value: Any) -> str | None:
    """A value of a column that has become text, as Postgres spells it."""
    spell = _SPELLED.get(type(value))
    return value if value is None or isinstance(value, str) else spell(value) if spell else str(value)


def _double(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = "NaN" if math.isnan(value) else repr(value)
    return text.removesuffix(".0")


def _instant(value: datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(" ")
    text = text.rstrip("0") if "." in text else text
    return text + ("+00" if value.tzinfo else "")


_SPELLED: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    float: _double,
    Decimal: lambda value: f"{value:f}",
    bytes: lambda value: "\\x" + value.hex(),
    datetime: _instant,
}
