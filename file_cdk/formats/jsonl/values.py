"""Records of JSON text whose lines are not each one object: objects over several lines, several values on a line, and faults.

Values may follow one another with nothing between them, or blanks, or a CR alone, a record separator (RFC 7464), zero bytes,
another byte order mark; objects also with one comma. A fault costs the record that has it, up to where the next one begins.
A line may be the whole file: no more of it is held than one record takes.
"""

import re
from collections.abc import Iterator

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import MAX_RAW_BYTES
from file_cdk.formats.jsonl.found import LOOK_GROWTH, Found, Reading, Rejected, as_value, look_at
from file_cdk.formats.jsonl.lines import BOM, LONG_LINE_BYTES, PIECE_BYTES, HeldText
from file_cdk.formats.jsonl.syntax import (
    GOES_ON,
    INCOMPLETE,
    INCOMPLETE_VALUE,
    JSON_BLANKS,
    LONE_SURROGATE,
    NOT_AN_OBJECT,
    NOT_JSON,
    NOT_UTF8,
    TOO_LONG,
    Parsed,
    State,
    check_values,
    end_by_brackets,
    end_of_blanks,
    is_utf8,
    on_one_line,
    what_is_wrong,
)

LINES_NOT_JSON = "object over several lines is not valid JSON"
LINES_NOT_UTF8 = "object over several lines is not valid UTF-8"
LINES_INCOMPLETE = "object over several lines is not complete"
LINES_TOO_DEEP = "object over several lines is nested too deeply"
LINES_TOO_LONG = "object over several lines is longer than the limit"

ONLY_IN_SEQUENCE = "an object over several lines, or a long line of several, cannot be told from the middle of a file"

_GAP = re.compile(rb"[ \t\r\x1e\0]*")
_GAP_BYTES = b" \t\r\x1e\0"
_TELLING_APART = re.compile(rb"[\r\x1e\0]")
_SEGMENT_END = re.compile(rb"[\x1e\0\n]|\r(?!\n)")
_GAP_HELD_BYTES = 64 * 1024
_BRACE, _COMMA, _LINE_FEED = b"{"[0], b","[0], b"\n"[0]


class _StopError(Exception):
    """Nothing is read on from index `at` of the held text: for `reason`, or else because that has to be done in sequence."""

    def __init__(self, at: int, reason: str | None = None) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


