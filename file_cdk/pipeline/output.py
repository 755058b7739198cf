"""Where the protocol's messages go: to a file descriptor, whole lines at a time."""

import contextlib
import fcntl
import time
from typing import TYPE_CHECKING

from file_cdk.core.errors import DestinationError
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.core.system.output import write_all
from file_cdk.engine.interrupts import HeldSignals
from file_cdk.protocol import messages
from file_cdk.protocol.messages import Message

if TYPE_CHECKING:
    from file_cdk.engine.executor import Block

_PIPE_BYTES = 1 << 20


class Output:
    """Raises DestinationError when the descriptor cannot be written, OutputClosedError when nobody reads it."""

    __slots__ = ("fd", "signals")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.signals = HeldSignals()
        # A larger pipe saves switches between us and the reader; where it is no pipe, there is nothing to do.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def send(self, message: Message) -> None:
        self.line(messages.to_line(message))

    def line(self, line: bytes | memoryview) -> None:
        with self.signals.held():
            self.unheld_line(line)

    def unheld_line(self, line: bytes | memoryview) -> None:
        """The same from another thread than the main one, where no signal handler may run. One thread at a time."""
        try:
            write_all(self.fd, line)
        except OSError as exc:
            raise _not_written(exc) from exc

    def copy(self, block: "Block") -> None:
        try:
            with self.signals.held():
                block.copy_to(self.fd)
        except OSError as exc:
            raise _not_written(exc) from exc

    def log(self, level: int, text: str) -> None:
        self.send(messages.log(level, text))


def _not_written(cause: OSError) -> DestinationError:
    reason, remedy = reason_and_remedy(cause)
    return DestinationError(f"the output cannot be written: {reason}", remedy=remedy)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
