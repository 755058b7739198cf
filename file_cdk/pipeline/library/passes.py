"""One pass over a stream's files, from the first to the last: all at once, or by a thread of its own, batch by batch.

The thread exists because a run of the engine hands rows on when it has them, and whoever iterates asks when they want them. It
owns the run, with its worker processes: whoever asks only sets a flag when they want no more, and it takes everything down.
"""

import atexit
import dataclasses
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import AccessError, FileCdkError
from file_cdk.core.ports import RejectedRecord
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.library.batches import Batches, Put, WidenedError
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import StreamReport, StreamResult, SyncObserver
from file_cdk.pipeline.tables.sync import StreamSync

if TYPE_CHECKING:
    from file_cdk.core.system.memory import MemoryShares

HOLD_BYTES = 32 << 20
"""Maximum of rows that wait, before the first batch, for files that ask for another type of a column, in bytes."""

AHEAD_BYTES = 16 << 20
"""Maximum of batches that were read and not asked for yet, in bytes; one that is larger is alone."""

_PATIENCE_S = 2.0
"""Maximum time to wait for the thread when no more is wanted; one that waits for a store ends when that answers."""


class _NoMoreError(BaseException):
    """Nobody asks for batches any more: takes the run down from within."""


class _Told:
    """Passes on what is told of a sync, and raises what a file fails with: no row is left out without a word."""

    def __init__(self, observer: SyncObserver, only: frozenset[str] | None) -> None:
        self._observer = observer
        self.listed = observer.listed
        self.progressed = observer.progressed
        self.warned = observer.warned
        self.missing = set(only or ())

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        self.missing.discard(uri)
        self._observer.file_loaded(stream, uri, rows)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        self._observer.file_failed(stream, uri, error)
        raise error


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass reads, and how."""

    stream: Stream
    options: SyncOptions

    def run(
        self,
        put: Put,
        known: pa.Schema,
        hold_bytes: int | None,
        observer: SyncObserver,
        began: Callable[[], None] = lambda: None,
    ) -> "Finished":
        """Reads all. began: called at each file, when it is under way. Raises what a file fails with, and WidenedError."""
        to, told = Batches(put, known, hold_bytes, began), _Told(observer, self.stream.only)
        memory = self.options.memory_of([self.stream], to)
        executors = Executors(self.options.workers, memory)
        try:
            report = StreamReport(self.stream.name, told, [])
            result = StreamSync(self._within(memory), to, executors, self.options, report, 0).run()
            if told.missing:
                raise AccessError(
                    f"{len(told.missing)} of the files that were asked for are not there, or not to be read",
                    uri=min(told.missing),
                    remedy="file_cdk.files says which there are, and why some are not read",
                )
            if not result.files_read:
                raise self.stream.nothing_to_read("", result.skipped)
            return Finished(result, to.finish(), tuple(to.rejects))
        finally:
            executors.close()

    def _within(self, memory: "MemoryShares") -> Stream:
        return replace(self.stream, since=self.options.since, until=self.options.until).within(memory)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a pass came to. schema: of all its batches. rejects: the first of those that `result` counts."""

    result: StreamResult
    schema: pa.Schema
    rejects: tuple[RejectedRecord, ...]


def read_all(
    plan: Plan, observer: SyncObserver, meanwhile: Callable[[], None]
) -> tuple[list[pa.RecordBatch], Finished]:
    """In the caller's thread, and into memory. Where a file turns out to need wider columns than those before it, all are read
    again: so that text is what the file has, and not what a number made of it. meanwhile: done by a thread, from when the first
    file is under way, and by then done in any case."""
    known = pa.schema([])
    other = threading.Thread(target=meanwhile, name="file_cdk-meanwhile", daemon=True)

    def began() -> None:
        if other.ident is None:
            other.start()

    try:
        while True:
            batches: list[pa.RecordBatch] = []
            try:
                return batches, plan.run(batches.append, known, None, observer, began)
            except WidenedError as widened:
                known = widened.schema
    finally:
        if other.ident is not None:
            other.join()


class Pass:
    """Iterates over the batches, once; `close` it, or drop it, to read no further."""

    def __init__(self, plan: Plan, observer: SyncObserver) -> None:
        self._handover = _Handover(plan, observer)
        self._handover.start()
        # The thread knows the one and not the other, so that a pass which nobody holds any more comes to its end.
        weakref.finalize(self, self._handover.abandon).atexit = False

    @property
    def schema(self) -> pa.Schema:
        """Waits until it is known. Raises what the pass ended with before."""
        return self._handover.schema()

    @property
    def finished(self) -> Finished | None:
        return self._handover.finished

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while (batch := self._handover.take()) is not None:
                yield batch
        finally:
            self.close()

    def close(self) -> None:
        """Ends the run and its processes. Waits for that, but no longer than a moment."""
        self._handover.abandon()
        self._handover.join()


@dataclasses.dataclass(eq=False)  # a weak reference to it is kept, for which a slotted one has no place
class _Handover:
    """What the thread and whoever takes its batches have in common."""

    plan: Plan
    observer: SyncObserver
    finished: Finished | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ready: deque[pa.RecordBatch] = field(default_factory=deque)
    _ready_bytes: int = 0
    _schema: pa.Schema | None = None
    _error: BaseException | None = None
    _is_over: bool = False
    _is_unwanted: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        # A daemon, since one that waits for a store is not to keep the interpreter from its end.
        self._thread = threading.Thread(target=self._run, name="file_cdk-read", daemon=True)
        _at_work.add(self)
        self._thread.start()

    def schema(self) -> pa.Schema:
        with self._changed:
            self._changed.wait_for(lambda: self._schema is not None or self._is_over)
            if self._schema is None:
                raise self._error or RuntimeError("nothing more is read")
            return self._schema

    def take(self) -> pa.RecordBatch | None:
        """The next batch; None after the last. Raises what the run ended with."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._is_over)
            if self._ready:
                batch = self._ready.popleft()
                self._ready_bytes -= batch.nbytes
                self._changed.notify_all()
                return batch
            if self._error is not None:
                raise self._error
            return None

    def abandon(self) -> None:
        with self._changed:
            self._is_unwanted = True
            self._ready.clear()
            self._changed.notify_all()

    def join(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self.finished = self._read()
        except _NoMoreError:
            pass
        except BaseException as exc:  # noqa: BLE001 - the thread's boundary: raised where batches are asked for
            error = exc
        with self._changed:
            if self.finished is not None:
                self._schema = self.finished.schema
            self._error = error
            self._is_over = True
            self._changed.notify_all()
        _at_work.discard(self)

    def _read(self) -> Finished:
        known = pa.schema([])
        while True:
            try:
                return self.plan.run(self._put, known, HOLD_BYTES, self.observer)
            except WidenedError as widened:
                known = widened.schema

    def _put(self, batch: pa.RecordBatch) -> None:
        size_bytes = batch.nbytes
        with self._changed:
            if self._schema is None:
                self._schema = batch.schema
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_unwanted or self._has_room(size_bytes))
            if self._is_unwanted:
                raise _NoMoreError
            self._ready.append(batch)
            self._ready_bytes += size_bytes
            self._changed.notify_all()

    def _has_room(self, size_bytes: int) -> bool:
        return not self._ready or self._ready_bytes + size_bytes <= AHEAD_BYTES


_at_work: set[_Handover] = set()


@atexit.register
def _end_all() -> None:
    """What is at work when the interpreter ends: its processes are to go first."""
    for handover in tuple(_at_work):
        handover.abandon()
        handover.join()
