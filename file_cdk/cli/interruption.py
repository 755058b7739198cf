"""SIGINT and SIGTERM as one clean way out: an exception in the main thread, so that every `with` and `finally` runs."""

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

from file_cdk.cli.exit_codes import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, the first SIGINT or SIGTERM raises KeyboardInterrupt; the second ends the process as by default.

    The signal is remembered in `received`, because native code may turn the exception into one of its own (DuckDB makes
    a RuntimeError of it): whoever ends the command asks here before it believes any other cause.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._pid = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for signum in _SIGNALS:
            # A process started with the signal ignored (nohup, a background job of a script) goes on ignoring it.
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._previous[signum] = signal.signal(signum, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous.clear()

    @property
    def exit_code(self) -> ExitCode | None:
        """130 or 143 once a signal came, else None."""
        if self.received is None:
            return None
        return ExitCode.INTERRUPTED if self.received is signal.SIGINT else ExitCode.TERMINATED

    def _interrupt(self, signum: int, _frame: FrameType | None) -> None:
        for other in self._previous:
            signal.signal(other, signal.SIG_DFL)
        if os.getpid() != self._pid:
            # A forked child inherited the handler, but the clean way out is its parent's.
            os.kill(os.getpid(), signum)
            return
        self.received = signal.Signals(signum)
        raise KeyboardInterrupt
