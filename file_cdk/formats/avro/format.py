"""Avro container files: blocks by the byte range they begin in, decoded in columns where that is exact, else one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from typing import IO, Any, TypeVar

import msgspec
import pyarrow as pa

from file_cdk.core.config import AvroConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.files import FileCache, RemoteFile, Split
from file_cdk.core.ports import FormatFacts, JsonLines, SplitReport
from file_cdk.formats.avro.columns import NotColumnarError, record_columns
from file_cdk.formats.avro.container import BlockFaultError, FileHeader, RecordBlock, blocks_of, read_header
from file_cdk.formats.avro.native import NativeDecoder, decoder_for
from file_cdk.formats.avro.records import BadRecord, BadRecordsError, RecordChunk, RecordDecoder
from file_cdk.formats.avro.schema import Array, Map, Record, walk
from file_cdk.formats.avro.table import TableColumns, table_schema
from file_cdk.formats.avro.types import json_schema
from file_cdk.formats.avro.values import BadValueError, Converters, ValueStep

_RUN_BYTES = 1 << 20
"""Size of the blocks that are decoded together, unpacked. Nested columns had better not be sliced: they get one batch."""
_BATCH_BYTES = 256 * 1024
"""Size of the unpacked data that makes one batch: its JSON stays in the CPU's cache."""

_CACHED_HEADERS = 8

