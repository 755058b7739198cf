"""JSON Lines: one object per line, passed on in its own bytes, or read into typed columns for a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, ClassVar

import msgspec

from file_cdk.core.config import JsonlConfig
from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.json_schema import merge_properties
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.jsonl_lines import (
    LONE_SURROGATE,
    ONE_PER_LINE,
    CheckedLines,
    check_lines,
    whole_lines,
    without_lone_surrogates,
)

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 1_000_000
"""Inference reads the lines that begin in this much of a file."""

_FILE_COLUMNS = frozenset({"_ab_source_file_last_modified", "_ab_source_file_url"})
_FILE_COLUMN = b'"_ab_source_file_'

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class JsonlFormat:
    """JSON Lines files (UTF-8, `\\n` between records). An empty file is a file without records.

    Memory per split: one piece of 128 KiB, or one record where that is longer, a few times over.
    """

    extensions: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson", ".json")
    may_crash: ClassVar[bool] = False
    reads_forward: ClassVar[bool] = True

    config: JsonlConfig
    split_bytes: int | None = 4 * 1024 * 1024
    max_record_bytes: int = 64 * 1024 * 1024

    def split_size_bytes(self, file: RemoteFile) -> int | None:  # noqa: ARG002 - the same for all files
        return self.split_bytes

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """Types of the top level only; a malformed line ends the sample, and is an error when no record precedes it."""
        seen: dict[str, dict[str, None]] = {}
        for record in self._sample(stream, file):
            for name, value in _members(record).items():
                seen.setdefault(name, {})[_json_type(bytes(value))] = None
        return merge_properties([{name: {"type": kind}} for name, kinds in seen.items() for kind in kinds])

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """See jsonl_table.infer_schema; of a malformed line as in `infer_json_schema`."""
        from file_cdk.formats.jsonl_table import infer_schema  # the protocol's path does without pyarrow

        return infer_schema(self._sample(stream, file))

    def read_records(
        self,
        stream: IO[bytes],
        split: Split,
        json_schema: Mapping[str, Any] | None,  # noqa: ARG002 - records go out as they are
        report: SplitReport,
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        """JsonLines in the file's own bytes, but for keys that name the columns every record gets about its file.

        Raises MalformedRecordError at the first line that is not one JSON object, after the records before it.
        """
        for piece, found in self._pieces(stream, split, report):
            records = found.records
            if _FILE_COLUMN in piece:
                records = [_without_file_columns(record) if _FILE_COLUMN in record else record for record in records]
            if records:
                report.rows += len(records)
                yield JsonLines(records)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """Batches of exactly `schema`'s columns, null where a record lacks a key.

        A column of strings takes any value: what is not a string becomes its JSON text, as the file spells it.
        Raises as `read_records`, and TypeMismatchError for the columns of the first piece that does not fit.
        """
        from file_cdk.formats.jsonl_table import TableReader

        reader = TableReader(schema, split.file.uri)
        for _, found in self._pieces(stream, split, report):
            records = found.records
            if found.lone_surrogates:
                records = [without_lone_surrogates(record) for record in records]
            if records:
                batch = reader.read(records, report.rows + 1)
                report.rows += len(records)
                yield batch

    def _pieces(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[tuple[bytes, CheckedLines]]:
        """The split piece by piece; raises at a piece's fault once its records were taken and counted."""
        for offset, piece in whole_lines(stream, split, report, self.max_record_bytes):
            found = check_lines(piece, offset, self.max_record_bytes)
            if found.lone_surrogates:
                report.warnings[LONE_SURROGATE] += found.lone_surrogates
            yield piece, found
            if found.fault:
                raise MalformedRecordError(
                    found.fault.message,
                    uri=split.file.uri,
                    row=report.rows + 1,
                    byte=found.fault.byte,
                    remedy=ONE_PER_LINE,
                )

    def _sample(self, stream: IO[bytes], file: RemoteFile) -> Iterator[bytes]:
        report = SplitReport()
        sample = Split(file, 0, 0, min(SAMPLE_BYTES, file.size_bytes))
        try:
            for _, found in self._pieces(stream, sample, report):
                report.rows += len(found.records)
                yield from map(without_lone_surrogates, found.records) if found.lone_surrogates else found.records
        except MalformedRecordError:
            if not report.rows:
                raise


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


def _without_file_columns(record: bytes) -> bytes:
    members = _members(without_lone_surrogates(record))
    if _FILE_COLUMNS.isdisjoint(members):
        return record
    kept = (
        msgspec.json.encode(name) + b":" + bytes(value) for name, value in members.items() if name not in _FILE_COLUMNS
    )
    return b"{" + b",".join(kept) + b"}"
