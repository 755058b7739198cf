"""A workbook's sheets and their rows: python-calamine reads them, and openpyxl what it cannot read.

Both give the same values: a cell is a number, text, bool, date (a time stamp at midnight), datetime, time, timedelta, or an
empty text where it is empty, holds an error, or lies in a merged range but not at its beginning.
"""

import io
import lzma
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from importlib import import_module
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.biff import biff_book, with_known_code_page
from file_cdk.formats.excel.container import Container, encrypted
from file_cdk.formats.excel.merged import without_merged
from file_cdk.formats.excel.ole import with_usual_name
from file_cdk.formats.excel.survey import (
    Extent,
    Oddities,
    cells_with_values,
    extent_of,
    oddities_of,
    ods_extents,
    sheet_part,
)
from file_cdk.formats.excel.xlsb import as_read
from file_cdk.formats.excel.xml import MAX_MENDED_BYTES, SAVE_ANEW, readable, written_anew

Cell = float | str | bool | date | datetime | time | timedelta
"""An int as well, which is a float to Python's typing."""

_MAX_ROWS, _MAX_COLUMNS = 1 << 20, 1 << 14
"""Maximum of any sheet."""
_MAX_XLS_ROWS, _MAX_XLS_COLUMNS = 1 << 16, 1 << 8
_FREE_CELLS = 1 << 24
"""Maximum rectangle of a sheet with less than one byte of its own for each cell, in cells: it takes 400 MB."""
_MAX_SPARSE_CELLS = 64_000_000

# What openpyxl raises on damaged files: it trusts their structure.
_OPENPYXL_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

_ESCAPED_CHARACTER = re.compile("_x00([0-9A-Fa-f]{2})_")
_LINE_END = re.compile("\r\n?")


_SPARSE = "{} has few cells in too large an area"
_DELETE_FAR_CELLS = "Delete the cells that stand far from the table"


