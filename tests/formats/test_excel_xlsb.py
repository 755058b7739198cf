"""Excel: .xlsb by its records: dates that are stored as whole numbers, texts of several fonts, counts that cannot be."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from workbook_records import records_of

from file_cdk.core.errors import MalformedFileError

FIXTURE = Path(__file__).parents[2] / "fixtures" / "excel" / "flights.xlsb"
"""Its cell formats are general, a day, a time stamp and a time, by their numbers from 0."""
DAY, INSTANT = 1, 2


def record(kind: int, content: bytes = b"") -> bytes:
    head = [kind] if kind < 0x80 else [kind & 0x7F | 0x80, kind >> 7]
    size = len(content)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + content


def cell(kind: int, column: int, content: bytes, style: int = 0) -> bytes:
    return record(kind, struct.pack("<II", column, style) + content)


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode("utf-16-le")


def whole(number: int, *, hundredths: bool = False) -> bytes:
    return struct.pack("<i", number << 2 | 2 | hundredths)


def xlsb(*rows: list[bytes], properties: bytes = b"", texts: bytes | None = None) -> bytes:
    header = [cell(6, 0, text("a")), cell(6, 1, text("b"))]
    lines = b"".join(
        record(0, struct.pack("<I", number) + bytes(13)) + b"".join(cells)
        for number, cells in enumerate((header, *rows))
    )
    size = record(148, struct.pack("<4I", 0, len(rows), 0, 1))
    content = io.BytesIO()
    with zipfile.ZipFile(FIXTURE) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.bin"):
                data = record(129) + size + record(145) + lines + record(146) + record(130)
            elif name.endswith("workbook.bin") and properties:
                begin = record(131)
                data = begin + record(153, properties) + data[len(begin) :]
            target.writestr(name, data)
        if texts is not None:
            target.writestr("xl/sharedStrings.bin", texts)
    return content.getvalue()


def records(data: bytes) -> list[dict[str, Any]]:
    return records_of(data, "in/a.xlsb")


def test_dates_that_are_stored_as_whole_numbers() -> None:
    data = xlsb(
        [cell(2, 0, whole(43_831), DAY), cell(2, 1, whole(7))],
        [cell(2, 0, whole(4_383_150, hundredths=True), INSTANT), cell(2, 1, whole(-5))],
        [cell(2, 0, whole(2_958_465), DAY), cell(2, 1, whole(150, hundredths=True))],
        [cell(5, 0, struct.pack("<d", 1.0), DAY), cell(5, 1, struct.pack("<d", 0.5))],
    )
    assert records(data) == [
        {"a": "2020-01-01T00:00:00.000000", "b": 7},
        {"a": "2020-01-01T12:00:00.000000", "b": -5},
        {"a": "9999-12-31T00:00:00.000000", "b": 1.5},
        {"a": "1900-01-01T00:00:00.000000", "b": 0.5},
    ]


def test_dates_that_are_counted_from_1904() -> None:
    row = [cell(2, 0, whole(100), DAY), cell(5, 1, struct.pack("<d", 100.0), DAY)]
    day = "1904-04-10T00:00:00.000000"
    assert records(xlsb(row, properties=struct.pack("<III", 1, 0, 0))) == [{"a": day, "b": day}]


def test_texts_of_several_fonts() -> None:
    runs = struct.pack("<IHHHH", 2, 0, 0, 1, 1)
    row = [cell(62, 0, b"\x01" + text("rich • text") + runs), cell(2, 1, whole(1))]
    assert records(xlsb(row)) == [{"a": "rich • text", "b": 1}]


def test_more_shared_texts_than_there_can_be() -> None:
    texts = record(159, struct.pack("<II", 2**31 - 1, 2**31 - 1)) + record(160)
    with pytest.raises(MalformedFileError, match="declares more texts than it can hold"):
        records(xlsb([cell(2, 1, whole(1))], texts=texts))
