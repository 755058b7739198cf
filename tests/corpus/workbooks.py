"""Tables, and the workbooks that four libraries write of them."""

# ruff: noqa: DTZ001 - sheets know no time zones

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
import xlsxwriter
import xlwt
from odf import number as odf_number
from odf.opendocument import OpenDocumentSpreadsheet
from odf.style import Style
from odf.table import CoveredTableCell, Table, TableCell, TableRow
from odf.teletype import addTextToElement
from odf.text import P

Rows = Sequence[Sequence[Any]]

MERGED = "merged from B2 to C3"
"""The cell of a table that is merged with those right of it and below."""

TABLES: Mapping[str, Rows] = {
    "numbers": [
        ["whole", "decimal", "wide", "mixed"],
        [1, 0.1, 1e300, 7],
        [-2, -3.25, 1.5e-7, "seven"],
        [0, 1 / 3, -123456789.125, None],
        [2**40, 99.99, 123456789012345, 7.5],
        [None, 5, 2.5, "8"],
    ],
    "texts": [
        ["text", "like a value"],
        ["plain", "007"],
        ["ünï → 日本 😀", "1"],
        ['say "a", \\b; c', "TRUE"],
        ["line 1\nline 2\n\nline 4", "2020-01-01"],
        ["<a href='x'>&amp; &lt;</a> ]]>", "1e3"],
        ["a  b   c", "null"],
        [" led by a blank", "1,5"],
        ["followed by one ", "-"],
        ["x" * 32_767, "=1+1 as text"],
        ["ß" * 9_000, "12:30"],
    ],
    "booleans": [["yes", "gaps"], [True, False], [False, None], [True, True], [None, False]],
    "dates": [
        ["day", "instant", "time", "long"],
        [date(2020, 2, 29), datetime(2020, 1, 2, 3, 4, 5), time(6, 7, 8), timedelta(hours=30, minutes=15)],
        [date(1999, 12, 31), datetime(1999, 12, 31, 23, 59, 59), time(23, 59, 59), timedelta(hours=1)],
        [date(1900, 3, 1), datetime(1904, 1, 2, 12), time(12, 0), timedelta(hours=100, seconds=1)],
        [date(9999, 12, 31), None, time(0, 0, 1), None],
    ],
    "gaps": [
        ["a", "b", None, "d"],
        [1, None, None, "x"],
        [None, None, None, None],
        [None, 2, None, None],
        [None, None, None, None],
        [None, None, None, None],
        [3, 3, None, "y"],
        [3, 3, None, "y"],
        [3, 3, None, "y"],
    ],
    "wide": [[f"c{c}" for c in range(60)], *([r * c if c % 3 else f"{r}/{c}" for c in range(60)] for r in range(12))],
    "long": [["id", "same", "text"], *([r, 5, f"row {r % 3}"] for r in range(700))],
    "merged": [
        ["a", "b", "c", "d"],
        [1, MERGED, None, "x"],
        [2, None, None, "y"],
        [3, "after", 4, "z"],
    ],
}


def by_openpyxl(rows: Rows) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for r, row in enumerate(rows, 1):
        for c, value in enumerate(row, 1):
            if value is None:
                continue
            cell = sheet.cell(r, c, value)
            if isinstance(value, str):
                cell.data_type = "s"
            if isinstance(value, timedelta):
                cell.number_format = "[h]:mm:ss"
            if value == MERGED:
                sheet.merge_cells(start_row=r, start_column=c, end_row=r + 1, end_column=c + 1)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


_FORMATS = {datetime: "yyyy-mm-dd hh:mm:ss", date: "yyyy-mm-dd", time: "hh:mm:ss", timedelta: "[h]:mm:ss"}


