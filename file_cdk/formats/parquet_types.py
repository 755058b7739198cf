"""Types of Parquet columns: as JSON Schema, as the protocol's records want them, and cast to what a table has.

Casts hold every value or fail. A column of strings takes any type: nested values become JSON text, other values the text
they have in records.
"""

import json
import re
from functools import cache
from itertools import pairwise
from math import isfinite
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

JsonSchema = dict[str, Any]

_OFFSET = re.compile(r"[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]")


def json_schema_type(kind: pa.DataType, decimal_as_float: bool) -> JsonSchema:
    """How discovery describes a column; nested types are not described further."""
    t = pa.types
    kind = _unwrapped(kind)
    if t.is_timestamp(kind):
        return {"type": "string", "format": "date-time"}
    if t.is_date(kind):
        return {"type": "string", "format": "date"}
    if t.is_boolean(kind):
        return {"type": "boolean"}
    if t.is_integer(kind) or t.is_duration(kind):
        return {"type": "integer"}
    if t.is_floating(kind) or (decimal_as_float and t.is_decimal(kind)):
        return {"type": "number"}
    if t.is_dictionary(kind) or t.is_struct(kind) or t.is_map(kind):
        return {"type": "object"}
    if _is_list(kind):
        return {"type": "array"}
    if t.is_null(kind):
        return {"type": "null"}
    return {"type": "string"}


def record_type(kind: pa.DataType, decimal_as_float: bool) -> pa.DataType:
    """The type without what only Parquet or this format's configuration knows of: the encoder does the rest.

    UUIDs become strings, other extension types their storage, decimals doubles when so configured; instants in a time zone
    that nobody knows are in UTC, as they are stored. At any depth.
    """
    t = pa.types
    kind = _unwrapped(kind)
    if decimal_as_float and t.is_decimal(kind):
        return pa.float64()
    if t.is_timestamp(kind) and kind.tz and not _is_time_zone(kind.tz):
        return pa.timestamp(kind.unit, "UTC")
    if not t.is_nested(kind):
        return kind
    children = [kind.field(index) for index in range(kind.num_fields)]
    types = [record_type(child.type, decimal_as_float) for child in children]
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        return pa.list_(types[0])
    if all(new.equals(child.type) for new, child in zip(types, children, strict=True)):
        return kind
    if t.is_struct(kind):
        return pa.struct([pa.field(child.name, new) for child, new in zip(children, types, strict=True)])
    if t.is_map(kind):
        entries = types[0]
        return pa.map_(entries.field(0).type, entries.field(1).type)
    return pa.list_(types[0])


@cache
def _is_time_zone(name: str) -> bool:
    if name == "UTC" or _OFFSET.fullmatch(name):
        return True
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # few files need it

    try:
        ZoneInfo(name)
    except (ValueError, OSError):
        return False
    except ZoneInfoNotFoundError:
        return not available_timezones()  # a machine without the database: the JSON writer brings its own
    return True


def _unwrapped(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.UuidType):
        return pa.string()
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _is_list(kind: pa.DataType) -> bool:
    t = pa.types
    return bool(
        t.is_list(kind)
        or t.is_large_list(kind)
        or t.is_fixed_size_list(kind)
        or t.is_list_view(kind)
        or t.is_large_list_view(kind)
    )


def cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same values as another type. Raises pa.ArrowInvalid or pa.ArrowNotImplementedError when they do not fit."""
    t = pa.types
    if array.type.equals(kind):
        return array
    if isinstance(array.type, pa.BaseExtensionType):
        return cast(_uuid_text(array) if isinstance(array.type, pa.UuidType) else array.storage, kind)
    if t.is_dictionary(array.type):
        return cast(array.dictionary_decode(), kind)
    if t.is_string(kind):
        return _as_text(array)
    if t.is_struct(kind) and t.is_struct(array.type):
        return _cast_struct(array, kind)
    if t.is_map(kind) and t.is_map(array.type):
        return _cast_map(array, kind)
    if t.is_list(kind) and _is_list(array.type):
        return _cast_list(array, kind)
    return array.cast(kind)


def _cast_struct(array: pa.StructArray, kind: pa.StructType) -> pa.Array:
    known = {array.type.field(index).name: index for index in range(array.type.num_fields)}
    if not known.keys() <= {f.name for f in kind}:
        raise pa.ArrowInvalid("a struct's field would be lost")
    members = [
        cast(array.field(known[f.name]), f.type) if f.name in known else pa.nulls(len(array), f.type) for f in kind
    ]
    return pa.StructArray.from_arrays(members, fields=[f.with_nullable(True) for f in kind], mask=array.is_null())


def _cast_list(array: pa.Array, kind: pa.ListType) -> pa.Array:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    values = cast(array.flatten(), kind.value_type)
    return pa.ListArray.from_arrays(_offsets(array), values, type=kind, mask=array.is_null())


def _cast_map(array: pa.MapArray, kind: pa.MapType) -> pa.Array:
    entries = _entries(array)
    flat = entries.flatten()
    keys, items = cast(flat.field(0), kind.key_type), cast(flat.field(1), kind.item_type)
    return pa.MapArray.from_arrays(_offsets(entries), keys, items, type=kind, mask=array.is_null())


def _entries(maps: pa.MapArray) -> pa.ListArray:
    return maps.cast(pa.list_(pa.struct([("key", maps.type.key_type), ("value", maps.type.item_type)])))


def _offsets(lists: pa.ListArray) -> pa.Array:
    """Where each list begins in `flatten()`, which leaves out whatever lies under a null."""
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists), 0))
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


def _as_text(array: pa.Array) -> pa.Array:
    t = pa.types
    kind = array.type
    if t.is_nested(kind):
        texts = (None if value is None else _json_text(value) for value in _json_values(array))
        return pa.array(texts, pa.string())
    if t.is_floating(kind):
        # pyarrow writes 1.0 as "1", which reads as an integer.
        text = array.cast(pa.float64()).cast(pa.string())
        return pc.if_else(
            pc.match_substring_regex(text, "^-?[0-9]+$"), pc.binary_join_element_wise(text, ".0", ""), text
        )
    if t.is_timestamp(kind):
        if kind.tz:
            array = array.cast(pa.timestamp(kind.unit, "UTC"))
        return pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1)
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return _bytes_text(array)
    return array.cast(pa.string())


def _bytes_text(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:  # not UTF-8 somewhere: its odd bytes are spelled \xNN
        texts = (None if value is None else value.decode("utf-8", "backslashreplace") for value in array.to_pylist())
        return pa.array(texts, pa.string())


def _uuid_text(array: pa.ExtensionArray) -> pa.Array:
    texts = (None if value is None else str(UUID(bytes=value)) for value in array.storage.to_pylist())
    return pa.array(texts, pa.string())


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _json_values(array: pa.Array) -> list[Any]:
    """Values that `json` can write: numbers and booleans as such, whatever JSON has no type for as text."""
    t = pa.types
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _json_values(cast(array, _unwrapped(kind)))
    if t.is_dictionary(kind):
        return _json_values(array.dictionary_decode())
    if t.is_struct(kind):
        names = [f.name for f in kind]
        members = [_json_values(array.field(index)) for index in range(len(names))]
        valid = array.is_valid().to_pylist()
        rows = zip(*members, strict=True) if members else [()] * len(array)
        return [dict(zip(names, row, strict=True)) if ok else None for ok, row in zip(valid, rows, strict=True)]
    if t.is_map(kind):
        entries = _entries(array)
        flat = entries.flatten()
        pairs = list(zip(_as_text(flat.field(0)).to_pylist(), _json_values(flat.field(1)), strict=True))
        return [None if found is None else dict(found) for found in _json_lists(entries, pairs)]
    if _is_list(kind):
        lists = array if t.is_list(kind) else array.cast(pa.list_(kind.value_type))
        return _json_lists(lists, _json_values(lists.flatten()))
    if t.is_integer(kind) or t.is_boolean(kind) or t.is_null(kind):
        return list(array.to_pylist())
    if t.is_floating(kind):
        return [value if value is None or isfinite(value) else None for value in array.to_pylist()]
    return list(_as_text(array).to_pylist())


def _json_lists(lists: pa.ListArray, values: list[Any]) -> list[list[Any] | None]:
    """`values`, those of `lists.flatten()`, as lists again."""
    offsets = _offsets(lists).to_pylist()
    valid = lists.is_valid().to_pylist()
    return [values[start:end] if ok else None for ok, (start, end) in zip(valid, pairwise(offsets), strict=True)]
