"""Parquet files by hand, for schemas that no library writes: each column has one uncompressed page per row group.

Thrift's compact protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md . The structures:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift .
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED")
REPETITION = ("required", "optional", "repeated")
CONVERTED = (
    "UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS",
    "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64", "JSON", "BSON",
    "INTERVAL",
)  # fmt: skip

PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8

# Thrift


@dataclass(frozen=True, slots=True)
class I32:
    value: int


@dataclass(frozen=True, slots=True)
class I8:
    value: int


Fields: TypeAlias = Mapping[int, Any]
"""A structure: bool, int (64 bits), I32, I8, str, bytes, list or structure by the field's number; None is left out."""


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> bytes:
    return varint((number << 1) ^ (number >> 63))


def _kind(value: Any) -> int:
    match value:
        case bool():
            return 1 if value else 2
        case I8():
            return 3
        case I32():
            return 5
        case int():
            return 6
        case str() | bytes():
            return 8
        case list():
            return 9
    return 12


def _payload(value: Any) -> bytes:
    match value:
        case bool():
            return b""
        case I8():
            return struct.pack("b", value.value)
        case I32():
            return _zigzag(value.value)
        case int():
            return _zigzag(value)
        case str():
            return _payload(value.encode())
        case bytes():
            return varint(len(value)) + value
        case list():
            head = (len(value) << 4 if len(value) < 15 else 0xF0) | (_kind(value[0]) if value else 12)
            size = b"" if len(value) < 15 else varint(len(value))
            return bytes([head]) + size + b"".join(map(_payload, value))
    return structure(value)


def structure(fields: Fields) -> bytes:
    out, before = [], 0
    for number, value in sorted(fields.items()):
        if value is not None:
            step = number - before
            kind = _kind(value)
            out += [bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + _zigzag(number), _payload(value)]
            before = number
    return b"".join((*out, b"\0"))


# Logical types

STRING: Fields = {1: {}}
MAP: Fields = {2: {}}
LIST: Fields = {3: {}}
ENUM: Fields = {4: {}}
DATE: Fields = {6: {}}
UNKNOWN: Fields = {11: {}}
JSON: Fields = {12: {}}
BSON: Fields = {13: {}}
UUID: Fields = {14: {}}
FLOAT16: Fields = {15: {}}


def DECIMAL(precision: int, scale: int) -> Fields:
    return {5: {1: I32(scale), 2: I32(precision)}}


def TIME(unit: str, *, utc: bool) -> Fields:
    return {7: {1: utc, 2: {("ms", "us", "ns").index(unit) + 1: {}}}}


def TIMESTAMP(unit: str, *, utc: bool) -> Fields:
    return {8: {1: utc, 2: {("ms", "us", "ns").index(unit) + 1: {}}}}


def INTEGER(bits: int, *, signed: bool) -> Fields:
    return {10: {1: I8(bits), 2: signed}}


# Files


@dataclass(frozen=True, slots=True)
class Node:
    """A column or a group. values: of a leaf, those that are not null; None as a value of an optional leaf at the top is a
    null. levels: of a leaf, (repetition, definition) of each, where they do not follow from the values.
    indices: the page holds these places in a dictionary of the values."""

    name: str
    physical: str = ""
    values: Sequence[Any] = ()
    repetition: str = "required"
    converted: str = ""
    logical: Fields | None = None
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    children: "tuple[Node, ...] | None" = None
    levels: tuple[Sequence[int], Sequence[int]] | None = None
    indices: Sequence[int] | None = None


def group(name: str, *children: Node, repetition: str = "required", **more: Any) -> Node:
    return Node(name, repetition=repetition, children=children, **more)


def int96(julian_day: int, nanoseconds: int) -> bytes:
    return struct.pack("<qi", nanoseconds, julian_day)


def _element(node: Node) -> Fields:
    return {
        1: I32(PHYSICAL.index(node.physical)) if node.physical else None,
        2: None if node.length is None else I32(node.length),
        3: I32(REPETITION.index(node.repetition)),
        4: node.name,
        5: None if node.children is None else I32(len(node.children)),
        6: I32(CONVERTED.index(node.converted)) if node.converted else None,
        7: None if node.scale is None else I32(node.scale),
        8: None if node.precision is None else I32(node.precision),
        10: node.logical,
    }


