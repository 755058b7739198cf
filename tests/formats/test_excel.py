"""Excel: what cells, headers, sheets and ranges become, on the protocol's path and in a table, whoever wrote the file."""

# ruff: noqa: DTZ001 - sheets know no time zones

import csv
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
import xlsxwriter
import xlwt
from file_builders import URI, read_table, remote, whole
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from workbook_records import lines_read, records_of

from file_cdk.core.config import ExcelConfig
from file_cdk.core.errors import MalformedFileError, TypeMismatchError
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.excel.format import ExcelFormat

FIXTURES = Path(__file__).parents[2] / "fixtures"
FLIGHTS = sorted((FIXTURES / "excel").iterdir())

CALC_EXTENSIONS = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"

Write = Callable[[Any, int, int], None]


def book(sheets: Mapping[str, Sequence[Sequence[Any]]], **options: Any) -> bytes:
    """A function instead of a value is called with the worksheet, row and column."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, options) as workbook:
        formats = {
            datetime: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            date: workbook.add_format({"num_format": "yyyy-mm-dd"}),
            time: workbook.add_format({"num_format": "hh:mm:ss"}),
            timedelta: workbook.add_format({"num_format": "[h]:mm:ss"}),
        }
        for name, rows in sheets.items():
            sheet = workbook.add_worksheet(name)
            for r, row in enumerate(rows):
                for c, value in enumerate(row):
                    if callable(value):
                        value(sheet, r, c)
                    elif type(value) in formats:
                        sheet.write_datetime(r, c, value, formats[type(value)])
                    elif isinstance(value, str):
                        sheet.write_string(r, c, value)
                    elif value is not None:
                        sheet.write(r, c, value)
    return content.getvalue()


def one(*rows: Sequence[Any], **options: Any) -> bytes:
    return book({"S": rows}, **options)


def formula(value: Any) -> Write:
    return lambda sheet, r, c: sheet.write_formula(r, c, "=1/1", None, value)


def rezipped(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """With one text of one part replaced."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            assert name != part or old in text
            target.writestr(name, text.replace(old, new) if name == part else text)
    return content.getvalue()


def records(data: bytes, report: SplitReport | None = None, **config: Any) -> list[dict[str, Any]]:
    return records_of(data, report=report, fmt=ExcelFormat(ExcelConfig(**config)))


def json_schema(data: bytes, **config: Any) -> dict[str, Any]:
    return ExcelFormat(ExcelConfig(**config)).infer_json_schema(io.BytesIO(data), remote(data))


def table_schema(data: bytes, **config: Any) -> pa.Schema:
    return ExcelFormat(ExcelConfig(**config)).infer_table_schema(io.BytesIO(data), remote(data))


def table(data: bytes, schema: pa.Schema | None = None, **config: Any) -> list[dict[str, Any]]:
    schema = table_schema(data, **config) if schema is None else schema
    return list(read_table(ExcelFormat(ExcelConfig(**config)), data, schema)[0].to_pylist())


def refused(data: bytes, **config: Any) -> str:
    with pytest.raises(MalformedFileError) as caught:
        records(data, **config)
    error = caught.value
    assert error.uri == URI
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    return str(error)


# The same table from six producers in four file formats


def flights() -> list[dict[str, Any]]:
    expected = []
    with (FIXTURES / "flights" / "2013-01-01.csv").open(newline="") as file:
        for number, row in zip(range(60), csv.DictReader(file), strict=False):
            left, planned = row["dep_time"].zfill(4), row["sched_dep_time"].zfill(4)
            expected.append(
                {
                    "carrier": row["carrier"],
                    "flight": int(row["flight"]),
                    "tailnum": row["tailnum"] if number % 7 else None,
                    "day": "2013-01-01T00:00:00.000000",
                    "departed": f"2013-01-01T{left[:2]}:{left[2:]}:00.000000",
                    "scheduled": f"{planned[:2]}:{planned[2:]}:00",
                    "delay": int(row["dep_delay"]),
                    "hours": int(row["air_time"]) / 64 if row["air_time"] else None,
                    "late": int(row["dep_delay"]) > 0,
                }
            )
    return [{name: value for name, value in record.items() if value is not None} for record in expected]


@pytest.mark.parametrize("path", FLIGHTS, ids=lambda path: path.name)
def test_every_producer_s_file_gives_the_same_records(path: Path) -> None:
    data = path.read_bytes()
    report = SplitReport()
    found = records(data, report)
    assert found == flights()
    assert [list(record) for record in found] == [list(record) for record in flights()]
    assert (report.rows, report.start, report.end, dict(report.warnings)) == (60, 0, len(data), {})


