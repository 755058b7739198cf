"""What a piece of text is as JSON: a whole value, the beginning of one, or neither, and where it stops being JSON.

A value is never decoded to be checked: msgspec skips it, but still refuses what is not JSON, and says where. It does not
look at the bytes inside strings, which are checked to be UTF-8 apart, and refuses an escape of half a surrogate pair, which
JSON allows: a value that has one is looked at with U+FFFD in its place.
"""

import json
import re
from collections import deque
from enum import Enum

import msgspec

from file_cdk.core.dataclass import dataclass
from file_cdk.core.json_lines import without_lone_surrogates

JSON_BLANKS = b" \t\r\n"

NOT_UTF8 = "line is not valid UTF-8"
TOO_DEEP = "line is nested too deeply"
NOT_AN_OBJECT = "line is JSON, but not an object"
INCOMPLETE = "line is not a complete JSON object"
INCOMPLETE_VALUE = "line is not a complete JSON value"
GOES_ON = "line goes on after its JSON object"
NOT_JSON = "line is not valid JSON"
TOO_LONG = "line is longer than the limit"
REPEATED_KEY = "an object has a key twice: the last value counts"
LONE_SURROGATE = "line escapes half of a surrogate pair"

_BLANKS = re.compile(rb"[ \t\r\n]*")
_PART_BYTES = 256 * 1024
_LINE_END = re.compile(rb"[\r\n][ \t\r\n]*")
_TOKEN = re.compile(rb'"(?:[^"\\\r\n]|\\[^\r\n])*"?|[\r\n][ \t\r\n\x1e]*\{|[{}\[\],:]|[^ \t\r\n"{}\[\],:]+')
_NEXT_ON_LINE = re.compile(rb"\}[ \t\r\x1e]*\{")
_SEPARATOR_FIRST = re.compile(rb"^[ \t]*\x1e[ \t\x1e]*", re.MULTILINE)
_COMMA_LAST = re.compile(rb"\},(?=[ \t\r]*$)", re.MULTILINE)
_POSITION = re.compile(r"\(byte (\d+)\)$")
_END_MARKS = b'}]" \t\r\n'
_OPENING, _CLOSING = b"{[", b"}]"
_BRACE = b"{"[0]
_LINE_ENDS = b"\r\n"


class _AnyObject(msgspec.Struct):
    pass


check_object = msgspec.json.Decoder(_AnyObject).decode
"""Raises msgspec.DecodeError or RecursionError for what is not one JSON object."""

_skip_value = msgspec.json.Decoder(msgspec.Raw).decode


def what_is_wrong(line: bytes) -> str | None:
    """Why a line without blanks around it is not one JSON object; LONE_SURROGATE where it is one, but not Unicode text."""
    try:
        line.decode()
        check_object(line)
    except UnicodeDecodeError:
        return NOT_UTF8
    except RecursionError:
        return TOO_DEEP
    except msgspec.ValidationError:
        return NOT_AN_OBJECT
    except msgspec.DecodeError as exc:
        return _what_is_malformed(line, str(exc))
    return None


def _what_is_malformed(line: bytes, reason: str) -> str | None:
    repaired = without_lone_surrogates(line)
    if repaired != line:
        return what_is_wrong(repaired) or LONE_SURROGATE
    if "truncated" in reason:
        return INCOMPLETE
    if "trailing characters" in reason:
        return GOES_ON
    return NOT_JSON


def is_utf8(text: bytes) -> bool:
    try:
        text.isascii() or text.decode()
    except UnicodeDecodeError:
        return False
    return True


def end_of_blanks(text: bytes, index: int) -> int:
    """Where something else than blanks comes, at or after `index`; else the end of the text."""
    found = _BLANKS.match(text, index)
    return found.end() if found else index


def repeats_a_key(record: bytes) -> bool:
    """Whether any object in a valid record has a key twice."""
    try:
        _decode_pairs(record.decode())
    except _RepeatedKeyError:
        return True
    except RecursionError:  # so deep that it becomes text, with every key that it has
        return False
    return False


class _RepeatedKeyError(Exception):
    pass


def _refuse_repeated(pairs: list[tuple[str, object]]) -> None:
    if len(pairs) != len({name for name, _ in pairs}):
        raise _RepeatedKeyError


# Numbers stay text: Python refuses to make an integer of thousands of digits.
_decode_pairs = json.JSONDecoder(object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str).decode