def _elements(node: Node) -> Iterator[Fields]:
    yield _element(node)
    for child in node.children or ():
        yield from _elements(child)


def _leaves(
    node: Node, path: tuple[str, ...], levels: tuple[int, int]
) -> Iterator[tuple[Node, tuple[str, ...], int, int]]:
    repetition, definition = levels
    repetition += node.repetition == "repeated"
    definition += node.repetition != "required"
    if node.children is None:
        yield node, (*path, node.name), repetition, definition
    for child in node.children or ():
        yield from _leaves(child, (*path, node.name), (repetition, definition))


_FORMATS = {"INT32": "<i", "INT64": "<q", "FLOAT": "<f", "DOUBLE": "<d"}


def _plain(physical: str, values: Sequence[Any]) -> bytes:
    if physical == "BOOLEAN":
        bits = sum(1 << at for at, value in enumerate(values) if value)
        return bits.to_bytes((len(values) + 7) // 8, "little")
    if physical == "BYTE_ARRAY":
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    if physical in _FORMATS:
        return b"".join(struct.pack(_FORMATS[physical], value) for value in values)
    return b"".join(values)


def _hybrid(numbers: Sequence[int], bits: int) -> bytes:
    """RLE/bit-packing hybrid, each number as a run of one."""
    width = (bits + 7) // 8
    return b"".join(varint(1 << 1) + number.to_bytes(width, "little") for number in numbers)


def _levels(numbers: Sequence[int], greatest: int) -> bytes:
    if not greatest:
        return b""
    runs = _hybrid(numbers, greatest.bit_length())
    return struct.pack("<I", len(runs)) + runs


def _page(kind: int, body: bytes, header: Fields) -> bytes:
    return structure({1: I32(kind), 2: I32(len(body)), 3: I32(len(body)), 5 if kind == 0 else 7: header}) + body


def _chunk(leaf: Node, path: tuple[str, ...], greatest: tuple[int, int], offset: int) -> tuple[bytes, Fields]:
    repetition, definition = leaf.levels or ([], [greatest[1] - (value is None) for value in leaf.values])
    present = [value for value in leaf.values if value is not None]
    count = len(definition) if leaf.indices is None or leaf.levels else len(leaf.indices)
    if leaf.indices is not None and not leaf.levels:
        definition = [greatest[1]] * count
    levels = _levels(repetition, greatest[0]) + _levels(definition, greatest[1])
    dictionary = b""
    encoding = PLAIN
    data = _plain(leaf.physical, present)
    if leaf.indices is not None:
        encoding = RLE_DICTIONARY
        dictionary = _page(2, data, {1: I32(len(present)), 2: I32(PLAIN)})
        data = b"\x08" + _hybrid(leaf.indices, 8)
    page = _page(0, levels + data, {1: I32(count), 2: I32(encoding), 3: I32(RLE), 4: I32(RLE)})
    body = dictionary + page
    metadata = {
        1: I32(PHYSICAL.index(leaf.physical)),
        2: [I32(PLAIN), I32(RLE), I32(RLE_DICTIONARY)],
        3: list(path),
        4: I32(0),
        5: count,
        6: len(body),
        7: len(body),
        9: offset + len(dictionary),
        11: offset if dictionary else None,
    }
    return body, {2: offset, 3: metadata}


def parquet_file(rows: int, *columns: Node, row_groups: int = 1, created_by: str = "by hand") -> bytes:
    """A file of these columns; every row group has the same `rows` rows."""
    body = bytearray(b"PAR1")
    groups = []
    for _ in range(row_groups):
        chunks, began = [], len(body)
        for column in columns:
            for leaf, path, *greatest in _leaves(column, (), (0, 0)):
                data, chunk = _chunk(leaf, path, (greatest[0], greatest[1]), len(body))
                body += data
                chunks.append(chunk)
        groups.append({1: chunks, 2: len(body) - began, 3: rows})
    schema = [{4: "schema", 5: I32(len(columns))}, *(element for column in columns for element in _elements(column))]
    footer = structure({1: I32(2), 2: schema, 3: rows * row_groups, 4: groups, 6: created_by})
    return bytes(body) + footer + struct.pack("<I", len(footer)) + b"PAR1"
