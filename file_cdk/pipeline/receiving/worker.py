"""The process that reads a source's messages and decodes their records, so that the one that writes them never does.

It reads the pipe itself: bytes that the other process would hand on to it would cross a pipe twice. Events come back on a
socket, in order, each when the one before it was taken: that, and the source's own pipe, is all that is held. What a Widening
asks is answered on the same socket.
"""

import ctypes
import fcntl
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.core.exit_codes import known_error
from file_cdk.core.system.connection import Connection
from file_cdk.engine.workers.worker import settle
from file_cdk.pipeline.receiving.columns import DecodedRecords, RecordDecoder, Widening
from file_cdk.pipeline.receiving.grouping import grouped
from file_cdk.protocol.receiving.events import (
    LinePassedOver,
    OtherReceived,
    Records,
    StateReceived,
    StatusReceived,
    StreamDescriptor,
)
from file_cdk.protocol.receiving.receive import receive_by_pieces
from file_cdk.protocol.written_streams import not_configured

if TYPE_CHECKING:
    import pyarrow as pa

DecodedEvent = DecodedRecords | Widening | StateReceived | StatusReceived | OtherReceived | LinePassedOver

_PIPE_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ReceivingOrder:
    """schemas: of the catalog's streams, the types of the tables that their records are for."""

    schemas: "Mapping[StreamDescriptor, pa.Schema]"
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class ReceivingEnded:
    """error: what ended it before the source did."""

    error: FileCdkError | None = None


def decoded(source: IO[bytes], order: ReceivingOrder) -> Iterator[DecodedEvent]:
    """As `grouped` has them, with records decoded. Raises InvalidMessageError, and ConfigError at one of a
    stream that was not ordered."""
    decoders = {stream: RecordDecoder(stream, schema) for stream, schema in order.schemas.items()}
    for piece in receive_by_pieces(source, lenient=order.lenient):
        for event in grouped(piece):
            if not isinstance(event, Records):
                yield event
            elif event.stream in decoders:
                yield from decoders[event.stream].decode(event)
            else:
                raise not_configured(event.stream, "records")


def main(control_fd: int, source_fd: int, parent_pid: int) -> None:
    """Runs in the process. Whoever started it may go away at any time."""
    settle()
    _end_with(parent_pid)
    with suppress(BrokenPipeError, ConnectionResetError, EOFError):
        control = Connection(control_fd)
        order: ReceivingOrder = control.recv()
        error: FileCdkError | None = None
        try:
            _receive(order, source_fd, control)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as exc:  # noqa: BLE001 - the process's boundary
            error = known_error(exc)
        control.send(ReceivingEnded(error))


def _end_with(parent_pid: int) -> None:
    """While the source is silent, nothing else would tell us that nobody takes what it says (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _receive(order: ReceivingOrder, source_fd: int, control: Connection) -> None:
    with suppress(OSError, AttributeError):  # of a source that is no pipe
        fcntl.fcntl(source_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    with os.fdopen(source_fd, "rb") as source:
        for event in decoded(source, order):
            control.send(event)
            if isinstance(event, Widening):
                event.answer(control.recv())
