"""Reading JSON Lines and arrays of JSON objects: records passed on in their own bytes, or read into columns for a table."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec

from file_cdk.core.column_ports import Place
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileError, MalformedRecordError, SequentialOnlyError, TypeMismatchError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.json_lines import names_no_file_column
from file_cdk.core.json_schema import merge_properties
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl.documents import ArrayReader, begins_array
from file_cdk.formats.jsonl.encoding import MARK_BYTES, AsUtf8, wide_encoding
from file_cdk.formats.jsonl.found import ONE_OBJECT_PER_LINE, Found, LinesAsRows, Reading
from file_cdk.formats.jsonl.lines import LineSource
from file_cdk.formats.jsonl.records import read_lines

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 1_000_000
"""Maximum part of a file whose records are sampled for its schema, in bytes."""

_LOOK_ON_BYTES = 4 * 1024 * 1024
"""Maximum looked at after the first misfit, in bytes, for other columns to be widened before the file is read again."""

_UNKNOWN_SIZE = 1 << 62
"""Stands for the size of text that is converted to UTF-8, which differs from the file's."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class JsonlReading:
    """What JsonlFormat does."""

    max_record_bytes: int

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """Types of the top level only. Rejected records are passed over, and are an error when there are no others."""
        seen: dict[str, dict[str, None]] = {}
        for record in self._sample(stream, file):
            for name, value in _members(record).items():
                seen.setdefault(name, {})[_json_type(bytes(value))] = None
        return merge_properties([{name: {"type": kind}} for name, kinds in seen.items() for kind in kinds])

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """See kinds.infer_schema; of rejected records as in `infer_json_schema`, of plain values as in `read_table`."""
        from file_cdk.formats.jsonl.kinds import Kinds, infer_schema  # the protocol's path does without pyarrow
        from file_cdk.formats.jsonl.whole_lines import Kindred

        kinds: Kinds = {}
        return infer_schema(self._sample(stream, file, plain=True, lines_as_rows=Kindred(file.uri, kinds)), kinds)

    def read_records(
        self,
        stream: IO[bytes],
        split: Split,
        json_schema: Mapping[str, Any] | None,  # noqa: ARG002 - records go out as they are
        report: SplitReport,
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        """JsonLines in the file's own bytes, but for keys that name the columns every record gets about its file, and for line
        ends and indents of objects over several lines.

        What is no JSON object is rejected. Raises MalformedRecordError at a record that ends nowhere within the limits, after
        the records before it; SequentialOnlyError at an object over several lines, an array, or a long line of several
        objects, unless the split is the last of its file or sequential.
        """
        for found in self._found(stream, split, report):
            found.count(report)
            if found.records:
                checked = found.text is not None and names_no_file_column(found.text)
                yield JsonLines(found.records, checked).without_file_columns()

    def read_own(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[list[bytes]]:
        """As `read_records`, and also what names a column about a file: for records that come from none."""
        for found in self._found(stream, split, report):
            found.count(report)
            if found.records:
                yield found.records

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """Batches of exactly `schema`'s columns, null where a record lacks a key.

        A column of strings takes any value: what is not a string becomes its JSON text, as the file spells it. A record that is
        no object, but another JSON value, is a row with that in the column `value`.
        Rejects and raises as `read_records`, and raises TypeMismatchError for the columns of the first piece that does not fit,
        and of those near it.
        """
        from file_cdk.formats.jsonl.table import TableReader
        from file_cdk.formats.jsonl.whole_lines import LineRows

        reader = TableReader(schema, split.file.uri)
        pieces = self._found(stream, split, report, plain=True, lines_as_rows=LineRows(reader))
        for found in pieces:
            first_row = report.rows_present + 1
            try:
                batch = reader.read(found.unicode_records(), first_row) if found.records else found.batch
            except TypeMismatchError as error:
                columns = reader.widened_further(error.columns, _what_follows(pieces, found.end))
                row = None if error.row is None else error.row + found.rejected_before(error.row - first_row)
                raise TypeMismatchError(uri=split.file.uri, row=row, columns=columns) from None
            found.count(report)
            report.warnings.update(reader.warnings)
            reader.warnings.clear()
            if batch is not None:
                yield batch

    def locate(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[Place]:
        """See core.column_ports.Locating; without a byte for what is not in the file as one line of UTF-8."""
        for found in self._found(stream, split, report, plain=True):
            before = report.rows_present + 1
            text, at = found.text or b"", 0
            for index, record in enumerate(found.records):
                begins = text.find(record, at)
                at = max(at, begins + len(record))
                byte = None if begins < 0 or found.multi_line else found.end - len(text) + begins
                yield Place(before + index + found.rejected_before(index), byte, record)
            found.count(report)

    def _found(
        self,
        stream: IO[bytes],
        split: Split,
        report: SplitReport,
        *,
        plain: bool = False,
        lines_as_rows: LinesAsRows | None = None,
    ) -> Iterator[Found]:
        """The split piece by piece; each is to be counted before the next is asked for. Sets report.start and report.end."""
        source = LineSource(stream, self.max_record_bytes)
        lines_begin = source.seek_first_line(split)
        report.start = report.end = source.position
        if not lines_begin:  # inside a line longer than the limit: the split before says where it ends
            return
        part, text = split, None
        if split.is_first and (encoding := wide_encoding(source.peek(MARK_BYTES))):
            if not (split.sequential or split.is_last):
                raise SequentialOnlyError(
                    "text in UTF-16 or UTF-32 cannot be read in parts", uri=split.file.uri, byte=source.position
                )
            stream.seek(0)
            text = AsUtf8(stream, encoding)
            source = LineSource(cast(IO[bytes], text), self.max_record_bytes)
            end = _UNKNOWN_SIZE if split.is_last else split.end
            part = Split(replace(split.file, size_bytes=_UNKNOWN_SIZE), 0, 0, end, sequential=True)
        reading = Reading(source, part, report, self.max_record_bytes, plain, lines_as_rows)
        for found in _in_utf8(reading):
            report.end = found.end
            yield found
        if text is not None:
            report.end = text.consumed

    def _sample(
        self, stream: IO[bytes], file: RemoteFile, *, plain: bool = False, lines_as_rows: LinesAsRows | None = None
    ) -> Iterator[bytes]:
        """The records, but for those that were taken for rows."""
        report = SplitReport()
        sample = Split(file, 0, 0, min(SAMPLE_BYTES, file.size_bytes), sequential=True)
        try:
            for found in self._found(stream, sample, report, plain=plain, lines_as_rows=lines_as_rows):
                found.count(report)
                yield from found.unicode_records()
                if found.end >= sample.end:  # in a line that goes on
                    break
        except MalformedRecordError:
            if not report.rows:
                raise
        if report.rejects.first and not report.rows:
            first = report.rejects.first[0]
            raise MalformedRecordError(
                first.reason, uri=file.uri, row=first.row, byte=first.byte, remedy=ONE_OBJECT_PER_LINE
            )


def _in_utf8(reading: Reading) -> Iterator[Found]:
    source, split = reading.source, reading.split
    while split.is_first and source.position < split.end and (start := begins_array(source)):
        yield from ArrayReader(reading).read(start)
    yield from read_lines(reading)


def _what_follows(pieces: Iterator[Found], end: int) -> Iterator[list[bytes]]:
    """The records of the pieces that come next, to no more than _LOOK_ON_BYTES, or to where reading ends."""
    with suppress(FileError):
        for found in pieces:
            yield found.unicode_records()
            if found.end - end >= _LOOK_ON_BYTES:
                return


def _json_type(value: bytes) -> str:
    """JSON Schema's name for the type of a value, from its JSON text."""
    match value[:1]:
        case b'"':
            return "string"
        case b"{":
            return "object"
        case b"[":
            return "array"
        case b"t" | b"f":
            return "boolean"
        case b"n":
            return "null"
    return "number" if any(mark in value for mark in b".eE") else "integer"