@pytest.mark.parametrize("path", FLIGHTS, ids=lambda path: path.name)
def test_every_producer_s_file_gives_the_same_table(path: Path) -> None:
    # LibreOffice converts a boolean of an .xlsx to a number that looks like one in .ods
    late = pa.int64() if path.name == "flights-libreoffice.ods" else pa.bool_()
    data = path.read_bytes()
    assert table_schema(data) == pa.schema(
        [
            ("carrier", pa.string()),
            ("flight", pa.int64()),
            ("tailnum", pa.string()),
            ("day", pa.date32()),
            ("departed", pa.timestamp("us")),
            ("scheduled", pa.time64("us")),
            ("delay", pa.int64()),
            ("hours", pa.float64()),
            ("late", late),
        ]
    )
    first = table(data)[0]
    assert first["departed"] == datetime(2013, 1, 1, 5, 17)
    assert first["day"] == date(2013, 1, 1)
    assert first["scheduled"] == time(5, 15)
    assert first["late"] == 1


def test_what_the_file_is_called_does_not_matter() -> None:
    """The uri of every file here ends in .xlsx."""
    assert len({len(records(path.read_bytes())) for path in FLIGHTS}) == 1


# Values


def test_numbers_are_integers_where_they_are_whole() -> None:
    data = one(["a", "b"], [1, 1.5], [2.0, 2], [2**53, -3e20], [-7, 1e-9])
    assert lines_read(data) == [
        b'{"a":1,"b":1.5}',
        b'{"a":2,"b":2}',
        b'{"a":9007199254740992.0,"b":-3e20}',
        b'{"a":-7,"b":1e-9}',
    ]
    assert json_schema(data) == {"a": {"type": "number"}, "b": {"type": "number"}}


def test_text_stays_text_whatever_it_looks_like() -> None:
    texts = ["007", "1", "TRUE", "NA", "null", "#N/A", "2020-01-01", " x ", "é😀", "1e3"]
    assert records(one(["a"], *([text] for text in texts))) == [{"a": text} for text in texts]
    assert table(one(["a"], *([text] for text in texts))) == [{"a": text} for text in texts]


def test_dates_times_and_durations() -> None:
    data = one(
        ["at", "day", "time", "for"],
        [datetime(2020, 1, 2, 3, 4, 5, 678000), date(2020, 2, 29), time(23, 59, 1), timedelta(hours=30, seconds=1.5)],
        [datetime(2020, 1, 2), date(9999, 12, 31), time(0, 0, 0), timedelta(0)],
    )
    assert records(data) == [
        {
            "at": "2020-01-02T03:04:05.678000",
            "day": "2020-02-29T00:00:00.000000",
            "time": "23:59:01",
            "for": "P1DT6H0M1.5S",
        },
        {
            "at": "2020-01-02T00:00:00.000000",
            "day": "9999-12-31T00:00:00.000000",
            "time": "00:00:00",
            "for": "P0DT0H0M0S",
        },
    ]
    when = {"type": "string", "format": "date-time"}
    assert json_schema(data) == {"at": when, "day": when, "time": {"type": "string"}, "for": {"type": "string"}}
    assert table(data)[0] == {
        "at": datetime(2020, 1, 2, 3, 4, 5, 678000),
        "day": date(2020, 2, 29),
        "time": time(23, 59, 1),
        "for": timedelta(hours=30, seconds=1.5),
    }
    assert table_schema(data).types == [pa.timestamp("us"), pa.date32(), pa.time64("us"), pa.duration("us")]


@pytest.mark.parametrize("from_1904", [False, True])
def test_both_epochs_give_the_same_dates(from_1904: bool) -> None:
    days = [date(1904, 1, 2), date(1999, 12, 31), date(2024, 2, 29)]
    data = one(["d"], *([day] for day in days), date_1904=from_1904)
    assert table(data) == [{"d": day} for day in days]


def test_days_before_march_1900_are_those_that_excel_shows() -> None:
    """Serial numbers count a 29th of February 1900 that never was."""

    def serial(number: int) -> Write:
        return lambda sheet, r, c: sheet.write_number(r, c, number, style)

    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        style = workbook.add_format({"num_format": "yyyy-mm-dd"})
        sheet = workbook.add_worksheet()
        sheet.write(0, 0, "d")
        for row, number in enumerate((1, 59, 61), 1):
            serial(number)(sheet, row, 0)
    assert table(content.getvalue()) == [{"d": date(1900, 1, 1)}, {"d": date(1900, 2, 28)}, {"d": date(1900, 3, 1)}]


