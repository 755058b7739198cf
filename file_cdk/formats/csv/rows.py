"""The row by row way through a split: Python's csv module, exact on any input, which names the record at fault.

Small pieces go this way too, as a whole: merely calling Arrow's reader takes longer.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice

from file_cdk.core.column_ports import Place
from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.ports import Reject, SplitReport
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.lines import Lines, RecordTooLargeError
from file_cdk.formats.csv.shape import BLANKS_LEFT_OUT, FittedRows, OddRowError, OddRows, Shape

TEXT_AFTER_QUOTE = "text follows a closing quote"
NEVER_CLOSED = "a quote opened in this record is never closed"
JOINED = "a quote opened in this record joins it to lines that are records of their own"

MIN_JOINED_LINES = 4
_MIN_JOINED_DELIMITERS = 4
"""Minimum number of delimiters in the lines between a record's first and last one: a text of several lines may well have fewer
by chance."""

_MAX_LINES_LOOKED_AT = 100
_LINES_TRIED = 20

COMMENT = "comment"
LONE_QUOTE = "a quote at the end of the file, and nothing in it"

SMALL_PIECE_BYTES = 16 << 10
"""Python reads about 100 MB/s; Arrow's reader first starts a thread, for which small pieces are too short."""

CHUNK_BYTES = 256 << 10
CHUNK_ROWS = 10_000


class RowReader:
    """Reads records from `lines`, which stand at a record, up to the first that begins at or after `end`.

    encoding: its name, for messages.
    """

    def __init__(self, lines: Lines, shape: Shape, report: SplitReport, uri: str, encoding: str) -> None:
        self._lines = lines
        self._shape = shape
        self._report = report
        self._uri = uri
        self._not_text = f"not valid {encoding}"
        self._rows_before = report.rows_present
        self._number = 0

    def read(self, end: int) -> Iterator[FittedRows]:
        """Chunks of about 256 KB; sets `report.end`, and counts what is skipped or rejected, before the rows around it.

        Raises MalformedRecordError after the rows before the one at fault.
        """
        rows = FittedRows()
        chunk_at = self._lines.offset
        fault: MalformedRecordError | None = None
        try:
            for start, values in self._records(end):
                self._add(rows, start, values)
                if self._lines.offset - chunk_at >= CHUNK_BYTES or len(rows.values) >= CHUNK_ROWS:
                    if rows.values:
                        yield rows
                    self._report.end = chunk_at = self._lines.offset
                    rows = FittedRows()
        except MalformedRecordError as exc:
            fault = exc
        if rows.values:
            yield rows
        if fault:
            raise fault
        self._report.end = self._lines.offset

    def locate(self, end: int) -> Iterator[Place]:
        """Of the same records; sets `report.end`."""
        for start, values in self._records(end):
            rows = FittedRows()
            self._add(rows, start, values)
            if rows.values:
                yield Place(self._rows_before + self._number, start, self._lines.raw_record())
        self._report.end = self._lines.offset

    def _add(self, rows: FittedRows, start: int, values: list[str]) -> None:
        """Adds the record to `rows`, counts it, or raises MalformedRecordError, as the policy says."""
        lines, policy = self._lines, self._shape.policy
        if not lines.is_text:  # lines that are not lenient have raised
            self._reject(start, self._not_text)
            return
        try:
            if not self._shape.add(rows, values, lines.record):
                self._report.warnings[BLANKS_LEFT_OUT] += 1
        except OddRowError as odd:
            if policy.odd_rows is OddRows.SKIP:
                self._report.skipped[odd.reason] += 1
            elif policy.odd_rows is OddRows.FAIL:
                raise self._error(str(odd), start, odd.remedy) from None
            else:
                self._reject(start, odd.reason)

    def _records(self, end: int) -> Iterator[tuple[int, list[str]]]:
        """Where each begins, and its values. Raises MalformedRecordError."""
        lines, dialect = self._lines, self._shape.dialect
        mender = QuoteMender(lines, self._shape) if self._shape.policy.of_table and dialect.quote is not None else None
        strict = mender is not None
        reader = dialect.reader(iter(lines), strict=strict)
        while lines.offset < end:
            lines.begin_record()
            start = lines.offset
            self._number += 1
            try:
                values = next(reader, None)
            except (UnicodeError, RecordTooLargeError, csv.Error) as exc:
                if mender is None or isinstance(exc, UnicodeError):
                    raise self._unreadable(exc, start) from None
                try:
                    values = mender.values_after(exc)
                except (csv.Error, RecordTooLargeError):
                    raise self._unreadable(exc, start) from None
                except UnicodeError as undecodable:  # in the lines after, of which the record may be a part
                    raise self._unreadable(undecodable, start) from None
                if values is None:
                    self._reject_or_fail(start, mender.reason)
                reader = dialect.reader(iter(lines), strict=strict)
                if values is None:
                    continue
            else:
                if values is None:
                    return
                if mender is not None and values and not mender.accepts(values):
                    self._reject_or_fail(start, mender.reason)
                    reader = dialect.reader(iter(lines), strict=strict)
                    continue
            if not values:
                if dialect.comment is not None and lines.record[0].startswith(dialect.comment):
                    self._report.skipped[COMMENT] += 1
                elif lines.record[0].strip("\r\n"):  # the mender made it none
                    self._report.skipped[LONE_QUOTE] += 1
                else:  # a blank line
                    self._number -= 1
                continue
            if mender is None and lines.exhausted and dialect.quoting("".join(lines.record)).unclosed:
                raise self._error("a quote opened in this record is never closed", start)
            yield start, values

    def _unreadable(self, exc: Exception, start: int) -> MalformedRecordError:
        quote = self._shape.dialect.quote
        match exc:
            case UnicodeDecodeError():
                return self._error(self._not_text, self._lines.offset + exc.start)
            case UnicodeError():
                return self._error(self._not_text, self._lines.offset)
            case RecordTooLargeError() if quote and quote in "".join(self._lines.record[:1]):
                return self._error("record is too large: a quote opened in it is probably never closed", start)
            case _:
                return self._error("record is too large", start)

    def _reject_or_fail(self, start: int, reason: str) -> None:
        """Raises MalformedRecordError where a bad record is to end the file."""
        if self._shape.policy.odd_rows is OddRows.FAIL:
            raise self._error(reason, start)
        self._reject(start, reason)

    def _reject(self, start: int, reason: str) -> None:
        # Rows of the same chunk are counted only when it is decoded, so the number is not the report's to tell.
        number = self._rows_before + self._number
        self._report.rejects.add(Reject(number, start, reason, self._lines.raw_record()))

    def _error(self, message: str, byte: int, remedy: str | None = None) -> MalformedRecordError:
        row = self._rows_before + self._number
        return MalformedRecordError(message, uri=self._uri, row=row, byte=byte, remedy=remedy)


