"""How the conformance suite for formats reads a file: split by split, with the engine's proof that nothing is lost between."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Literal

import pyarrow as pa

from file_cdk.core.errors import SequentialOnlyError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Format, JsonLines, SplitReport
from file_cdk.testing.checks import require, wrong

Face = Literal["records", "table"]
FACES: tuple[Face, ...] = ("records", "table")

MODIFIED_AT = datetime(2024, 1, 1, tzinfo=UTC)

Record = dict[str, str]
"""A record's values as text: whether `id` is a number or its digits is for the format to say."""


@dataclass(slots=True)
class FileReading:
    """What a file gave, in one split or in many."""

    records: list[Record] = field(default_factory=list)
    batch_rows: list[int] = field(default_factory=list)
    skipped: int = 0
    rejected: int = 0
    end: int = 0


def ending_of(file_format: Format) -> str:
    """How the names of the format's files end, where it says so."""
    extensions: tuple[str, ...] = getattr(file_format, "extensions", ("",))
    return extensions[0]


def file_of(file_format: Format, data: bytes, uri: str | None = None) -> RemoteFile:
    return RemoteFile(uri or f"a{ending_of(file_format)}", len(data), MODIFIED_AT, "1")


def only_split(file: RemoteFile) -> Split:
    return Split(file, 0, 0, file.size_bytes)


def splits_of_size(file: RemoteFile, size_bytes: int) -> list[Split]:
    edges = [*range(0, file.size_bytes, size_bytes), file.size_bytes]
    return [Split(file, ordinal, *edges[ordinal : ordinal + 2]) for ordinal in range(len(edges) - 1)]


def table_schema(file_format: Format, data: bytes, uri: str | None = None) -> pa.Schema:
    return file_format.infer_table_schema(io.BytesIO(data), file_of(file_format, data, uri))


def read_whole(file_format: Format, data: bytes, face: Face, uri: str | None = None) -> FileReading:
    schema = table_schema(file_format, data, uri)
    return read_splits(file_format, data, [only_split(file_of(file_format, data, uri))], face, schema)


def read_splits(
    file_format: Format, data: bytes, splits: Sequence[Split], face: Face, schema: pa.Schema
) -> FileReading:
    """Splits in their order, chained as the engine does it. A chain with a gap fails the check."""
    found = FileReading()
    waiting = list(reversed(splits))
    while waiting:
        split = waiting.pop()
        try:
            report, batches = _read_split(file_format, io.BytesIO(data), split, face, schema, found.end)
        except SequentialOnlyError:
            require(not split.sequential, "SequentialOnlyError is raised for a split that is sequential")
            waiting = [split.rest_of_file(found.end)]
            continue
        if report.start != found.end:
            _require_guess(split, report, found.end)
            waiting.append(split.restarted_at(found.end))
            continue
        _require_end(split, report)
        for batch in batches:
            found.records += batch
            found.batch_rows.append(len(batch))
        found.skipped += report.skipped.total()
        found.rejected += report.rejects.total()
        found.end = report.end
    require(found.end == len(data), f"the splits end at byte {found.end} of {len(data)}: what follows is not read")
    return found


def _read_split(
    file_format: Format, stream: IO[bytes], split: Split, face: Face, schema: pa.Schema, begin: int
) -> tuple[SplitReport, list[list[Record]]]:
    report = SplitReport(start=-1, end=-1)
    batches = []
    rows = 0
    for batch in batches_of(file_format, stream, split, face, schema, report):
        require(report.start >= 0, "report.start is not set before the first batch is yielded")
        batches.append(_records(batch))
        rows += batch.num_rows
    require(report.rows == rows, f"report.rows is {report.rows} after {rows} records were yielded")
    require(
        report.start >= 0 and report.end >= 0,
        f"report.start and report.end are not both set for the split {split.start} to {split.end}",
    )
    if report.start == report.end == begin:
        require(not rows, f"{rows} records come out of a split with report.start == report.end")
    return report, batches


def batches_of(
    file_format: Format, stream: IO[bytes], split: Split, face: Face, schema: pa.Schema, report: SplitReport
) -> "Iterator[pa.RecordBatch | JsonLines]":
    if face == "table":
        return iter(file_format.read_table(stream, split, schema, report))
    return iter(file_format.read_records(stream, split, None, report))


def _require_guess(split: Split, report: SplitReport, begin: int) -> None:
    require(
        not (split.at_record or split.is_first),
        f"the split {split.start} to {split.end} was told that a record begins at {begin}, and begins at {report.start}",
    )


def _require_end(split: Split, report: SplitReport) -> None:
    require(
        split.end <= report.end <= split.file.size_bytes,
        f"the split {split.start} to {split.end} ends at {report.end}: report.end is where the first record after it begins",
    )


def _records(batch: "pa.RecordBatch | JsonLines") -> list[Record]:
    if isinstance(batch, JsonLines):
        rows = [json.loads(line) for line in batch.lines]
    else:
        batch.validate(full=True)  # text is UTF-8, for who encodes relies on it
        rows = batch.to_pylist()
    return [{name: str(value) for name, value in row.items() if value is not None} for row in rows]


def require_records(found: list[Record], written: Sequence[dict[str, Any]], what: str) -> None:
    expected = [{name: str(value) for name, value in record.items()} for record in written]
    if found == expected:
        return
    if len(found) != len(expected):
        wrong(f"{what} gives {len(found)} records, not {len(expected)}")
    at = next(at for at, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other)
    wrong(f"{what} gives {found[at]} as record {at + 1}, not {expected[at]}")
