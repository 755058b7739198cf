"""How JSON Schema types of a column merge over files, and how they become nullable: the rules that discovery follows."""

from collections.abc import Iterable, Mapping
from typing import Any

SCALARS = ("null", "boolean", "integer", "number", "string")
"""Types of values that are neither objects nor arrays, narrowest first: the wider of two holds both."""

_WIDTH = {name: width for width, name in enumerate(SCALARS)}

Properties = dict[str, Any]


def merge_properties(samples: Iterable[Mapping[str, Any]]) -> Properties:
    """Union of the columns, in order of first appearance."""
    merged: Properties = {}
    for sample in samples:
        for name, schema in sample.items():
            merged[name] = merge(merged[name], schema) if name in merged else dict(schema)
    return merged


def merge(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """The narrowest schema that holds both; of two scalars the wider with its format, of unlike kinds string."""
    if left == right:
        return dict(left)
    left_type, right_type = left.get("type"), right.get("type")
    if left_type == "null":
        return dict(right)
    if right_type == "null":
        return dict(left)
    if left_type == right_type == "object":
        return _merge_objects(left, right)
    if left_type == right_type == "array":
        items = [side["items"] for side in (left, right) if "items" in side]
        return {"type": "array", "items": merge(*items)} if len(items) == 2 else {"type": "array"}
    widths = [_WIDTH.get(kind, -1) if isinstance(kind, str) else -1 for kind in (left_type, right_type)]
    if -1 in widths:
        return {"type": "string"}
    wider = dict(left if widths[0] >= widths[1] else right)
    if "enum" in left and "enum" in right:
        wider["enum"] = list(dict.fromkeys([*left["enum"], *right["enum"]]))
    else:
        wider.pop("enum", None)  # the other side has values beyond it
    return wider


def _merge_objects(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    if "properties" in left and "properties" in right:
        return {"type": "object", "properties": merge_properties([left["properties"], right["properties"]])}
    return {"type": "object"}


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`{"type": "integer"}` becomes `{"type": ["null", "integer"]}`, and so do nested types."""
    result = dict(schema)
    kind = result.get("type")
    if isinstance(kind, str):
        result["type"] = kind if kind == "null" else ["null", kind]
    elif isinstance(kind, list) and "null" not in kind:
        result["type"] = ["null", *kind]
    if isinstance(result.get("properties"), Mapping):
        result["properties"] = {name: nullable(child) for name, child in result["properties"].items()}
    for nested in ("items", "additionalProperties"):
        if isinstance(result.get(nested), Mapping):
            result[nested] = nullable(result[nested])
    return result


def plain_type(schema: Mapping[str, Any]) -> str:
    """The one type that a (nullable) column schema allows beside null; the widest where it allows several."""
    kind = schema.get("type", "string")
    if isinstance(kind, str):
        return kind
    kinds: list[str] = [name for name in kind if name != "null"]
    if not kinds:
        return "null"
    return kinds[0] if len(kinds) == 1 else max(kinds, key=lambda name: _WIDTH.get(name, len(_WIDTH)))