def test_dates_and_times_before_the_first_day() -> None:
    """A time of day of such a number would be another value; a negative duration is one."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["day", "time", "for", "number"])
        for column, shown in enumerate(("yyyy-mm-dd", "hh:mm", "[h]:mm", "0.00")):
            sheet.write_number(1, column, -1.25, workbook.add_format({"num_format": shown}))
    assert records(content.getvalue()) == [
        {
            "day": "1899-12-28T18:00:00.000000",
            "time": "1899-12-28T18:00:00.000000",
            "for": "P-2DT18H0M0S",
            "number": -1.25,
        }
    ]


def test_a_column_of_several_kinds() -> None:
    data = one(["a"], [1], ["two"], [2.5], [True], [date(2020, 1, 2)], [None, "x"])
    assert [record.get("a") for record in records(data)] == [1, "two", 2.5, True, "2020-01-02T00:00:00.000000", None]
    assert json_schema(data)["a"] == {"type": "string"}
    assert [row["a"] for row in table(data)] == ["1", "two", "2.5", "true", "2020-01-02", None]


def test_booleans_with_gaps_stay_booleans() -> None:
    data = one(["a", "n"], [True, 1], [None, 2], [False, 3])
    assert records(data) == [{"a": True, "n": 1}, {"n": 2}, {"a": False, "n": 3}]
    assert json_schema(data)["a"] == {"type": "boolean"}


def test_error_values_are_null_and_counted() -> None:
    data = one(["a", "b"], [1, formula("#N/A")], [formula("#DIV/0!"), 2], [3, "#REF!"])
    report = SplitReport()
    assert records(data, report) == [{"a": 1}, {"b": 2}, {"a": 3, "b": "#REF!"}]
    assert dict(report.warnings) == {"sheet 'S': cells with an error value such as #N/A are null": 2}


def test_error_values_are_counted_in_xls_and_ods() -> None:
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("S")
    sheet.write(0, 0, "a")
    sheet.row(1).set_cell_error(0, "#N/A!")
    sheet.write(2, 0, 5)
    sheet.write(2, 1, "x")
    xls = io.BytesIO()
    workbook.save(xls)
    document = OpenDocumentSpreadsheet()
    spreadsheet = Table(name="S")
    for kind, value in (("string", "a"), ("error", "#N/A"), ("string", "x")):
        cell = TableCell(
            valuetype="string",
            stringvalue="" if kind == "error" else value,
            qattributes={(CALC_EXTENSIONS, "value-type"): kind},
        )
        cell.addElement(P(text=value))
        row = TableRow()
        row.addElement(cell)
        spreadsheet.addElement(row)
    document.spreadsheet.addElement(spreadsheet)
    ods = io.BytesIO()
    document.save(ods)
    for data, expected in ((xls.getvalue(), [{"a": 5, "Unnamed: 1": "x"}]), (ods.getvalue(), [{"a": "x"}])):
        report = SplitReport()
        assert records(data, report) == expected
        assert list(report.warnings.values()) == [1]


def test_formulas_give_their_last_value_and_those_without_one_are_counted() -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (["a", "b"], [1, "=A2+1"], [2, "=A3+1"]):
        sheet.append(row)
    content = io.BytesIO()
    workbook.save(content)
    report = SplitReport()
    assert records(content.getvalue(), report) == [{"a": 1}, {"a": 2}]
    (count,) = report.warnings.values()
    assert count == 2
    report = SplitReport()
    data = one(["a", "b", "c"], [formula(7), formula("text"), formula("nothing")])
    data = rezipped(data, "xl/worksheets/sheet1.xml", b"<v>nothing</v>", b"<v></v>")
    assert records(data, report) == [{"a": 7, "b": "text"}]
    assert not report.warnings


def test_merged_cells_rich_text_and_links() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        bold = workbook.add_format({"bold": True})
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["a", "b", "c"])
        sheet.merge_range(1, 0, 2, 1, "wide")
        sheet.write_rich_string(1, 2, "plain ", bold, "bold", " end")
        sheet.write_url(2, 2, "https://example.org/", string="a link")
    assert records(content.getvalue()) == [{"a": "wide", "c": "plain bold end"}, {"c": "a link"}]


def test_nulls_are_written_where_there_is_no_schema() -> None:
    data = one(["a", "b"], [1, None], [None, "x"])
    (batch,) = ExcelFormat(ExcelConfig()).read_records(io.BytesIO(data), whole(data), None, SplitReport())
    assert isinstance(batch, JsonLines)
    assert batch.lines == [b'{"a":1,"b":null}', b'{"a":null,"b":"x"}']


# Rows and names


def test_blank_rows_are_no_records() -> None:
    data = one(["a", "b"], [1, "x"], [None, None], [0, None], ["", None], [False, "y"], [], [None, None, None])
    report = SplitReport()
    assert records(data, report) == [{"a": 1, "b": "x"}, {"a": 0}, {"a": False, "b": "y"}]
    assert report.rows == 3


def test_names_that_are_no_plain_text() -> None:
    data = one([1, 2.5, date(2020, 1, 2), True, " y ", 'say "a\\b"', "tab\there"], [1, 2, 3, 4, 5, 6, 7])
    names = ["1", "2.5", "2020-01-02T00:00:00.000000", "True", "y", 'say "a\\b"', "tab\there"]
    assert records(data) == [dict(zip(names, range(1, 8), strict=True))]
    assert list(json_schema(data)) == names


def test_blank_and_duplicate_names() -> None:
    data = one(["x", None, "x", "x.1", None, "x", None], [1, 2, 3, 4, None, 6])
    assert records(data) == [{"x": 1, "Unnamed: 1": 2, "x.2": 3, "x.1": 4, "x.3": 6}]
    assert list(json_schema(data)) == ["x", "Unnamed: 1", "x.2", "x.1", "x.3"]
    assert table_schema(data).names == ["x", "Unnamed: 1", "x.2", "x.1", "x.3"]


def test_values_beyond_the_header_are_kept() -> None:
    assert records(one(["a"], [1, 2], [3, None, 4])) == [{"a": 1, "Unnamed: 1": 2}, {"a": 3, "Unnamed: 2": 4}]


def test_a_header_alone_and_an_empty_sheet() -> None:
    header = one(["a", "b"])
    assert (records(header), json_schema(header)) == ([], {"a": {"type": "string"}, "b": {"type": "string"}})
    assert table_schema(header) == pa.schema([("a", pa.null()), ("b", pa.null())])
    assert (records(one()), json_schema(one()), table_schema(one())) == ([], {}, pa.schema([]))


def test_the_header_is_the_first_row_that_is_not_blank() -> None:
    assert records(one([], [], [None, "a"], [None, 1])) == [{"a": 1}]


TITLED = one(["Report"], ["made by hand"], ["a", "b"], [1, 2], [3, 4], [], ["total", 4])


def test_skipped_rows_and_no_header() -> None:
    assert records(TITLED, skip_rows_before_header=2) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": "total", "b": 4}]
    assert records(TITLED, skip_rows_before_header=3, has_header=False)[0] == {"f0": 1, "f1": 2}
    assert list(json_schema(TITLED, skip_rows_before_header=3, has_header=False)) == ["f0", "f1"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("A3:B5", [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ("a3:b", [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": "total", "b": 4}]),
        ("B3", [{"b": 2}, {"b": 4}, {"b": 4}]),
        ("B3:Z4", [{"b": 2}]),
        ("D1:F9", []),
        ("A100", []),
    ],
)
def test_cell_ranges(cells: str, expected: list[dict[str, Any]]) -> None:
    assert records(TITLED, cell_range=cells) == expected


def test_a_range_skips_rows_within_it() -> None:
    assert records(TITLED, cell_range="A2:B4", skip_rows_before_header=1) == [{"a": 1, "b": 2}]


# Sheets

YEARS = book({"2023": [["a"], [1]], "2024-01": [["a"], [2]], "2024-02": [["b"], ["x"]], "Notes": [["n"], [3]]})


@pytest.mark.parametrize(
    ("sheets", "expected"),
    [
        (None, [{"a": 1}]),
        (["Notes"], [{"n": 3}]),
        (["2"], [{"a": 2}]),
        (["2023"], [{"a": 1}]),
        (["2024-*"], [{"a": 2, "_sheet": "2024-01"}, {"b": "x", "_sheet": "2024-02"}]),
        (["Notes", "1", "N*"], [{"n": 3, "_sheet": "Notes"}, {"a": 1, "_sheet": "2023"}]),
    ],
)
def test_choosing_sheets(sheets: list[str] | None, expected: list[dict[str, Any]]) -> None:
    assert records(YEARS, sheets=sheets) == expected
    assert list(json_schema(YEARS, sheets=sheets)) == list(dict.fromkeys(name for row in expected for name in row))


def test_sheets_that_are_not_read_are_named() -> None:
    report = SplitReport()
    records(book({"A": [["a"], [1]], "B": [["a"], [2]], "C": [["a"], [3]]}), report)
    assert dict(report.warnings) == {"only its first sheet is read; `sheets` chooses others: 'B', 'C'": 1}


def test_a_selector_without_a_match_names_the_sheets() -> None:
    assert "no sheet matches '2025*'; there are '2023', '2024-01', '2024-02', 'Notes'" in refused(
        YEARS, sheets=["2025*"]
    )
    assert "no sheet matches '9'" in refused(YEARS, sheets=["1", "9"])


def test_chart_sheets_are_passed_over_and_hidden_ones_read() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        charts = workbook.add_chartsheet("Chart")
        sheet = workbook.add_worksheet("Hidden")
        sheet.write_column(0, 0, ["a", 1])
        workbook.add_worksheet("Shown").activate()
        sheet.hide()
        chart = workbook.add_chart({"type": "line"})
        chart.add_series({"values": "=Hidden!$A$2:$A$2"})
        charts.set_chart(chart)
    assert records(content.getvalue()) == [{"a": 1}]
    assert records(content.getvalue(), sheets=["1"]) == [{"a": 1}]
    assert "there are 'Hidden', 'Shown'" in refused(content.getvalue(), sheets=["Chart"])


def test_a_sheet_s_own_column_gives_way_to_the_sheet_s_name() -> None:
    data = one(["_sheet"], ["x"])
    assert records(data, sheets=["S*"]) == [{"_sheet.1": "x", "_sheet": "S"}]
    assert records(data) == [{"_sheet": "x"}]


# Tables


def test_all_batches_of_a_large_sheet_come_in_order() -> None:
    rows = [[i, f"t{i % 7}", i / 2] for i in range(20_000)]
    data = one(["i", "t", "h"], *rows)
    expected = [{"i": i, "t": t, "h": h} for i, t, h in rows]
    assert table(data) == expected
    assert records(data) == expected


def test_a_value_of_another_type_asks_for_a_wider_column() -> None:
    data = one(
        ["i", "d", "s", "new", "empty"], [1, date(2020, 1, 1), 5, 1, None], [2.5, datetime(2020, 1, 1, 1), "x", 2]
    )
    narrow = pa.schema([("i", pa.int64()), ("d", pa.date32()), ("s", pa.int64())])
    with pytest.raises(TypeMismatchError) as caught:
        table(data, narrow)
    assert caught.value.columns == {"i": pa.float64(), "d": pa.timestamp("us"), "s": pa.string(), "new": pa.int64()}
    assert caught.value.row == 1


def test_a_wider_column_takes_narrower_values() -> None:
    wide = pa.schema([("i", pa.float64()), ("d", pa.timestamp("us")), ("s", pa.string()), ("b", pa.string())])
    assert table(one(["i", "d", "s", "b"], [1, date(2020, 1, 1), 5, True]), wide) == [
        {"i": 1.0, "d": datetime(2020, 1, 1), "s": "5", "b": "true"}
    ]


def test_a_number_that_a_column_would_change_asks_for_another() -> None:
    data = one(["f", "h", "i", "new"], [0.1, 2049, 300, None], [0.5, 1, 1, 1])
    narrow = pa.schema([("f", pa.float32()), ("h", pa.float16()), ("i", pa.int8())])
    with pytest.raises(TypeMismatchError) as caught:
        table(data, narrow)
    assert caught.value.columns == {"f": pa.float64(), "h": pa.float64(), "i": pa.int64(), "new": pa.int64()}
    fitting = one(["f", "h", "i"], [0.5, 2048, 100])
    assert table(fitting, narrow) == [{"f": 0.5, "h": 2048, "i": 100}]


def test_a_duration_of_too_many_microseconds_asks_for_text() -> None:
    data = one(["d"], [timedelta(days=900_000_000)])
    with pytest.raises(TypeMismatchError) as caught:
        table(data)
    assert caught.value.columns == {"d": pa.string()}
    assert table(data, pa.schema([("d", pa.string())])) == [{"d": "P900000000DT0H0M0S"}]


def test_columns_that_the_file_lacks_are_absent() -> None:
    assert table(one(["a"], [1]), pa.schema([("a", pa.int64()), ("z", pa.string())])) == [{"a": 1}]


def test_it_pickles_and_reads_whole_files() -> None:
    decoder = pickle.loads(pickle.dumps(ExcelFormat(ExcelConfig(sheets=["x"]))))
    assert decoder.config.sheets == ["x"]
    assert decoder.facts.split_bytes is None
