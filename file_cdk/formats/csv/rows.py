"""The row by row way through a split: Python's csv module, exact on any input, which names the record at fault.

Small pieces go this way too, as a whole: merely calling Arrow's reader takes longer.
"""

import csv
import io
from collections.abc import Iterator

from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.ports import Reject, SplitReport
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.lines import Lines, RecordTooLargeError
from file_cdk.formats.csv.quotes import QuoteMender
from file_cdk.formats.csv.shape import BLANKS_LEFT_OUT, FittedRows, OddRowError, OddRows, Shape

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
