"""An Avro schema as a tree of frozen nodes: names resolved, logical types checked, its size bounded.

Follows https://avro.apache.org/docs/1.12.0/specification/ . A logical type that is unknown, or that does not fit the type
below it, is ignored, as the specification asks. Aliases, defaults, documentation and sort orders matter to nobody here.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, TypeAlias

from file_cdk.core.dataclass import dataclass

MAX_DEPTH = 64
MAX_NODES = 50_000
"""Maximum number of types, each use of a named type written out in full: those of a few lines may stand for billions."""

MAX_TABLE_DIGITS = 38
"""Maximum digits of a decimal that is one in a table, too; with more it is text there."""

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_LOGICAL = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
    "uuid": ("string", "fixed"),
    "decimal": ("bytes", "fixed"),
    "duration": ("fixed",),
}
_FIXED_SIZES = {"uuid": 16, "duration": 12}
_MAX_DIGITS = 1000
_BYTES = {"null": 0, "float": 4, "double": 8}


class AvroSchemaError(ValueError):
    """The schema is not one. Its text names types and fields only."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """kind: a primitive's name or `fixed`. logical: empty if none. size_bytes: of a fixed."""

    kind: str
    logical: str = ""
    size_bytes: int = 0
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Enum:
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    fields: "tuple[tuple[str, Node], ...]"


@dataclass(frozen=True, slots=True)
class Array:
    items: "Node"


@dataclass(frozen=True, slots=True)
class Map:
    values: "Node"


@dataclass(frozen=True, slots=True)
class Union:
    branches: "tuple[Node, ...]"

    @property
    def choices(self) -> "tuple[Node, ...]":
        """The branches beside null."""
        return tuple(branch for branch in self.branches if branch != NULL)


@dataclass(frozen=True, slots=True)
class Recursion:
    """A record inside itself; `name` is its full name, as in Record."""

    name: str


Node: TypeAlias = Scalar | Enum | Record | Array | Map | Union | Recursion

NULL = Scalar("null")


def parse_schema(text: bytes) -> Node:
    """The tree of a schema in JSON. Raises AvroSchemaError."""
    try:
        raw = json.loads(text.decode())
    except (ValueError, RecursionError):
        raise AvroSchemaError("its schema is not JSON") from None
    return _Parser().parse(raw, "", 0)


