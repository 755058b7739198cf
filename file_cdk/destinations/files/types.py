"""Arrow types as columns of data files: as they are, but for what Parquet has no place for; and values of columns that grew.

Durations become text, since Parquet would keep their number and drop what it means, and so do structs whose fields have one name.
"""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import merge, normal, without_nulls
from file_cdk.core.arrow_values import utf8_text
from file_cdk.destinations.names import folded

WHOLE = 2**53
"""Doubles hold each integer up to this one, and beyond it they skip some."""

_DIGITS = 15
"""Maximum number of digits of a decimal that is the shortest text of the double nearest to it."""

_PARTITION_BY = b"file_cdk.partition_by"

_NANOSECONDS = range(1678, 2262)
"""The years of which all instants have a number of nanoseconds."""


def declared(kind: pa.DataType, partition_by: str = "") -> str:
    """The type as the ledger has it, with what partitions the table, which earlier versions do not look at."""
    noted = {_PARTITION_BY: partition_by.encode()} if partition_by else None
    data = pa.schema([pa.field("", kind)], noted).serialize().to_pybytes()
    return f"{kind} {base64.b64encode(data).decode()}"


def arrow_type(text: str) -> pa.DataType:
    """The reverse of `declared`."""
    return _declared(text).field(0).type


def partition_by(text: str) -> str:
    """The same of what partitions the table; empty where nothing was noted."""
    return ((_declared(text).metadata or {}).get(_PARTITION_BY) or b"").decode()


def _declared(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text.rpartition(" ")[2])))


def table_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column for values of type `kind`: null, where there are none."""
    kind = normal(kind)
    return kind if pa.types.is_null(kind) else _storable(without_nulls(kind))


def wider(stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
    """The type of a column of type `stored` once it holds values of `kind` too. What is nested grows by fields of structs, and
    else becomes text."""
    merged = table_type(merge(stored, kind))
    if not pa.types.is_nested(merged) or (_grows(stored, merged) and _grows(normal(kind), merged)):
        return merged
    return pa.string()


def _storable(kind: pa.DataType) -> pa.DataType:
    t = pa.types
    if t.is_duration(kind) or t.is_interval(kind) or t.is_decimal256(kind):
        return pa.string()
    if t.is_struct(kind):
        names = {folded(field.name) for field in kind}
        if len(names) < kind.num_fields or "" in names:
            return pa.string()
        return pa.struct([pa.field(field.name, _storable(field.type)) for field in kind])
    if t.is_list(kind):
        return pa.list_(_storable(kind.value_type))
    if t.is_map(kind):
        return pa.map_(_storable(kind.key_type), _storable(kind.item_type))
    return kind


def _grows(kind: pa.DataType, target: pa.DataType) -> bool:
    """Whether `target` only has more fields of structs."""
    t = pa.types
    if t.is_null(kind) or kind.equals(target):
        return True
    if t.is_struct(kind) and t.is_struct(target):
        types = {field.name: field.type for field in target}
        return all(_grows(field.type, types[field.name]) for field in kind)
    if t.is_list(kind) and t.is_list(target):
        return _grows(kind.value_type, target.value_type)
    return bool(
        t.is_map(kind)
        and t.is_map(target)
        and _grows(kind.key_type, target.key_type)
        and _grows(kind.item_type, target.item_type)
    )


def may_change(stored: pa.DataType, target: pa.DataType) -> bool:
    """Whether some values of `stored` are none of `target`, which is `wider`: doubles have 53 bits, and nanoseconds the years
    1677 to 2262 alone."""
    t = pa.types
    if t.is_timestamp(target):
        return bool(not stored.equals(target) and target.unit == "ns")
    return bool(t.is_floating(target) and (t.is_integer(stored) or t.is_decimal(stored)))


def holds(target: pa.DataType, stored: pa.DataType, least: Any, greatest: Any) -> bool:
    """Whether a column of type `target` surely keeps all values between these two of `stored`. None: there are no values."""
    if least is None:
        return True
    if pa.types.is_timestamp(target):
        return bool(least.year in _NANOSECONDS and greatest.year in _NANOSECONDS)
    if pa.types.is_decimal(stored):
        return bool(max(abs(least), abs(greatest)) < Decimal(1).scaleb(_DIGITS - stored.scale))
    return bool(-WHOLE <= least <= greatest <= WHOLE)


def converted(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Values of a column as a `wider` one has them. Raises pa.ArrowInvalid for one that it does not hold."""
    kind, t = array.type, pa.types
    if kind.equals(target):
        return array
    if t.is_string(target) and t.is_binary(kind):
        return utf8_text(array, target)
    if t.is_floating(target) and t.is_decimal(kind):  # the nearest double: Arrow's own cast may be a digit off
        return pa.array([None if value is None else float(value) for value in array.to_pylist()], target)
    if t.is_string(target) and not t.is_string(normal(kind)):
        return pa.array([None if value is None else text(value, kind) for value in array.to_pylist()], target)
    if t.is_nested(kind):
        return pa.array(array.to_pylist(), target)
    return array.cast(target)


def text(value: Any, kind: pa.DataType) -> str:
    """As a column of text has a value of another type."""
    if pa.types.is_nested(kind):
        return json.dumps(_plain(value, kind), ensure_ascii=False, separators=(",", ":"))
    spell = _SPELLED.get(type(value), str)
    return spell(value)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """As JSON has it."""
    t = pa.types
    if value is None or isinstance(value, bool | int):
        return value
    if t.is_struct(kind):
        return {field.name: _plain(value[field.name], field.type) for field in kind}
    if t.is_map(kind):
        return {text(key, kind.key_type): _plain(item, kind.item_type) for key, item in value}
    if t.is_list(kind):
        return [_plain(each, kind.value_type) for each in value]
    if isinstance(value, float) and isfinite(value):
        return value
    return text(value, kind)


_SPELLED: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    float: lambda value: "NaN" if value != value else repr(value),
    Decimal: lambda value: f"{value:f}",
    bytes: lambda value: value.decode("utf-8", "backslashreplace"),
    datetime: lambda value: value.isoformat(" "),
    date: date.isoformat,
    time: time.isoformat,
}
