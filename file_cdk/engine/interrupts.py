"""Signals that wait: what goes out in one piece is not cut by Ctrl-C."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldSignals:
    """While it is entered, SIGINT, SIGTERM and SIGHUP come through here, and wait where they are held.

    Setting handlers costs more than writing a small block, hence once and not for each. Does nothing outside the main
    thread, where no signal handler runs.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._waiting: list[int] = []
        self._holding = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.getsignal(number) for number in _SIGNALS}
            for number in _SIGNALS:
                signal.signal(number, self._came)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # The previous one may have set another, for the signals after it.
            if signal.getsignal(number) == self._came:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def held(self) -> "_Held":
        """The first signal inside takes effect at the end; the second at once, for a reader that never reads."""
        return _Held(self)

    def _hold(self) -> None:
        self._holding = True

    def _let_go(self) -> None:
        self._holding = False
        if self._waiting:
            self._pass_on(self._waiting.pop(), None)

    def _came(self, signum: int, frame: FrameType | None) -> None:
        if self._holding and not self._waiting:
            self._waiting.append(signum)
        else:
            self._waiting.clear()
            self._pass_on(signum, frame)

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        handler = self._previous[signum]
        if callable(handler):
            handler(signum, frame)
        elif handler != signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)


class _Held:
    """Each block that goes out is held: a generator would take as long as to write a small one."""

    __slots__ = ("_signals",)

    def __init__(self, signals: HeldSignals) -> None:
        self._signals = signals

    def __enter__(self) -> None:
        self._signals._hold()

    def __exit__(self, *_: object) -> None:
        self._signals._let_go()
