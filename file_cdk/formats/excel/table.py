"""One sheet as a table: column names, then batches of columns with the blank rows left out."""

from collections.abc import Iterator, Sequence
from itertools import islice

from file_cdk.core.config import ExcelConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.column_names import unique, unnamed
from file_cdk.formats.excel.sheets import Area
from file_cdk.formats.excel.values import Cells, json_values
from file_cdk.formats.excel.workbook import Cell, Sheet, SheetRows

_SHEET_COLUMN = "_sheet"

_BATCH_CELLS = 6 * 1024
"""Cells of a batch, about 200 KB as JSON. Larger batches cost more in collected garbage and missed caches."""
_MIN_BATCH_ROWS, _MAX_BATCH_ROWS = 16, 4096


@dataclass(frozen=True, slots=True)
class SheetBatch:
    """columns: one for each of the table's names, all of `rows` values."""

    columns: Sequence[Cells]
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

    def batches(self) -> Iterator[SheetBatch]:
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
                columns: list[Cells] = list(zip(*filled, strict=True))
                if self.says_sheet:
                    columns.append((self.sheet.name,) * len(filled))
                yield SheetBatch(columns, len(filled))
        if fault is not None:
            raise fault


def sheet_table(sheet: Sheet, rows: SheetRows, config: ExcelConfig, *, says_sheet: bool) -> SheetTable | None:
    """None when the area has no cells with a value, or, with a header, none at all."""
    columns, cells = Area.of(config).cut(rows)
    if not columns:
        return None
    extra = [_SHEET_COLUMN] if says_sheet else []
    if not config.has_header:
        names = [f"f{column}" for column in columns]
        return SheetTable(sheet, (*names, *extra), frozenset(names), says_sheet, cells)
    blank = [""] * len(columns)
    header = next((row for row in cells if row != blank), None)
    if header is None:
        return None
    given = ["" if value is None else str(value).strip() for value in json_values(header)]
    names = _header_names(given, columns, set(extra))
    without = frozenset(name for name, text in zip(names, given, strict=True) if not text)
    return SheetTable(sheet, (*names, *extra), without, says_sheet, cells)


def _header_names(given: Sequence[str], columns: Sequence[int], taken: set[str]) -> list[str]:
    """The texts themselves; `Unnamed: 3` for an empty one, by its column from 0; `x.1` for a second `x`."""
    texts = unique([text for text in given if text], taken)
    blank = [column for text, column in zip(given, columns, strict=True) if not text]
    named, made = iter(texts), iter(unnamed(blank, texts))
    return [next(named) if text else next(made) for text in given]
