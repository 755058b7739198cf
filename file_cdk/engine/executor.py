"""Where tasks run, behind one small interface; and the executor that runs them in this process."""

from collections.abc import Iterator
from dataclasses import field
from typing import Any, Protocol

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import StreamReader, stop_fetching
from file_cdk.core.system.output import write_all
from file_cdk.engine.ahead import ThreadAhead
from file_cdk.engine.together import Apart, Together, run_together
from file_cdk.engine.work import Began, Ended, Failed, Output, Task, announce, run_task

MAX_BLOCK_BYTES = 1 << 20
"""Maximum size of a block of lines, in bytes, and the capacity of a worker's pipe, so that a whole block fits into it."""

_INLINE_AHEAD = 32
"""Maximum number of tasks that wait while their reader fetches what they will read."""


class Block(Protocol):
    """Encoded output of a task, not yet taken. Blocks are taken in the order in which events deliver them."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def rows(self) -> int: ...

    def read(self) -> bytes | bytearray | memoryview:
        """The block's bytes."""

    def copy_to(self, fd: int) -> None:
        """Writes the block to a file descriptor, whole or (when that fails) with an error."""

    def drop(self) -> None:
        """Forgets the block if it was not taken."""


@dataclass(frozen=True, slots=True)
class ReadTogether:
    """All of the next files of a task for several, in one block; None where they have no records. rows: how many each has.
    warnings: of every record."""

    block: Block | None
    rows: tuple[int, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetApart:
    """The next files of a task for several come each by itself, with the events of a task of its own."""

    attempts: "list[Attempt]"


Event = Began | Block | Ended | Failed | ReadTogether | SetApart


class Attempt(Protocol):
    """One submitted task."""

    @property
    def task(self) -> Task: ...

    def next_event(self) -> Event:
        """Waits for the next event: Began, then blocks, then Ended or Failed; or Failed at once. Not called after those.

        Of a task for several files: ReadTogether and SetApart, until each file was in one of them.
        """


class Executor(Protocol):
    """Runs tasks, several at a time or one by one.

    The caller takes events of one attempt at a time, in the order of submission; that order is what keeps memory bounded.
    """

    def has_room(self) -> bool:
        """Whether another task would be started, or be next for a busy worker; more would only queue."""

    def submit(self, task: Task) -> Attempt: ...

    def reset(self) -> None:
        """Forgets every attempt that was submitted."""

    def close(self) -> None:
        """Stops everything at once."""


@dataclass(slots=True)
class MemoryBlock:
    data: bytes | memoryview
    rows: int

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read(self) -> bytes | memoryview:
        return self.data

    def copy_to(self, fd: int) -> None:
        write_all(fd, self.data)

    def drop(self) -> None:
        self.data = b""


@dataclass(slots=True)
class InlineAttempt:
    task: Task
    events: Iterator[Began | Output | Ended | Failed]
    executor: "InlineExecutor"

    def next_event(self) -> Event:
        event = next(self.events)
        if isinstance(event, Output):
            return MemoryBlock(event.data, event.rows)
        if isinstance(event, Ended | Failed):
            self.executor.pending -= 1
        return event


@dataclass(slots=True)
class InlineTogether:
    """A task for several files."""

    task: Task
    events: Iterator[Began | Output | Ended | Failed | Together | Apart]
    executor: "InlineExecutor"
    at: int = 0

    def next_event(self) -> Event:
        block: MemoryBlock | None = None
        for event in self.events:
            match event:
                case Output():
                    block = MemoryBlock(event.data, event.rows)
                case Together(rows, warnings):
                    self._passed(len(rows))
                    return ReadTogether(block, rows, warnings)
                case Apart(files):
                    splits = self.task.splits[self.at : self.at + files]
                    self._passed(files)
                    return SetApart([self.executor.attempt(self.task.alone(split), self._of_one()) for split in splits])
        raise AssertionError("unreachable: each file is in one of the events")

    def _of_one(self) -> Iterator[Began | Output | Ended | Failed]:
        for event in self.events:
            assert isinstance(event, Began | Output | Ended | Failed)
            yield event
            if isinstance(event, Ended | Failed):
                return

    def _passed(self, files: int) -> None:
        self.at += files
        if self.at == len(self.task.splits):
            self.executor.pending -= 1


@dataclass(slots=True)
class InlineExecutor:
    """Runs tasks without processes: each when its events are asked for, for small jobs and for debugging.

    ahead_bytes: maximum output that a thread has ready before it is asked for, in bytes; None for no thread.
    """

    ahead_bytes: int | None = None
    pending: int = field(default=0)
    _ahead: ThreadAhead | None = None
    _readers: dict[int, StreamReader] = field(default_factory=dict)
    """Of this thread, by their job's key."""

    def has_room(self) -> bool:
        return self.pending < _INLINE_AHEAD

    def submit(self, task: Task) -> InlineAttempt | InlineTogether:
        if task.others:
            self.pending += 1
            return InlineTogether(task, self._events(task), self)
        return self.attempt(task, self._events(task))

    def _events(self, task: Task) -> Iterator[Any]:
        if self.ahead_bytes is None:
            self._readers.setdefault(task.job.key, task.job.reader)
            announce(task)
            return run_together(task, MAX_BLOCK_BYTES) if task.others else run_task(task, MAX_BLOCK_BYTES)
        if self._ahead is None:
            self._ahead = ThreadAhead(self.ahead_bytes, MAX_BLOCK_BYTES)
        return self._ahead.events(task)

    def attempt(self, task: Task, events: Iterator[Began | Output | Ended | Failed]) -> InlineAttempt:
        self.pending += 1
        return InlineAttempt(task, events, self)

    def reset(self) -> None:
        self.pending = 0
        while self._readers:
            stop_fetching(self._readers.popitem()[1])
        if self._ahead is not None:
            self._ahead.stop()
            self._ahead = None

    def close(self) -> None:
        self.reset()
