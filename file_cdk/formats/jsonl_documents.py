"""JSON documents: a file that is an array of objects, read element by element without holding more than one of them."""

import re
from collections.abc import Iterator

import msgspec

from file_cdk.core.errors import SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import MAX_RAW_BYTES, SplitReport
from file_cdk.formats.jsonl_found import LOOK_GROWTH, Found, look_at, malformed
from file_cdk.formats.jsonl_lines import PIECE_BYTES, LineSource, Window
from file_cdk.formats.jsonl_syntax import (
    JSON_BLANKS,
    State,
    end_by_brackets,
    end_of_blanks,
    is_utf8,
    on_one_line,
)

NOT_AN_OBJECT = "array element is not an object"
NOT_UTF8 = "array element is not valid UTF-8"
NOT_JSON = "array element is not valid JSON"
TOO_DEEP = "array element is nested too deeply"
TOO_LONG = "array element is longer than the limit"
ENDLESS = "array element is not valid JSON, and where it ends is not known"
BROKEN_OFF = "the file ends inside its JSON array"
NO_COMMA = "two elements of the JSON array have no comma between them"

WHOLE_ARRAY = "A JSON array of records has to be complete, up to its closing bracket"

ONLY_IN_SEQUENCE = "elements of a JSON array cannot be told from the middle of a file"

