"""Where tasks run, behind one small interface; and the executor that runs them in this process."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from file_cdk.core.system.output import write_all
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


Event = Began | Block | Ended | Failed


class Attempt(Protocol):
    """One submitted task."""

    @property
    def task(self) -> Task: ...

    def next_event(self) -> Event:
        """Waits for the next event: Began, then blocks, then Ended or Failed; or Failed at once. Not called after those."""


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
class InlineExecutor:
    """Runs each task when its events are asked for: no processes, for small jobs and for debugging."""

    pending: int = field(default=0)

    def has_room(self) -> bool:
        return self.pending < _INLINE_AHEAD

    def submit(self, task: Task) -> InlineAttempt:
        self.pending += 1
        announce(task)
        return InlineAttempt(task, run_task(task, MAX_BLOCK_BYTES), self)

    def reset(self) -> None:
        self.pending = 0

    def close(self) -> None:
        self.reset()
