"""Workbooks as strangers make them, loaded end to end: the rows are in the table, or the file is failed with its reason."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
import xlwt

from file_cdk import SyncOptions, sync


def loaded(tmp_path: Path, name: str, data: bytes) -> list[tuple[Any, ...]] | str:
    """Rows of the table, or why the file was not loaded."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(data)
    database = str(tmp_path / "x.duckdb")
    result = sync(tmp_path / "in" / name, database, SyncOptions(workers=0, stream="t"))
    if result.failures:
        (failure,) = result.failures
        return str(failure)
    with duckdb.connect(database) as connection:
        return connection.execute("SELECT id, v FROM t ORDER BY _file_row").fetchall()


def xlsx(*changes: tuple[str, bytes, bytes]) -> bytes:
    """Of the rows (1, a) and (2, b), with texts of its parts replaced."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (["id", "v"], [1, "a"], [2, "b"]):
        sheet.append(row)
    raw, content = io.BytesIO(), io.BytesIO()
    workbook.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            for ending, old, new in changes:
                if name.endswith(ending):
                    assert old in data
                    data = data.replace(old, new, 1)
            target.writestr(name, data)
    return content.getvalue()


def xls() -> bytes:
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("S")
    for row, values in enumerate((("id", "v"), (1, "ann"), (2, "bob"))):
        for column, value in enumerate(values):
            sheet.write(row, column, value)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def test_an_entity_of_a_dtd_is_refused(tmp_path: Path) -> None:
    data = xlsx(
        ("sheet1.xml", b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "7">]><worksheet'),
        ("sheet1.xml", b"<v>1</v>", b"<v>&a;</v>"),
    )
    reason = loaded(tmp_path, "a.xlsx", data)
    assert "part 'xl/worksheets/sheet1.xml' of the workbook has a document type declaration (DTD)" in reason


@pytest.mark.parametrize(
    "written", [b"<v>&#49;</v>", b"<v><![CDATA[1]]></v>", b"<v><!-- one -->1</v>", b"<v><?one?>1</v>", b"<v>\n1\n</v>"]
)
def test_numbers_that_are_written_in_odd_ways(tmp_path: Path, written: bytes) -> None:
    assert loaded(tmp_path, "a.xlsx", xlsx(("sheet1.xml", b"<v>1</v>", written))) == [(1, "a"), (2, "b")]


def test_a_sheet_in_utf_16(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx())) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.decode().encode("utf-16") if name.endswith("sheet1.xml") else data)
    assert loaded(tmp_path, "a.xlsx", content.getvalue()) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("name", ["Workbook", "WORKBOOK", "WorkBook"])
def test_an_xls_whose_stream_is_spelled_otherwise(tmp_path: Path, name: str) -> None:
    data = xls().replace("Workbook".encode("utf-16-le"), name.encode("utf-16-le"))
    assert loaded(tmp_path, "a.xls", data) == [(1, "ann"), (2, "bob")]


def test_a_locked_xls(tmp_path: Path) -> None:
    data = xls()
    # The record of the interface, whose content no reader needs, becomes the one that says how texts are encrypted.
    interface = data.index(struct.pack("<HHH", 0x00E1, 2, 0x04B0))
    data = data[:interface] + struct.pack("<H", 0x002F) + data[interface + 2 :]
    assert "the workbook is encrypted with a password" in loaded(tmp_path, "a.xls", data)


def test_an_ods_of_nine_hundred_bytes_that_would_fill_the_memory(tmp_path: Path) -> None:
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    names = " ".join(f'xmlns:{name}="{oasis}:{name}:1.0"' for name in ("office", "table"))
    cell = '<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="16384"/>'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "content.xml",
            f"<office:document-content {names}><office:body><office:spreadsheet><table:table>"
            f'<table:table-row table:number-rows-repeated="100000">{cell}</table:table-row>'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    assert "has few cells in too large an area" in loaded(tmp_path, "a.ods", content.getvalue())
