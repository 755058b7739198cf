"""Starts the process that receives, and hands on what it says."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Self

from file_cdk.core.errors import SystemLimitError
from file_cdk.core.system.connection import Connection
from file_cdk.engine.workers.forkserver import interpreter_options
from file_cdk.pipeline.receiving.columns import Widening
from file_cdk.pipeline.receiving.worker import DecodedEvent, ReceivingEnded, ReceivingOrder


class Receiver:
    """The process, as the one that writes sees it. Its modules are imported while this process opens a destination: so start
    it first. To be closed; a context manager that does."""

    def __init__(self, source_fd: int) -> None:
        """source_fd: the pipe, or file, that the messages come from, of which nothing was read; it stays the caller's to close,
        but nobody else may read from it. Raises SystemLimitError."""
        self._control, its_control = Connection.pair()
        its_source = os.dup(source_fd)
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from file_cdk.pipeline.receiving.worker import main; "
            f"main({its_control.fileno()}, {its_source}, {os.getpid()})"
        )
        # Ctrl-C reaches the whole group, and the process that writes decides.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and code of ours
                [sys.executable, *interpreter_options(), "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[its_control.fileno(), its_source],
            )
        except OSError as exc:
            self._control.close()
            raise SystemLimitError(f"the process that receives records cannot be started: {exc.strerror}") from exc
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            its_control.close()
            os.close(its_source)

    @property
    def pid(self) -> int:
        return self._process.pid

    def events(self, order: ReceivingOrder) -> Iterator[DecodedEvent]:
        """Once; see `worker.decoded`. A thread may take them ahead of the one that writes: meanwhile no other may use this object
        but to close it at the end.

        Raises InvalidMessageError, ConfigError, and SystemLimitError where the process was ended.
        """
        try:
            self._control.send(order)
            while not isinstance(event := self._control.recv(), ReceivingEnded):
                yield event
                if isinstance(event, Widening):
                    self._control.send(event.answered())
        except (EOFError, ConnectionResetError, BrokenPipeError):
            raise SystemLimitError(
                "the process that receives records was ended from outside, maybe for lack of memory",
                remedy="Run again: records after the last state that was passed on come once more",
            ) from None
        if event.error is not None:
            raise event.error

    def close(self) -> None:
        """Ends the process, wherever it is. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        self._control.close()  # now: who waits for an event has been told that none will come

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
