"""The worker process: runs the tasks it is sent, one after another, and keeps its output until the parent takes it.

Two channels to the parent: `control` carries tasks in and events out, several at a time; a pipe carries blocks. Events and
blocks leave in the order in which they were made. A block that fits the pipe is announced once it is whole in the pipe, so
that what the parent has been told of survives this process's death; a larger one is announced first, and the parent reads it
to its end. Which attempt is at work stands in a file in memory that both have open: if this process dies, that one is to blame.
"""

import contextlib
import logging
import os
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import Split
from file_cdk.core.system.allocator import keep_what_is_freed, share_an_arena
from file_cdk.core.system.connection import Connection
from file_cdk.engine.executor import MAX_BLOCK_BYTES
from file_cdk.engine.planning import split_bytes
from file_cdk.engine.together import Apart, Together, run_together
from file_cdk.engine.work import Began, Ended, Failed, Job, Output, Task, announce, run_task
from file_cdk.engine.workers.outbox import Logged, Outbox
from file_cdk.engine.workers.sparing import spare_pandas

_PACKAGE = __name__.partition(".")[0]


class TaskOrder(NamedTuple):
    """A task as it travels: its job whole the first time, by key alone afterwards."""

    attempt_key: int
    job_key: int
    job: Job | None
    split: Split
    emitted_at_ms: int
    others: tuple[Split, ...] = ()


class _LogHandler(logging.Handler):
    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def emit(self, record: logging.LogRecord) -> None:
        self._outbox.log(Logged(record.name, record.levelno, record.getMessage()))


@dataclass(frozen=True, slots=True)
class AtWork:
    """The key of the attempt at work, in a file in memory that outlives the process. fd: that file's descriptor."""

    fd: int

    @classmethod
    def nobody(cls) -> "AtWork":
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("file_cdk-at-work")
        else:
            import tempfile

            with tempfile.TemporaryFile(prefix="file_cdk-at-work-") as file:
                fd = os.dup(file.fileno())
        return cls(fd)

    def note(self, attempt_key: int) -> None:
        os.pwrite(self.fd, attempt_key.to_bytes(8, "little"), 0)

    def read(self) -> int | None:
        """None before the first one."""
        return int.from_bytes(noted, "little") if (noted := os.pread(self.fd, 8, 0)) else None


def main(control_fd: int, data_fd: int, at_work_fd: int, pipe_bytes: int, outbox_bytes: int) -> None:
    """Entry point of the process; ends when the parent closes its end of `control`, dies, or stops reading.

    data_fd: the writing end of the pipe.
    """
    settle()
    control, at_work = Connection(control_fd), AtWork(at_work_fd)
    os.set_blocking(data_fd, False)
    outbox = Outbox(control, data_fd, pipe_bytes, outbox_bytes)
    package = logging.getLogger(_PACKAGE)
    package.handlers[:] = [_LogHandler(outbox)]  # a forked command has its own
    package.setLevel(logging.INFO)
    package.propagate = False
    threading.Thread(target=outbox.tell_at_last, name="file_cdk-tell", daemon=True).start()
    # EOFError, BrokenPipeError and ConnectionResetError all say the same: the parent is gone or wants no more.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        for key, task in _orders(outbox):
            outbox.spills_at_once = split_bytes(task.split.file, task.job.format) is None
            for item in _run(key, task, at_work):
                outbox.put(item)
                outbox.flush(until_bytes=outbox.max_bytes)
            # The keys of files that are set apart follow that of the attempt they come from.
            outbox.made(key + len(task.splits) if task.others else key)
    # Interpreter tear-down costs more than many a task, and nothing here is left to be saved.
    os._exit(0)


def _run(key: int, task: Task, at_work: AtWork) -> Iterator[Began | Output | Ended | Failed | Together | Apart]:
    """The events of a task. Of one for several files, each that is read alone is an attempt of its own; their keys follow."""
    at_work.note(key)
    if not task.others:
        return run_task(task, MAX_BLOCK_BYTES)
    return run_together(task, MAX_BLOCK_BYTES, lambda at: at_work.note(key if at is None else key + 1 + at))


def _orders(outbox: Outbox) -> Iterator[tuple[int, Task]]:
    """Tasks as they come, each announced to its reader at once; while none comes, output goes on leaving."""
    jobs: dict[int, Job] = {}
    ordered: deque[tuple[int, Task]] = deque()
    control = outbox.control
    while True:
        while not ordered and outbox.waiting and not control.poll(0):
            outbox.flush(until_bytes=None)
            outbox.tell()
            if outbox.waiting:
                poll = select.poll()
                poll.register(outbox.data_fd, select.POLLOUT)
                poll.register(control.fileno(), select.POLLIN)
                poll.poll()
        while not ordered or control.poll(0):
            if not ordered:
                outbox.tell()
            orders: list[TaskOrder] = control.recv()
            for order in orders:
                if order.job is not None:
                    jobs[order.job_key] = order.job
                    spare_pandas(order.job.format)
                task = Task(jobs[order.job_key], order.split, order.emitted_at_ms, order.others)
                announce(task)
                ordered.append((order.attempt_key, task))
        yield ordered.popleft()


def settle() -> None:
    """Signals, standard streams and the allocator, as a worker wants them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)  # stdout carries the parent's data only
    os.close(null)
    sys.stdout = sys.stderr
    keep_what_is_freed()
    share_an_arena()
    # Parallelism is one process per core. Arrow may be imported already, or later, or never.
    os.environ.update(OMP_NUM_THREADS="1", ARROW_IO_THREADS="1")
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.set_cpu_count(1)
        arrow.set_io_thread_count(1)
