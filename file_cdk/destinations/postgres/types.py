"""Arrow types as Postgres columns, and values as Postgres takes them in binary COPY.

Lists, structs and maps become `json`, which keeps the text as the file has it: `jsonb` would round no number, but drops the order
and the doubles of keys, refuses `\\u0000`, and could not become text again without a change. Nanoseconds, durations and unsigned
integers of 64 bits become text.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_kernels import pc
from file_cdk.core.arrow_types import merge, normal
from file_cdk.core.dataclass import dataclass
from file_cdk.destinations.postgres.binary import Fields, constant, numbers, numerics, texts, values_of

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


@lru_cache(1000)
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


def decoded(kind: pa.DataType) -> pa.DataType:
    """What files are decoded to for a column of type `kind`."""
    return pa.string() if kind == JSON else kind


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


def is_json(values: Sequence[str | None]) -> bool:
    """Whether each is a list or an object in JSON."""
    import msgspec  # few columns are JSON

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
    """Values for binary COPY. fault: what is wrong with one of them that Postgres does not hold."""

    fields: Fields
    fault: str | None = None


def column_of(array: pa.Array) -> Column:
    """An array, as a column of its `table_type` takes it."""
    t, target = pa.types, table_type(array.type)
    if array.null_count == len(array):
        return Column(constant(None))
    if target in (pa.string(), JSON):
        if not t.is_string(array.type):
            array = pa.array([_text(value) for value in array.to_pylist()], pa.large_string())
        values = array.cast(pa.large_binary())
        # Bytes of what is null would be seen at first, too.
        is_bad = b"\0" in bytes(values_of(values)) and any(b"\0" in value for value in values.to_pylist() if value)
        return Column(texts(values), "NUL characters in it, which Postgres has not in texts" if is_bad else None)
    if t.is_binary(target):
        return Column(texts(array))
    if not array.type.equals(target):
        array = array.cast(target)
    if t.is_date(target):
        return _since(array.view(pa.int32()), _EPOCH_DAYS, _DAYS)
    if t.is_timestamp(target):
        return _since(array.view(pa.int64()), _EPOCH_US, _MICROSECONDS)
    if t.is_decimal(target):
        return Column(_numerics(array))
    return Column(numbers(array.cast(pa.uint8()) if t.is_boolean(target) else array))


def instant(text: str) -> Fields:
    """The same time in each row, as the ledger has it."""
    since = (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
    return constant(since.to_bytes(8, "big", signed=True))


def _since(moments: pa.Array, epoch: int, held: range) -> Column:
    bounds = pc.min_max(moments).as_py()
    is_bad = bounds["min"] is not None and not (
        held.start <= bounds["min"] - epoch and bounds["max"] - epoch < held.stop
    )
    since = pc.subtract(moments, pa.scalar(epoch, moments.type))
    return Column(numbers(since), "dates outside of the years that Postgres holds" if is_bad else None)


def _numerics(array: pa.Array) -> Fields:
    digits = pa.Array.from_buffers(pa.decimal128(38, 0), len(array), array.buffers(), offset=array.offset)
    try:
        found = numerics(digits.cast(pa.int64()), array.type.scale)
    except pa.ArrowInvalid:
        found = None
    return found or texts(_numerics_by_psycopg(array.to_pylist()))


def _numerics_by_psycopg(values: Sequence[Any]) -> pa.Array:
    """Of numbers with more digits than an int64 has."""
    from psycopg.types.numeric import DecimalBinaryDumper

    dump = DecimalBinaryDumper(Decimal).dump
    return pa.array([None if v is None else bytes(dump(Decimal(v)) or b"") for v in values], pa.large_binary())


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
