"""Names of a sheet's columns."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from file_cdk.formats.column_names import unique, unnamed
from file_cdk.formats.excel.values import duration_text
from file_cdk.formats.excel.workbook import Cell

SHEET_COLUMN = "_sheet"


def generated_names(columns: Sequence[int]) -> list[str]:
    return [f"f{column}" for column in columns]


def header_names(cells: Sequence[Cell], columns: Sequence[int], *, reserved: bool) -> list[str]:
    """A cell's text, blanks around it left out; `Unnamed: 3` where it is empty, by its column from 0; `x.1` for a second `x`.

    reserved: the name `_sheet` is taken.
    """
    named = [_text(cell).strip() for cell in cells]
    names = unique([name for name in named if name], {SHEET_COLUMN} if reserved else set())
    blank = [column for name, column in zip(named, columns, strict=True) if not name]
    given, made = iter(names), iter(unnamed(blank, names))
    return [next(given) if name else next(made) for name in named]


def _text(cell: Cell) -> str:
    match cell:
        case bool():
            return str(cell)
        case float() if cell.is_integer() and abs(cell) < 2**53:
            return str(int(cell))
        case datetime():
            return cell.isoformat(timespec="microseconds")
        case date():
            return f"{cell.isoformat()}T00:00:00.000000"
        case timedelta():
            return duration_text(cell)
    return str(cell)
