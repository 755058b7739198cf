"""Quotes that mean something else than they seem to: text after a closing one, one that never closes, one that swallows lines.

Python's csv module, the reference, drops a closing quote with text after it, and goes on to the next quote however many
lines away. For the protocol that stays so, as its users have it. In a table a record is rejected where it shows: what is
rejected is its first line alone, and the lines after it are read anew, where they look like records of their own.
"""

import csv
from collections.abc import Sequence
from itertools import islice

from file_cdk.formats.csv.lines import Lines, RecordTooLargeError
from file_cdk.formats.csv.shape import OddRows, Shape

TEXT_AFTER_QUOTE = "text follows a closing quote"
NEVER_CLOSED = "a quote opened in this record is never closed"
JOINED = "a quote opened in this record joins it to lines that are records of their own"

MIN_JOINED_LINES = 4
_MIN_JOINED_DELIMITERS = 4
"""Minimum number of delimiters in the lines between a record's first and last one: a text of several lines may well have fewer
by chance."""

_MAX_LINES_LOOKED_AT = 100
_LINES_TRIED = 20


class QuoteMender:
    """Judges records by their quotes while they are read from `lines`, and puts back lines that are not to be lost with one.

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
