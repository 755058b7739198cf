"""The JSON Schema of rows as lines, as RowLinesEncoder writes them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def row_schema(schema: "pa.Schema", title: str) -> dict[str, Any]:
    """Of one row; any value may be null, and a row lacks the columns that its file has not."""
    properties = {field.name: _nullable(value_schema(field.type)) for field in schema}
    return {"$schema": _DRAFT, "title": title, "type": "object", "properties": properties}


def value_schema(kind: "pa.DataType") -> dict[str, Any]:
    """Of a value that is not null."""
    import pyarrow as pa

    t = pa.types
    if t.is_boolean(kind):
        return {"type": "boolean"}
    if t.is_integer(kind) or t.is_duration(kind):
        return {"type": "integer"}
    if t.is_floating(kind) or t.is_decimal(kind):
        return {"type": "number"}
    if t.is_timestamp(kind):
        return {"type": "string", "format": "date-time"} if kind.tz else {"type": "string"}
    if t.is_date(kind):
        return {"type": "string", "format": "date"}
    if t.is_struct(kind):
        return {"type": "object", "properties": {field.name: _nullable(_nested(field.type)) for field in kind}}
    if t.is_map(kind):
        return {"type": "object", "additionalProperties": _nullable(_nested(kind.item_type))}
    if t.is_list(kind):
        return {"type": "array", "items": _nullable(_nested(kind.value_type))}
    return {"type": "string"}


def _nested(kind: "pa.DataType") -> dict[str, Any]:
    """Decimals inside of values are text."""
    import pyarrow as pa

    return {"type": "string"} if pa.types.is_decimal(kind) else value_schema(kind)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": ["null", schema["type"]]}
