"""The records of a block, one by one, by fastavro: the reference, and what reads everything that columns cannot."""

import io
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.avro.schema import Record
from file_cdk.formats.avro.types import PlainSchema
from file_cdk.formats.avro.walk import needs_walk, walkable

_CHUNK_BYTES = 256 * 1024
_NOT_TEXT = "a string is not valid UTF-8"

_FASTAVRO_ERRORS = (EOFError, LookupError, ValueError, TypeError, OverflowError, MemoryError)
"""What it raises at bytes that are no record of the schema."""


class BadRecordsError(Exception):
    """The rest of a block cannot be told into records. Its text says why."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record of which no value can be had, in its bytes."""

    reason: str
    raw: bytes


RecordChunk = list[dict[str, Any] | BadRecord]


class RecordDecoder:
    """Decodes the records of one schema to plain values (see PlainSchema)."""

    def __init__(self, schema: Record) -> None:
        from fastavro import parse_schema, schemaless_reader

        self._schema = schema
        self._parsed = parse_schema(PlainSchema().of(schema))
        self._read: Callable[..., Any] = schemaless_reader
        self._walks = needs_walk(schema)

    def chunks(self, data: bytes, count: int) -> Iterator[RecordChunk]:
        """All `count` records that make up `data`, in lists of about 256 KiB of it.

        Raises BadRecordsError after the records before the one at fault, and when data is left after the last one.
        """
        good, fault = walkable(data, count, self._schema) if self._walks else (count, None)
        yield from self._decode(data, good, whole=fault is None)
        if fault is not None:
            raise BadRecordsError(fault)

    def _decode(self, data: bytes, count: int, *, whole: bool) -> Iterator[RecordChunk]:
        stream = io.BytesIO(data)
        per_chunk = max(1, min(count, _CHUNK_BYTES * count // max(len(data), 1)))
        read, schema = self._read, self._parsed
        for done in range(0, count, per_chunk):
            chunk: RecordChunk = []
            try:
                for _ in range(min(per_chunk, count - done)):
                    begin = stream.tell()
                    try:
                        chunk.append(read(stream, schema, None))
                    except UnicodeDecodeError:
                        stream.seek(begin)
                        read(stream, self._skipping, None)
                        chunk.append(BadRecord(_NOT_TEXT, data[begin : stream.tell()]))
            except _FASTAVRO_ERRORS:
                yield chunk
                raise BadRecordsError("a record in it cannot be decoded") from None
            yield chunk
        if whole and stream.tell() != len(data):
            raise BadRecordsError("its records end before its data does")

    @cached_property
    def _skipping(self) -> Any:
        """A schema that reads any text."""
        from fastavro import parse_schema

        return parse_schema(PlainSchema(text_as_bytes=True).of(self._schema))
