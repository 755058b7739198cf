"""Excel: .xls by its streams and records: names in any spelling, code pages, passwords, and cells that a parser loses."""

import io
import struct
from typing import Any

import pytest
import xlwt
from workbook_records import records_of, refusal_of
from xlwt.CompoundDoc import XlsDoc

from file_cdk.core.ports import SplitReport

EXCEL_95, EXCEL_97 = 0x0500, 0x0600


def record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def label(row: int, text: bytes, *, kind: int = 0x0204, after: bytes = b"") -> bytes:
    return record(kind, struct.pack("<HHHH", row, 0, 0, len(text)) + text + after)


def number(row: int, value: float) -> bytes:
    return record(0x0203, struct.pack("<HHHd", row, 0, 0, value))


def stream(*cells: bytes, code_page: int | None = 1252, version: int = EXCEL_95, lock: bytes = b"") -> bytes:
    """A workbook of one sheet."""
    begin = record(0x0809, struct.pack("<HHHH", version, 5, 0, 0)) + lock
    if code_page is not None:
        begin += record(0x0042, struct.pack("<H", code_page))
    name = b"\x01S" if version == EXCEL_95 else b"\x01\x00S"
    sheet_at = len(begin) + 4 + 6 + len(name) + 4
    listed = record(0x0085, struct.pack("<IBB", sheet_at, 0, 0) + name)
    sheet = record(0x0809, struct.pack("<HHHH", version, 0x10, 0, 0)) + b"".join(cells)
    return begin + listed + record(0x000A) + sheet + record(0x000A)


