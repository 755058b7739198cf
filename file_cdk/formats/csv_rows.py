"""The row by row way through a split: Python's csv module, exact on any input, which names the record at fault."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from file_cdk.core.errors import MalformedRecordError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv_decode import TOO_FEW, TOO_MANY
from file_cdk.formats.csv_dialect import Dialect
from file_cdk.formats.csv_header import Header
from file_cdk.formats.csv_lines import Lines, RecordTooLargeError

_CHUNK_BYTES = 256 << 10
_CHUNK_ROWS = 10_000


@dataclass(slots=True)
class Rows:
    """Rows as wide as the header's names. quoted: index of a row -> which of its values stood in quotes, for rows where
    that decides whether a value is null."""

    values: list[list[str]] = field(default_factory=list)
    quoted: dict[int, list[bool]] = field(default_factory=dict)

    def canonical(self) -> bytes:
        """The rows as RFC 4180 in UTF-8, for the reader that types whole pieces.

        A row of one value gets a blank second one: without, an unquoted empty value would be a blank line, and no row.
        """
        values, padding = self.values, list[bool]()
        if values and len(values[0]) == 1:
            values, padding = [[*row, ""] for row in values], [False]
        text = io.StringIO(newline="")
        # CRLF as the line end makes the writer quote both of its characters.
        writer = csv.writer(text, lineterminator="\r\n")
        if not self.quoted:
            writer.writerows(values)
        for index, row in enumerate(values if self.quoted else ()):
            if (quoted := self.quoted.get(index)) is None:
                writer.writerow(row)
            else:
                text.write(",".join(map(_written, row, quoted + padding)) + "\r\n")
        return text.getvalue().encode("utf-8")


def _written(value: str, quoted: bool) -> str:
    if quoted or any(mark in value for mark in '",\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


@dataclass(frozen=True, slots=True)
class RowRules:
    """What holds for the rows of a file.

    unquoted_nulls: values that are null only where they stand without quotes. skip_odd_widths: rows with more or fewer
    values than the header are left out instead of being an error.
    """

    uri: str
    dialect: Dialect
    header: Header
    encoding: str
    skip_odd_widths: bool = False
    unquoted_nulls: frozenset[str] = frozenset()


class _OddRowError(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RowReader:
    """Reads records from `lines`, which stand at a record, up to the first that begins at or after `end`."""

    def __init__(self, lines: Lines, rules: RowRules, report: SplitReport) -> None:
        self._lines = lines
        self._rules = rules
        self._report = report
        self._rows_before = report.rows + report.skipped.total()
        self._number = 0

    def read(self, end: int) -> Iterator[Rows]:
        """Chunks of about 256 KB; sets `report.end`. Raises MalformedRecordError after the rows before the one at fault."""
        rows = Rows()
        chunk_at = self._lines.offset
        fault: MalformedRecordError | None = None
        records = self._records(end)
        while True:
            try:
                values = next(records, None)
            except MalformedRecordError as exc:
                fault, values = exc, None
            if values is None:
                break
            if self._rules.unquoted_nulls and not self._rules.unquoted_nulls.isdisjoint(values):
                self._note_quotes(rows, len(values))
            rows.values.append(values)
            if self._lines.offset - chunk_at >= _CHUNK_BYTES or len(rows.values) >= _CHUNK_ROWS:
                yield rows
                self._report.end = chunk_at = self._lines.offset
                rows = Rows()
        if rows.values:
            yield rows
        if fault:
            raise fault
        self._report.end = self._lines.offset

    def _note_quotes(self, rows: Rows, width: int) -> None:
        record = "".join(self._lines.record)
        if self._rules.dialect.quote in record:
            rows.quoted[len(rows.values)] = self._rules.dialect.quoting(record).quoted[:width]

    def _records(self, end: int) -> Iterator[list[str]]:
        """Rows of the right width. Raises MalformedRecordError."""
        lines, width = self._lines, len(self._rules.header.names)
        reader = self._rules.dialect.reader(iter(lines))
        while lines.offset < end:
            lines.begin_record()
            start = lines.offset
            self._number += 1
            try:
                values = next(reader, None)
            except (csv.Error, UnicodeError, RecordTooLargeError) as exc:
                raise self._unreadable(exc, start) from None
            if values is None:
                return
            if not values:  # a blank line
                self._number -= 1
                continue
            if lines.exhausted and self._rules.dialect.quoting("".join(lines.record)).unclosed:
                raise self._error("a quote opened in this record is never closed", start)
            if len(values) != width or self._rules.header.trailing_blanks:
                try:
                    values = self._without_blanks(values)
                except _OddRowError as odd:
                    if not self._rules.skip_odd_widths:
                        raise self._error(str(odd), start) from None
                    self._report.skipped[odd.reason] += 1
                    continue
            yield values

    def _without_blanks(self, values: list[str]) -> list[str]:
        """The values under a name; those of the columns without one may be missing or blank."""
        names, columns = len(self._rules.header.names), self._rules.header.width
        if not names <= len(values) <= columns:
            reason = TOO_FEW if len(values) < names else TOO_MANY
            noun = "value" if len(values) == 1 else "values"
            raise _OddRowError(reason, f"record has {len(values)} {noun}, the header names {names}")
        if any(value and not value.isspace() for value in values[names:]):
            raise _OddRowError(TOO_MANY, "record has a value in a column that has no name in the header")
        return values[:names]

    def _unreadable(self, exc: Exception, start: int) -> MalformedRecordError:
        match exc:
            case UnicodeDecodeError():
                return self._error(f"not valid {self._rules.encoding}", self._lines.offset + exc.start)
            case UnicodeError():
                return self._error(f"not valid {self._rules.encoding}", self._lines.offset)
            case RecordTooLargeError() if self._rules.dialect.quote in "".join(self._lines.record[:1]):
                return self._error("record is too large: a quote opened in it is probably never closed", start)
            case _:
                return self._error("record is too large", start)

    def _error(self, message: str, byte: int) -> MalformedRecordError:
        return MalformedRecordError(message, uri=self._rules.uri, row=self._rows_before + self._number, byte=byte)
