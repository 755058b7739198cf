"""Excel: the two parsers give the same values, and those that were written."""

# ruff: noqa: DTZ001 - sheets know no time zones

import io
from datetime import date, datetime, time, timedelta
from typing import Any

import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.formats.excel.container import identify
from file_cdk.formats.excel.workbook import Workbook

MILLISECONDS = st.integers(0, 86_399_999)
DAYS = st.dates(date(1900, 3, 1), date(9999, 12, 30))
INSTANTS = st.builds(
    lambda day, ms: datetime(day.year, day.month, day.day) + timedelta(milliseconds=ms), DAYS, MILLISECONDS
)
TIMES = MILLISECONDS.map(lambda ms: (datetime(2000, 1, 1) + timedelta(milliseconds=ms)).time())
DURATIONS = st.integers(0, 10**11).map(lambda ms: timedelta(milliseconds=ms))
# Not a text that looks like an escaped control character: only one of the parsers can tell the two apart.
TEXT = st.text(st.characters(exclude_categories=["C"], exclude_characters="_"), min_size=1, max_size=12)
NUMBERS = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False, width=32).filter(
    lambda number: number == 0 or 1e-30 < abs(number) < 1e30
)
CELLS = st.none() | NUMBERS | st.booleans() | TEXT | DAYS | INSTANTS | TIMES | DURATIONS
ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8)

FORMATS = {
    datetime: "yyyy-mm-dd hh:mm:ss.000",
    date: "yyyy-mm-dd",
    time: "hh:mm:ss.000",
    timedelta: "[h]:mm:ss.000",
}


def written(rows: list[list[Any]], *, from_1904: bool) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"date_1904": from_1904}) as workbook:
        formats = {kind: workbook.add_format({"num_format": text}) for kind, text in FORMATS.items()}
        sheet = workbook.add_worksheet("S")
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if type(value) in formats:
                    sheet.write_datetime(r, c, value, formats[type(value)])
                elif isinstance(value, str):
                    sheet.write_string(r, c, value)
                elif value is not None:
                    sheet.write(r, c, value)
    return content.getvalue()


def cells(workbook: Workbook) -> list[tuple[int, int, Any]]:
    """Row, column and value of each cell that is not empty."""
    sheet, _ = workbook.read(workbook.sheets[0])
    return [(r, c, v) for r, row in enumerate(sheet.rows) for c, v in zip(sheet.columns, row, strict=True) if v != ""]


def as_cell(value: Any) -> Any:
    """A time stamp at midnight is a date; numbers keep 16 digits in the file."""
    if isinstance(value, datetime) and value.time() == time():
        return value.date()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(f"{value:.16G}")
    return value


def typed(found: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any, bool]]:
    return [(r, c, value, isinstance(value, bool)) for r, c, value in found]


@settings(max_examples=60)
@given(ROWS, st.booleans())
def test_both_parsers_give_what_was_written(rows: list[list[Any]], from_1904: bool) -> None:
    if from_1904:
        rows = [
            [None if isinstance(v, date) and v.year < 1905 else v for v in row] for row in rows
        ]  # that epoch has no earlier days
    data = written(rows, from_1904=from_1904)
    expected = [(r, c, as_cell(v)) for r, row in enumerate(rows) for c, v in enumerate(row) if v is not None]
    first = Workbook(identify(data, "a.xlsx", 1 << 30))
    second = Workbook(identify(data, "a.xlsx", 1 << 30))
    second._calamine = None  # as when it cannot open the file
    assert typed(cells(first)) == typed(expected)
    assert typed(cells(second)) == typed(expected)
