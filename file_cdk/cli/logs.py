"""Where the package's log records go: to the display, as lines between the progress."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
