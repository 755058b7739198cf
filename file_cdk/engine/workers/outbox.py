"""What a worker has made and its parent has not taken: it waits in memory, then in a temporary file, and leaves by the pipe in
the order in which it was made."""

import os
import select
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import field
from typing import IO, NamedTuple

from file_cdk.core.dataclass import dataclass
from file_cdk.core.system.connection import Connection
from file_cdk.engine.together import Apart, Together
from file_cdk.engine.work import Began, Ended, Failed, Output

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


class BlockReady(NamedTuple):
    size_bytes: int
    rows: int


class Made(NamedTuple):
    """All output of the attempt is made, though it has not all left yet, and so is that of every attempt before it."""

    attempt_key: int


@dataclass(slots=True)
class Spilled:
    """A block that waits in the file."""

    offset: int
    size_bytes: int
    rows: int


@dataclass(slots=True)
class Spill:
    """The temporary file of output: made when it is first needed, emptied whenever nothing in it waits."""

    file: IO[bytes] | None = None
    end: int = 0
    waiting_bytes: int = 0

    def put(self, block: Output) -> Spilled | None:
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
        spilled = Spilled(self.end, size, block.rows)
        self.end += size
        self.waiting_bytes += size
        return spilled

    def take(self, spilled: Spilled) -> Output:
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
class Outbox:
    control: Connection
    data_fd: int
    pipe_bytes: int
    max_bytes: int
    """Maximum output that is kept in memory, in bytes, besides the pipe and the piece at work."""
    waiting: deque[Began | Output | Spilled | Ended | Failed | Together | Apart] = field(default_factory=deque)
    waiting_bytes: int = 0
    """Size of the output that waits in memory."""
    spill: Spill = field(default_factory=Spill)
    spills_at_once: bool = False
    """The file at work is one that is not cut."""
    announced: bool = False
    written: int = 0
    stuck: bool = False
    """The parent is at the output of another worker, as far as this one knows: nothing was taken from the full pipe while it
    waited, or it has begun another attempt, whose turn comes after that of others."""
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
            if isinstance(item, Spilled):
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
        with suppress(BrokenPipeError, ConnectionResetError):
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
