"""One sheet as a table: column names, then batches of columns with the blank rows left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from file_cdk.core.config import ExcelConfig
from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.header import SHEET_COLUMN, generated_names, header_names
from file_cdk.formats.excel.sheets import Area
from file_cdk.formats.excel.values import Column
from file_cdk.formats.excel.workbook import Cell, Sheet, SheetRows

_BATCH_CELLS = 6 * 1024
"""About 200 KB as JSON; with larger ones, more of the time goes into collecting garbage and missing caches."""
_MIN_BATCH_ROWS, _MAX_BATCH_ROWS = 16, 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """columns: one for each of the table's names, all of `rows` values."""

    columns: Sequence[Column]
    rows: int


@dataclass(frozen=True, slots=True)
class SheetTable:
    """names: unique, the last one `_sheet` where records say which sheet they are from. unnamed: those of them that the
    sheet does not give. rows: of cells, one for each name but `_sheet`."""

    sheet: Sheet
    names: tuple[str, ...]
    unnamed: frozenset[str]
    says_sheet: bool
    rows: Iterator[Sequence[Cell]]

    def batches(self) -> Iterator[Batch]:
        """Raises MalformedFileError after the rows before the one at fault."""
        width = len(self.names) - self.says_sheet
        blank = [""] * width
        size = min(max(_BATCH_CELLS // max(width, 1), _MIN_BATCH_ROWS), _MAX_BATCH_ROWS)
        fault: MalformedFileError | None = None
        while fault is None:
            chunk: list[Sequence[Cell]] = []
            try:
                chunk.extend(islice(self.rows, size))  # keeps what came before an error
            except MalformedFileError as exc:
                fault = exc
            if not chunk:
                break
            filled = [row for row in chunk if row != blank]
            if filled:
                columns: list[Column] = list(zip(*filled, strict=True))
                if self.says_sheet:
                    columns.append((self.sheet.name,) * len(filled))
                yield Batch(columns, len(filled))
        if fault is not None:
            raise fault


def sheet_table(sheet: Sheet, rows: SheetRows, config: ExcelConfig, *, says_sheet: bool) -> SheetTable | None:
    """None when the area has no cells with a value, or, with a header, none at all."""
    columns, cells = Area.of(config).cut(rows)
    if not columns:
        return None
    extra = [SHEET_COLUMN] if says_sheet else []
    if not config.has_header:
        names = generated_names(columns)
        return SheetTable(sheet, (*names, *extra), frozenset(names), says_sheet, cells)
    blank = [""] * len(columns)
    header = next((row for row in cells if row != blank), None)
    if header is None:
        return None
    names = header_names(header, columns, reserved=says_sheet)
    unnamed = frozenset(name for name, cell in zip(names, header, strict=True) if not str(cell).strip())
    return SheetTable(sheet, (*names, *extra), unnamed, says_sheet, cells)
