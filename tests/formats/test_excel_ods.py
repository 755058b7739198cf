"""Excel: .ods content that one parser would lose is mended, refused or counted, and what repeats is bounded."""

import io
import time
import zipfile
from typing import Any

import pytest
from workbook_records import records_of, refusal_of

from file_cdk.core.ports import SplitReport

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
OASIS = "urn:oasis:names:tc:opendocument:xmlns"
NAMES = " ".join(f'xmlns:{name}="{OASIS}:{name}:1.0"' for name in ("office", "table", "text"))
CALC = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'


def text(value: str) -> str:
    return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'


def value(number: str, kind: str = "float", more: str = "", name: str = "value") -> str:
    return f'<table:table-cell office:value-type="{kind}" office:{name}="{number}"{more}/>'


def row(*cells: str, more: str = "") -> str:
    return f"<table:table-row{more}>{''.join(cells)}</table:table-row>"


HEADER = row(text("a"), text("b"))
ONE = value("1")


def ods(rows: str, *, before: str = "", manifest: str = "", **change: Any) -> bytes:
    table = f'<table:table table:name="S">{HEADER}{rows}</table:table>'
    content = (
        f"{XML}{before}<office:document-content {NAMES} {CALC}><office:body><office:spreadsheet>{table}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    encoding = change.get("encoding", "UTF-8")
    listed = f'<manifest:file-entry manifest:full-path="content.xml">{manifest}</manifest:file-entry>'
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content.replace("UTF-8", encoding).encode(encoding))
        archive.writestr(
            "META-INF/manifest.xml",
            f'{XML}<manifest:manifest xmlns:manifest="{OASIS}:manifest:1.0">{listed}</manifest:manifest>',
        )
    return data.getvalue()


def records(data: bytes, report: SplitReport | None = None) -> list[dict[str, Any]]:
    return records_of(data, "in/a.ods", report)


def refused(data: bytes) -> str:
    return refusal_of(data, "in/a.ods")


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("x<![CDATA[<z>&]]>y", "x<z>&y"),
        ("x<!-- remark -->y", "xy"),
        ("x<?pi?>y", "xy"),
        ("x<text:tab/>y<text:tab></text:tab>z", "x\ty\tz"),
        ("x<text:line-break/>y", "x\ny"),
        ('x<text:s/>y<text:s text:c="3"/>z', "x y   z"),
        ("x<text:span>y</text:span>z", "xyz"),
        ("<text:ruby><text:ruby-base>base</text:ruby-base><text:ruby-text>said</text:ruby-text></text:ruby>", "base"),
        ("one</text:p><text:p/><text:p>three", "one\n\nthree"),
        ("&lt;&amp;&#65;&#x10FFFF;", "<&A\U0010ffff"),
    ],
)
def test_all_of_a_text_is_kept(inside: str, expected: str) -> None:
    assert records(ods(row(text(inside), ONE))) == [{"a": expected, "b": 1}]


def test_a_cell_without_a_type_is_a_text() -> None:
    assert records(ods(row("<table:table-cell><text:p>x</text:p></table:table-cell>", ONE))) == [{"a": "x", "b": 1}]
    styled = '<table:table-cell table:style-name="ce1"><text:p>x</text:p></table:table-cell>'
    assert records(ods(row(styled, ONE))) == [{"a": "x", "b": 1}]


def test_what_lies_in_shapes_is_no_row() -> None:
    inner = f'<table:table table:name="inner">{row(ONE)}</table:table>'
    assert records(ods(f"<table:shapes>{inner}</table:shapes>{row(ONE)}")) == [{"a": 1}]


def test_a_table_in_a_cell_is_refused() -> None:
    inner = f'<table:table table:is-sub-table="true">{row(ONE)}</table:table>'
    assert "has a table in a cell" in refused(ods(row(f"<table:table-cell>{inner}</table:table-cell>", ONE)))


@pytest.mark.parametrize("encoding", ["UTF-16", "ISO-8859-1"])
def test_every_encoding(encoding: str) -> None:
    assert records(ods(row(text("ö"), ONE), encoding=encoding)) == [{"a": "ö", "b": 1}]


def test_a_dtd_and_a_password_are_said() -> None:
    dtd = '<!DOCTYPE x [<!ENTITY e "7">]>'
    assert "part 'content.xml' of the workbook has a document type declaration" in refused(ods(row(ONE), before=dtd))
    locked = '<manifest:encryption-data><manifest:algorithm manifest:algorithm-name="x"/></manifest:encryption-data>'
    assert "encrypted with a password" in refused(ods(row(ONE), manifest=locked))


def test_formulas_that_were_never_calculated_are_counted() -> None:
    report = SplitReport()
    formula = '<table:table-cell table:formula="of:=1+1"/>'
    counted = '<table:table-cell table:formula="of:=1+1" office:value-type="float" office:value="2"/>'
    assert records(ods(row(formula, counted)), report) == [{"b": 2}]
    assert list(report.warnings.values()) == [1]


def test_a_number_without_its_value_is_refused() -> None:
    cell = '<table:table-cell office:value-type="float"><text:p>5</text:p></table:table-cell>'
    assert "whose values cannot be told" in refused(ods(row(cell, ONE)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("PT12H34M56S", "12:34:56"),
        ("PT12H34M56.5S", "12:34:56.500000"),
        ("PT12H34M56.123456789S", "12:34:56.123456"),
        ("PT30H00M00S", "PT30H00M00S"),
        ("-PT1H00M00S", "-PT1H00M00S"),
    ],
)
def test_times_and_durations(written: str, expected: str) -> None:
    assert records(ods(row(value(written, "time", name="time-value"), ONE)))[0]["a"] == expected


def test_rows_and_cells_are_repeated_and_covered_ones_are_empty() -> None:
    rows = (
        row(value("1", more=' table:number-columns-repeated="2"'), more=' table:number-rows-repeated="2"')
        + row("<table:table-cell/>", more=' table:number-rows-repeated="500"')
        + row(
            value("2", more=' table:number-columns-spanned="2" table:number-rows-spanned="2"'),
            "<table:covered-table-cell/>",
        )
        + row('<table:covered-table-cell table:number-columns-repeated="2"/>')
        + row(value("3"), value("4"))
    )
    assert records(ods(rows)) == [{"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 2}, {"a": 3, "b": 4}]


def test_blank_rows_to_the_end_of_the_sheet_are_of_no_matter() -> None:
    blank = '<table:table-cell table:number-columns-repeated="16384"/>'
    assert records(ods(row(ONE) + row(blank, more=' table:number-rows-repeated="1048574"'))) == [{"a": 1}]


@pytest.mark.parametrize(
    "rows",
    [
        row(value("1", more=' table:number-columns-repeated="16384"'), more=' table:number-rows-repeated="2000"'),
        row(value("1", more=' table:number-columns-repeated="16384"'), more=' table:number-rows-repeated="1048574"'),
        row("<table:table-cell/>", more=' table:number-rows-repeated="1048000"')
        + row('<table:table-cell table:number-columns-repeated="16000"/>', ONE),
        row(ONE, more=' table:number-rows-repeated="2000000000"'),
        row(value("1", more=' table:number-columns-repeated="2000000000"')),
    ],
)
def test_a_few_bytes_do_not_fill_the_memory(rows: str) -> None:
    began = time.monotonic()
    assert "has few cells in too large an area" in refused(ods(rows))
    assert time.monotonic() - began < 2
