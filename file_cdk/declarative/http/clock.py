"""The time, and waits that somebody may cut short."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    def now_s(self) -> float:
        """Seconds since 1970."""

    def elapsed_s(self) -> float:
        """Seconds since some moment; never goes back."""

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Returns after so long, or when the event is set."""


class SystemClock:
    def now_s(self) -> float:
        return time.time()

    def elapsed_s(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        stopped.wait(min(seconds, threading.TIMEOUT_MAX))
