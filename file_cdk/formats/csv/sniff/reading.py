"""Lines read as rows in one dialect, and what about the rows speaks against it."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.csv.dialect import Dialect


@dataclass(slots=True)
class SampleRows:
    """Rows that are not blank, how many physical lines are before each and to its end, and how many quotes are not used as
    such: text follows a closing one, or one is never closed. never_closed: how many of the latter. is_open: the lines end
    inside quotes, and go on."""

    values: list[list[str]]
    starts: list[int]
    ends: list[int]
    faults: int = 0
    never_closed: int = 0
    is_open: bool = False

    def pop(self) -> "SampleRows":
        """Takes out the last row."""
        return SampleRows([self.values.pop()], [self.starts.pop()], [self.ends.pop()])

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


def read_rows(lines: Sequence[str], dialect: Dialect, *, cut: bool = False) -> SampleRows:
    """cut: the file goes on after the lines. Raises csv.Error for what Python's reader does not take."""
    if dialect.quote is None or not any(dialect.quote in line for line in lines):
        return _read(lines, dialect, strict=False, cut=cut)
    rows = _read(lines, dialect, strict=True, cut=cut)
    if not (rows.faults or rows.is_open):
        return rows
    # After a fault the strict reader begins anew with the next line, which is not how files are read.
    as_read = _read(lines, dialect, strict=False, cut=cut)
    return replace(as_read, faults=rows.faults, never_closed=rows.never_closed)


def _read(lines: Sequence[str], dialect: Dialect, *, strict: bool, cut: bool) -> SampleRows:
    source = _Source(lines)
    rest = iter(source)
    reader = dialect.reader(rest, strict=strict)
    rows = SampleRows([], [], [])
    while True:
        start = source.at
        try:
            row = next(reader, None)
        except csv.Error:
            if not strict:
                raise
            rows.is_open = cut and source.exhausted
            rows.faults += not rows.is_open
            rows.never_closed += source.exhausted and not cut
            reader = dialect.reader(rest, strict=strict)
            continue
        if row is None:
            return rows
        if row:
            rows.values.append(row)
            rows.starts.append(start)
            rows.ends.append(source.at)


class _Source:
    """Hands out lines, and knows how many."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.at = 0
        self.exhausted = False
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.at += 1
            yield line
        self.exhausted = True
