"""The worker process: runs the tasks it is sent, one after another, and keeps its output until the parent takes it.

Two channels to the parent: `control` carries tasks in and events out, several at a time; a pipe carries blocks. Events and
blocks leave in the order in which they were made. A block that fits the pipe is announced once it is whole in the pipe, so
that what the parent has been told of survives this process's death; a larger one is announced first, and the parent reads it
to its end. Which attempt is at work stands in a file in memory that both have open: if this process dies, that one is to blame.
"""

import contextlib
import ctypes
import logging
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from file_cdk.core.files import Split
from file_cdk.core.system.connection import Connection
from file_cdk.engine.executor import MAX_BLOCK_BYTES
from file_cdk.engine.planning import split_bytes
from file_cdk.engine.together import Apart, Together, run_together
from file_cdk.engine.work import Began, Ended, Failed, Job, Output, Task, announce, run_task
from file_cdk.engine.workers.sparing import spare_pandas

SPILL_BYTES = 1 << 30
"""Maximum output beyond that, in bytes, which waits in a temporary file without a name. A file that cannot be cut (a
compressed one) is one task, whose output may have to wait for the task before it; without the temporary file, its worker
would stop early."""

_DRAINS_WITHIN_MS = 5
"""Maximum time, in milliseconds, to wait for room in a pipe that the parent was taking from: while it does, what waits leaves
before more is made."""

_SPILLS_AFTER_MS = 200
"""Maximum time, in milliseconds, that a pipe from which nothing is taken holds up more output than fits in memory. Splits of
an ordinary size take turns in less. Output of a file that is not cut, such as a compressed one, does not wait: the file before
it may take minutes, and to make a MB of output takes several times as long as to have it in the temporary file."""

_TOLD_AFTER_S = 0.005
_TOLD_AFTER_BYTES = 256 << 10
"""Maximum time that events are held back to travel together, and maximum output in the pipe meanwhile, in bytes: for small
files, a message for each event costs more than the file."""

_TOLD_AT_LAST_S = 0.02
"""Maximum time that events are held back while the process waits for the next file's bytes or for the processor."""

_PACKAGE = __name__.partition(".")[0]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MALLOC_KEEPS_BYTES = 512 << 20


class BlockReady(NamedTuple):
    size_bytes: int
    rows: int


class Made(NamedTuple):
    """All output of the attempt is made, though it has not all left yet, and so is that of every attempt before it."""

    attempt_key: int


class TaskOrder(NamedTuple):
    """A task as it travels: its job whole the first time, by key alone afterwards."""

    attempt_key: int
    job_key: int
    job: Job | None
    split: Split
    emitted_at_ms: int
    others: tuple[Split, ...] = ()


@dataclass(slots=True)
class _Spilled:
    """A block that waits in the file."""

    offset: int
    size_bytes: int
    rows: int


@dataclass(slots=True)
class _Spill:
    """The temporary file of output: made when it is first needed, emptied whenever nothing in it waits."""

    file: IO[bytes] | None = None
    end: int = 0
    waiting_bytes: int = 0

    def put(self, block: Output) -> _Spilled | None:
        """None where the file or the disk has no room for the block, which then stays in memory."""
        size = len(block.data)
        if self.end + size > SPILL_BYTES:
            return None
        try:
            if self.file is None:
                import tempfile  # seldom needed, and every worker would pay for it

                self.file = tempfile.TemporaryFile(prefix="file_cdk-output-", buffering=0)  # noqa: SIM115
            view = memoryview(block.data)
            written = 0
            while written < size:
                written += os.pwrite(self.file.fileno(), view[written:], self.end + written)
        except OSError:
            return None
        spilled = _Spilled(self.end, size, block.rows)
        self.end += size
        self.waiting_bytes += size
        return spilled

    def take(self, spilled: _Spilled) -> Output:
        assert self.file is not None
        data = bytearray(spilled.size_bytes)
        read = 0
        while read < len(data):
            got = os.preadv(self.file.fileno(), [memoryview(data)[read:]], spilled.offset + read)
            if not got:
                raise OSError("output that waited in a temporary file is gone")  # else this would go on for ever
            read += got
        self.waiting_bytes -= spilled.size_bytes
        if not self.waiting_bytes:
            self.file.truncate(0)
            self.end = 0
        return Output(memoryview(data), spilled.rows)


class Logged(NamedTuple):
    """A record of the package's log, to be shown where the parent shows its own."""

    logger: str
    level: int
    text: str


Message = Began | BlockReady | Ended | Failed | Together | Apart | Logged | Made