def container(**streams: bytes) -> bytes:
    """An OLE file of one or two streams; two are one behind the other in what is written, apart in the directory."""
    padded = {name: content.ljust(-(-max(len(content), 4096) // 512) * 512, b"\0") for name, content in streams.items()}
    written = io.BytesIO()
    XlsDoc().save(written, b"".join(padded.values()))
    data = bytearray(written.getvalue())
    at = data.index("Workbook".encode("utf-16-le"))
    first, _ = struct.unpack_from("<II", data, at + 116)
    for number, (name, content) in enumerate(padded.items()):
        entry = at + 128 * number
        data[entry : entry + 128] = data[at : at + 128]
        data[entry : entry + 64] = name.encode("utf-16-le").ljust(64, b"\0")
        struct.pack_into("<H", data, entry + 64, 2 * len(name) + 2)
        struct.pack_into("<II", data, entry + 116, first, len(content))
        first += len(content) // 512
    return bytes(data)


def records(data: bytes, report: SplitReport | None = None) -> list[dict[str, Any]]:
    return records_of(data, "in/a.xls", report)


def refused(data: bytes) -> str:
    return refusal_of(data, "in/a.xls")


def by_xlwt() -> bytes:
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("S")
    for row, value in enumerate(("a", "• text", 5)):
        sheet.write(row, 0, value)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


@pytest.mark.parametrize("name", ["Workbook", "WORKBOOK", "WorkBook", "workbook"])
def test_a_stream_s_name_is_of_any_case(name: str) -> None:
    data = by_xlwt().replace("Workbook".encode("utf-16-le"), name.encode("utf-16-le"))
    assert records(data) == [{"a": "• text"}, {"a": 5}]


@pytest.mark.parametrize("name", ["Book", "BOOK", "book"])
def test_a_stream_of_excel_95(name: str) -> None:
    cells = label(0, b"a"), label(1, "• é€".encode("cp1252")), number(2, 5)
    assert records(container(**{name: stream(*cells)})) == [{"a": "• é€"}, {"a": 5}]


@pytest.mark.parametrize(
    "names", [("Book", "Workbook"), ("BOOK", "WorkBook"), ("Workbook", "Book"), ("WORKBOOK", "Book")]
)
def test_of_two_streams_the_newer_one_is_read(names: tuple[str, str]) -> None:
    old = stream(label(0, b"a"), label(1, b"\x95 ?"))
    unicode_label = record(0x0204, struct.pack("<HHHHB", 0, 0, 0, 1, 0) + b"a")
    text = "• ■".encode("utf-16-le")
    new = stream(
        unicode_label, record(0x0204, struct.pack("<HHHHB", 1, 0, 0, 3, 1) + text), version=EXCEL_97, code_page=1200
    )
    streams = {name: old if name.lower() == "book" else new for name in names}
    assert records(container(**streams)) == [{"a": "• ■"}]


@pytest.mark.parametrize(
    ("code_page", "codec"),
    [(1252, "cp1252"), (32769, "cp1252"), (1250, "cp1250"), (1251, "cp1251"), (1253, "cp1253"), (1254, "cp1254"),
     (1255, "cp1255"), (1256, "cp1256"), (1257, "cp1257"), (866, "cp866"), (874, "cp874"), (10000, "mac-roman"),
     (32768, "mac-roman")],
)  # fmt: skip
def test_text_is_in_the_code_page_that_is_declared(code_page: int, codec: str) -> None:
    text = bytes(byte for byte in range(0xE0, 0xF0) if bytes([byte]).decode(codec, "ignore"))
    data = container(Book=stream(label(0, b"a"), label(1, b"x" + text), code_page=code_page))
    assert records(data) == [{"a": "x" + text.decode(codec)}]


@pytest.mark.parametrize("code_page", [437, 850, 932, 936, 949, 950, 1361, 65001])
def test_text_in_a_code_page_that_is_not_read_is_refused(code_page: int) -> None:
    data = container(Book=stream(label(0, b"a"), label(1, b"\x93\xfa"), code_page=code_page))
    assert f"the workbook's text is in code page {code_page}, which is not read" in refused(data)
    plain = container(Book=stream(label(0, b"a"), label(1, b"x"), code_page=code_page))
    assert records(plain) == [{"a": "x"}]


@pytest.mark.parametrize("kind", ["label", "rich", "result"])
def test_text_without_a_code_page_is_refused(kind: str) -> None:
    cell = {
        "label": label(1, b"\x95"),
        "rich": label(1, b"\x95", kind=0x00D6, after=b"\1\0\1"),
        "result": record(0x0006, struct.pack("<HHH8sHIH", 1, 0, 0, b"\0\0\0\0\0\0\xff\xff", 0, 0, 0))
        + record(0x0207, b"\1\0\x95\0"),
    }[kind]
    assert "no code page" in refused(container(Book=stream(label(0, b"a"), cell, code_page=None)))
    assert records(container(Book=stream(label(0, b"a"), label(1, b"x"), code_page=None))) == [{"a": "x"}]


def test_what_excel_97_declares_as_code_page_does_not_matter() -> None:
    labels = [record(0x0204, struct.pack("<HHHHB", row, 0, 0, 1, 0) + b"a") for row in (0, 1)]
    for code_page in (1200, 1252, 932):
        assert records(container(Workbook=stream(*labels, version=EXCEL_97, code_page=code_page))) == [{"a": "a"}]


@pytest.mark.parametrize("lock", [b"\x01\x00\x01\x00\x01\x00" + bytes(48), b"\x00\x00\x01\x02\x03\x04"])
def test_a_locked_workbook_is_said_to_be_encrypted(lock: bytes) -> None:
    for name, version in (("Workbook", EXCEL_97), ("Book", EXCEL_95)):
        data = container(**{name: stream(label(0, b"a"), version=version, lock=record(0x002F, lock))})
        assert "the workbook is encrypted with a password" in refused(data)


@pytest.mark.parametrize(
    "cell",
    [
        record(0x0002, struct.pack("<HH3BH", 1, 0, 0, 0, 0, 7)),
        record(0x0003, struct.pack("<HH3Bd", 1, 0, 0, 0, 0, 1.5)),
        record(0x0004, struct.pack("<HH4B", 1, 0, 0, 0, 0, 1) + b"x"),
    ],
)
def test_cells_of_older_programs_are_refused(cell: bytes) -> None:
    data = container(Book=stream(label(0, b"a"), cell, number(2, 5)))
    assert "sheet 'S' has cells whose values cannot be told" in refused(data)


def test_a_shared_text_that_is_not_there_is_refused() -> None:
    data = by_xlwt()
    cell = data.index(record(0x00FD, struct.pack("<HH", 1, 0))[:2] + struct.pack("<HHH", 10, 1, 0))
    assert "whose values cannot be told" in refused(data[: cell + 10] + struct.pack("<I", 99) + data[cell + 14 :])
