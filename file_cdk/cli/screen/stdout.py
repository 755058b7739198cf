"""The standard descriptors: those that are closed, those that nobody reads, and lines on stdout."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TextIO

from file_cdk.core.errors import DestinationError

_WRITTEN_TOGETHER = 64


def fill_standard_descriptors() -> None:
    """Opens those that are closed on nothing: else a database would get one, and whatever is printed would go into it.

    What is written to stdout then fails as if it were closed still; what is said on stderr goes nowhere.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR if fd == 2 else os.O_RDONLY)  # takes the lowest that is free
    for name, fd in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "w", closefd=False))


def discard(stream: TextIO) -> None:
    """Sends what is still to be written to nowhere, where Python would fail over it again when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def write_lines(lines: Iterable[str], *, all_at_hand: bool = False) -> bool:
    """Answers whether all were written: not where nobody reads on (`| head`), which is no fault. Raises DestinationError.

    all_at_hand: no line has to be waited for, so that a few may wait for one another, which takes less time.
    """
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every character of a record
    try:
        for text in _joined(lines) if all_at_hand else lines:
            _put(stdout, text + "\n")
        _put(stdout, "")
    except _NobodyReadsError:
        discard(stdout)
        return False
    return True


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """So many at a time that they fill the buffer of stdout or so. Those before an error are lost with it."""
    remaining = iter(lines)
    while some := list(islice(remaining, _WRITTEN_TOGETHER)):
        yield "\n".join(some)


class _NobodyReadsError(Exception):
    """Not a BrokenPipeError, which whatever gives the lines might raise for a reason of its own."""


def _put(stdout: TextIO, text: str) -> None:
    """Writes it, or with the empty text what still waits to be."""
    try:
        if text:
            stdout.write(text)
        else:
            stdout.flush()
    except BrokenPipeError as exc:
        raise _NobodyReadsError from exc
    except OSError as exc:
        discard(stdout)
        from file_cdk.core.system.limits import reason_and_remedy  # and with it pathlib, which `--help` does without

        reason, remedy = reason_and_remedy(exc)
        raise DestinationError(f"cannot write to stdout: {reason}", remedy=remedy) from exc
