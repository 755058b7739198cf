"""Records of JSON text that has one object per line, or objects over several lines one after the other.

A piece whose every line is an object is checked as a whole. Any other piece is looked at line by line: a line that is not an
object is rejected; one that begins an object is looked at together with the lines after it. Were such an object in a split
that others follow, these would begin in its middle: so the rest of the file is then read in sequence.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from file_cdk.core.errors import SequentialOnlyError
from file_cdk.core.files import Split
from file_cdk.core.ports import MAX_RAW_BYTES, SplitReport
from file_cdk.formats.jsonl_found import LOOK_GROWTH, Found, Rejected, look_at, malformed
from file_cdk.formats.jsonl_lines import BOM, LineSource, LongLine, Window
from file_cdk.formats.jsonl_syntax import (
    GOES_ON,
    INCOMPLETE,
    JSON_BLANKS,
    LONE_SURROGATE,
    NOT_UTF8,
    TOO_LONG,
    Parsed,
    State,
    check_object,
    end_by_brackets,
    end_of_blanks,
    is_cut,
    is_utf8,
    on_one_line,
    what_is_wrong,
)

LINES_NOT_JSON = "object over several lines is not valid JSON"
LINES_NOT_UTF8 = "object over several lines is not valid UTF-8"
LINES_INCOMPLETE = "object over several lines is not complete"
LINES_TOO_DEEP = "object over several lines is nested too deeply"
LINES_TOO_LONG = "object over several lines is longer than the limit"

ONLY_IN_SEQUENCE = "an object over several lines cannot be told from the middle of a file"


@dataclass(frozen=True, slots=True)
class _Lines:
    """What lines are together: one object or, for a reason, one record that cannot be read.

    end: index behind them; None if it is not within the limit.
    """

    end: int | None
    record: bytes = b""
    lone_surrogate: bool = False
    reason: str | None = None


class LineReader:
    """Reads the records that begin from where the source stands to the split's end. `report` is only read."""

    def __init__(self, source: LineSource, split: Split, report: SplitReport, max_record_bytes: int) -> None:
        self._source = source
        self._split = split
        self._report = report
        self._max_bytes = max_record_bytes
        self._in_sequence = split.sequential or split.is_last

    def read(self) -> Iterator[Found]:
        """Raises, when all before was yielded and counted: MalformedRecordError at a record without an end within the limits,
        SequentialOnlyError at an object over several lines unless the split is the file's last."""
        source = self._source
        while True:
            start = source.position
            piece = source.next_lines(self._split.end)
            text = piece.beginning if isinstance(piece, LongLine) else piece
            if not text:
                return
            if start == 0 and text.startswith(BOM):
                start, text = len(BOM), text[len(BOM) :]
            if isinstance(piece, LongLine):
                if not piece.ends:
                    raise malformed(TOO_LONG, self._split, self._report, start)
                yield Found(source.position, rejected=[Rejected(0, start, TOO_LONG, text)])
            elif len(text) <= self._max_bytes and (records := check_lines(text)) is not None:
                yield Found(source.position, records, text)
            else:
                yield from self._line_by_line(Window(source, text))

    def _line_by_line(self, window: Window) -> Iterator[Found]:
        """The lines that are in the window now."""
        found = Found()
        at, end = 0, len(window.data)
        stopped_by: _Lines | None = None
        while at < end:
            line_end = window.data.find(b"\n", at) + 1 or end
            lines = self._take_line(window, at, line_end, found)
            if lines is not None and (lines.end is None or not (lines.reason or self._in_sequence)):
                stopped_by = lines
                break
            if lines is not None and lines.end is not None:
                self._take_together(lines, window, at, found)
                line_end = lines.end
            at = line_end
        window.give_back(at)
        found.end = self._source.position
        yield found
        if stopped_by is not None and stopped_by.reason:
            raise malformed(stopped_by.reason, self._split, self._report, found.end)
        if stopped_by is not None:
            raise SequentialOnlyError(ONLY_IN_SEQUENCE, uri=self._split.file.uri, byte=found.end)

    def _take_line(self, window: Window, at: int, line_end: int, found: Found) -> _Lines | None:
        """Takes the line alone, or returns what it is together with the lines after it."""
        line = window.data[at:line_end].removesuffix(b"\n")
        record = line.strip(JSON_BLANKS)
        if not record:
            return None
        wrong = TOO_LONG if len(line) > self._max_bytes else what_is_wrong(record)
        if wrong is None or wrong == LONE_SURROGATE:
            found.records.append(on_one_line(record))
            found.lone_surrogates += wrong is not None
            return None
        is_beginning = wrong == INCOMPLETE or (wrong == NOT_UTF8 and is_cut(record))
        if is_beginning and record.startswith(b"{"):
            lines = self._together(window, at + line.index(b"{"), line_end)
            if lines is not None:
                return lines
        found.reject(window.offset + at, wrong, line)
        return None

    def _take_together(self, lines: _Lines, window: Window, at: int, found: Found) -> None:
        if lines.reason:
            raw = window.data[at : min(at + MAX_RAW_BYTES, lines.end or 0)].removesuffix(b"\n")
            found.reject(window.offset + at, lines.reason, raw)
        else:
            found.records.append(lines.record)
            found.lone_surrogates += lines.lone_surrogate
            found.multi_line += 1

    def _together(self, window: Window, at: int, line_end: int) -> _Lines | None:
        """The object that begins at `at` and goes on behind `line_end`; None when its first line is no part of one."""
        parsed = look_at(window, at, self._max_bytes)
        match parsed.state:
            case State.WHOLE:
                return self._whole(window, at, parsed)
            case State.TOO_LONG:
                return _Lines(None, reason=LINES_TOO_LONG)
            case State.FAULTY if _is_alone(window.data, line_end, at + parsed.position):
                return None
            case State.CUT if _is_alone(window.data, line_end, len(window.data)):
                return None
            case State.CUT:
                return _Lines(len(window.data), reason=LINES_INCOMPLETE)
        return self._broken(window, at, LINES_NOT_JSON if parsed.state is State.FAULTY else LINES_TOO_DEEP)

    def _whole(self, window: Window, at: int, parsed: Parsed) -> _Lines:
        text = window.data[at : at + parsed.position].rstrip(JSON_BLANKS)
        end = window.line_end(at + len(text), self._max_bytes)
        if end is None or len(text) > self._max_bytes:
            return _Lines(end, reason=LINES_TOO_LONG)
        if window.data[at + len(text) : end].strip(JSON_BLANKS):
            return _Lines(end, reason=GOES_ON)
        if not is_utf8(text):
            return _Lines(end, reason=LINES_NOT_UTF8)
        return _Lines(end, on_one_line(text), parsed.lone_surrogate)

    def _broken(self, window: Window, at: int, reason: str) -> _Lines:
        """An object with a fault in it, to where its brackets say that it ends, or to where the next one begins."""
        limit = self._max_bytes
        while (found := end_by_brackets(window.data, at, of_lines=True)) is None and not window.at_file_end:
            size = len(window.data) - at
            if size > limit:
                break
            window.reach(at + min(LOOK_GROWTH * size, limit + 1))
        end = len(window.data) if found is None else found.position
        if end - at > limit:  # wherever the window happens to end
            return _Lines(None, reason=LINES_TOO_LONG)
        if found is None or found.by_next:
            return _Lines(end, reason=LINES_INCOMPLETE)
        line_end = window.line_end(end, limit)
        return _Lines(line_end, reason=LINES_TOO_LONG if line_end is None else reason)


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
