"""Signals that wait: what goes out in one piece is not cut by Ctrl-C."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """The first SIGINT or SIGTERM inside takes effect at the end; the second at once, for a reader that never reads.

    Does nothing outside the main thread, where no signal handler runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(signum: int, frame: FrameType | None) -> None:
        if waiting:
            _pass_on(previous[signum], signum, frame)
        waiting.append(signum)

    try:
        for number in previous:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if waiting:
            _pass_on(previous[waiting[0]], waiting[0], None)


def _pass_on(handler: Any, signum: int, frame: FrameType | None) -> None:
    if callable(handler):
        handler(signum, frame)
    elif handler != signal.SIG_IGN:
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
