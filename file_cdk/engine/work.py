"""One pass over one split: open, decode, encode. The same code runs inline and in a worker process."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Literal

from file_cdk.core.errors import FileAccessError, FileCdkError, FileError, InternalError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import Encoder, Format, JsonLines, SplitReport, StreamReader

if TYPE_CHECKING:
    import pyarrow as pa

_job_keys = itertools.count()


@dataclass(frozen=True, slots=True)
class RecordShape:
    """Decode for the protocol; `json_schema` are the catalog's properties, or None to pass records as they are."""

    json_schema: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class TableShape:
    """Decode for a table whose columns have these types."""

    schema: "pa.Schema"


@dataclass(frozen=True, slots=True)
class SampleShape:
    """Decode nothing: find the schema of a file's beginning, for the protocol or for a table."""

    target: Literal["json", "table"]


@dataclass(frozen=True, slots=True)
class Job:
    """What all tasks of a stream share; sent to each worker once, under its key. encoder: None for samples."""

    reader: StreamReader
    format: Format
    encoder: Encoder | None
    shape: RecordShape | TableShape | SampleShape
    key: int = field(default_factory=lambda: next(_job_keys))


@dataclass(frozen=True, slots=True)
class Task:
    """One split to run. emitted_at_ms is fixed here so that a second run of the task gives the same bytes."""

    job: Job
    split: Split
    emitted_at_ms: int


@dataclass(frozen=True, slots=True)
class Began:
    """The first record of the split begins at byte `start`; sent before any output."""

    start: int


@dataclass(frozen=True, slots=True)
class Output:
    data: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The task is done. schema: what a sample found, JSON Schema properties or an Arrow schema."""

    report: SplitReport
    schema: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The split cannot be read on. The report covers what was output before."""

    error: FileCdkError
    report: SplitReport


def run_task(task: Task, max_block_bytes: int) -> Iterator[Began | Output | Ended | Failed]:
    """Began, then blocks of output, then Ended or Failed. Blocks depend on the task alone, never on timing.

    Line-oriented output is cut at line ends into blocks of at most `max_block_bytes`, unless one line is longer.
    """
    job = task.job
    report = SplitReport()
    rows = 0
    began = False
    schema = None
    try:
        with job.reader.open(task.split.file) as stream:
            if isinstance(job.shape, SampleShape):
                schema = _infer(job.format, job.shape, stream, task.split.file)
            for batch in _decode(job, stream, task.split, report):
                if not began:
                    began = True
                    yield Began(report.start)
                if batch.num_rows and job.encoder is not None:
                    encoded = job.encoder.encode(batch, task.split.file, rows + 1, task.emitted_at_ms)
                    rows += batch.num_rows
                    if job.encoder.line_oriented and len(encoded) > max_block_bytes:
                        yield from _cut_at_lines(encoded, max_block_bytes)
                    else:
                        yield Output(encoded, batch.num_rows)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as exc:  # noqa: BLE001 - the worker's boundary; a panic in Rust is no Exception
        if not began:
            yield Began(report.start)
        report.rows = rows
        yield Failed(_as_file_error(exc, task.split), report)
        return
    if not began:
        yield Began(report.start)
    report.rows = rows
    yield Ended(report, schema)


def _infer(decoder: Format, shape: SampleShape, stream: IO[bytes], file: RemoteFile) -> Any:
    return (
        decoder.infer_json_schema(stream, file) if shape.target == "json" else decoder.infer_table_schema(stream, file)
    )


def _decode(
    job: Job, stream: IO[bytes], split: Split, report: SplitReport
) -> "Iterator[pa.RecordBatch] | Iterator[pa.RecordBatch | JsonLines]":
    match job.shape:
        case TableShape(schema):
            return job.format.read_table(stream, split, schema, report)
        case RecordShape(json_schema):
            return job.format.read_records(stream, split, json_schema, report)
        case SampleShape():
            return iter(())


def _cut_at_lines(encoded: bytes, max_block_bytes: int) -> Iterator[Output]:
    start = 0
    while len(encoded) - start > max_block_bytes:
        end = encoded.rfind(b"\n", start, start + max_block_bytes) + 1
        if not end:
            end = encoded.index(b"\n", start) + 1
        yield Output(encoded[start:end], encoded.count(b"\n", start, end))
        start = end
    if start < len(encoded):
        yield Output(encoded[start:], encoded.count(b"\n", start))


def _as_file_error(exc: BaseException, split: Split) -> FileCdkError:
    uri = split.file.uri
    match exc:
        case FileCdkError():
            if exc.uri is None:
                exc.uri = uri
            return exc
        case OSError():
            return FileAccessError(f"cannot be read: {exc.strerror or type(exc).__name__}", uri=uri)
        case MemoryError():
            return FileError("does not fit into memory", uri=uri, remedy="Read it with fewer workers")
        case _:
            return InternalError.wrap(exc, uri=uri)