def by_xlsxwriter(rows: Rows, **options: Any) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, options) as workbook:
        formats = {kind: workbook.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
        sheet = workbook.add_worksheet()
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if value == MERGED:
                    sheet.merge_range(r, c, r + 1, c + 1, value)
                elif isinstance(value, str):
                    sheet.write_string(r, c, value)
                elif type(value) in formats:
                    sheet.write_datetime(r, c, value, formats[type(value)])
                elif value is not None:
                    sheet.write(r, c, value)
    return content.getvalue()


def by_xlsxwriter_inline(rows: Rows) -> bytes:
    """Texts in the sheet itself, and dates counted from 1904; days before that have no number, nor do merged cells here."""
    rows = [["1904" if isinstance(value, date) and value.year < 1905 else value for value in row] for row in rows]
    return by_xlsxwriter(rows, date_1904=True, constant_memory=not any(MERGED in row for row in rows))


def by_xlwt(rows: Rows) -> bytes:
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("Sheet1")
    styles = {kind: xlwt.easyxf(num_format_str=text) for kind, text in _FORMATS.items()}
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            if value == MERGED:
                sheet.write_merge(r, r + 1, c, c + 1, value)
            elif isinstance(value, timedelta):
                sheet.write(r, c, value / timedelta(days=1), styles[timedelta])
            elif type(value) in styles:
                sheet.write(r, c, value, styles[type(value)])
            elif value is not None:
                sheet.write(r, c, value)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def by_odfpy(rows: Rows) -> bytes:
    document = OpenDocumentSpreadsheet()
    for name, parts in _ODS_FORMATS.items():
        shown = odf_number.DateStyle(name=f"N{name}") if name.startswith("d") else _duration_style(name)
        for part in parts:
            shown.addElement(part() if callable(part) else odf_number.Text(text=part))
        document.automaticstyles.addElement(shown)
        document.automaticstyles.addElement(Style(name=name, family="table-cell", datastylename=f"N{name}"))
    table = Table(name="Sheet1")
    covered: set[tuple[int, int]] = set()
    for r, row in enumerate(rows):
        line = TableRow()
        for c, value in enumerate(row):
            if value == MERGED:
                covered |= {(r, c + 1), (r + 1, c), (r + 1, c + 1)}
            line.addElement(CoveredTableCell() if (r, c) in covered else _ods_cell(value))
        table.addElement(line)
    document.spreadsheet.addElement(table)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _long(kind: type[Any]) -> Callable[[], Any]:
    return lambda: kind(style="long")


_YMD = (odf_number.Year, "-", odf_number.Month, "-", odf_number.Day)
_HMS = (odf_number.Hours, ":", odf_number.Minutes, ":", odf_number.Seconds)
_ODS_FORMATS: Mapping[str, Sequence[Any]] = {
    "day": [part if isinstance(part, str) else _long(part) for part in _YMD],
    "dinstant": [part if isinstance(part, str) else _long(part) for part in (*_YMD, " ", *_HMS)],
    "time": [part if isinstance(part, str) else _long(part) for part in _HMS],
    "long": [part if isinstance(part, str) else _long(part) for part in _HMS],
}


def _duration_style(name: str) -> Any:
    return odf_number.TimeStyle(name=f"N{name}", truncateonoverflow="false" if name == "long" else "true")


def _ods_cell(value: Any) -> Any:
    match value:
        case None:
            return TableCell()
        case bool():
            return TableCell(valuetype="boolean", booleanvalue=str(value).lower())
        case int() | float():
            return TableCell(valuetype="float", value=repr(value))
        case datetime():
            return TableCell(valuetype="date", datevalue=value.isoformat(), stylename="dinstant")
        case date():
            return TableCell(valuetype="date", datevalue=value.isoformat(), stylename="day")
        case time():
            return TableCell(valuetype="time", timevalue=f"PT{value:%HH%MM%SS}", stylename="time")
        case timedelta():
            seconds = int(value.total_seconds())
            text = f"PT{seconds // 3600:02}H{seconds // 60 % 60:02}M{seconds % 60:02}S"
            return TableCell(valuetype="time", timevalue=text, stylename="long")
    spanned = {"numbercolumnsspanned": 2, "numberrowsspanned": 2} if value == MERGED else {}
    cell = TableCell(valuetype="string", **spanned)
    for line in value.split("\n"):
        cell.addElement(_paragraph(line))
    return cell


def _paragraph(line: str) -> Any:
    """Blanks side by side are elements of their own in OpenDocument, as are tabs."""
    paragraph = P()
    addTextToElement(paragraph, line)
    return paragraph


WRITERS: Mapping[str, Callable[[Rows], bytes]] = {
    "openpyxl.xlsx": by_openpyxl,
    "xlsxwriter.xlsx": by_xlsxwriter,
    "inline.xlsx": by_xlsxwriter_inline,
    "xlwt.xls": by_xlwt,
    "odfpy.ods": by_odfpy,
}