@dataclass(slots=True)
class _Outbox:
    control: Connection
    data_fd: int
    pipe_bytes: int
    max_bytes: int
    """Maximum output that is kept in memory, in bytes, besides the pipe and the piece at work."""
    waiting: deque[Began | Output | _Spilled | Ended | Failed | Together | Apart] = field(default_factory=deque)
    waiting_bytes: int = 0
    """Size of the output that waits in memory."""
    spill: _Spill = field(default_factory=_Spill)
    spills_at_once: bool = False
    """The file at work is one that is not cut."""
    announced: bool = False
    written: int = 0
    stuck: bool = False
    """The parent is at the output of another worker: nothing was taken from the full pipe while this one waited for it, or since
    its last attempt was made, since the next one's turn comes after that of others."""
    was_full: bool = False
    """The pipe was, when it was last written to."""
    untold: list[Message] = field(default_factory=list)
    untold_bytes: int = 0
    """Size of the blocks in the pipe that the parent has not been told of."""
    told_at: float = 0.0
    telling: threading.Lock = field(default_factory=threading.Lock)
    something_untold: threading.Event = field(default_factory=threading.Event)

    def put(self, item: Began | Output | Ended | Failed | Together | Apart) -> None:
        """Takes the item, waiting for room where the parent makes some."""
        if isinstance(item, Output):
            if self._is_to_spill(len(item.data)) and (spilled := self.spill.put(item)) is not None:
                self.waiting.append(spilled)
                return
            self.waiting_bytes += len(item.data)
        self.waiting.append(item)

    def _is_to_spill(self, size_bytes: int) -> bool:
        # Once one block is in the file, those after it follow: memory stays for what is made next.
        if not self.spill.waiting_bytes and self.waiting_bytes + size_bytes > self.max_bytes:
            self._send(self.max_bytes - size_bytes, 0 if self.spills_at_once else _SPILLS_AFTER_MS)
        return self.spill.waiting_bytes > 0 or self.waiting_bytes + size_bytes > self.max_bytes

    def flush(self, until_bytes: int | None) -> None:
        """Sends what can be sent, which is all while the parent takes it. With `until_bytes`, waits until at most that much is
        left; None never waits."""
        self._send(until_bytes, None)
        if self.untold_bytes >= _TOLD_AFTER_BYTES or time.monotonic() - self.told_at >= _TOLD_AFTER_S:
            self.tell()
        elif self.untold and not self.something_untold.is_set():
            self.something_untold.set()

    def _send(self, until_bytes: int | None, patience_ms: int | None) -> None:
        """patience_ms: how long it waits, while nothing is taken, until at most `until_bytes` are left; None for ever."""
        while self.waiting:
            item = self.waiting[0]
            if isinstance(item, _Spilled):
                item = self.waiting[0] = self.spill.take(item)
                self.waiting_bytes += len(item.data)
            if not isinstance(item, Output):
                self._leave_untold(item)
                self.waiting.popleft()
                continue
            if self._write(item):
                continue
            self.tell()
            if until_bytes is None:
                return
            if not self.stuck:
                self.stuck = not _wait_writable(self.data_fd, _DRAINS_WITHIN_MS)
            elif self.waiting_bytes <= until_bytes or not _wait_writable(self.data_fd, patience_ms):
                return

    def made(self, attempt_key: int) -> None:
        """Tells at once where output waits: the parent would think this worker busy."""
        self.stuck = True
        if self.waiting:
            self._leave_untold(Made(attempt_key))
            self.tell()

    def log(self, record: Logged) -> None:
        """From any thread."""
        self._leave_untold(record)
        self.something_untold.set()

    def _leave_untold(self, message: Message) -> None:
        with self.telling:
            self.untold.append(message)

    def tell(self) -> None:
        """Sends the events that wait for others."""
        with self.telling:
            told, self.untold = self.untold, []
            self.untold_bytes = 0
            if told:
                self.control.send(told)
            self.told_at = time.monotonic()

    def tell_at_last(self) -> None:
        """Runs in a thread: sends the events while the task waits for its store and does not."""
        # Once the parent is gone, the process finds out by itself.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while self.something_untold.wait():
                self.something_untold.clear()
                time.sleep(_TOLD_AT_LAST_S)
                if time.monotonic() - self.told_at >= _TOLD_AT_LAST_S:
                    self.tell()

    def _write(self, block: Output) -> bool:
        """Writes on with the first block; False when the pipe is full."""
        size = len(block.data)
        view = memoryview(block.data)
        if size > self.pipe_bytes and not self.announced:
            self._leave_untold(BlockReady(size, block.rows))
            self.tell()
            self.announced = True
        try:
            while self.written < size:
                self.written += os.write(self.data_fd, view[self.written :])
                if self.was_full:
                    self.was_full = self.stuck = False
        except BlockingIOError:
            self.was_full = True
            return False
        if not self.announced:
            self._leave_untold(BlockReady(size, block.rows))
            self.untold_bytes += size
        self.announced = False
        self.written = 0
        self.waiting_bytes -= size
        self.waiting.popleft()
        return True


def _wait_writable(fd: int, timeout_ms: int | None) -> bool:
    """Whether there was room before the time was over."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(timeout_ms))


class _LogHandler(logging.Handler):
    def __init__(self, outbox: _Outbox) -> None:
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
    outbox = _Outbox(control, data_fd, pipe_bytes, outbox_bytes)
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
            outbox.made(key + len(task.splits) if task.others else key)
    # Interpreter tear-down costs more than many a task, and nothing here is left to be saved.
    os._exit(0)


def _run(key: int, task: Task, at_work: AtWork) -> Iterator[Began | Output | Ended | Failed | Together | Apart]:
    """The events of a task. Of one for several files, each that is read alone is an attempt of its own; their keys follow."""
    at_work.note(key)
    if not task.others:
        return run_task(task, MAX_BLOCK_BYTES)
    return run_together(task, MAX_BLOCK_BYTES, lambda at: at_work.note(key if at is None else key + 1 + at))


def _orders(outbox: _Outbox) -> Iterator[tuple[int, Task]]:
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
    if sys.platform == "linux":
        # Pages given back and faulted in again for every batch cost two to four times the system time.
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, _MALLOC_KEEPS_BYTES)
            libc.mallopt(_M_TRIM_THRESHOLD, _MALLOC_KEEPS_BYTES)
            # Threads that fetch would each keep what the largest range took: 1.3 times the memory in all.
            libc.mallopt(_M_ARENA_MAX, 1)
    # Parallelism is one process per core. Arrow may be imported already, or later, or never.
    os.environ.update(OMP_NUM_THREADS="1", ARROW_IO_THREADS="1")
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.set_cpu_count(1)
        arrow.set_io_thread_count(1)