_encode = msgspec.json.Encoder().encode

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class AvroFormat:
    """Avro container files of records, in any codec that the specification names.

    Memory per split: a run of blocks of 1 MiB unpacked, or one block where that is larger (at most 256 MiB, packed and
    unpacked), and its records in columns; of what columns cannot hold, a quarter MiB of records as Python objects at a time.

    columns: whether polars-avro decodes the files whose schema it reads right, if it is installed. Records and tables are the
    same with and without it, but for how JSON spells some numbers (1.0e16 and 1e16).
    """

    config: AvroConfig
    split_bytes: int | None = 2 * 1024 * 1024
    columns: bool = True
    _headers: FileCache[FileHeader] = field(
        default_factory=lambda: FileCache(_CACHED_HEADERS), init=False, compare=False, repr=False
    )

    @property
    def facts(self) -> FormatFacts:
        # Allocations in native code that fail end the process.
        return FormatFacts(self.split_bytes, may_crash=True)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """From the header alone."""
        schema = self._header(stream, file).schema
        as_string = self.config.double_as_string
        return {name: json_schema(node, double_as_string=as_string) for name, node in schema.fields}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        """From the header alone. See types.py for unions and recursive types."""
        return table_schema(self._header(stream, file).schema)

    def read_records(
        self,
        stream: IO[bytes],
        split: Split,
        json_schema: Mapping[str, Any] | None,  # noqa: ARG002 - records go out as they are
        report: SplitReport,
    ) -> Iterator[pa.RecordBatch | JsonLines]:
        """Batches of columns where these are exact, else JSON lines with the same values, without null columns.

        A string that is not UTF-8, a time of day beyond the day or an enum without a symbol reject their record. Raises
        MalformedRecordError, with the number of the first record that is not known and the byte at which its block begins.
        """
        header = self._header(stream, split.file)
        native = decoder_for(header.schema) if self.columns else None
        reference: tuple[RecordDecoder, ValueStep | None] | None = None
        for run in _runs(blocks_of(stream, header, split, report), header.schema, split, report):
            if (batch := self._batch(native, run, header.schema)) is not None:
                yield from _pieces(batch, run, report)
                continue
            reference = reference or _reference(header.schema, self.config.double_as_string)
            decoder, convert = reference
            for byte, chunk in _decoded(decoder, run, split, report):
                yield from _lines(chunk, convert, byte, report)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's columns, in the file's order, with `schema`'s types.

        A column fits when the type asked for is the wider of the two in core.arrow_types and holds every value. Raises as
        `read_records`, and TypeMismatchError before the first batch, or at a batch with values that do not fit.
        """
        header = self._header(stream, split.file)
        columns = TableColumns(header.schema, schema, split.file.uri)
        native = decoder_for(header.schema) if self.columns else None
        decoder: RecordDecoder | None = None
        for run in _runs(blocks_of(stream, header, split, report), header.schema, split, report):
            rows = native.decode(run) if native else None
            if rows is not None and (batch := columns.of_plain(rows, report.rows_present + 1)) is not None:
                yield from _pieces(batch, run, report)
                continue
            decoder = decoder or RecordDecoder(header.schema)
            for byte, chunk in _decoded(decoder, run, split, report):
                first_row = report.rows_present + 1
                records = _readable(chunk, lambda r: columns.values_of(r, report.rows_present + 1), byte, report)
                if records:
                    yield columns.of_values(records, first_row)

    def _header(self, stream: IO[bytes], file: RemoteFile) -> FileHeader:
        return self._headers.get(file, lambda: read_header(stream, file))

    def _batch(self, native: NativeDecoder | None, run: list[RecordBlock], schema: Record) -> pa.RecordBatch | None:
        if native is None or (rows := native.decode(run)) is None:
            return None
        try:
            return record_columns(rows, schema, double_as_string=self.config.double_as_string)
        except NotColumnarError:
            return None


@lru_cache(maxsize=8)
def _reference(schema: Record, double_as_string: bool) -> tuple[RecordDecoder, ValueStep | None]:
    return RecordDecoder(schema), Converters(schema, double_as_string=double_as_string).record


def _runs(
    blocks: Iterable[RecordBlock], schema: Record, split: Split, report: SplitReport
) -> Iterator[list[RecordBlock]]:
    """Blocks in runs. Those before a block that cannot be read come out before the error does."""
    nested = any(isinstance(node, Record | Array | Map) for _, child in schema.fields for node in walk(child))
    run_bytes = _BATCH_BYTES if nested else _RUN_BYTES
    run: list[RecordBlock] = []
    size = 0
    try:
        for block in blocks:
            run.append(block)
            size += len(block.data) + block.count
            if size >= run_bytes:
                yield run
                run, size = [], 0
    except BlockFaultError as exc:
        if run:
            yield run
        raise _malformed(exc.message, exc.byte, split, report) from None
    if run:
        yield run


def _decoded(
    decoder: RecordDecoder, run: list[RecordBlock], split: Split, report: SplitReport
) -> Iterator[tuple[int, RecordChunk]]:
    """The records of each block, with the byte at which the block begins."""
    for block in run:
        try:
            for chunk in decoder.chunks(block.data, block.count):
                yield block.byte, chunk
        except BadRecordsError as exc:
            raise _malformed(f"rest of a block cannot be read: {exc}", block.byte, split, report) from None


def _malformed(message: str, byte: int, split: Split, report: SplitReport) -> MalformedRecordError:
    return MalformedRecordError(message, uri=split.file.uri, row=report.rows_present + 1, byte=byte)


def _pieces(batch: pa.RecordBatch, run: list[RecordBlock], report: SplitReport) -> Iterator[pa.RecordBatch]:
    size = sum(len(block.data) for block in run)
    rows = max(1, batch.num_rows * _BATCH_BYTES // max(size, _BATCH_BYTES))
    nested = batch.num_rows > rows and any(field.type.num_fields for field in batch.schema)
    for start in range(0, batch.num_rows, rows):
        piece = batch.slice(start, rows)
        if nested:  # JSON writers cannot be relied on for slices of nested columns: these are copies
            piece = piece.take(pa.array(range(piece.num_rows)))
        report.rows += piece.num_rows
        yield piece


def _lines(chunk: RecordChunk, convert: ValueStep | None, byte: int, report: SplitReport) -> Iterator[JsonLines]:
    def line(record: dict[str, Any]) -> bytes:
        values = record if convert is None else convert(record)
        if None in values.values():
            values = {name: value for name, value in values.items() if value is not None}
        return _encode(values)

    if lines := _readable(chunk, line, byte, report):
        yield JsonLines(lines)


def _readable(
    chunk: RecordChunk, convert: Callable[[dict[str, Any]], _Made], byte: int, report: SplitReport
) -> list[_Made]:
    """What `convert` makes of the records that can be read; they are counted, and the others rejected."""
    kept: list[_Made] = []
    for record in chunk:
        if isinstance(record, BadRecord):
            report.reject(byte, record.reason, record.raw)
            continue
        try:
            kept.append(convert(record))
        except BadValueError as exc:
            report.reject(byte, str(exc))
        else:
            report.rows += 1
    return kept
