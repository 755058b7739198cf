"""Copies files as they are into the staging folder, several at a time, and hands them over in their order."""

import pickle
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import field

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, FileCdkError, FileChangedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader, stop_fetching
from file_cdk.engine.staging import StagedFile, Staging, StagingClosedError
from file_cdk.engine.work import as_file_error

PIECE_BYTES = 1 << 20
"""Maximum held in memory of each file that is being copied, in bytes."""

THREADS = 8
FILES_PER_THREAD = 4
"""Maximum number of files per thread that are in the staging folder and not yet announced: under way, or waiting for one."""

_PATIENCE_S = 2.0
"""Maximum time to wait for the threads at the end; one that hangs in a read can do no harm any more."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """A complete file, whose copy is the receiver's from now on. staged: absolute path; relative: what it is called."""

    file: RemoteFile
    staged: str
    relative: str


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """A file of which nothing is left in the staging folder. After a DestinationError no other file follows."""

    file: RemoteFile
    error: FileCdkError


Handover = Transferred | TransferFailed

NewerVersion = Callable[[RemoteFile, FileCdkError], RemoteFile | FileCdkError]
"""What to copy in place of a file that failed so: its version of now, or the error to tell."""


def transfer(
    reader: StreamReader,
    files: Iterable[RemoteFile],
    staging: Staging,
    relative_path: Callable[[RemoteFile], str],
    threads: int = THREADS,
    newer_version: NewerVersion = lambda _file, error: error,
) -> Generator[Handover, None, None]:
    """One result per file, in the order of `files`, which is read no further than FILES_PER_THREAD * threads ahead.

    relative_path: as staged_names makes it. newer_version: asked in this thread and in the order of the files; the outcome
    is of the version that was copied last. Memory: PIECE_BYTES a thread. Each thread opens files with a copy of the reader.
    Closes `staging`, at the latest when it is closed itself: close it when an exception may leave it unfinished.
    """
    crew = _Crew(reader, staging, threads)
    copies: deque[_Copy] = deque()
    numbered = enumerate(files)
    try:
        while True:
            while len(copies) < threads * FILES_PER_THREAD and (following := next(numbered, None)):
                number, file = following
                copies.append(crew.begin(_Copy(str(number), file, relative_path(file))))
            if not copies:
                return
            copies[0].done.wait()
            copy = copies.popleft()
            outcome = copy.outcome
            assert outcome is not None
            if isinstance(outcome, Transferred):
                staging.release(copy.name)
            elif isinstance(then := newer_version(outcome.file, outcome.error), RemoteFile):
                # Under another name, so that nothing of the older version can be in its way.
                copies.appendleft(crew.begin(_Copy(f"{copy.name}+", then, relative_path(then))))
                continue
            else:
                outcome = TransferFailed(outcome.file, then)
            yield outcome
            if isinstance(outcome, TransferFailed) and isinstance(outcome.error, DestinationError):
                return
    finally:
        staging.close()
        crew.dismiss()


@dataclass(slots=True)
class _Copy:
    name: str
    file: RemoteFile
    relative: str
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Handover | None = None


class _Crew:
    """Threads that copy. They are daemons: one that hangs in a read does not keep the process."""

    def __init__(self, reader: StreamReader, staging: Staging, threads: int) -> None:
        self._reader = pickle.dumps(reader)
        self._staging = staging
        self._queue: queue.SimpleQueue[_Copy | None] = queue.SimpleQueue()
        self._limit = threads
        self._threads: list[threading.Thread] = []

    def begin(self, copy: _Copy) -> _Copy:
        if len(self._threads) < self._limit:
            thread = threading.Thread(target=self._work, name=f"transfer-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._queue.put(copy)
        return copy

    def dismiss(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(_PATIENCE_S / len(self._threads))

    def _work(self) -> None:
        # A reader is for one thread; its copy makes clients of its own.
        reader: StreamReader = pickle.loads(self._reader)
        try:
            while copy := self._queue.get():
                copy.outcome = _copy(reader, copy, self._staging)
                copy.done.set()
        except StagingClosedError:
            return
        finally:
            stop_fetching(reader)


def _copy(reader: StreamReader, copy: _Copy, staging: Staging) -> Handover:
    file = copy.file
    try:
        staged = staging.begin(copy.name, copy.relative, file.uri, file.size_bytes)
        with closing(staged):
            _fill(staged, reader, file)
            staged.publish()
    except StagingClosedError:
        raise
    except Exception as exc:  # noqa: BLE001 - the worker's boundary
        staging.discard(copy.name)
        return TransferFailed(file, as_file_error(exc, file.uri, "copied"))
    return Transferred(file, staged.path, copy.relative)


def _fill(staged: StagedFile, reader: StreamReader, file: RemoteFile) -> None:
    """Raises FileChangedError when there are more or fewer bytes than were listed."""
    copied = 0
    with closing(reader.open(file)) as stream:
        while copied <= file.size_bytes and (piece := stream.read(PIECE_BYTES)):
            copied += len(piece)
            staged.write(piece)
    if copied != file.size_bytes:
        amount = f"{copied}" if copied < file.size_bytes else "more"
        raise FileChangedError(
            f"the file's size was {file.size_bytes} when it was listed, and {amount} when it was copied, in bytes",
            uri=file.uri,
        )
