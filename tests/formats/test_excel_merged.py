"""Excel: an empty list of merged ranges before a sheet changes nothing of what is read, and spares calamine a second reading."""

import io
import zipfile
import zlib
from typing import Any

import pytest
import xlsxwriter
from file_builders import URI
from python_calamine import CalamineWorkbook
from workbook_records import records_of, refusal_of

from file_cdk.formats.excel import merged
from file_cdk.formats.excel.container import identify
from file_cdk.formats.excel.merged import without_merged

PACKED = pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])


@pytest.fixture(autouse=True)
def _large_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged, "MIN_BYTES", 1)


def workbook() -> bytes:
    """Three sheets with a merged range each."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        for name in ("A", "B", "C"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["id", "name"])
            for row in range(1, 500):
                sheet.write_row(row, 0, [row, f"{name} {row}"])
            sheet.merge_range(500, 0, 500, 1, "both")
    return content.getvalue()


def rezipped(data: bytes, packed: int, comment: bytes = b"") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(content, "w", packed) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.comment = comment
    return content.getvalue()


def rows(data: bytes, sheet: str) -> list[Any]:
    return list(CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name(sheet).iter_rows())


@PACKED
def test_every_part_keeps_its_content_and_checksum(packed: int) -> None:
    data = rezipped(workbook(), packed)
    changed = without_merged(identify(data, "uri", 1 << 30))
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(io.BytesIO(changed)) as new:
        assert new.testzip() is None
        assert new.namelist() == old.namelist()
        for name in old.namelist():
            before = b"<mergeCells></mergeCells>" if name.startswith("xl/worksheets/sheet") else b""
            assert new.read(name) == before + old.read(name)


@PACKED
def test_calamine_looks_no_further_and_reads_the_same_rows(packed: int) -> None:
    data = rezipped(workbook(), packed)
    changed = without_merged(identify(data, "uri", 1 << 30))
    for sheet in ("A", "B", "C"):
        opened = CalamineWorkbook.from_filelike(io.BytesIO(changed)).get_sheet_by_name(sheet)
        assert opened.merged_cell_ranges == []
        assert list(opened.iter_rows()) == rows(data, sheet)
        assert len(rows(data, sheet)) == 501


def test_an_archive_with_a_remark_stays_as_it_is() -> None:
    data = rezipped(workbook(), zipfile.ZIP_DEFLATED, b"a remark")
    assert without_merged(identify(data, "uri", 1 << 30)) is data


def test_small_sheets_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged, "MIN_BYTES", 1 << 20)
    data = workbook()
    assert without_merged(identify(data, "uri", 1 << 30)) is data


@pytest.mark.parametrize("begins", [b"\xef\xbb\xbf<?xml", b"<?xml"])
def test_a_sheet_that_begins_with_a_mark_is_read(begins: bytes) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook())) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text.replace(b"<?xml", begins, 1) if "sheet1" in name else text)
    records = records_of(content.getvalue())
    assert records[0] == {"id": 1, "name": "A 1"}
    assert len(records) == 500


@PACKED
def test_a_damaged_sheet_is_found_by_its_checksum(packed: int) -> None:
    data = rezipped(workbook(), packed)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        crc = archive.getinfo("xl/worksheets/sheet1.xml").CRC.to_bytes(4, "little")
    assert data.count(crc) == 2
    assert "sheet 'A' cannot be read: it is damaged" in refusal_of(data.replace(crc, bytes(4)), URI)


@pytest.mark.parametrize("size_bytes", [0, 1, 5, 1 << 20, (1 << 20) + 3])
def test_the_checksum_of_both_is_that_of_the_whole(size_bytes: int) -> None:
    data = bytes(range(256)) * (size_bytes // 256) + b"<" * (size_bytes % 256)
    whole = zlib.crc32(b"<mergeCells></mergeCells>" + data)
    assert merged._crc_of_both(zlib.crc32(data), len(data)) == whole
