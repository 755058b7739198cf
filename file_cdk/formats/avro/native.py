"""Many records at once as Arrow columns, by polars-avro where it is installed and reads the schema right.

The decoder is never shown the file: it is given the unpacked data of some blocks as one array, inside one record, with a
plain schema (see PlainSchema) around it. Behind the array stands a mark. Where a block holds more or less than it says, the mark
is not where it should be; a decoder that read the blocks as such would lose rows then, or, as this one, hang.
"""

import json
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import pyarrow as pa

from file_cdk.formats.avro.container import MAGIC, SYNC_BYTES, RecordBlock
from file_cdk.formats.avro.extension import OpenContainer, container_opener
from file_cdk.formats.avro.schema import (
    MAX_TABLE_DIGITS,
    NULL,
    Array,
    Map,
    Node,
    Record,
    Recursion,
    Scalar,
    Union,
    optional,
    smallest_bytes,
    walk,
)
from file_cdk.formats.avro.types import PlainSchema, plain_type

_MARK_BYTES = 16


def reads_right(schema: Record) -> bool:
    """Whether the decoder gives the same for this schema as fastavro: see the property test of both."""
    return bool(schema.fields) and all(_is_fit(node) for node in walk(schema))


def _is_fit(node: Node) -> bool:
    match node:
        case Union():
            return len(node.branches) == 2 and len(node.choices) == 1
        case Record():
            return bool(node.fields) and all(optional(child)[0] != NULL for _, child in node.fields)
        case Array():
            return smallest_bytes(node.items) > 0
        case Map():
            return optional(node.values)[0] != NULL
        case Scalar(logical="decimal"):
            return node.precision <= MAX_TABLE_DIGITS
        case Scalar(kind="fixed"):
            return node.size_bytes > 0
    return not isinstance(node, Recursion)


class NativeDecoder:
    """Decodes runs of blocks of one schema. Make it by `decoder_for`."""

    def __init__(self, schema: Record, open_container: OpenContainer) -> None:
        self._type = plain_type(schema)
        self._open_container = open_container
        self._mark = os.urandom(_MARK_BYTES)
        self._sync = os.urandom(SYNC_BYTES)
        rows = {"type": "array", "items": PlainSchema(decimals=True).of(schema)}
        mark = {"type": "fixed", "name": "mark", "size": _MARK_BYTES}
        fields = [{"name": "rows", "type": rows}, {"name": "mark", "type": mark}]
        self._header = _header({"type": "record", "name": "run", "fields": fields}, self._sync)

    def decode(self, blocks: Sequence[RecordBlock]) -> pa.StructArray | None:
        """The records of the blocks, as `plain_type(schema)`; None if anything is odd about them."""
        pieces: list[bytes] = []
        for block in blocks:
            if block.count:
                pieces += (_long(block.count), block.data)
            elif block.data:
                return None
        pieces += (b"\0", self._mark)
        size = sum(map(len, pieces))
        run = b"".join((self._header, _long(1), _long(size), *pieces, self._sync))
        batch = self._open_container(run)
        if batch is None or batch.num_rows != 1 or batch.column(1)[0].as_py() != self._mark:
            return None
        rows = batch.column(0).values
        if len(rows) != sum(block.count for block in blocks) or rows.null_count:
            return None
        return rows if _same_layout(rows.type, self._type) else None


def _same_layout(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether the types are the same but for names of list items and for what may be null."""
    t = pa.types
    if t.is_struct(wanted):
        return (
            t.is_struct(found)
            and [f.name for f in found] == [f.name for f in wanted]
            and all(_same_layout(one.type, other.type) for one, other in zip(found, wanted, strict=True))
        )
    if t.is_map(wanted):
        return (
            t.is_map(found)
            and found.key_type.equals(wanted.key_type)
            and _same_layout(found.item_type, wanted.item_type)
        )
    if t.is_list(wanted):
        return t.is_list(found) and _same_layout(found.value_type, wanted.value_type)
    return bool(found.equals(wanted))


@lru_cache(maxsize=8)
def decoder_for(schema: Record) -> NativeDecoder | None:
    """None when the library is missing or other than expected, or does not read the schema right."""
    if not reads_right(schema) or (open_container := _library()) is None:
        return None
    return NativeDecoder(schema, open_container)


@cache
def _library() -> OpenContainer | None:
    """Nobody promises that the extension stays as it is: it is tried before it is relied on."""
    try:
        open_container = container_opener()
    except (ImportError, AttributeError):
        return None
    probe = NativeDecoder(Record("probe", (("n", Scalar("long")),)), open_container)
    found = probe.decode([RecordBlock(0, 2, _long(5) + _long(-7))])
    return open_container if found is not None and found.field(0).to_pylist() == [5, -7] else None


def _header(schema: Any, sync: bytes) -> bytes:
    text = json.dumps(schema).encode()
    metadata = {b"avro.schema": text, b"avro.codec": b"null"}
    pairs = b"".join(_long(len(part)) + part for pair in metadata.items() for part in pair)
    return MAGIC + _long(len(metadata)) + pairs + _long(0) + sync


def _long(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)
