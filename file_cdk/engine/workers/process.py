"""A worker process as its parent sees it, through the fork server. Little is imported here: a command starts that first."""

import contextlib
import os
import select
import signal
import time

NUMBER_BYTES = 8
"""Size of what the fork server says of a worker: its process id, or why there is none, and then how it ended."""

_NO_ANSWER = 255


class WorkerProcess:
    """A worker as its parent sees it. status: where the fork server says its process id, and then how it ended."""

    __slots__ = ("_ended", "_pid", "_status", "exitcode")

    def __init__(self, status: int) -> None:
        self._status = status
        self._pid: int | None = None
        self._ended = False
        self.exitcode: int | None = None
        """Negative for a signal; None while it runs."""

    @property
    def pid(self) -> int | None:
        """Waits until it is known; None where the process was never started."""
        self._look(None, until_ended=False)
        return self._pid

    @property
    def was_refused(self) -> OSError | None:
        """Why the system started no such process, as far as it said so."""
        return OSError(-self._pid, os.strerror(-self._pid)) if self._pid is not None and self._pid < 0 else None

    @property
    def never_began(self) -> bool:
        """Whether the fork server died before it came to this worker. After `join`."""
        return self._ended and self._pid is None

    def kill(self) -> None:
        """Where it is not started yet, nothing: it will find its connection closed."""
        self._look(0, until_ended=False)
        if self._pid is not None and self._pid > 0 and not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def join(self, timeout_s: float | None = None) -> None:
        self._look(timeout_s, until_ended=True)

    def close(self) -> None:
        if self._status >= 0:
            os.close(self._status)
            self._status = -1

    @property
    def is_known(self) -> bool:
        """Whether it was started, or never will be."""
        self._look(0, until_ended=False)
        return self._pid is not None or self._ended

    def _look(self, timeout_s: float | None, *, until_ended: bool) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ended and (until_ended or self._pid is None):
            waiting = select.poll()
            waiting.register(self._status, select.POLLIN)
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not waiting.poll(None if left_s is None else left_s * 1000):
                return
            said = os.read(self._status, NUMBER_BYTES)
            if not said:
                self._ended, self.exitcode = True, _NO_ANSWER
            elif self._pid is None:
                self._pid = number(said)
                self._ended = self._pid < 0
            else:
                self._ended, self.exitcode = True, number(said)


def number(said: bytes) -> int:
    return int.from_bytes(said, "little", signed=True)