def regular_rows(piece: bytes, dialect: Dialect, width: int, *, at_file_end: bool) -> list[list[str]] | None:
    """The rows of a piece that begins at a record, blank lines left out; None where not all have `width` values, where it
    ends inside a record (of which only the file's last may lack its line end), or where its bytes are no text.
    """
    if not dialect.has_plain_delimiter:
        return None
    try:
        text = piece.decode(dialect.encoding)
        if at_file_end and not text.endswith(("\n", "\r")):
            text += "\n"
        # A row of one value too many comes back as the last one, unless a quote that is open takes it for its own.
        lines = io.StringIO(text + dialect.delimiter * width + "\n", newline="")
        rows = [row for row in dialect.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error):
        return None
    last = rows.pop()
    if len(last) != width + 1 or any(last):
        return None
    return rows if set(map(len, rows)) <= {width} else None


class QuoteMender:
    """Judges records by their quotes while they are read from `lines`, and puts back lines that are not to be lost with one.

    Some mean something else than they seem to: text after a closing one, one that never closes, one that swallows lines. Python's
    csv module, the reference, drops a closing quote with text after it, and goes on to the next quote however many lines away.
    For the protocol that stays so, as its users have it. In a table a record is rejected where it shows: what is rejected is its
    first line alone, and the lines after it are read anew, where they look like records of their own.

    After a record is found to be bad, `lines.record` is what to reject of it, and `reason` why.
    """

    def __init__(self, lines: Lines, shape: Shape) -> None:
        self._lines = lines
        self._policy = shape.policy
        self._header = shape.header
        self._dialect = shape.dialect
        self.reason = ""

    def values_after(self, fault: csv.Error | RecordTooLargeError) -> list[str] | None:
        """The values of a record for which the strict reader raised `fault`, where it is right all the same; None otherwise.

        Raises the fault where the record's end is not known.
        """
        lines = self._lines
        if isinstance(fault, RecordTooLargeError):
            if not lines.goes_on or not self._looks_like_rows(lines.record[1:]):
                raise fault
            self._reject(NEVER_CLOSED, first_only=True)
            return None
        if self._ends_inside(fault):
            if (values := self._with_blank_end()) is not None:
                return values
            self._reject(NEVER_CLOSED, first_only=self._looks_like_rows(lines.record[1:]))
            return None
        lines.back_to(0)
        values = next(self._dialect.reader(islice(iter(lines), _MAX_LINES_LOOKED_AT)))
        if len(lines.record) == _MAX_LINES_LOOKED_AT:
            self._reject(TEXT_AFTER_QUOTE, first_only=True)
            return None
        return values if self._is_right() else None

    def _with_blank_end(self) -> list[str] | None:
        """The values of the file's last record where nothing but blanks follow its open quote, as some programs end a file:
        nothing is lost with it. None of them for a record without any."""
        lines = self._lines
        if self._dialect.quote is None or not "".join(lines.record[-2:]).rstrip().endswith(self._dialect.quote):
            return None
        lines.back_to(0)
        values = next(self._dialect.reader(iter(lines)))
        if values[-1].strip():
            return None
        return values if any(map(str.strip, values)) else []

    def _ends_inside(self, fault: csv.Error) -> bool:
        """Whether the file ends inside quotes. A character that is to escape another may be its last one, too."""
        if str(fault) != "unexpected end of data":
            return False
        return self._dialect.escape is None or self._dialect.quoting("".join(self._lines.record)).unclosed

    def accepts(self, values: list[str]) -> bool:
        """Whether a record that the strict reader took is to be taken."""
        record = self._lines.record
        if len(record) > 1 and self._joins(values):
            self._reject(JOINED, first_only=True)
            return False
        return self._dialect.double_quote or self._is_right()

    def _is_right(self) -> bool:
        record = self._lines.record
        quoting = self._dialect.quoting("".join(record))
        if quoting.unclosed and self._lines.exhausted:
            self._reject(NEVER_CLOSED, first_only=self._looks_like_rows(record[1:]))
        elif quoting.text_after:
            self._reject(TEXT_AFTER_QUOTE, first_only=self._are_rows(record[1:]))
        else:
            return True
        return False

    def _reject(self, reason: str, *, first_only: bool) -> None:
        self.reason = reason
        if first_only and len(self._lines.record) > 1:
            self._lines.back_to(1)

    def _joins(self, values: list[str]) -> bool:
        """Whether a record over several lines is one of them, and the others records of their own."""
        record = self._lines.record
        if not self._header.fits(len(values)):
            return self._policy.odd_rows is not OddRows.PAD and self._are_rows(record[1:])
        quote, line_end = self._dialect.quote, self._header.line_end.decode("ascii")
        if quote is None or len(record) < MIN_JOINED_LINES:
            return False
        text = "".join(record).rstrip("\r\n")
        lines = text.split(line_end)
        return (
            self._is_unlikely_by_chance(len(lines))
            and any(part.count(line_end) >= MIN_JOINED_LINES - 1 for part in text.split(quote))
            and all(self._header.fits(line.count(self._dialect.delimiter) + 1) for line in lines)
        )

    @property
    def _has_columns(self) -> bool:
        return len(self._header.names) > 1

    def _is_unlikely_by_chance(self, lines: int) -> bool:
        """Whether so many lines hardly all have the width of rows for another reason than being rows."""
        delimiters = (len(self._header.names) - 1) * (lines - 2)
        return lines >= MIN_JOINED_LINES and delimiters >= _MIN_JOINED_DELIMITERS

    def _are_rows(self, lines: Sequence[str]) -> bool:
        return self._has_columns and bool(lines) and all(map(self._is_row, lines))

    def _looks_like_rows(self, lines: Sequence[str]) -> bool:
        """By the first ones: there may be as many as a file has, and some of them odd."""
        tried = lines[:_LINES_TRIED]
        return self._has_columns and 2 * sum(map(self._is_row, tried)) >= len(tried) > 0

    def _is_row(self, line: str) -> bool:
        return self._header.fits(len(next(self._dialect.reader([line]), [])))
