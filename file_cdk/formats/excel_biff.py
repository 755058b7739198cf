"""As much of .xls as it takes to see how far a sheet's cells reach and which hold errors: its container, and cell records.

The container is a small file system of sectors ([MS-CFB]); its stream `Workbook` or `Book` is a sequence of records, each of
a type, a size and content ([MS-XLS] 2.1.4). Damage ends the walk: to report it is for the parser that reads the values.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_END_OF_CHAIN = 0xFFFFFFFA  # and the special values above
_STREAMS = tuple(name.encode("utf-16-le") + b"\0\0" for name in ("Workbook", "Book"))
_SMALL_STREAM_BYTES = 4096

_BOUND_SHEET, _DIMENSIONS, _EOF = 0x0085, 0x0200, 0x000A
_FORMULA, _BOOL_OR_ERROR = 0x0006, 0x0205
_CELLS = frozenset({_FORMULA, _BOOL_OR_ERROR, 0x0203, 0x0204, 0x027E, 0x00FD, 0x00D6, 0x0003, 0x0004, 0x0005})
_CELL_RUN = 0x00BD
"""Numbers of one row side by side."""


@dataclass(frozen=True, slots=True)
class BiffSheet:
    """rows, columns: of the rectangle from A1 that holds all cells, and what the sheet declares.

    errors: cells with an error value.
    """

    rows: int
    columns: int
    errors: int


def biff_sheets(data: bytes) -> list[BiffSheet]:
    """All sheets, in the workbook's order; none when the container's stream cannot be found."""
    stream = workbook_stream(data)
    offsets = [
        struct.unpack_from("<I", content)[0]
        for kind, content in _records(stream, 0)
        if kind == _BOUND_SHEET and len(content) >= 4
    ]
    return [_sheet(stream, offset) for offset in offsets]


def _sheet(stream: bytes, offset: int) -> BiffSheet:
    rows = columns = errors = 0
    for kind, content in _records(stream, offset):
        if kind in _CELLS and len(content) >= 4:
            row, column = struct.unpack_from("<HH", content)
            errors += _is_error(kind, content)
        elif kind == _CELL_RUN and len(content) >= 6:
            (row,), (column,) = struct.unpack_from("<H", content), struct.unpack_from("<H", content, len(content) - 2)
        elif kind == _DIMENSIONS and len(content) >= 14:
            row, column = struct.unpack_from("<I", content, 4)[0] - 1, struct.unpack_from("<H", content, 10)[0] - 1
        else:
            continue
        rows, columns = max(rows, row + 1), max(columns, column + 1)
    return BiffSheet(rows, columns, errors)


def _is_error(kind: int, content: bytes) -> bool:
    if kind == _BOOL_OR_ERROR:
        return content[7:8] == b"\x01"
    return kind == _FORMULA and content[6:7] == b"\x02" and content[12:14] == b"\xff\xff"


def _records(stream: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    """From `position` to the end of that part of the workbook."""
    while position + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, position)
        yield kind, stream[position + 4 : position + 4 + size]
        if kind == _EOF:
            return
        position += 4 + size


def workbook_stream(data: bytes) -> bytes:
    """Empty when it cannot be found."""
    try:
        return _workbook_stream(data)
    except (struct.error, IndexError):
        return b""


def _workbook_stream(data: bytes) -> bytes:
    sector_bytes = 1 << min(struct.unpack_from("<H", data, 30)[0], 20)
    table = _sector_table(data, sector_bytes)
    directory = _chain(data, table, struct.unpack_from("<I", data, 48)[0], sector_bytes)
    entries = [directory[at : at + 128] for at in range(0, len(directory) - 127, 128)]
    for entry in entries:
        if entry.startswith(_STREAMS):
            first, size = struct.unpack_from("<II", entry, 116)
            if size >= _SMALL_STREAM_BYTES:
                return _chain(data, table, first, sector_bytes)[:size]
            root = _chain(data, table, struct.unpack_from("<I", entries[0], 116)[0], sector_bytes)
            small = _chain(data, table, struct.unpack_from("<I", data, 60)[0], sector_bytes)
            return _chain(bytes(64) + root, struct.unpack(f"<{len(small) // 4}I", small), first, 64)[:size]
    return b""


def _sector_table(data: bytes, sector_bytes: int) -> tuple[int, ...]:
    """The sector that follows each one in its stream."""
    numbers = list(struct.unpack_from("<109I", data, 76))
    per_sector = sector_bytes // 4
    more, seen = struct.unpack_from("<I", data, 68)[0], 0
    while more < _END_OF_CHAIN and seen <= len(data) // sector_bytes:
        listed = struct.unpack_from(f"<{per_sector}I", data, (more + 1) * sector_bytes)
        numbers += listed[:-1]
        more, seen = listed[-1], seen + 1
    table: list[int] = []
    for number in numbers[: len(data) // sector_bytes + 1]:
        if number >= _END_OF_CHAIN:
            continue
        table += struct.unpack_from(f"<{per_sector}I", data, (number + 1) * sector_bytes)
    return tuple(table)


def _chain(data: bytes, table: tuple[int, ...], first: int, sector_bytes: int) -> bytes:
    """The sectors of one stream; the container's first one is no sector of a stream."""
    pieces: list[bytes] = []
    while first < min(_END_OF_CHAIN, len(table)) and len(pieces) <= len(table):
        pieces.append(data[(first + 1) * sector_bytes : (first + 2) * sector_bytes])
        first = table[first]
    return b"".join(pieces)
