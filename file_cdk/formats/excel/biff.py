"""As much of .xls as it takes to see how far a sheet's cells reach and which a parser would lose: its records of cells.

The workbook is a sequence of records, each of a type, a size and content ([MS-XLS] 2.1.4), in a stream of the container.
Damage ends the walk: to report it is for the parser that reads the values.
"""

import struct
from collections.abc import Iterator

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.excel.ole import stream_edited, workbook_stream

_BOUND_SHEET, _DIMENSIONS, _EOF = 0x0085, 0x0200, 0x000A
_CODE_PAGE, _ENCRYPTED, _SHARED_TEXTS = 0x0042, 0x002F, 0x00FC
_FORMULA, _BOOL_OR_ERROR, _SHARED_TEXT = 0x0006, 0x0205, 0x00FD
_LABEL, _RICH_LABEL, _FORMULA_TEXT = 0x0204, 0x00D6, 0x0207
_OLD_CELLS = frozenset({0x0002, 0x0003, 0x0004, 0x0005})
"""Cells of Excel 2 to 4, which calamine passes over."""
_CELLS = _OLD_CELLS | {_FORMULA, _BOOL_OR_ERROR, 0x0203, _LABEL, 0x027E, _SHARED_TEXT, _RICH_LABEL}
_CELL_RUN = 0x00BD
"""Numbers of one row side by side."""

_EXCEL_95 = 0x0500
_UNICODE = 1200
_WESTERN = 1252
_READ_CODE_PAGES = frozenset({866, 874, 10000, 10007, *range(1250, 1259)})
_SAME_CODE_PAGES = {32768: 10000, 32769: _WESTERN}


@dataclass(frozen=True, slots=True)
class BiffSheet:
    """rows, columns: of the rectangle from A1 that holds all cells, and what the sheet declares.

    errors: cells with an error value. lost: cells with a value that calamine gives as empty.
    """

    rows: int
    columns: int
    errors: int
    lost: int


@dataclass(frozen=True, slots=True)
class BiffBook:
    """encrypted: by a password. code_page: of its texts, where calamine would take them for others; else None."""

    sheets: list[BiffSheet]
    encrypted: bool
    code_page: int | None


def biff_book(data: bytes) -> BiffBook:
    """All sheets, in the workbook's order; none when the container's stream cannot be found."""
    stream = workbook_stream(data)
    offsets = []
    shared_texts = 0
    encrypted = False
    for kind, content in _records(stream, 0):
        if kind == _BOUND_SHEET and len(content) >= 4:
            offsets.append(struct.unpack_from("<I", content)[0])
        elif kind == _SHARED_TEXTS and len(content) >= 8:
            shared_texts = struct.unpack_from("<I", content, 4)[0]
        encrypted = encrypted or kind == _ENCRYPTED
    sheets = [] if encrypted else [_sheet(stream, offset, shared_texts) for offset in offsets]
    code_page = None if encrypted else _foreign_code_page(stream, offsets)
    return BiffBook(sheets, encrypted, code_page)


def with_known_code_page(data: bytes) -> bytes:
    """The same file, its code page such that calamine takes its texts for what they are, as far as it can be.

    Texts since Excel 97 are Unicode whatever is declared; before, a code page has several numbers, or is of no matter.
    """
    stream = workbook_stream(data)
    found = _code_page(stream)
    if found is None:
        return data
    position, declared = found
    if struct.unpack_from("<H", stream, 4)[0] != _EXCEL_95:
        wanted = _UNICODE
    else:
        wanted = _SAME_CODE_PAGES.get(declared, declared if declared in _READ_CODE_PAGES else _WESTERN)
    return data if wanted == declared else stream_edited(data, position, struct.pack("<H", wanted))


def _code_page(stream: bytes) -> tuple[int, int] | None:
    """Where in the stream it is declared, and as which."""
    position = 4
    for kind, content in _records(stream, 0):
        if kind == _CODE_PAGE and position + 2 <= len(stream):
            return position, struct.unpack_from("<H", stream, position)[0]
        position += 4 + len(content)
    return None


def _foreign_code_page(stream: bytes, offsets: list[int]) -> int | None:
    """0 when none is declared."""
    if len(stream) < 6 or struct.unpack_from("<H", stream, 4)[0] != _EXCEL_95:
        return None
    found = _code_page(stream)
    declared = 0 if found is None else found[1]
    if declared in _READ_CODE_PAGES or declared in _SAME_CODE_PAGES:
        return None
    texts = (_text(kind, content) for offset in offsets for kind, content in _records(stream, offset))
    return None if all(text.isascii() for text in texts) else declared


def _text(kind: int, content: bytes) -> bytes:
    """A cell's text in bytes, as Excel 95 writes it."""
    if kind in (_LABEL, _RICH_LABEL) and len(content) >= 8:
        return content[8 : 8 + struct.unpack_from("<H", content, 6)[0]]
    return content[2:] if kind == _FORMULA_TEXT else b""


def _sheet(stream: bytes, offset: int, shared_texts: int) -> BiffSheet:
    rows = columns = errors = lost = 0
    for kind, content in _records(stream, offset):
        if kind in _CELLS and len(content) >= 4:
            row, column = struct.unpack_from("<HH", content)
            errors += _is_error(kind, content)
            if kind == _SHARED_TEXT and len(content) >= 10:
                lost += struct.unpack_from("<I", content, 6)[0] >= shared_texts
            else:
                lost += kind in _OLD_CELLS
        elif kind == _CELL_RUN and len(content) >= 6:
            (row,), (column,) = struct.unpack_from("<H", content), struct.unpack_from("<H", content, len(content) - 2)
        elif kind == _DIMENSIONS and len(content) >= 14:
            row, column = struct.unpack_from("<I", content, 4)[0] - 1, struct.unpack_from("<H", content, 10)[0] - 1
        else:
            continue
        rows, columns = max(rows, row + 1), max(columns, column + 1)
    return BiffSheet(rows, columns, errors, lost)


def _is_error(kind: int, content: bytes) -> bool:
    if kind == _BOOL_OR_ERROR:
        return content[7:8] == b"\x01"
    return kind == _FORMULA and content[6:7] == b"\x02" and content[12:14] == b"\xff\xff"


def _records(stream: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    """Types and contents from `position` to the end of that part of the workbook."""
    while position + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, position)
        yield kind, stream[position + 4 : position + 4 + size]
        if kind == _EOF:
            return
        position += 4 + size
