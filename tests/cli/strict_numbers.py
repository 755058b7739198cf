"""A small real format for the tests of rejected records: a line is a number, and any other line is rejected."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import FormatFacts, SplitReport


@dataclass(frozen=True, slots=True)
class StrictNumbers:
    """A file that has `!broken` somewhere cannot be read at all. One split per file."""

    config: object

    @property
    def facts(self) -> FormatFacts:
        return FormatFacts(None)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        raise NotImplementedError

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        return pa.schema([("number", pa.int64())])

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        report.start = report.end = 0
        for line in io.BytesIO(stream.read()):
            text = line.rstrip(b"\n")
            if text == b"!broken":
                raise MalformedFileError("the file is broken", uri=split.file.uri, byte=report.end)
            if text.isdigit():
                report.rows += 1
                yield pa.record_batch({"number": pa.array([int(text)], pa.int64())})
            else:
                report.reject(report.end, "not a number", text)
            report.end += len(line)
