"""One pass over one split: open, decode, encode. The same code runs inline and in a worker process."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, cast

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import (
    AccessError,
    DestinationError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    FileError,
    InternalError,
    TransientError,
)
from file_cdk.core.files import Split
from file_cdk.core.gathering import Gathering, gathering
from file_cdk.core.ports import Encoder, Format, JsonLines, SplitReport, StreamReader, prefetching
from file_cdk.core.system.limits import limit_reached
from file_cdk.core.system.memory import DEFAULT_MEMORY
from file_cdk.engine.conform import NOT_CONFORMING, Conform, Kept, stopped

if TYPE_CHECKING:
    import pyarrow as pa

_SLICE_FILL = 0.9
"""Share of a block that a slice aims at, since rows differ in length."""

_FIRST_SLICE_ROWS = 512

_BEYOND_BYTES = 64 << 10
"""Bytes after a split that are fetched with it: they mostly hold the end of the last record that begins in it."""

_WHOLE_BYTES = 4 << 20
"""Maximum size of a file that is fetched whole, whatever order its format reads it in."""

_SAMPLE_BYTES = 1 << 20

_OF_THE_STORE = (AccessError, TransientError, FileAccessError, FileChangedError)
"""Errors after which not even the beginning of the first record is known, because the bytes did not come."""

_job_keys = itertools.count()


@dataclass(frozen=True, slots=True)
class RecordShape:
    """Decode for the protocol; `json_schema` are the catalog's properties, or None to pass records as they are.

    conform: what to do with records that do not fit a schema; None passes them all.
    """

    json_schema: Mapping[str, Any] | None
    conform: Conform | None = None


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
    """What all tasks of a stream share; sent to each worker once, under its key. encoder: None for samples.
    max_split_bytes: see MemoryShares."""

    reader: StreamReader
    format: Format
    encoder: Encoder | None
    shape: RecordShape | TableShape | SampleShape
    max_split_bytes: int = DEFAULT_MEMORY.max_split_bytes
    key: int = field(default_factory=lambda: next(_job_keys))


@dataclass(frozen=True, slots=True)
class Task:
    """One split to run. emitted_at_ms is fixed here so that a second run of the task gives the same bytes.

    others: small files, each one split, that are read together with the split, which then is a small file too.
    """

    job: Job
    split: Split
    emitted_at_ms: int
    others: tuple[Split, ...] = ()

    @property
    def splits(self) -> tuple[Split, ...]:
        return self.split, *self.others

    @property
    def size_bytes(self) -> int:
        return sum(split.size_bytes for split in self.splits)

    @property
    def names_bytes(self) -> int:
        return sum(len(split.file.uri.encode("utf-8", "surrogatepass")) for split in self.splits)

    def alone(self, split: Split) -> "Task":
        """One of its files, as a task of its own."""
        return Task(self.job, split, self.emitted_at_ms)


class Began(NamedTuple):
    """The first record of the split begins at byte `start`; sent before any output, and not by a split that failed before
    that could be told."""

    start: int


@dataclass(frozen=True, slots=True)
class Output:
    data: bytes | memoryview
    rows: int


class Ended(NamedTuple):
    """The task is done. schema: what a sample found, JSON Schema properties or an Arrow schema."""

    report: SplitReport
    schema: Any = None


class Failed(NamedTuple):
    """The split cannot be read on. The report covers what was output before."""

    error: FileCdkError
    report: SplitReport


def announce(task: Task) -> None:
    """Tells a reader that can fetch ahead what this task is going to read."""
    reader = prefetching(task.job.reader)
    if reader is None:
        return
    for split in task.splits:
        size = split.file.size_bytes
        if isinstance(task.job.shape, SampleShape) and (size <= _SAMPLE_BYTES or task.job.format.facts.reads_forward):
            reader.prefetch(split.file, 0, min(size, _SAMPLE_BYTES))
        elif size <= _WHOLE_BYTES:
            reader.prefetch(split.file, 0, size)
        elif task.job.format.facts.reads_forward:
            # One byte before: it tells whether a record begins with the split.
            reader.prefetch(split.file, max(split.start - 1, 0), min(split.end + _BEYOND_BYTES, size))


def run_task(task: Task, max_block_bytes: int) -> Iterator[Began | Output | Ended | Failed]:
    """Began, then blocks of output, then Ended or Failed; or only Failed. Blocks depend on the task alone, never on timing.

    Line-oriented output is cut at line ends into blocks of at most `max_block_bytes`, unless one line is longer.
    """
    job = task.job
    report = SplitReport()
    conform = job.shape.conform if isinstance(job.shape, RecordShape) else None
    rows = read = left_out = 0
    began = False
    schema = None
    slicer = _Slicer(max_block_bytes if job.encoder is not None and job.encoder.line_oriented else None)
    gatherer = _Gatherer.of(task)
    try:
        with closing(WholeReads(job.reader.open(task.split.file))) as opened:
            stream = cast(IO[bytes], opened)
            if isinstance(job.shape, SampleShape):
                infer = job.format.infer_json_schema if job.shape.target == "json" else job.format.infer_table_schema
                schema = infer(stream, task.split.file)
            for batch in _decode(job, stream, task.split, report):
                if not began:
                    began = True
                    yield Began(report.start)
                kept = Kept(batch) if conform is None else conform.apply(batch)
                read += kept.batch.num_rows + kept.left_out
                left_out += kept.left_out
                if gatherer is not None:
                    for block in gatherer.add(cast("pa.RecordBatch", kept.batch)):
                        rows += block.rows
                        yield block
                elif kept.batch.num_rows and job.encoder is not None:
                    for part in slicer.parts(kept.batch):
                        encoded = job.encoder.encode(part, task.split.file, rows + 1, task.emitted_at_ms)
                        rows += part.num_rows
                        slicer.learn(part.num_rows, len(encoded))
                        if job.encoder.line_oriented and len(encoded) > max_block_bytes:
                            yield from _cut_at_lines(encoded, max_block_bytes)
                        else:
                            yield Output(encoded, part.num_rows)
                if kept.stop is not None:
                    # Rejected records between those of a batch leave no trace in it of where they were.
                    exact = report.rows_present == report.rows
                    raise stopped(task.split.file.uri, read - kept.batch.num_rows + kept.stop if exact else None)
            for block in gatherer.flush() if gatherer is not None else ():
                rows += block.rows
                yield block
            if report.rows != read:
                raise InternalError(f"{report.rows} records were counted and {read} decoded", uri=task.split.file.uri)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:  # noqa: BLE001 - the worker's boundary; a panic in Rust is no Exception
        error = as_file_error(exc, task.split.file.uri)
        if not began and not isinstance(error, _OF_THE_STORE):
            yield Began(report.start)
        _count(report, rows, left_out)
        yield Failed(error, report)
        return
    if not began:
        yield Began(report.start)
    _count(report, rows, left_out)
    yield Ended(report, schema)


def _count(report: SplitReport, rows: int, left_out: int) -> None:
    """What came out, which after a failure may be less than was decoded."""
    report.rows = rows
    if left_out:
        report.skipped[NOT_CONFORMING] += left_out


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


@dataclass(slots=True)
class _Slicer:
    """Hands a batch to the encoder in parts that make about one block each: cheaper than cutting text, and fit for caches.

    The size of a row is learnt from the rows before it in the task, so that a second run slices alike.
    """

    max_block_bytes: int | None
    bytes_per_row: float = 0.0

    def parts(self, batch: "pa.RecordBatch | JsonLines") -> "Iterator[pa.RecordBatch | JsonLines]":
        if self.max_block_bytes is None or isinstance(batch, JsonLines) or _is_nested(batch.schema):
            yield batch
            return
        start = 0
        while start < batch.num_rows:
            rows = batch.num_rows - start
            if not self.bytes_per_row:
                rows = min(rows, _FIRST_SLICE_ROWS)
            elif self.bytes_per_row * rows > self.max_block_bytes:
                rows = max(1, int(self.max_block_bytes * _SLICE_FILL / self.bytes_per_row))
            yield batch.slice(start, rows)
            start += rows

    def learn(self, rows: int, size_bytes: int) -> None:
        self.bytes_per_row = size_bytes / rows


@dataclass(slots=True)
class _Gatherer:
    """Hands batches to an encoder that takes several at once."""

    task: Task
    encoder: Gathering
    batches: "list[pa.RecordBatch]" = field(default_factory=list)
    size_bytes: int = 0
    rows: int = 0

    @classmethod
    def of(cls, task: Task) -> "_Gatherer | None":
        encoder = gathering(task.job.encoder, task.split.file)
        return None if encoder is None else cls(task, encoder)

    def add(self, batch: "pa.RecordBatch") -> Iterator[Output]:
        if self.batches and not batch.schema.equals(self.batches[0].schema):
            yield from self.flush()
        if batch.num_rows:
            self.batches.append(batch)
            self.size_bytes += batch.nbytes
        if self.size_bytes >= self.encoder.gathered_bytes:
            yield from self.flush()

    def flush(self) -> Iterator[Output]:
        """What waits for more."""
        batches, self.batches, self.size_bytes = self.batches, [], 0
        if not batches:
            return
        file = self.task.split.file
        together = self.encoder.encode_together(batches, file, self.rows + 1)
        if together is not None:
            rows = sum(batch.num_rows for batch in batches)
            self.rows += rows
            yield Output(together, rows)
            return
        for batch in batches:
            encoded = self.encoder.encode(batch, file, self.rows + 1, self.task.emitted_at_ms)
            self.rows += batch.num_rows
            yield Output(encoded, batch.num_rows)


def _is_nested(schema: "pa.Schema") -> bool:
    """Not every JSON writer is right about slices of nested columns."""
    return any(field.type.num_fields for field in schema)


def _cut_at_lines(lines: bytes | memoryview, max_block_bytes: int) -> Iterator[Output]:
    encoded = bytes(lines)
    whole = memoryview(encoded)
    start = 0
    while start < len(encoded):
        end = len(encoded)
        if end - start > max_block_bytes:
            end = encoded.rfind(b"\n", start, start + max_block_bytes) + 1 or encoded.index(b"\n", start) + 1
        yield Output(whole[start:end], encoded.count(b"\n", start, end))
        start = end


def as_file_error(exc: BaseException, uri: str, attempt: str = "read") -> FileCdkError:
    """What ended the attempt to read (or to copy) a file, as an error that names it."""
    match exc:
        case DestinationError():
            return exc  # it concerns every file
        case FileCdkError():
            if exc.uri is None:
                exc.uri = uri
            return exc
        case _ if (limit := limit_reached(exc)) is not None:
            return FileError(f"cannot be {attempt}: {limit.message}", uri=uri, remedy=limit.remedy)
        case OSError():
            return FileAccessError(f"cannot be read: {exc.strerror or type(exc).__name__}", uri=uri)
        case _:
            return InternalError.wrap(exc, uri=uri)


class WholeReads:
    """A reader's stream as formats rely on it: `read(n)` returns all that was asked for, unless the file ends. Those of
    sockets and HTTP bodies may return less.

    What a split decodes to, batch by batch, then depends on the file alone and not on how its bytes happened to arrive: a
    second run after a worker's death can go on where the first stopped.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self._stream.read(1 << 20), b""))
        data = self._stream.read(size)
        if len(data) == size or not data:
            return data
        parts = [data]
        left = size - len(data)
        while left and (data := self._stream.read(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