class UnreadableError(Exception):
    """The parser at hand cannot read the workbook, sheet or cell."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """position: among all sheets of the workbook, those without cells included. number: among those with cells, from 1."""

    name: str
    position: int
    number: int


@dataclass(frozen=True, slots=True)
class SheetRows:
    """columns: the sheet's (0 for A) that a row's values belong to, ascending. rows: from its first one on, blank ones too."""

    columns: Sequence[int]
    rows: Iterator[Sequence[Cell]]


class Workbook:
    """An opened workbook. Memory: its bytes, and of the sheet that is being read 30 to 100 bytes a cell of its extent."""

    def __init__(self, container: Container) -> None:
        self._container = container = readable(container)
        self._uri = container.uri
        for part in container.parts.values():
            if "worksheets/" not in part.filename:  # those are looked through when they are read
                container.check_size(part)
        if container.kind == "xls":
            self._check_xls()
            data = with_known_code_page(with_usual_name(container.data))
            self._container = container = replace(container, data=data)
        if container.kind == "ods" and any(map(_too_sparse, ods_extents(container))):
            raise MalformedFileError(_SPARSE.format("a sheet"), uri=self._uri, remedy=_DELETE_FAR_CELLS)
        self._calamine: CalamineWorkbook | None
        try:
            self._calamine = _open_calamine(container)
        except UnreadableError:
            self._calamine = None
            if container.kind != "xlsx":
                raise self._damaged() from None
        self.sheets = self._list_sheets()

    def read(self, sheet: Sheet) -> tuple[SheetRows, Oddities]:
        """Raises MalformedFileError when the sheet cannot be read; so does iterating, then for a cell.

        Its bytes are gone through in a thread of their own: both that and parsing are outside of Python's lock for the
        most part, and one large sheet is all that a worker has to do for seconds.
        """
        extent = extent_of(self._container, sheet.position)
        if extent is not None and (extent.rows > _MAX_ROWS or extent.columns > _MAX_COLUMNS):
            raise self._damaged(sheet)
        with ThreadPoolExecutor(1) as thread:
            oddities = thread.submit(oddities_of, self._container, sheet.position)
            rows = self._rows(sheet, extent, openpyxl_only=False)
            found = oddities.result()
        if found.misread and self._container.kind == "xlsb":
            return self._mended_xlsb(sheet), found
        if found.misread and self._container.kind != "xlsx":
            raise self._untold(sheet)
        return self._rows(sheet, extent, openpyxl_only=True) if found.misread else rows, found

    def _rows(self, sheet: Sheet, extent: Extent | None, *, openpyxl_only: bool) -> SheetRows:
        if self._calamine is not None and not openpyxl_only and not _too_sparse(extent):
            try:
                with _calamine_errors(self._uri):
                    laid_out = self._calamine.get_sheet_by_name(sheet.name)
                return self._calamine_rows(laid_out, sheet)
            except UnreadableError:
                if self._container.kind != "xlsx":
                    raise self._damaged(sheet) from None
        if self._container.kind != "xlsx":
            raise self._sparse(sheet)
        rows = self._openpyxl_rows(sheet)
        return SheetRows(*_laid_out(rows, lambda: self._sparse(sheet)))

    def _mended_xlsb(self, sheet: Sheet) -> SheetRows:
        part = sheet_part(self._container, sheet.position)
        assert part is not None, "that it is misread was told by its part"
        if part.file_size > MAX_MENDED_BYTES:
            raise self._untold(sheet)
        name = part.filename.replace("\\", "/").lower()
        container = written_anew(self._container, {name: as_read(self._container, part)}, {})
        try:
            with _calamine_errors(self._uri):
                return self._calamine_rows(_open_calamine(container).get_sheet_by_name(sheet.name), sheet)
        except UnreadableError:
            raise self._damaged(sheet) from None

    def _calamine_rows(self, laid_out: CalamineSheet, sheet: Sheet) -> SheetRows:
        if laid_out.start is None or laid_out.end is None:
            return SheetRows((), iter(()))
        columns = range(laid_out.start[1], laid_out.end[1] + 1)
        return SheetRows(columns, self._resuming(laid_out, sheet, columns))

    def _resuming(self, laid_out: CalamineSheet, sheet: Sheet, columns: range) -> Iterator[Sequence[Cell]]:
        """Calamine's rows; from the first that holds a value which it cannot give, openpyxl's."""
        done = 0
        try:
            with _calamine_errors(self._uri):
                for row in laid_out.iter_rows():
                    yield row
                    done += 1
            return
        except UnreadableError:
            if self._container.kind != "xlsx":
                raise MalformedFileError(
                    f"sheet {sheet.name!r} has a cell in its row {done + 1} that cannot be read", uri=self._uri
                ) from None
        for cells in self._openpyxl_rows(sheet)[done:]:
            yield [cells[column] if column < len(cells) else "" for column in columns]

    @cached_property
    def _openpyxl(self) -> Any:
        load_workbook = import_module("openpyxl").load_workbook  # slow to import, and seldom needed

        with _openpyxl_errors():
            return load_workbook(io.BytesIO(self._container.data), read_only=True, data_only=True, keep_links=False)

    def _check_xls(self) -> None:
        """All sheets of an .xls are laid out when it is opened."""
        size_bytes = len(self._container.data)
        book = biff_book(self._container.data)
        if book.encrypted:
            raise encrypted(self._uri)
        if book.code_page is not None:
            declared = (
                f"code page {book.code_page}, which is not read" if book.code_page else "no code page that is told"
            )
            raise MalformedFileError(f"the workbook's text is in {declared}", uri=self._uri, remedy=SAVE_ANEW)
        for sheet in book.sheets:
            extent = Extent(sheet.rows, sheet.columns, size_bytes)
            if sheet.rows > _MAX_XLS_ROWS or sheet.columns > _MAX_XLS_COLUMNS or _too_sparse(extent):
                raise self._damaged()

    def _list_sheets(self) -> list[Sheet]:
        """Hidden ones too; chart, dialog and macro sheets have no cells and are passed over."""
        if self._calamine is not None:
            kinds = [(sheet.name, sheet.typ == SheetTypeEnum.WorkSheet) for sheet in self._calamine.sheets_metadata]
        else:
            try:
                with_cells = set(self._openpyxl.sheetnames) & {sheet.title for sheet in self._openpyxl.worksheets}
                kinds = [(name, name in with_cells) for name in self._openpyxl.sheetnames]
            except UnreadableError:
                raise self._damaged() from None
        tables = [(name, position) for position, (name, has_cells) in enumerate(kinds) if has_cells]
        return [Sheet(name, position, number) for number, (name, position) in enumerate(tables, 1)]

    def _openpyxl_rows(self, sheet: Sheet) -> list[Sequence[Cell]]:
        """All rows, each as long as its last cell needs."""
        try:
            with _openpyxl_errors():
                worksheet = self._openpyxl[sheet.name]
                worksheet.reset_dimensions()
                rows = list(worksheet.iter_rows())
        except UnreadableError:
            raise self._damaged(sheet) from None
        part = sheet_part(self._container, sheet.position)
        there = None if part is None else cells_with_values(self._container, part)
        given = sum(cell.value not in (None, "") for row in rows for cell in row)
        if part is not None and there != given:
            raise self._untold(sheet)
        return [[_openpyxl_value(cell.value, cell.data_type) for cell in row] for row in rows]

    def _damaged(self, sheet: Sheet | None = None) -> MalformedFileError:
        what = "the workbook" if sheet is None else f"sheet {sheet.name!r}"
        return MalformedFileError(f"{what} cannot be read: it is damaged", uri=self._uri)

    def _untold(self, sheet: Sheet) -> MalformedFileError:
        return MalformedFileError(
            f"sheet {sheet.name!r} has cells whose values cannot be told", uri=self._uri, remedy=SAVE_ANEW
        )

    def _sparse(self, sheet: Sheet) -> MalformedFileError:
        return MalformedFileError(_SPARSE.format(f"sheet {sheet.name!r}"), uri=self._uri, remedy=_DELETE_FAR_CELLS)


def _open_calamine(container: Container) -> CalamineWorkbook:
    data = without_merged(container) if container.kind == "xlsx" else container.data
    with _calamine_errors(container.uri):
        return CalamineWorkbook.from_filelike(io.BytesIO(data))


@contextmanager
def _calamine_errors(uri: str) -> Iterator[None]:
    """Turns what it raises into UnreadableError; what it says may hold cells' values, so it is not passed on."""
    try:
        yield
    except PasswordError:
        raise encrypted(uri) from None
    except (CalamineError, ValueError, OverflowError, OSError) as exc:
        raise UnreadableError from exc
    except BaseException as exc:  # a panic in Rust is no Exception, and its class cannot be imported
        if type(exc).__name__ != "PanicException":
            raise
        raise UnreadableError from exc


