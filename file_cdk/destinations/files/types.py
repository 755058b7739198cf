"""Arrow types as columns of data files: as they are, but for what Parquet has no place for."""

import base64
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import merge, normal, without_nulls
from file_cdk.destinations.names import folded

WHOLE = 2**53
"""Doubles hold each integer up to this one, and beyond it they skip some."""

_NANOSECONDS = 2**63 - 1


def declared(kind: pa.DataType) -> str:
    """The type as the ledger has it."""
    data = pa.schema([pa.field("", kind)]).serialize().to_pybytes()
    return f"{kind} {base64.b64encode(data).decode()}"


def arrow_type(text: str) -> pa.DataType:
    """The reverse of `declared`."""
    data = base64.b64decode(text.rpartition(" ")[2])
    return pa.ipc.read_schema(pa.py_buffer(data)).field(0).type


def table_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column for values of type `kind`: null, where there are none."""
    kind = normal(kind)
    return kind if pa.types.is_null(kind) else _storable(without_nulls(kind))


def wider(stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
    """The type of a column of type `stored` once it holds values of `kind` too."""
    return table_type(merge(stored, table_type(kind)))


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


def holds(target: pa.DataType, least: Any, greatest: Any) -> bool:
    """Whether a column of type `target` keeps all values between the two, which one of a narrower type has; None: there are none."""
    if least is None:
        return True
    t = pa.types
    if t.is_floating(target):
        return isinstance(least, float) or (isinstance(least, int) and -WHOLE <= least and greatest <= WHOLE)
    return True


def may_change(stored: pa.DataType, target: pa.DataType) -> bool:
    """Whether some values of `stored` are none of `target`, which is `wider`."""
    t = pa.types
    if t.is_nested(stored):
        return not stored.equals(target)
    if t.is_timestamp(target) or t.is_time(target):
        return bool(target.unit == "ns" and not stored.equals(target))
    return bool(t.is_floating(target) and not t.is_floating(stored))
