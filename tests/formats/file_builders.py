"""Files of bytes in memory, and what formats read of them."""

import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from format_settings import JSONL

from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Format, JsonLines, SplitReport
from file_cdk.protocol.record_encoding import RecordEncoder

URI = "folder/a"
MODIFIED_AT = datetime(2024, 1, 2, tzinfo=UTC)

# Of a reject: row, byte, reason and the bytes themselves.
Rejected = tuple[int | None, int | None, str, bytes | None]


def remote(data: bytes, uri: str = URI) -> RemoteFile:
    # Formats keep headers and footers by a file's version: files of different content must not look like one version.
    return RemoteFile(uri, len(data), MODIFIED_AT, etag=str(hash(data)))


def whole(data: bytes, uri: str = URI, *, sequential: bool = False) -> Split:
    """The split that is all of the file."""
    return Split(remote(data, uri), 0, 0, len(data), sequential=sequential)


def lines_of(batches: Iterable[JsonLines | pa.RecordBatch]) -> Iterator[bytes]:
    """Of batches that must all be JSON lines."""
    for batch in batches:
        assert isinstance(batch, JsonLines)
        yield from batch.lines


def read_lines(data: bytes, fmt: Format = JSONL, split: Split | None = None) -> tuple[list[bytes], SplitReport]:
    """split: the whole file, if it is not said."""
    report = SplitReport()
    batches = fmt.read_records(io.BytesIO(data), split or whole(data), None, report)
    return list(lines_of(batches)), report


def read_encoded(fmt: Format, data: bytes, report: SplitReport | None = None, uri: str = URI) -> list[dict[str, Any]]:
    """The records as RECORD messages have them, without the columns about the file; they must be as many as reported."""
    encoder, report = RecordEncoder("s"), report or SplitReport()
    lines: list[bytes] = []
    try:
        for batch in fmt.read_records(io.BytesIO(data), whole(data, uri), None, report):
            lines += encoder.encode(batch, remote(data, uri), 1, 0).splitlines()
    finally:
        assert report.rows == len(lines)
    records = [json.loads(line)["record"]["data"] for line in lines]
    return [{name: value for name, value in record.items() if not name.startswith("_ab_")} for record in records]


def read_table(fmt: Format, data: bytes, schema: pa.Schema) -> tuple[pa.Table, SplitReport]:
    """The batches of the whole file as one table; they must have as many rows as reported."""
    report = SplitReport()
    batches = list(fmt.read_table(io.BytesIO(data), whole(data), schema, report))
    assert report.rows == sum(batch.num_rows for batch in batches)
    return pa.Table.from_batches(batches) if batches else schema.empty_table(), report


def rejects_of(report: SplitReport) -> list[Rejected]:
    return [(reject.row, reject.byte, reject.reason, reject.raw) for reject in report.rejects.first]