_BEGINNING_BYTES = 64 * 1024
_HEAD_BYTES = 256
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[(?=[ \t\r\n]*[{\]])")


def begins_array(source: LineSource) -> int:
    """Length of what precedes the first element, if an array of objects begins where the source stands; else 0.

    A line such as `[1, 2]` begins none: it is a line that is no object. What comes after 64 KiB of blanks is not looked at.
    """
    beginning = source.pull(_BEGINNING_BYTES)
    source.put_back(beginning)
    found = _ARRAY.match(beginning)
    return found.end() if found else 0


_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _BrokenError(Exception):
    """The array cannot be read on from `byte`."""

    def __init__(self, byte: int, message: str) -> None:
        super().__init__(message)
        self.byte = byte
        self.message = message


class ArrayReader:
    """Reads one array, of which the source stands at the beginning, up to the first element behind the split's end.

    `report` is only read.
    """

    def __init__(self, source: LineSource, split: Split, report: SplitReport, max_record_bytes: int) -> None:
        self._source = source
        self._split = split
        self._report = report
        self._max_bytes = max_record_bytes

    def read(self, start: int) -> Iterator[Found]:
        """Leaves the source behind the array. start: see `begins_array`.

        Raises SequentialOnlyError at once unless the split is the whole file or sequential. Raises MalformedRecordError, when
        all before was yielded and counted, where the array breaks off or an element ends nowhere that is known.
        """
        if not (self._split.sequential or self._split.is_last):
            raise SequentialOnlyError(ONLY_IN_SEQUENCE, uri=self._split.file.uri, byte=self._source.position)
        window = Window(self._source, self._source.pull(max(start, PIECE_BYTES)))
        found, broken = Found(), None
        at, piece_start, tried_to = start, window.offset, window.offset
        try:
            at = _skip_blanks(window, at)
            ended = window.data.startswith(b"]", at)
            at += ended
            while not ended and window.offset + at < self._split.end:
                end = None
                if window.offset + at >= tried_to:
                    tried_to = window.offset + window.reach(at + PIECE_BYTES)
                    end = self._elements(window, at, found)
                at, ended = _separator(window, self._element(window, at, found) if end is None else end)
                if window.offset + at - piece_start >= PIECE_BYTES:
                    window.drop(at)
                    at, piece_start = 0, window.offset
                    found.end = piece_start
                    yield found
                    found = Found()
        except _BrokenError as exc:
            broken = exc
        if broken is None:
            window.give_back(at)
        found.end = self._source.position if broken is None else broken.byte
        yield found
        if broken:
            raise malformed(broken.message, self._split, self._report, broken.byte, WHOLE_ARRAY)

    def _elements(self, window: Window, at: int, found: Found) -> int | None:
        """Takes all elements from `at` to where the last in the window begins, in one go, and returns the index behind them.

        None where that begins cannot be told, or where one of them is not plainly an object: then none was taken. The last
        one is looked for by the key that the first one begins with. Were it another object that has this key, one inside
        an element, then the text before it had brackets without their counterparts, and would not be valid.
        """
        data = window.data
        head = data[at : data.find(b":", at, at + _HEAD_BYTES) + 1]
        last = data.rfind(head, at + len(head)) if head else -1
        end = data.rfind(b"}", at, max(last, 0)) + 1
        if not end or data[end:last].strip(JSON_BLANKS) != b",":
            return None
        text = data[at:end]
        try:
            elements = list(map(bytes, _decode_array(b"[" + text + b"]")))
        except (msgspec.DecodeError, RecursionError):
            return None
        if not is_utf8(text) or any(map(self._what_is_wrong, elements)):
            return None
        found.records += map(on_one_line, elements) if b"\n" in text or b"\r" in text else elements
        return end

    def _element(self, window: Window, at: int, found: Found) -> int:
        """Takes the element at `at`; returns the index behind it."""
        byte = window.offset + at
        parsed = look_at(window, at, self._max_bytes)
        match parsed.state:
            case State.WHOLE:
                text = window.data[at : at + parsed.position].rstrip(JSON_BLANKS)
                wrong = self._what_is_wrong(text) if is_utf8(text) else NOT_UTF8
                if wrong:
                    found.reject(byte, wrong, text)
                else:
                    found.records.append(on_one_line(text))
                    found.lone_surrogates += parsed.lone_surrogate
                return at + len(text)
            case State.CUT:
                raise _BrokenError(byte, BROKEN_OFF)
            case State.TOO_LONG:
                raise _BrokenError(byte, TOO_LONG)
        end = self._end_by_brackets(window, at)
        raw = window.data[at : min(end, at + MAX_RAW_BYTES)]
        end = _skip_blanks(window, end)
        if window.data[end] not in b",]":
            raise _BrokenError(byte, ENDLESS)
        found.reject(byte, NOT_JSON if parsed.state is State.FAULTY else TOO_DEEP, raw)
        return end

    def _what_is_wrong(self, element: bytes) -> str | None:
        if not element.startswith(b"{"):
            return NOT_AN_OBJECT
        return TOO_LONG if len(element) > self._max_bytes else None

    def _end_by_brackets(self, window: Window, at: int) -> int:
        byte = window.offset + at
        if window.data[at] not in b"{[":
            raise _BrokenError(byte, ENDLESS)
        while (found := end_by_brackets(window.data, at, of_lines=False)) is None:
            size = len(window.data) - at
            if window.at_file_end or size > self._max_bytes:
                raise _BrokenError(byte, ENDLESS)
            window.reach(at + min(LOOK_GROWTH * size, self._max_bytes + 1))
        if found.position - at > self._max_bytes:  # wherever the window happens to end
            raise _BrokenError(byte, ENDLESS)
        return found.position


def _separator(window: Window, at: int) -> tuple[int, bool]:
    """Where the next element begins, or the index behind the array; and whether the array ended."""
    at = _skip_blanks(window, at)
    if window.data.startswith(b"]", at):
        return at + 1, True
    if not window.data.startswith(b",", at):
        raise _BrokenError(window.offset + at, NO_COMMA)
    return _skip_blanks(window, at + 1), False


def _skip_blanks(window: Window, at: int) -> int:
    """Where something else than blanks comes. However many they are, they are not held."""
    while (at := end_of_blanks(window.data, at)) == len(window.data):
        window.drop(at)
        at = 0
        if not window.reach(1):
            raise _BrokenError(window.offset, BROKEN_OFF)
    return at
