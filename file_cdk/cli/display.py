"""Where lines and progress go when nobody watches a terminal; live.py is the same for a terminal."""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TextIO

from file_cdk.cli.tally import Progress
from file_cdk.cli.wording import printable

PLAIN_INTERVAL_S = 5.0
"""Time between two lines of progress in a log."""


def discard(stream: TextIO) -> None:
    """Sends what is still to be written to nowhere, where Python would fail over it again when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


class Display(Protocol):
    """Takes whole lines, which stay, and the state of progress, which it shows as often as it sees fit."""

    def line(self, text: str) -> None: ...

    def show(self, progress: Progress) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PlainDisplay:
    """Lines of text; progress as one more line every `interval_s` seconds, or never when that is None."""

    def __init__(
        self, stream: TextIO, interval_s: float | None = PLAIN_INTERVAL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._clock = clock
        self._shown_at = clock()

    def line(self, text: str) -> None:
        try:
            self._stream.write(printable(text) + "\n")
            self._stream.flush()
        except OSError:
            # Whoever read our messages has gone (`2>&1 | head`). That is no reason to stop loading.
            discard(self._stream)

    def show(self, progress: Progress) -> None:
        if self._interval_s is None or self._clock() - self._shown_at < self._interval_s:
            return
        self._shown_at = self._clock()
        self.line(progress.status())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def display_for(stream: TextIO, *, quiet: bool) -> Display:
    """One that redraws on a terminal; lines in a log. quiet: shows no progress."""
    if quiet:
        return PlainDisplay(stream, interval_s=None)
    if stream.isatty():
        from file_cdk.cli.live import LiveDisplay, can_redraw

        if can_redraw(stream):
            return LiveDisplay(stream)
    return PlainDisplay(stream)
