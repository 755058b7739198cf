"""The lines of a byte range of a JSON Lines file, and the check that each of them is one JSON object.

A line ends at `\\n` only and belongs to the split in which its first byte lies. A record is never decoded to be checked:
msgspec parses a line into a struct without fields, which skips every value but still refuses what is not JSON.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import msgspec

from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport

PIECE_BYTES = 128 * 1024
"""Bytes read and checked at a time: large enough to make a call's cost small, small enough to stay in the CPU's cache."""

_TAIL_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_JSON_BLANKS = b" \t\r"

ONE_PER_LINE = "JSON Lines is UTF-8 text with exactly one JSON object per line"
_TOO_LONG = "line is longer than the limit"
LONE_SURROGATE = "line escapes half of a surrogate pair"

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_REPLACEMENT = rb"\ufffd"


class _AnyObject(msgspec.Struct):
    pass


_check_object = msgspec.json.Decoder(_AnyObject).decode


@dataclass(frozen=True, slots=True)
class Fault:
    """The first line of a piece that is not one JSON object: where it begins in the file, and what is wrong with it."""

    byte: int
    message: str


@dataclass(slots=True)
class CheckedLines:
    """The records of a piece up to its first fault: each one JSON object, in the file's own bytes, no blanks around it.

    lone_surrogates: how many of them escape half of a surrogate pair (`\\ud800`), which is JSON but not Unicode text.
    """

    records: list[bytes] = field(default_factory=list)
    lone_surrogates: int = 0
    fault: Fault | None = None


@dataclass(slots=True)
class _Source:
    """A stream, with bytes that were read from it too early and are still to be served."""

    stream: IO[bytes]
    ahead: bytes = b""

    def read(self, size: int) -> bytes:
        if not self.ahead:
            return self.stream.read(size)
        block, self.ahead = self.ahead[:size], self.ahead[size:]
        return block


def whole_lines(
    stream: IO[bytes], split: Split, report: SplitReport, max_record_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Pieces of about PIECE_BYTES that end at a line end (or at the file's), each with its offset in the file.

    Sets report.start before the first piece and report.end after each. Reads past the split's end to finish a line that
    began in it. Raises MalformedRecordError for an unfinished line longer than `max_record_bytes`; to number it,
    report.rows has to hold the records of the pieces before.
    """
    source = _Source(stream)
    position = report.start = report.end = _seek_first_line(source, split, max_record_bytes)
    unread = split.end - position
    held: list[bytes] = []  # the beginning of a line whose end was not read yet
    while unread > 0 and (block := source.read(min(PIECE_BYTES, unread))):
        unread -= len(block)
        if not unread:
            block += _rest_of_line(block, source, max_record_bytes)
        cut = block.rfind(b"\n") + 1
        if not unread and len(block) - cut <= max_record_bytes:
            cut = len(block)  # the file's last line need not have an end
        if cut:
            piece = b"".join((*held, block[:cut]))
            report.end += len(piece)
            yield position, piece
            position += len(piece)
            held.clear()
        if cut < len(block):
            held.append(block[cut:])
            if sum(map(len, held)) > max_record_bytes:
                raise _too_long(split, max_record_bytes, row=report.rows + 1, byte=position)
    if held:  # the file is shorter than it was when listed
        piece = b"".join(held)
        report.end += len(piece)
        yield position, piece


def _rest_of_line(block: bytes, source: _Source, max_record_bytes: int) -> bytes:
    """What the last line of `block` lacks, its end included; more than the limit of it is not read."""
    rest: list[bytes] = []
    while not block.endswith(b"\n") and sum(map(len, rest)) <= max_record_bytes:
        block = source.read(_TAIL_BYTES)
        if not block:
            break
        block = block[: block.find(b"\n") + 1] or block
        rest.append(block)
    return b"".join(rest)


def _seek_first_line(source: _Source, split: Split, max_record_bytes: int) -> int:
    """Where the first line at or after the split's start begins; the next read from the source begins there."""
    if split.is_first or split.at_record:
        source.stream.seek(split.start)
        return split.start
    position = split.start - 1  # a line end just before the split makes its first byte the first of a line
    source.stream.seek(position)
    while block := source.stream.read(_TAIL_BYTES):
        if cut := block.find(b"\n") + 1:
            source.ahead = block[cut:]
            return position + cut
        position += len(block)
        if position - split.start > max_record_bytes:
            raise _too_long(split, max_record_bytes, row=None, byte=split.start)
    return position


def _too_long(split: Split, max_record_bytes: int, row: int | None, byte: int) -> MalformedRecordError:
    return MalformedRecordError(
        f"{_TOO_LONG} of {max_record_bytes} bytes", uri=split.file.uri, row=row, byte=byte, remedy=ONE_PER_LINE
    )


def check_lines(piece: bytes, offset: int, max_record_bytes: int) -> CheckedLines:
    """The records of a piece of whole lines. Blank lines are no records; a byte order mark at offset 0 is skipped."""
    if offset == 0 and piece.startswith(_BOM):
        piece = piece[len(_BOM) :]
        offset = len(_BOM)
    lines = piece.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if len(piece) > max_record_bytes:
        return _check_one_by_one(lines, offset, max_record_bytes)
    try:
        # msgspec does not look into the strings that it skips.
        if not piece.isascii():
            piece.decode()
        deque(map(_check_object, lines), 0)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return _check_one_by_one(lines, offset, max_record_bytes)
    return CheckedLines(list(map(bytes.strip, lines)))


def _check_one_by_one(lines: list[bytes], offset: int, max_record_bytes: int) -> CheckedLines:
    found = CheckedLines()
    for line in lines:
        if record := line.strip(_JSON_BLANKS):
            message = (
                f"{_TOO_LONG} of {max_record_bytes} bytes" if len(line) > max_record_bytes else _what_is_wrong(record)
            )
            if message == LONE_SURROGATE:
                found.lone_surrogates += 1
            elif message:
                found.fault = Fault(offset, message)
                break
            found.records.append(record)
        offset += len(line) + 1
    return found


def _what_is_wrong(line: bytes) -> str | None:
    try:
        line.decode()
        _check_object(line)
    except UnicodeDecodeError:
        return "line is not valid UTF-8"
    except RecursionError:
        return "line is nested too deeply"
    except msgspec.ValidationError:
        return "line is JSON, but not an object"
    except msgspec.DecodeError as exc:
        return _what_is_malformed(line, str(exc))
    return None


def _what_is_malformed(line: bytes, reason: str) -> str | None:
    repaired = without_lone_surrogates(line)
    if repaired != line:
        return _what_is_wrong(repaired) or LONE_SURROGATE
    if "truncated" in reason:
        return "line is not a complete JSON object"
    if "trailing characters" in reason:
        return "line goes on after its JSON object"
    return "line is not valid JSON"


def without_lone_surrogates(line: bytes) -> bytes:
    """The same JSON, with U+FFFD in place of each escape of half a surrogate pair."""
    return _ESCAPE.sub(lambda escape: _REPLACEMENT if escape["half"] else escape[0], line)
