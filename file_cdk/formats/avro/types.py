"""What an Avro type is elsewhere: in JSON Schema, in a table, and in the plain schemas that decoders are given.

Plain schemas encode to the same bytes, but have no logical types, no enums and no names of the file's: decoders then only
see what all of them read alike, and what values mean is decided here, once for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import reduce
from typing import Any

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.json_schema import merge
from file_cdk.formats.avro.schema import (
    MAX_TABLE_DIGITS,
    NULL,
    Array,
    Enum,
    Map,
    Node,
    Record,
    Recursion,
    Scalar,
    Union,
    optional,
)

JsonSchema = dict[str, Any]

_JSON_TYPES = {"null": "null", "boolean": "boolean", "int": "integer", "long": "integer", "float": "number"}
_JSON_FORMATS = {"date": "date", "timestamp-millis": "date-time", "local-timestamp-millis": "date-time"}


def json_schema(node: Node, *, double_as_string: bool) -> JsonSchema:
    """How discovery describes a type; not yet nullable."""

    def described(child: Node) -> JsonSchema:
        return json_schema(child, double_as_string=double_as_string)

    match node:
        case Scalar(kind="double", logical=""):
            return {"type": "string" if double_as_string else "number"}
        case Scalar(logical=""):
            return {"type": _JSON_TYPES.get(node.kind, "string")}
        case Scalar():
            return {"type": "string"} | (
                {"format": _JSON_FORMATS[node.logical]} if node.logical in _JSON_FORMATS else {}
            )
        case Enum():
            return {"type": "string", "enum": list(node.symbols)}
        case Record():
            return {"type": "object", "properties": {name: described(child) for name, child in node.fields}}
        case Array():
            return {"type": "array", "items": described(node.items)}
        case Map():
            return {"type": "object", "additionalProperties": described(node.values)}
        case Union():
            if len(node.choices) < 2:
                return described(optional(node)[0])
            return reduce(merge, [_without_details(described(choice)) for choice in node.choices])
        case Recursion():
            return {"type": "object"}


def _without_details(schema: JsonSchema) -> JsonSchema:
    """What holds for one branch of a union (its format, its symbols) need not hold for the others."""
    return {key: value for key, value in schema.items() if key not in ("format", "enum")}


# Tables

_ARROW = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_ARROW_TIMES = {
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "timestamp-nanos": pa.timestamp("ns", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
    "local-timestamp-nanos": pa.timestamp("ns"),
}


def plain_type(node: Node) -> pa.DataType:
    """The Arrow type of the values as decoders give them: times and enums are numbers. Not for unions and recursion."""
    return _type_of(node, _plain_scalar)


def arrow_type(node: Node) -> pa.DataType:
    """The Arrow type that holds the values exactly, as what they mean. Not for unions and recursion."""
    return _type_of(node, _exact_scalar)


def _type_of(node: Node, scalar: Callable[[Scalar | Enum], pa.DataType]) -> pa.DataType:
    node, _ = optional(node)
    match node:
        case Scalar() | Enum():
            return scalar(node)
        case Record():
            return pa.struct([pa.field(name, _type_of(child, scalar)) for name, child in node.fields])
        case Array():
            return pa.list_(_type_of(node.items, scalar))
        case Map():
            return pa.map_(pa.string(), _type_of(node.values, scalar))
    raise AssertionError(f"{type(node).__name__} has no Arrow type")


def _plain_scalar(node: Scalar | Enum) -> pa.DataType:
    match node:
        case Enum():
            return pa.int32()
        case Scalar(logical="decimal") if node.precision <= MAX_TABLE_DIGITS:
            return pa.decimal128(node.precision, node.scale)
        case Scalar(kind="fixed"):
            return pa.binary(node.size_bytes) if node.size_bytes else pa.binary()
    return _ARROW[node.kind]


def _exact_scalar(node: Scalar | Enum) -> pa.DataType:
    if isinstance(node, Enum) or node.logical in ("uuid", "duration"):
        return pa.string()
    if node.logical == "decimal" and node.precision > MAX_TABLE_DIGITS:
        return pa.string()
    return _ARROW_TIMES.get(node.logical) or _plain_scalar(node)


def union_type(union: Union, *, exact: bool) -> Scalar:
    """What a table has for a union of several types: a number if all are numbers, and text for anything else.

    exact: only if no value of any of them can be changed by it: not for long with double, say.
    """
    kinds = {choice.kind if isinstance(choice, Scalar) and not choice.logical else "" for choice in union.choices}
    if kinds <= {"int", "long"}:
        return Scalar("long")
    if kinds <= {"int", "float", "double"} or (not exact and kinds <= {"int", "long", "float", "double"}):
        return Scalar("double")
    return Scalar("string")


def tabular(node: Node) -> Node:
    """The same without unions of several types and without recursion: both are text, or numbers. See `union_type`."""
    match node:
        case Union() if len(node.choices) > 1:
            return union_type(node, exact=True)
        case Union():
            return Union(tuple(tabular(branch) for branch in node.branches))
        case Recursion():
            return Scalar("string")
        case Record():
            return Record(node.name, tuple((name, tabular(child)) for name, child in node.fields))
        case Array():
            return Array(tabular(node.items))
        case Map():
            return Map(tabular(node.values))
        case Scalar(logical="decimal") if node.precision > MAX_TABLE_DIGITS:
            return Scalar("string")
    return node


# Plain schemas


@dataclass(slots=True)
class PlainSchema:
    """Makes plain schemas. text_as_bytes: strings are bytes. decimals: decimals of up to 38 digits stay decimals, and maps
    maps; otherwise a map is an array of records with a key `k` and a value `v`, which is how it is encoded: decoders make
    objects of maps, in which a key that comes again replaces what it had.

    A branch of a union of several types is a record with one field, whose name is the branch's number.
    """

    text_as_bytes: bool = False
    decimals: bool = False
    _names: int = 0
    _open: dict[str, str] = field(default_factory=dict)

    def of(self, node: Node) -> Any:
        match node:
            case Scalar():
                return self._scalar(node)
            case Enum():
                return "int"
            case Record():
                return self._record(node)
            case Array():
                return {"type": "array", "items": self.of(node.items)}
            case Map() if self.decimals:
                return {"type": "map", "values": self.of(node.values)}
            case Map():
                key = "bytes" if self.text_as_bytes else "string"
                pair = [{"name": "k", "type": key}, {"name": "v", "type": self.of(node.values)}]
                return {"type": "array", "items": {"type": "record", "name": self._name(), "fields": pair}}
            case Union() if len(node.choices) < 2:
                return [self.of(branch) for branch in node.branches]
            case Union():
                return [
                    "null" if branch == NULL else self._wrapped(str(number), branch)
                    for number, branch in enumerate(node.branches)
                ]
            case Recursion():
                return self._open[node.name]

    def _scalar(self, node: Scalar) -> Any:
        kind: Any = "bytes" if node.kind == "string" and self.text_as_bytes else node.kind
        if kind == "fixed":
            kind = {"type": "fixed", "name": self._name(), "size": node.size_bytes}
        if not self.decimals or node.logical != "decimal" or node.precision > MAX_TABLE_DIGITS:
            return kind
        logical = {"logicalType": "decimal", "precision": node.precision, "scale": node.scale}
        return {**(kind if isinstance(kind, Mapping) else {"type": kind}), **logical}

    def _record(self, node: Record) -> Any:
        name = self._open[node.name] = self._name()
        fields = [{"name": key, "type": self.of(child)} for key, child in node.fields]
        del self._open[node.name]
        return {"type": "record", "name": name, "fields": fields}

    def _wrapped(self, number: str, branch: Node) -> Any:
        return {"type": "record", "name": self._name(), "fields": [{"name": number, "type": self.of(branch)}]}

    def _name(self) -> str:
        self._names += 1
        return f"N{self._names}"
