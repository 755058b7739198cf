"""Small files read together: one task, one parse and one block of output for many. A file of which there is more to say than
how many records it has is read alone, as if it had never been with the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import field, replace
from typing import IO, NamedTuple

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TransientError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.joining import Joined, JoiningEncoder, JoiningFormat, WholeFile, joining_encoder, joining_format
from file_cdk.core.ports import StreamReader
from file_cdk.engine.work import Began, Ended, Failed, Job, Output, RecordShape, Task, WholeReads, run_task

SMALL_BYTES = 32 << 10
"""Maximum size of a file that is read together with others, in bytes."""

MAX_FILES = 64
MAX_BYTES = 256 << 10
MAX_NAMES_BYTES = 8 << 10
"""Maximum number of files in one task, of their bytes, and of the bytes of their names: progress is told and states are sent
between tasks, and orders have to fit a worker's socket."""


class Together(NamedTuple):
    """The block before holds all records of the next files of the task: so many of each. warnings: of every record."""

    rows: tuple[int, ...]
    warnings: tuple[str, ...] = ()


class Apart(NamedTuple):
    """What follows are the events of so many of the next files, each as if it were a task of its own."""

    files: int


@dataclass(slots=True)
class Room:
    """What a task for several files has room for."""

    files: int = MAX_FILES
    size_bytes: int = MAX_BYTES
    names_bytes: int = MAX_NAMES_BYTES

    def takes(self, split: Split) -> bool:
        """Whether the split is a small file in whole, and is one of them from now on."""
        if split.size_bytes > SMALL_BYTES or not (split.is_first and split.is_last) or split.sequential:
            return False
        self.files -= 1
        self.size_bytes -= split.size_bytes
        self.names_bytes -= 4 * len(split.file.uri)  # at most, in UTF-8
        return self.files >= 0 and self.size_bytes >= 0 and self.names_bytes >= 0


def reads_together(job: Job) -> bool:
    """Whether small files of this job can be read together."""
    if joining_format(job.format) is None or joining_encoder(job.encoder) is None:
        return False
    return isinstance(job.shape, RecordShape) and job.shape.conform is None


def run_together(
    task: Task, max_block_bytes: int, alone: Callable[[int | None], None] = lambda _: None
) -> Iterator[Began | Output | Ended | Failed | Together | Apart]:
    """As `run_task`, of all files of the task, in their order. alone: told which file is read alone from now on, if one is.

    Blocks have at most `max_block_bytes` but for those of files that are read alone.
    """
    job = task.job
    file_format, encoder = joining_format(job.format), joining_encoder(job.encoder)
    assert file_format is not None
    assert encoder is not None
    ahead = _Ahead(job.reader, task.splits)
    limit = len(task.splits)
    while ahead.at < len(task.splits):
        files = ahead.files()[:limit]
        found = _joined(task, file_format, encoder, files, max_block_bytes) if files else 1
        if isinstance(found, int):
            yield Apart(found)
            for at in range(ahead.at, ahead.at + found):
                alone(at)
                part = task.alone(task.splits[at])
                if ahead.error is not None and not files:
                    part = replace(part, job=replace(job, reader=_Unreachable(ahead.error)))
                yield from run_task(part, max_block_bytes)
            alone(None)
            ahead.passed(found)
        elif found is None:
            limit = len(files) // 2
        else:
            encoded, together = found
            if encoded:
                yield Output(encoded, sum(together.rows))
            yield together
            ahead.passed(len(together.rows))


def _joined(
    task: Task, file_format: JoiningFormat, encoder: JoiningEncoder, files: list[WholeFile], max_block_bytes: int
) -> tuple[bytes, Together] | int | None:
    """The output of the first files and what is told of them; or how many are to be read alone; None for more than fits a
    block."""
    shape = task.job.shape
    assert isinstance(shape, RecordShape)
    joined = file_format.join_records(files, shape.json_schema)
    if not isinstance(joined, Joined):
        return joined
    read = [each.file for each in files[: len(joined.rows)]]
    encoded = encoder.encode_joined(joined.batch, read, joined.rows, task.emitted_at_ms)
    if len(encoded) > max_block_bytes:
        return None if len(read) > 1 else 1
    return encoded, Together(joined.rows, joined.warnings)


@dataclass(slots=True)
class _Ahead:
    """The bytes of a task's files from `at` on, as far as each can be read. error: of the first that cannot, where trying it
    again took its time."""

    reader: StreamReader
    splits: Sequence[Split]
    at: int = 0
    error: TransientError | None = None
    _read: list[WholeFile] = field(default_factory=list)
    _stopped: bool = False

    def files(self) -> list[WholeFile]:
        while not self._stopped and self.at + len(self._read) < len(self.splits):
            file = self.splits[self.at + len(self._read)].file
            try:
                whole = _read_whole(self.reader, file)
            except TransientError as exc:
                self.error, whole = exc, None
            if whole is None:
                self._stopped = True
            else:
                self._read.append(whole)
        return self._read

    def passed(self, files: int) -> None:
        self.at += files
        if not self._read:
            self._stopped, self.error = False, None
        del self._read[:files]


def _read_whole(reader: StreamReader, file: RemoteFile) -> WholeFile | None:
    """None where that fails, or other bytes come than were listed: who then reads it alone says why. Raises TransientError."""
    try:
        with closing(reader.open(file)) as stream:
            data = WholeReads(stream).read(file.size_bytes + 1)
    except TransientError:
        raise
    except Exception:  # noqa: BLE001 - a reader of another package may raise anything
        return None
    return WholeFile(file, data) if len(data) == file.size_bytes else None


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """Of a file that was tried as often as it is worth."""

    error: TransientError

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:  # noqa: ARG002
        raise self.error

    def open(self, file: RemoteFile) -> IO[bytes]:  # noqa: ARG002
        raise self.error
