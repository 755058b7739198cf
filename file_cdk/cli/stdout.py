"""Lines on stdout, for commands whose result they are."""

import io
import sys
from collections.abc import Iterable
from typing import TextIO

from file_cdk.cli.display import discard
from file_cdk.core.errors import DestinationError


def write_lines(lines: Iterable[str]) -> bool:
    """Whether all were written; not, when nobody reads on (`| head`), which is no fault. Raises DestinationError."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every character of a record
    try:
        for line in lines:
            _put(stdout, line + "\n")
        _put(stdout, "")
    except _NobodyReadsError:
        discard(stdout)
        return False
    return True


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
        raise DestinationError(f"cannot write to stdout: {exc.strerror}") from exc