@dataclass(slots=True)
class _Parser:
    named: dict[str, Node] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """Nodes below each named type, written out in full."""
    open: set[str] = field(default_factory=set)
    nodes: int = 0

    def parse(self, raw: Any, namespace: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise AvroSchemaError(f"its schema is nested more than {MAX_DEPTH} deep")
        self._count(1)
        if isinstance(raw, str):
            return Scalar(raw) if raw in _PRIMITIVES else self._reference(raw, namespace)
        if isinstance(raw, list):
            return self._union(raw, namespace, depth)
        if not isinstance(raw, Mapping):
            raise AvroSchemaError("its schema has a type that is neither a name, an object nor an array")
        return self._complex(raw, namespace, depth)

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise AvroSchemaError(f"its schema has more than {MAX_NODES} types")

    def _complex(self, raw: Mapping[str, Any], namespace: str, depth: int) -> Node:
        match raw.get("type"):
            case "record" | "error":
                return self._record(raw, namespace, depth)
            case "enum":
                return self._define(raw, namespace, Enum(_symbols(raw)))
            case "fixed":
                return self._define(raw, namespace, _fixed(raw))
            case "array":
                return Array(self.parse(raw.get("items"), namespace, depth + 1))
            case "map":
                return Map(self.parse(raw.get("values"), namespace, depth + 1))
            case str() as kind if kind in _PRIMITIVES:
                return _with_logical(Scalar(kind), raw)
            case inner:  # {"type": {"type": …}} and the like: written by some, read by all
                return self.parse(inner, namespace, depth + 1)

    def _union(self, raw: list[Any], namespace: str, depth: int) -> Node:
        if not raw:
            raise AvroSchemaError("its schema has a union of nothing")
        if any(isinstance(branch, list) for branch in raw):
            raise AvroSchemaError("its schema has a union right inside a union")
        return Union(tuple(self.parse(branch, namespace, depth + 1) for branch in raw))

    def _record(self, raw: Mapping[str, Any], namespace: str, depth: int) -> Node:
        name = self._new_name(raw, namespace)
        fields = raw.get("fields")
        if not isinstance(fields, list):
            raise AvroSchemaError(f"its schema has a record {name!r} without fields")
        before = self.nodes
        self.open.add(name)
        parsed: dict[str, Node] = {}
        for member in fields:
            key = _text(member.get("name") if isinstance(member, Mapping) else None, f"a field of {name!r}")
            if key in parsed:
                raise AvroSchemaError(f"its schema has the field {key!r} twice in {name!r}")
            parsed[key] = self.parse(member.get("type"), name.rpartition(".")[0], depth + 1)
        self.open.remove(name)
        self.named[name] = record = Record(name, tuple(parsed.items()))
        self.sizes[name] = self.nodes - before + 1
        return record

    def _define(self, raw: Mapping[str, Any], namespace: str, node: Node) -> Node:
        name = self._new_name(raw, namespace)
        self.named[name] = node
        self.sizes[name] = 1
        return node

    def _new_name(self, raw: Mapping[str, Any], namespace: str) -> str:
        name = _full_name(raw, namespace)
        if name in self.open or name in self.named:
            raise AvroSchemaError(f"its schema defines {name!r} twice")
        return name

    def _reference(self, name: str, namespace: str) -> Node:
        candidates = (name,) if "." in name or not namespace else (f"{namespace}.{name}", name)
        for full in candidates:
            if full in self.open:
                return Recursion(full)
            if full in self.named:
                self._count(self.sizes[full] - 1)
                return self.named[full]
        raise AvroSchemaError("its schema names a type that it does not define")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise AvroSchemaError(f"its schema lacks the name of {what}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise AvroSchemaError("its schema has a name that is not Unicode text") from None
    return value


def _full_name(raw: Mapping[str, Any], namespace: str) -> str:
    name = _text(raw.get("name"), "a type")
    if "." in name:
        return name.removeprefix(".")
    given = raw.get("namespace", namespace)
    prefix = _text(given, "a namespace") if given is not None else namespace
    return f"{prefix}.{name}" if prefix else name


def _symbols(raw: Mapping[str, Any]) -> tuple[str, ...]:
    symbols = raw.get("symbols")
    if not isinstance(symbols, list):
        raise AvroSchemaError("its schema has an enum without symbols")
    return tuple(_text(symbol, "an enum's symbol") for symbol in symbols)


def _fixed(raw: Mapping[str, Any]) -> Scalar:
    size = _count_in(raw.get("size"))
    if size is None:
        raise AvroSchemaError("its schema has a fixed type without a size")
    return _with_logical(Scalar("fixed", size_bytes=size), raw)


def _count_in(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _with_logical(scalar: Scalar, raw: Mapping[str, Any]) -> Scalar:
    logical = raw.get("logicalType")
    if not isinstance(logical, str) or scalar.kind not in _LOGICAL.get(logical, ()):
        return scalar
    if scalar.kind == "fixed" and scalar.size_bytes != _FIXED_SIZES.get(logical, scalar.size_bytes):
        return scalar
    if logical != "decimal":
        return Scalar(scalar.kind, logical, scalar.size_bytes)
    precision, scale = _count_in(raw.get("precision")), _count_in(raw.get("scale", 0))
    if precision is None or scale is None or scale > precision or not 0 < precision <= _MAX_DIGITS:
        return scalar
    return Scalar(scalar.kind, logical, scalar.size_bytes, precision, scale)


# What decoders have to know of a schema


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Record():
            return tuple(child for _, child in node.fields)
        case Array():
            return (node.items,)
        case Map():
            return (node.values,)
        case Union():
            return node.branches
    return ()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def smallest_bytes(node: Node) -> int:
    """No value of this type takes fewer bytes in a file."""
    match node:
        case Scalar():
            return node.size_bytes if node.kind == "fixed" else _BYTES.get(node.kind, 1)
        case Record():
            return sum(smallest_bytes(child) for _, child in node.fields)
        case Recursion():
            return 0
    return 1


def optional(node: Node) -> tuple[Node, bool]:
    """A union of one type and null as that type and True; anything else as it is and False."""
    if isinstance(node, Union) and len(node.choices) <= 1:
        return (node.choices[0] if node.choices else NULL), NULL in node.branches
    return node, False
