"""Whole lines out of a pipe, as many at a time as are worth the cost of a call, and no later than they are wanted."""

import io
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import IO, Self

from file_cdk.core.dataclass import dataclass

PIECE_BYTES = 1 << 20
"""Size of what is handed on at a time, in bytes: a record costs least when thousands share what their columns take to start."""

MAX_LINE_BYTES = 64 << 20
"""Maximum length of a line, in bytes: that of a record of JSON Lines."""

_WAITS_S = 0.1
"""Maximum time that lines are held back for more to come: a slow source's state is not to wait for a megabyte."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines, or one line that is `too_long` and whose text is not held. first_line: 1-based number of the first. lines:
    those of the text, without line feeds."""

    first_line: int
    text: bytes = field(repr=False)
    lines: list[bytes] = field(repr=False)
    too_long: bool = False

    @classmethod
    def of(cls, first_line: int, text: bytes) -> Self:
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()
        return cls(first_line, text, lines)


def pieces(source: IO[bytes], max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Piece]:
    """All of the source's lines, the last of which need not have an end. Holds no more than about a piece, or a line where
    that is longer. source: has `read1`, as stdin and a process's stdout have."""
    comes_soon = _waiting(source)
    line, at_start, rest = 1, True, b""
    parts: list[bytes] = []
    size, has_end, since = 0, False, 0.0
    while data := rest or source.read1(PIECE_BYTES):  # type: ignore[attr-defined]  # typeshed's IO lacks it
        rest = b""
        if at_start:
            data, at_start = data.removeprefix(_BOM), False
        since = since if parts else time.monotonic()
        parts.append(data)
        size += len(data)
        has_end = has_end or b"\n" in data
        if not has_end:
            if size > max_line_bytes:
                yield Piece(line, b"", [], too_long=True)
                line += 1
                parts, size = [], 0
                rest = _rest_of_line(source)
            continue
        if size < PIECE_BYTES and comes_soon(since + _WAITS_S - time.monotonic()):
            continue
        text = b"".join(parts)
        end = text.rfind(b"\n") + 1
        parts, size, has_end = ([text[end:]] if end < len(text) else []), len(text) - end, False
        piece = Piece.of(line, text[:end])
        yield from _within(piece, max_line_bytes)
        line += len(piece.lines)
    if parts:
        yield from _within(Piece.of(line, b"".join(parts)), max_line_bytes)


def _rest_of_line(source: IO[bytes]) -> bytes:
    """What was read behind the end of the line in which the source stands; that line's bytes are passed over."""
    while data := source.read1(PIECE_BYTES):  # type: ignore[attr-defined]
        if end := data.find(b"\n") + 1:
            rest: bytes = data[end:]
            return rest
    return b""


def _within(piece: Piece, max_line_bytes: int) -> Iterator[Piece]:
    """The piece, in parts where it has lines that are too long."""
    if len(piece.text) <= max_line_bytes:
        yield piece
        return
    first, kept = piece.first_line, list[bytes]()
    for number, line in enumerate(piece.lines, first):
        if len(line) <= max_line_bytes:
            kept.append(line)
            continue
        if kept:
            yield Piece.of(first, b"\n".join(kept) + b"\n")
        yield Piece(number, b"", [], too_long=True)
        first, kept = number + 1, []
    if kept:
        yield Piece.of(first, b"\n".join(kept))


def _waiting(source: IO[bytes]) -> Callable[[float], bool]:
    """Asks whether more can be read, or the end is reached, within a time in seconds; a source that is no file of the system's
    has all that it will have."""
    try:
        fd = source.fileno()
    except io.UnsupportedOperation:
        return lambda _: True
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    return lambda timeout_s: bool(waiting.poll(max(timeout_s, 0) * 1000))
