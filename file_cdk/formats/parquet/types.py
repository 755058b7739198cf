"""Types of Parquet columns: as JSON Schema, and as the protocol's records want them."""

import re
from functools import cache
from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import is_list
from file_cdk.formats.arrow_layout import unwrapped_type

JsonSchema = dict[str, Any]

_OFFSET = re.compile(r"[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]")


def json_schema_type(kind: pa.DataType, decimal_as_float: bool) -> JsonSchema:
    """How discovery describes a column; nested types are not described further."""
    t = pa.types
    kind = unwrapped_type(kind)
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
    if is_list(kind):
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
    kind = unwrapped_type(kind)
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
