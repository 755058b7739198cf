"""Where the protocol's messages go: to a file descriptor, whole lines at a time, and what each stream has sent so far."""

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from file_cdk.core.errors import DestinationError, FileCdkError
from file_cdk.core.state.cursor import StateThrottle
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.core.system.output import write_all
from file_cdk.engine.executor import Block
from file_cdk.engine.interrupts import HeldSignals
from file_cdk.pipeline.history import History
from file_cdk.protocol import messages
from file_cdk.protocol.messages import Message, StreamStatus

_PIPE_BYTES = 1 << 20


@dataclass(slots=True)
class Output:
    """Raises DestinationError when the descriptor cannot be written, OutputClosedError when nobody reads it."""

    fd: int
    signals: HeldSignals = field(default_factory=HeldSignals)

    def __post_init__(self) -> None:
        # A larger pipe saves switches between us and the reader; where it is no pipe, there is nothing to do.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def send(self, message: Message) -> None:
        self.line(messages.to_line(message))

    def line(self, line: bytes | memoryview) -> None:
        with self._writing():
            write_all(self.fd, line)

    def unheld_line(self, line: bytes) -> None:
        """The same from another thread than the main one, where no signal handler may run. One thread at a time."""
        with _output_errors():
            write_all(self.fd, line)

    def copy(self, block: Block) -> None:
        with self._writing():
            block.copy_to(self.fd)

    def log(self, level: int, text: str) -> None:
        self.send(messages.log(level, text))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with _output_errors(), self.signals.held():
            yield


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason, remedy = reason_and_remedy(exc)
        raise DestinationError(f"the output cannot be written: {reason}", remedy=remedy) from exc


@dataclass(slots=True)
class StreamOutput:
    """One stream's messages. records: sent in all, or files where those are copied."""

    stream: str
    output: Output
    history: History
    records: int = 0
    _records_since_state: int = 0
    _throttle: StateThrottle = field(default_factory=lambda: StateThrottle(time.monotonic))

    def log(self, level: int, text: str) -> None:
        self.output.log(level, text)

    def warn(self, text: str) -> None:
        self.output.log(logging.WARNING, text)

    def status(self, status: StreamStatus) -> None:
        self.output.send(messages.stream_status(self.stream, status, emitted_at_ms=now_ms()))

    def error(self, error: FileCdkError) -> None:
        self.output.send(messages.error_trace(error, emitted_at_ms=now_ms(), stream=self.stream))

    def block(self, block: Block) -> None:
        rows, size_bytes = block.rows, block.size_bytes
        self._count(rows, size_bytes)
        self.output.copy(block)

    def record(self, message: Message) -> None:
        line = messages.to_line(message)
        self._count(1, len(line))
        self.output.line(line)

    def _count(self, records: int, record_bytes: int) -> None:
        """Before they are sent."""
        if not self.records:
            self.status(StreamStatus.RUNNING)
        self._throttle.count(record_bytes=record_bytes)
        self.records += records
        self._records_since_state += records

    def synced(self, files: int) -> None:
        """All records of so many more files that the history holds were sent."""
        self._throttle.count(files=files)
        if self._throttle.due(state_bytes=self.history.state_bytes, history_files=len(self.history)):
            self.state()

    def state(self) -> None:
        state = messages.stream_state(self.stream, self.history.state(), record_count=self._records_since_state)
        self.output.send(state)
        self._records_since_state = 0
        self._throttle.emitted()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