@contextmanager
def _openpyxl_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that concern no value
        try:
            yield
        except _OPENPYXL_ERRORS as exc:
            raise UnreadableError from exc


def _too_sparse(extent: Extent | None) -> bool:
    return extent is not None and extent.rows * extent.columns > max(_FREE_CELLS, extent.size_bytes)


def _laid_out(rows: list[Sequence[Cell]], too_sparse: Any) -> tuple[list[int], Iterator[Sequence[Cell]]]:
    """The columns with a value in them, and the rows over those columns alone."""
    used: set[int] = set()
    for row in rows:
        used.update(column for column, value in enumerate(row) if value != "")
    columns = sorted(used)
    if len(columns) * sum(map(bool, rows)) > _MAX_SPARSE_CELLS:
        raise too_sparse()
    blank = [""] * len(columns)
    return columns, ([row[column] if column < len(row) else "" for column in columns] if row else blank for row in rows)


def _openpyxl_value(value: Any, data_type: str) -> Cell:
    """The value as calamine gives it."""
    match value:
        case None:
            return ""
        case str():
            if data_type == "e":
                return ""
            text = _ESCAPED_CHARACTER.sub(lambda found: chr(int(found[1], 16)), value)
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case datetime() if value.time() == time():
            return value.date()
        case bool() | datetime() | date() | time() | timedelta():
            return value
        case int() | float():
            return float(str(value))  # from an integer of any length
    return str(value)
