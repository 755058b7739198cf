"""Where lines, progress and log records go when nobody watches a terminal; live.py is the same for a terminal."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from file_cdk.cli.screen.stdout import discard
from file_cdk.cli.screen.wording import printable

PLAIN_INTERVAL_S = 5.0
"""Time between two lines of progress in a log."""


class Progress(Protocol):
    """What a display can show."""

    @property
    def fraction(self) -> float | None:
        """Share that is done, from 0 to 1; None where nobody knows how much there is."""

    def status(self) -> str:
        """One line."""

    def details(self) -> Sequence[str]:
        """More lines, where there is room for them."""

    def facts(self) -> Mapping[str, Any]:
        """The same as JSON has it."""


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

    def __exit__(self, *_: object) -> None:
        pass


class LineHandler(logging.Handler):
    """Hands each record of the package to `write` as one line; a traceback follows in lines of its own."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._write(line)

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {super().format(record)}"


def log_level(*, quiet: bool, verbose: bool) -> int:
    """From which level on a command shows records."""
    if verbose:
        return logging.DEBUG
    return logging.ERROR if quiet else logging.WARNING


@contextmanager
def logs_to(write: Callable[[str], None], level: int) -> Iterator[None]:
    """Meanwhile, records of the package's loggers from `level` on become lines, and go nowhere else.

    Other packages' loggers stay as they are.
    """
    package = logging.getLogger("file_cdk")
    before = package.level, package.propagate
    handler = LineHandler(write)
    package.addHandler(handler)
    package.setLevel(level)
    package.propagate = False
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(before[0])
        package.propagate = before[1]
