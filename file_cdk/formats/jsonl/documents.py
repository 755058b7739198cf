"""JSON documents: a file that is an array, read element by element without holding more than one of them."""

import re
from collections.abc import Iterator

import msgspec

from file_cdk.core.ports import MAX_RAW_BYTES
from file_cdk.formats.jsonl.found import LOOK_GROWTH, Found, Reading, as_value, look_at
from file_cdk.formats.jsonl.lines import PIECE_BYTES, HeldText, LineSource
from file_cdk.formats.jsonl.syntax import (
    JSON_BLANKS,
    State,
    end_by_brackets,
    end_of_blanks,
    is_utf8,
    on_one_line,
    parse_value,
)

NOT_AN_OBJECT = "array element is not an object"
NOT_UTF8 = "array element is not valid UTF-8"
NOT_JSON = "array element is not valid JSON"
TOO_DEEP = "array element is nested too deeply"
TOO_LONG = "array element is longer than the limit"
ENDLESS = "array element is not valid JSON, and where it ends is not known"
BROKEN_OFF = "the file ends inside its JSON array"
NO_COMMA = "two elements of the JSON array have no comma between them"

WHOLE_ARRAY = "What comes behind it cannot be told apart: mend the file, or have its writer write one object per line"

ONLY_IN_SEQUENCE = "elements of a JSON array cannot be told from the middle of a file"

