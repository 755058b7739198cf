"""Which sheets of a workbook are read, and which rectangle of each."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice

from file_cdk.core.config import ExcelConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.survey import column_number
from file_cdk.formats.excel.workbook import Cell, Sheet, SheetRows

_RANGE = re.compile(r"([A-Za-z]+)([0-9]+)(?::([A-Za-z]+)([0-9]+)?)?")
_WILD = frozenset("*?[")


def names_sheets(config: ExcelConfig) -> bool:
    """Whether the configuration may choose several sheets, so that records say which one they are from.

    Told from the configuration alone, so that all files of a stream have the same columns.
    """
    selectors = config.sheets or []
    return len(selectors) > 1 or any(not _WILD.isdisjoint(selector) for selector in selectors)


def choose_sheets(sheets: Sequence[Sheet], config: ExcelConfig, uri: str) -> list[Sheet]:
    """The sheets in the order of the selectors, those of a pattern in the workbook's; each once.

    A selector is a sheet's name if there is one of that name, else its number, else a pattern, in which case matters.
    Raises MalformedFileError when the workbook has no sheet, or none that a selector asks for.
    """
    if not sheets:
        raise MalformedFileError("the workbook has no sheet with cells", uri=uri)
    if config.sheets is None:
        return [sheets[0]]
    chosen: dict[int, Sheet] = {}
    for selector in config.sheets:
        found = _matches(sheets, selector)
        if not found:
            there = ", ".join(repr(sheet.name) for sheet in sheets)
            raise MalformedFileError(f"no sheet matches {selector!r}; there are {there}", uri=uri)
        chosen |= {sheet.position: sheet for sheet in found if sheet.position not in chosen}
    return list(chosen.values())


def _matches(sheets: Sequence[Sheet], selector: str) -> list[Sheet]:
    if named := [sheet for sheet in sheets if sheet.name == selector]:
        return named
    if selector.isascii() and selector.isdecimal():
        return [sheet for sheet in sheets if sheet.number == int(selector)]
    return [sheet for sheet in sheets if fnmatchcase(sheet.name, selector)]


@dataclass(frozen=True, slots=True)
class Area:
    """Rows and columns to read, from 0, ends exclusive; None is the last one there is."""

    first_row: int = 0
    end_row: int | None = None
    first_column: int = 0
    end_column: int | None = None

    @classmethod
    def of(cls, config: ExcelConfig) -> "Area":
        if config.cell_range is None:
            return cls(first_row=config.skip_rows_before_header)
        match = _RANGE.fullmatch(config.cell_range)
        assert match is not None, "checked by the configuration"
        left, top, right, bottom = match.groups()
        return cls(
            int(top) - 1 + config.skip_rows_before_header,
            None if bottom is None else int(bottom),
            column_number(left) - 1,
            None if right is None else column_number(right),
        )

    def cut(self, sheet: SheetRows) -> tuple[list[int], Iterator[Sequence[Cell]]]:
        """The columns, counted from the area's first, and the rows within the area."""
        end, end_row = self.end_column, self.end_row
        kept = [
            i for i, column in enumerate(sheet.columns) if column >= self.first_column and (end is None or column < end)
        ]
        columns = [sheet.columns[i] - self.first_column for i in kept]
        rows = islice(sheet.rows, self.first_row, end_row) if end_row is None or end_row > self.first_row else iter(())
        if len(kept) == len(sheet.columns):
            return columns, rows
        low, high = (kept[0], kept[-1] + 1) if kept else (0, 0)
        return columns, (row[low:high] for row in rows)
