"""Excel: what is no workbook, or may not be unpacked, is refused with a message that says why."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from file_builders import URI
from workbook_records import lines_read

from file_cdk.core.config import ExcelConfig
from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.format import ExcelFormat

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "excel").iterdir())
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(22) + b"\x09\0\x06\0" + bytes(1000)


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises(MalformedFileError) as caught:
        lines_read(data, fmt=ExcelFormat(ExcelConfig(), **options))
    return str(caught.value)


def zipped(**parts: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()


def sheet(cells: dict[str, float]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        worksheet = workbook.add_worksheet("S")
        for place, value in cells.items():
            worksheet.write_number(place, value)
    return content.getvalue()


def replaced(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    return zipped(**(parts | {part: parts[part].replace(old, new)}))


@pytest.mark.parametrize(
    ("data", "seems"),
    [
        (b"", "is empty"),
        (b"<html><table><tr><td>1</td></tr></table>", "an HTML page"),
        (b"\xef\xbb\xbf  <TABLE border=1>", "an HTML page"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">', "an XML spreadsheet"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related", "a web page archive"),
        (b"id,name\n1,x\n", "delimited text"),
        ("id\tname\n1\tx\n".encode("utf-16"), "delimited text"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x09\x08\x08\x00\x00\x05", "Excel 4 or older"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"\x00\x01\x02", "something else"),
        (OLE + "WordDocument\0".encode("utf-16-le"), "a Word document"),
        (OLE + "EncryptedPackage\0".encode("utf-16-le"), "encrypted with a password"),
        (zipped(**{"word/document.xml": b"", "[Content_Types].xml": b""}), "a Word document"),
        (zipped(**{"a.csv": b"1"}), "an archive of other files"),
    ],
)
def test_what_is_no_workbook_is_called_what_it_seems_to_be(data: bytes, seems: str) -> None:
    message = refused(data)
    assert seems in message
    assert f"file {URI!r}" in message


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_a_truncated_workbook_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for size in (1, 8, 300, len(data) // 2, len(data) - 30):
        assert refused(data[:size])


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    workbook = sheet({"A1": 1})
    bomb = replaced(workbook, "xl/styles.xml", b"</styleSheet>", b" " * (80 << 20) + b"</styleSheet>")
    assert "more than 200 times its size" in refused(bomb)
    assert "are the most that are read" in refused(workbook, max_unpacked_bytes=1000)


def test_a_part_larger_than_the_directory_says_is_refused() -> None:
    data = bytearray(
        replaced(sheet({"A1": 1}), "xl/worksheets/sheet1.xml", b"</sheetData>", b" " * 99_999 + b"</sheetData>")
    )
    name = b"xl/worksheets/sheet1.xml"
    entry = data.rindex(name) - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    data[entry + 24 : entry + 28] = struct.pack("<I", 500)
    assert "larger than the archive's directory says" in refused(bytes(data))


@pytest.mark.parametrize("declared", [b"A1:XFD1048576", b"A1"])
def test_what_a_sheet_declares_does_not_matter(declared: bytes) -> None:
    data = replaced(sheet({"A1": 1, "B3": 2}), "xl/worksheets/sheet1.xml", b'ref="A1:B3"', b'ref="%b"' % declared)
    assert lines_read(data) == [b'{"Unnamed: 1":2}']


def test_cells_in_far_corners_take_no_more_memory_than_cells() -> None:
    assert lines_read(sheet({"A1": 1, "A2": 5, "XFD1048576": 2})) == [b'{"1":5}', b'{"Unnamed: 16383":2}']


def test_a_cell_beyond_the_last_row_there_can_be_is_refused() -> None:
    data = replaced(sheet({"A1": 1, "B3": 2}), "xl/worksheets/sheet1.xml", b'r="B3"', b'r="B999999999"')
    assert "sheet 'S' cannot be read: it is damaged" in refused(data)