_BEGINNING_BYTES = 64 * 1024
_HEAD_BYTES = 256
_WORD_BYTES = 256
_WORD = re.compile(rb"[^\s,\[\]{}\"]+(?=[\s,\]])")
"""A number or a word that JSON does not have, such as NaN: it ends where the next element may begin."""
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[(?=[ \t\r\n]*(?P<of_objects>[{\]])?)")


def begins_array(source: LineSource) -> int:
    """Length of what precedes the first element, if an array of records begins where the source stands; else 0.

    `[1, 2]` begins none if it is on a line of its own and others follow: these lines are records then, of whatever kind. What
    comes after 64 KiB is not looked at.
    """
    beginning = source.pull(_BEGINNING_BYTES)
    source.put_back(beginning)
    found = _ARRAY.match(beginning)
    if found is None or not (found["of_objects"] or _goes_on_below(beginning[found.end() - 1 :])):
        return 0
    return found.end()


def _goes_on_below(text: bytes) -> bool:
    """Whether an array that begins the text, which may be cut, is more than the first of several lines."""
    line, line_feed, rest = text.partition(b"\n")
    line = line.strip(JSON_BLANKS)
    if not line_feed and len(text) + _HEAD_BYTES > _BEGINNING_BYTES:
        return True
    if parse_value(memoryview(line), at_file_end=True).state is State.WHOLE:
        return not rest.strip(JSON_BLANKS)
    return line.endswith((b"[", b","))


_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _BrokenError(Exception):
    """The array cannot be read on from `byte`."""

    def __init__(self, byte: int, message: str) -> None:
        super().__init__(message)
        self.byte = byte
        self.message = message


class _BrokenOffError(Exception):
    """The file ends in the element at `byte`, or there, where another or the array's end should come."""

    def __init__(self, byte: int) -> None:
        super().__init__()
        self.byte = byte


class ArrayReader:
    """Reads one array, of which the source stands at the beginning, up to the first element behind the split's end."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._source = reading.source
        self._max_bytes = reading.max_record_bytes

    def read(self, start: int) -> Iterator[Found]:
        """Leaves the source behind the array. start: see `begins_array`. Where the file ends inside it, that is a reject.

        Raises SequentialOnlyError at once unless the split is the whole file or sequential. Raises MalformedRecordError, when
        all before was yielded and counted, where an element ends nowhere that is known.
        """
        split = self._reading.split
        if not (split.sequential or split.is_last):
            raise self._reading.in_sequence_only(ONLY_IN_SEQUENCE)
        held = HeldText(self._source, self._source.pull(max(start, PIECE_BYTES)))
        found, broken = Found(), None
        at, piece_start, tried_to = start, held.offset, held.offset
        try:
            at = _skip_blanks(held, at)
            ended = held.data.startswith(b"]", at)
            at += ended
            while not ended and held.offset + at < split.end:
                end = None
                if held.offset + at >= tried_to:
                    tried_to = held.offset + held.reach(at + PIECE_BYTES)
                    end = self._elements(held, at, found)
                at, ended = _separator(held, self._element(held, at, found) if end is None else end)
                if held.offset + at - piece_start >= PIECE_BYTES:
                    held.drop(at)
                    at, piece_start = 0, held.offset
                    found.end = piece_start
                    yield found
                    found = Found()
        except _BrokenOffError as exc:
            at = len(held.data)
            found.reject(exc.byte, BROKEN_OFF, held.data[exc.byte - held.offset :])
        except _BrokenError as exc:
            broken = exc
        if broken is None:
            held.give_back(at)
        found.end = self._source.position if broken is None else broken.byte
        yield found
        if broken:
            raise self._reading.malformed(broken.message, broken.byte, WHOLE_ARRAY)

    def _elements(self, held: HeldText, at: int, found: Found) -> int | None:
        """Takes all elements from `at` to where the last one held begins, in one go, and returns the index behind them.

        None where that begins cannot be told, or where one of them is not plainly an object: then none was taken. The last
        one is looked for by the key that the first one begins with. Were it another object that has this key, one inside
        an element, then the text before it had brackets without their counterparts, and would not be valid.
        """
        data = held.data
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
        limit = self._max_bytes
        if not is_utf8(text) or any(not each.startswith(b"{") or len(each) > limit for each in elements):
            return None
        found.records += map(on_one_line, elements) if b"\n" in text or b"\r" in text else elements
        return end

    def _element(self, held: HeldText, at: int, found: Found) -> int:
        """Takes the element at `at`; returns the index behind it."""
        byte = held.offset + at
        parsed, _ = look_at(held, at, self._max_bytes)
        match parsed.state:
            case State.WHOLE:
                text = held.data[at : at + parsed.position].rstrip(JSON_BLANKS)
                wrong = self._what_is_wrong(text) if is_utf8(text) else NOT_UTF8
                word = _WORD.match(held.data, at, at + _WORD_BYTES)
                if word and len(word[0]) > len(text):  # such as 0x1F
                    text, wrong = word[0], NOT_JSON
                if wrong:
                    found.reject(byte, wrong, text)
                else:
                    record = on_one_line(text)
                    found.records.append(record if text.startswith(b"{") else as_value(record))
                    found.lone_surrogates += parsed.lone_surrogate
                return at + len(text)
            case State.CUT:
                raise _BrokenOffError(byte)
            case State.TOO_LONG:
                raise _BrokenError(byte, TOO_LONG)
        end = self._end_by_brackets(held, at)
        raw = held.data[at : min(end, at + MAX_RAW_BYTES)]
        wrong = NOT_JSON if parsed.state is State.FAULTY else TOO_DEEP
        try:
            end = _skip_blanks(held, end)
        except _BrokenOffError:
            found.reject(byte, wrong, raw)
            raise
        if held.data[end] not in b",]":
            raise _BrokenError(byte, ENDLESS)
        found.reject(byte, wrong, raw)
        return end

    def _what_is_wrong(self, element: bytes) -> str | None:
        if not (self._reading.plain or element.startswith(b"{")):
            return NOT_AN_OBJECT
        return TOO_LONG if len(element) > self._max_bytes else None

    def _end_by_brackets(self, held: HeldText, at: int) -> int:
        byte = held.offset + at
        if held.data[at] not in b"{[":
            held.reach(at + _WORD_BYTES)
            word = _WORD.match(held.data, at, at + _WORD_BYTES)
            if word is None:
                raise _BrokenError(byte, ENDLESS)
            return word.end()
        while (found := end_by_brackets(held.data, at, of_lines=False)) is None:
            size = len(held.data) - at
            if held.at_file_end and _is_cut_off(held.data[at:]):
                raise _BrokenOffError(byte)
            if held.at_file_end or size > self._max_bytes:
                raise _BrokenError(byte, ENDLESS)
            held.reach(at + min(LOOK_GROWTH * size, self._max_bytes + 1))
        if found.position - at > self._max_bytes:  # wherever the held text happens to end
            raise _BrokenError(byte, ENDLESS)
        return found.position


def _is_cut_off(text: bytes) -> bool:
    """Whether a file ends inside the element that it ends with, or, as when a machine went down, in zero bytes after that."""
    return parse_value(memoryview(text.rstrip(b"\0")), at_file_end=False).state is State.CUT


def _separator(held: HeldText, at: int) -> tuple[int, bool]:
    """Where the next element begins, or the index behind the array; and whether the array ended."""
    at = _skip_blanks(held, at)
    if held.data.startswith(b"]", at):
        return at + 1, True
    if held.data.startswith(b",", at):
        at = _skip_blanks(held, at + 1)
        ended = held.data.startswith(b"]", at)  # behind a comma too much
        return at + ended, ended
    if held.data.startswith(b"{", at):  # a comma is missing, but nothing else
        return at, False
    raise _BrokenError(held.offset + at, NO_COMMA)


def _skip_blanks(held: HeldText, at: int) -> int:
    """Where something else than blanks comes. The blanks, however many, are not held."""
    while (at := end_of_blanks(held.data, at)) == len(held.data):
        held.drop(at)
        at = 0
        if not held.reach(1):
            raise _BrokenOffError(held.offset)
    return at