def on_one_line(record: bytes) -> bytes:
    """The same JSON without line ends, and without the blanks that indent lines: all of these are between tokens."""
    parts: list[bytes] = []
    at = 0
    while at < len(record):  # in parts: what is between the matches is held as so many objects
        end = record.find(b"\n", at + _PART_BYTES)
        end = len(record) if end < 0 else end
        parts.append(_LINE_END.sub(b"", record[at:end]))
        at = end
    return b"".join(parts)


class State(Enum):
    """What a text begins with. WHOLE: a value. CUT: the beginning of one. TOO_LONG: of one longer than may be held."""

    WHOLE = "whole"
    CUT = "cut"
    FAULTY = "faulty"
    TOO_DEEP = "too deep"
    TOO_LONG = "too long"


@dataclass(frozen=True, slots=True)
class Parsed:
    """position: of a whole value, its end or that of the blanks behind it; of a faulty one, the fault's."""

    state: State
    position: int = 0
    lone_surrogate: bool = False


def parse_value(text: memoryview, *, at_file_end: bool) -> Parsed:
    """What the text, which is not empty, begins with. at_file_end: whether nothing comes behind the text."""
    parsed = _parse(text, at_file_end)
    if parsed.state is State.FAULTY or (parsed.state is State.CUT and at_file_end):
        original = bytes(text)
        repaired = without_lone_surrogates(original)
        if repaired != original:
            again = _parse(memoryview(repaired), at_file_end)
            return Parsed(again.state, again.position, lone_surrogate=True)
    return parsed


def _parse(text: memoryview, at_file_end: bool) -> Parsed:
    try:
        _skip_value(text)
    except RecursionError:
        return Parsed(State.TOO_DEEP)
    except msgspec.DecodeError as exc:
        message = str(exc)
        if (found := _POSITION.search(message)) is None:
            return Parsed(State.CUT)
        position = int(found[1])
        if "trailing characters" in message:
            return Parsed(State.WHOLE, position - 1)
        # A number that the text cuts looks malformed at its last byte or behind it.
        return Parsed(State.FAULTY if at_file_end or position < len(text) - 1 else State.CUT, position)
    # A number or a word may go on behind the text; what has an end mark, or blanks behind it, does not.
    return Parsed(State.WHOLE, len(text)) if at_file_end or text[-1] in _END_MARKS else Parsed(State.CUT)


@dataclass(frozen=True, slots=True)
class BracketsEnd:
    """Where a value with a fault in it ends, going by its brackets. by_next: because another object begins on a new line."""

    position: int
    by_next: bool


def end_by_brackets(text: bytes, at: int, *, of_lines: bool, end: int | None = None) -> BracketsEnd | None:
    """The end of the object or array that begins at `at`, which need not be valid; None if it is not before `end`.

    of_lines: a line that begins with an object where none can be is the next record, and ends this one; a line may also end
    at a CR alone.
    """
    stack = bytearray()
    last = 0
    for token in _TOKEN.finditer(text, at, len(text) if end is None else end):
        kind = token[0][0]
        if kind in _LINE_ENDS:
            if of_lines and not (last == ord(":") or (stack.endswith(b"[") and last in b"[,")):
                return BracketsEnd(token.start() + (2 if token[0].startswith(b"\r\n") else 1), by_next=True)
            kind = _BRACE
        if kind in _OPENING:
            stack.append(kind)
        elif kind in _CLOSING:
            stack.pop()
            if not stack:
                return BracketsEnd(token.end(), by_next=False)
        last = kind
    return None


def check_lines(piece: bytes) -> list[bytes] | None:
    """The records of a piece of whole lines, if every line is one object; blanks around them are no part of records."""
    lines = piece.split(b"\n")
    if not lines[-1]:
        lines.pop()
    try:
        # msgspec does not look into the strings that it skips.
        if not piece.isascii():
            piece.decode()
        deque(map(check_object, lines), 0)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    records = list(map(bytes.strip, lines))
    if b"\r" in piece and any(b"\r" in record for record in records):
        return None
    return records


def check_values(piece: bytes) -> list[bytes] | None:
    """The records of whole lines that hold nothing but objects, some of them several; None for anything else.

    Cuts where one object seems to end and the next to begin. That may be inside a string; but then what is cut is not valid.
    """
    text = _NEXT_ON_LINE.sub(b"}\n{", piece)
    if b"\x1e" in text:
        text = _SEPARATOR_FIRST.sub(b"", text)
    if b"},\n" in text or b"},\r" in text or text.endswith(b"},"):
        text = _COMMA_LAST.sub(b"}", text)
    return None if len(text) == len(piece) and text == piece else check_lines(text)