class _PassOverError(Exception):
    """What begins at index `at` of the held text is longer than may be held."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


@dataclass(frozen=True, slots=True)
class _Behind:
    """What comes behind a value. at: index of the next value, or behind the line. clean: nothing else comes before that."""

    at: int
    line_ended: bool
    clean: bool = True


class ValueReader:
    """Reads lines one by one, and value by value where a line is not one object."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._source = reading.source
        self._max_bytes = reading.max_record_bytes
        self._in_sequence = reading.split.sequential or reading.split.is_last
        self._found = Found()

    def read(self, held: HeldText, end: int) -> Iterator[Found]:
        """The lines that begin before the position `end`, the first one where the held text begins. Leaves the source after them.

        Raises, when all before was yielded and counted: MalformedRecordError at a record without an end within the limits,
        SequentialOnlyError at an object over several lines, or a long line, unless the split is the file's last.
        """
        at, in_line, tried_to = 0, False, 0
        line_start = piece_start = held.offset
        self._found = Found()
        while in_line or held.offset + at < end:
            try:
                if not in_line:
                    line_start = held.offset + at
                if in_line and held.offset + at >= tried_to:
                    tried_to = held.offset + held.reach(at + PIECE_BYTES)
                    at = self._many(held, at)
                if not in_line and (line_end := self._one_object(held, at)):
                    behind = _Behind(line_end, line_ended=True)
                else:
                    behind = self._value(held, at, None if in_line else line_start)
                at, in_line = behind.at, not behind.line_ended
                if in_line and self._is_far_behind(line_start, held.offset + at, held.data[at : at + 1]):
                    raise _StopError(at)
            except _PassOverError as exc:
                yield from self._pass_over(held, exc.at)
                held, at, in_line = HeldText(self._source, b""), 0, False
                piece_start = held.offset
            except _StopError as exc:
                yield self._taken(held, exc.at)
                if exc.reason:
                    raise self._reading.malformed(exc.reason, self._source.position) from None
                raise self._reading.in_sequence_only(ONLY_IN_SEQUENCE) from None
            if held.offset + at - piece_start >= PIECE_BYTES:
                held.drop(at)
                at, piece_start = 0, held.offset
                self._found.end = piece_start
                yield self._found
                self._found = Found()
        yield self._taken(held, at)

    def _taken(self, held: HeldText, at: int) -> Found:
        """What was found, when the source is to go on at `at`."""
        found, self._found = self._found, Found()
        held.give_back(at)
        found.end = self._source.position
        return found

    def _pass_over(self, held: HeldText, at: int) -> Iterator[Found]:
        yield self._taken(held, at)
        byte = self._source.position
        beginning, ends = self._source.pass_over_line()
        if not ends:
            raise self._reading.malformed(TOO_LONG, byte)
        yield Found(self._source.position, rejected=[Rejected(0, byte, TOO_LONG, beginning)])

    def _is_far_behind(self, line_start: int, position: int, first: bytes) -> bool:
        """Whether the line is so long that later splits have no line end to begin at; asked where a value begins."""
        if self._in_sequence or position < self._reading.split.end or first in _GAP_BYTES:
            return False
        return position - line_start > min(LONG_LINE_BYTES, self._max_bytes)

    # One line, or one value

    def _one_object(self, held: HeldText, at: int) -> int:
        """Takes the line if it is blank or one object; returns the index behind it, or 0."""
        line_end = held.data.find(b"\n", at) + 1
        if not line_end:
            if not held.at_file_end and held.reach(len(held.data) + 1) != len(held.data):
                return 0
            line_end = len(held.data)
        record = held.data[at:line_end].strip(JSON_BLANKS)
        if record:
            if not record.startswith(b"{") or len(record) > self._max_bytes:
                return 0
            wrong = what_is_wrong(record)
            if wrong is not None and wrong != LONE_SURROGATE:
                return 0
            self._found.records.append(on_one_line(record))
            self._found.lone_surrogates += wrong is not None
        return line_end

    def _many(self, held: HeldText, at: int) -> int:
        """Takes objects of a line in one go; returns the index behind them, `at` where that does not go."""
        if self._max_bytes < PIECE_BYTES:
            return at
        data = held.data
        end = data.find(b"\n", at, at + PIECE_BYTES)
        end = min(at + PIECE_BYTES, len(data)) if end < 0 else end
        last = max(data.rfind(between, at, end) for between in (b"}{", b"}\r{", b"} {", b"}\x1e{"))
        records = check_values(data[at : last + 1]) if last > at else None
        if records is None:
            return at
        self._found.records += records
        return last + 1

    def _value(self, held: HeldText, at: int, line_start: int | None) -> _Behind:
        """Takes one value. line_start: where its line begins, if it is the first one on it."""
        at, line_ended, _ = self._gap(held, at)
        if line_ended:
            return _Behind(at, line_ended)
        start = at if line_start is None or line_start < held.offset else line_start - held.offset
        parsed, line_end = look_at(held, at, self._max_bytes, in_line=True)
        match parsed.state:
            case State.WHOLE:
                return self._whole(held, start, at, parsed)
            case State.TOO_LONG:
                raise _PassOverError(start)
            case State.CUT if held.data[at] == _BRACE and line_end is not None:
                together = self._together(held, start, at, min(line_end + 1, len(held.data)))
                if together is not None:
                    return together
        return self._faulty(held, start, at)

    def _whole(self, held: HeldText, start: int, at: int, parsed: Parsed, *, on_lines: bool = False) -> _Behind:
        text = held.data[at : at + parsed.position].rstrip(JSON_BLANKS)
        is_object = text.startswith(b"{")
        behind = self._behind(held, at + len(text), is_object=is_object)
        if not behind.clean:
            return self._reject_segment(held, start, behind.at, GOES_ON)
        wrong = None
        if len(text) > self._max_bytes:
            wrong = LINES_TOO_LONG if on_lines else TOO_LONG
        elif not is_utf8(text):
            wrong = LINES_NOT_UTF8 if on_lines else NOT_UTF8
        elif not (is_object or self._reading.plain):
            wrong = NOT_AN_OBJECT
        if wrong:
            raw = text
            if behind.line_ended:
                raw = held.data[start : behind.at].removesuffix(b"\n")
            self._found.reject(held.offset + start, wrong, raw)
            return behind
        record = on_one_line(text)
        self._found.records.append(record if is_object else as_value(record))
        self._found.lone_surrogates += parsed.lone_surrogate
        self._found.multi_line += on_lines
        return behind

    def _faulty(self, held: HeldText, start: int, at: int) -> _Behind:
        """Rejects what begins at `start` on this line, up to where its brackets say that it ends, or the next one begins."""
        if held.data[at] != _BRACE:
            return self._reject_segment(held, start, at)
        size = LOOK_GROWTH * 1024
        while True:
            end = held.reach(at + size)
            cut = held.data.find(b"\n", at, end)
            stop = cut if cut >= 0 else end
            found = end_by_brackets(held.data, at, of_lines=True, end=stop)
            if found or cut >= 0 or (held.at_file_end and end == len(held.data)):
                break
            if size > self._max_bytes:
                raise _PassOverError(start)
            size = min(LOOK_GROWTH * size, max(self._max_bytes, size) + 1)
        if found is None:
            return self._reject_to(held, start, stop)
        if found.by_next:
            return self._reject_to(held, start, found.position)
        behind = self._behind(held, found.position, is_object=True)
        if not behind.clean:
            return self._reject_segment(held, start, behind.at)
        text = held.data[start : behind.at if behind.line_ended else found.position].removesuffix(b"\n")
        self._found.reject(held.offset + start, self._reason(text), text)
        return behind

    # Rejecting

    def _reject_segment(self, held: HeldText, start: int, at: int, reason: str | None = None) -> _Behind:
        """Rejects from `start` to where something that separates values comes, at or after `at`."""
        size = _GAP_HELD_BYTES
        while True:
            end = held.reach(at + size)
            at_file_end = held.at_file_end and end == len(held.data)
            found = _SEGMENT_END.search(held.data, at, end if at_file_end else end - 1)
            if found or at_file_end:
                return self._reject_to(held, start, found.start() if found else end, reason)
            if size > self._max_bytes:
                raise _PassOverError(start)
            size = min(LOOK_GROWTH * size, max(self._max_bytes, size) + 1)

    def _reject_to(self, held: HeldText, start: int, end: int, reason: str | None = None) -> _Behind:
        text = held.data[start:end]
        self._found.reject(held.offset + start, reason or self._reason(text), text)
        if held.reach(end + 1) == end:
            return _Behind(end, line_ended=True)
        line_ended = held.data[end] == _LINE_FEED
        return _Behind(end + line_ended, line_ended)

    def _reason(self, text: bytes) -> str:
        wrong = what_is_wrong(text.strip(JSON_BLANKS)) or NOT_JSON
        if wrong == INCOMPLETE and not text.lstrip(JSON_BLANKS).startswith(b"{"):
            return INCOMPLETE_VALUE
        if wrong == NOT_AN_OBJECT and self._reading.plain:
            return NOT_JSON
        return wrong

    # What comes behind

    def _behind(self, held: HeldText, at: int, *, is_object: bool) -> _Behind:
        at, line_ended, told_apart = self._short_gap(held, at)
        if line_ended or told_apart or (is_object and held.data[at] == _BRACE):
            return _Behind(at, line_ended)
        if not is_object or held.data[at] != _COMMA:
            return _Behind(at, line_ended, clean=False)
        comma = at
        at, line_ended, told_apart = self._short_gap(held, at + 1)
        if line_ended or told_apart or held.data[at] == _BRACE:
            return _Behind(at, line_ended)
        return _Behind(comma, line_ended, clean=False)

    def _short_gap(self, held: HeldText, at: int) -> tuple[int, bool, bool]:
        """As `_gap`, but nothing is dropped: a long one tells values apart, and is left to be passed over before the next."""
        held.reach(at + _GAP_HELD_BYTES)
        found = _GAP.match(held.data, at)
        assert found is not None
        if found.end() - at >= _GAP_HELD_BYTES:
            return at, False, True
        return self._gap(held, at)

    def _gap(self, held: HeldText, at: int) -> tuple[int, bool, bool]:
        """Where on the line something else comes than may be between values, or the index behind the line; whether the line
        ended; and whether what was passed over tells any two values apart. It may be long, and is not held."""
        told_apart = zeros = False
        while True:
            found = _GAP.match(held.data, at)
            assert found is not None
            told_apart = told_apart or _TELLING_APART.search(held.data, at, found.end()) is not None
            zeros = zeros or held.data.find(b"\0", at, found.end()) >= 0
            at = found.end()
            if at == len(held.data) and at > _GAP_HELD_BYTES:
                held.drop(at)
                at = 0
            if held.reach(at + len(BOM)) == at:
                line_ended = True
                break
            if held.data.startswith(BOM, at):
                at += len(BOM)
            elif held.data[at] not in _GAP_BYTES:
                line_ended = held.data[at] == _LINE_FEED
                at += line_ended
                break
        self._found.zero_gaps += zeros
        return at, line_ended, told_apart

    # Objects over several lines

    def _together(self, held: HeldText, start: int, at: int, line_end: int) -> _Behind | None:
        """Takes the object that begins at `at` and goes on behind `line_end`; None when its first line is no part of one."""
        parsed, _ = look_at(held, at, self._max_bytes)
        match parsed.state:
            case State.WHOLE:
                if not self._in_sequence:
                    raise _StopError(start)
                return self._whole(held, start, at, parsed, on_lines=True)
            case State.TOO_LONG:
                raise _StopError(start, LINES_TOO_LONG)
            case State.FAULTY if _is_alone(held.data, line_end, at + parsed.position):
                return None
            case State.CUT if _is_alone(held.data, line_end, len(held.data)):
                return None
            case State.CUT:
                return self._reject_lines(held, start, len(held.data), LINES_INCOMPLETE)
        return self._broken(held, start, at, LINES_NOT_JSON if parsed.state is State.FAULTY else LINES_TOO_DEEP)

    def _broken(self, held: HeldText, start: int, at: int, reason: str) -> _Behind:
        """Rejects an object with a fault in it, to where its brackets say that it ends, or to where the next one begins."""
        limit = self._max_bytes
        while (found := end_by_brackets(held.data, at, of_lines=True)) is None and not held.at_file_end:
            size = len(held.data) - at
            if size > limit:
                break
            held.reach(at + min(LOOK_GROWTH * size, limit + 1))
        end = len(held.data) if found is None else found.position
        if end - at > limit:  # wherever the held text happens to end
            raise _StopError(start, LINES_TOO_LONG)
        if found is None or found.by_next:
            return self._reject_lines(held, start, end, LINES_INCOMPLETE)
        behind = self._behind(held, end, is_object=True)
        if not behind.clean:
            return self._reject_segment(held, start, behind.at, reason)
        self._reject_lines(held, start, end, reason)
        return behind

    def _reject_lines(self, held: HeldText, start: int, end: int, reason: str) -> _Behind:
        raw = held.data[start : min(start + MAX_RAW_BYTES, end)].removesuffix(b"\n")
        self._found.reject(held.offset + start, reason, raw)
        return _Behind(end, line_ended=True)


def _is_alone(data: bytes, line_end: int, fault: int) -> bool:
    """Whether a line that begins an object is followed by none of the rest of it, going by where that stops being JSON.

    So it is if the fault is no later than the first token of the next line; or of the line after next, if the next line is an
    object of its own. For other lines it is likelier that they belong together than that each is a record: then none of
    their inner objects is taken for one.
    """
    after = end_of_blanks(data, line_end)
    if fault <= after:
        return True
    next_end = data.find(b"\n", after) + 1 or len(data)
    return fault <= end_of_blanks(data, next_end) and what_is_wrong(data[after:next_end].strip(JSON_BLANKS)) is None
