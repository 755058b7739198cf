"""Lines read as rows with one choice of marks, and what about the rows speaks against that choice."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from file_cdk.formats.csv.dialect import FIELD_SIZE_LIMIT

_STAND_IN = "\ue000"
"""For a delimiter of several characters, which Python's csv module does not take."""


@dataclass(frozen=True, slots=True)
class Marks:
    """quote, comment: None where the file has none. blanks: those before a value are no part of it."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    blanks: bool = False

    def rows(self, lines: Sequence[str], *, cut: bool = False) -> "Rows":
        """cut: the file goes on after the lines. Raises csv.Error for what Python's reader does not take."""
        if self.quote is None or not any(self.quote in line for line in lines):
            return self._read(lines, strict=False, cut=cut)
        rows = self._read(lines, strict=True, cut=cut)
        # After a fault the strict reader begins anew with the next line, which is not how files are read.
        if rows.faults or rows.is_open:
            return Rows(*self._read(lines, strict=False, cut=cut).as_read, rows.faults, rows.never_closed)
        return rows

    def _read(self, lines: Sequence[str], *, strict: bool, cut: bool) -> "Rows":
        delimiter = self.delimiter
        source = _Source(lines, self.comment)
        if len(delimiter) > 1:
            source.lines, delimiter = [line.replace(delimiter, _STAND_IN) for line in lines], _STAND_IN
        if csv.field_size_limit() < FIELD_SIZE_LIMIT:
            csv.field_size_limit(FIELD_SIZE_LIMIT)
        reader = csv.reader(
            source,
            delimiter=delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            skipinitialspace=self.blanks,
            strict=strict,
        )
        rows = Rows([], [], [])
        while True:
            source.begin_record()
            try:
                row = next(reader, None)
            except csv.Error:
                if not strict:
                    raise
                rows.is_open = cut and source.exhausted
                rows.faults += not rows.is_open
                rows.never_closed += source.exhausted and not cut
                continue
            if row is None:
                return rows
            if row:
                rows.values.append(row)
                rows.starts.append(source.record_at)
                rows.ends.append(source.at)


class _Source:
    """Hands out lines, but for those that begin with `comment` where a record begins."""

    def __init__(self, lines: Sequence[str], comment: str | None) -> None:
        self.lines = lines
        self.at = self.record_at = 0
        self.exhausted = False
        self._comment = comment
        self._begins = True

    def begin_record(self) -> None:
        self.record_at, self._begins = self.at, True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if self._begins and self._comment is not None and line.startswith(self._comment):
                self.record_at = self.at
                continue
            self._begins = False
            return line
        self.exhausted = True
        raise StopIteration


@dataclass(slots=True)
class Rows:
    """Rows that are not blank, how many physical lines are before each and to its end, and how many quotes are not used as
    such: text follows a closing one, or one is never closed. never_closed: how
    many of the latter. is_open: the lines end inside quotes, and go on."""

    values: list[list[str]]
    starts: list[int]
    ends: list[int]
    faults: int = 0
    never_closed: int = 0
    is_open: bool = False

    @property
    def as_read(self) -> tuple[list[list[str]], list[int], list[int]]:
        return self.values, self.starts, self.ends

    def pop(self) -> "Rows":
        """Takes out the last row."""
        return Rows([self.values.pop()], [self.starts.pop()], [self.ends.pop()])

    @property
    def lines(self) -> int:
        return self.ends[-1] - self.starts[0]

    def joined(self, lines: Sequence[str], delimiter: str, width: int) -> int:
        """Rows of several lines each of which has as many values as a row by itself, quotes being text."""
        if width < 2:
            return 0
        return sum(
            end - start > 1 and all(line.count(delimiter) == width - 1 for line in lines[start:end] if line.strip())
            for start, end in zip(self.starts, self.ends, strict=True)
        )
