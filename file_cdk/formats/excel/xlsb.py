"""As much of .xlsb as it takes to see what calamine would not give, and to write a sheet so that it does.

A part is a sequence of records of a type and a size, both of variable length, and content ([MS-XLSB] 2.1.4).
"""

import struct
from collections.abc import Iterator

from file_cdk.core.errors import MalformedFileError
from file_cdk.formats.excel.container import Container, Part
from file_cdk.formats.excel.dates import DAYS_AND_TIMES, ELAPSED, is_date

_MAX_STYLES_BYTES = 64 << 20
_MAX_DIRECTORY_BYTES = 16 << 20
"""Maximum of the part that lists sheets, in bytes."""
_ROW, _BLANK, _SHORT_NUMBER, _CELL_ERROR, _NUMBER, _TEXT, _FORMULA_ERROR, _RICH_TEXT = 0, 1, 2, 3, 5, 6, 11, 62
_DIMENSION, _SHEET = 148, 156
_FORMAT, _CELL_FORMAT, _CELL_FORMATS_BEGIN, _CELL_FORMATS_END = 44, 47, 617, 618


def dimension(head: bytes) -> tuple[int, int] | None:
    position = 0
    while (record := record_at(head, position)) is not None:
        kind, start, position = record
        if kind == _DIMENSION and position - start >= 16:
            _, last_row, _, last_column = struct.unpack_from("<4I", head, start)
            return last_row + 1, last_column + 1
    return None


def extent(container: Container, part: Part) -> tuple[int, int]:
    rows = columns = 1
    for kind, content in records(container, part):
        if kind == _DIMENSION and len(content) >= 16:  # the parser makes room for what it says
            _, last_row, _, last_column = struct.unpack_from("<4I", content)
            rows, columns = max(rows, last_row + 1), max(columns, last_column + 1)
        elif kind == _ROW:
            rows = max(rows, int.from_bytes(content[:4], "little") + 1)
        elif _BLANK < kind <= _FORMULA_ERROR:
            columns = max(columns, int.from_bytes(content[:4], "little") + 1)
    return rows, columns


def errors_and_misread(container: Container, part: Part) -> tuple[int, bool]:
    """Cells with an error value, and whether `as_read` changes a cell."""
    errors = 0
    misread = False
    dates = _date_styles(container)
    for kind, content in records(container, part):
        errors += kind in (_CELL_ERROR, _FORMULA_ERROR)
        misread = misread or kind == _RICH_TEXT or (kind == _SHORT_NUMBER and _is_whole_date(content, dates))
    return errors, misread


def as_read(container: Container, part: Part) -> bytes:
    """The sheet's part, written so that calamine reads all of it: it passes over texts of several fonts, and gives a date
    that is stored as a whole number, as Excel does, as that number."""
    dates = _date_styles(container)
    written = bytearray()
    for kind, content in records(container, part):
        if kind == _RICH_TEXT:
            written += _record(_TEXT, content[:8] + content[9:])
        elif kind == _SHORT_NUMBER and _is_whole_date(content, dates):
            whole = struct.unpack_from("<i", content, 8)[0]
            number = (whole >> 2) / (100 if whole & 1 else 1)
            written += _record(_NUMBER, content[:8] + struct.pack("<d", number))
        else:
            written += _record(kind, content)
    return bytes(written)


def _is_whole_date(content: bytes, dates: frozenset[int]) -> bool:
    return len(content) >= 12 and content[8] & 2 != 0 and int.from_bytes(content[4:7], "little") in dates


def _date_styles(container: Container) -> frozenset[int]:
    """Numbers of the cell formats that show a number as a date, a time or a duration."""
    part = container.parts.get("xl/styles.bin")
    if part is None or part.file_size > _MAX_STYLES_BYTES:
        return frozenset()
    numbers = set(DAYS_AND_TIMES | ELAPSED)
    used: list[int] = []
    listed = False
    for kind, content in records(container, part):
        if kind in (_CELL_FORMATS_BEGIN, _CELL_FORMATS_END):
            listed = kind == _CELL_FORMATS_BEGIN
        elif kind == _FORMAT and len(content) >= 6:
            number, length = struct.unpack_from("<HI", content)
            shown = is_date(content[6 : 6 + 2 * length].decode("utf-16-le", "replace"))
            (numbers.add if shown else numbers.discard)(number)
        elif kind == _CELL_FORMAT and listed and len(content) >= 4:
            used.append(struct.unpack_from("<H", content, 2)[0])
    return frozenset(i for i, number in enumerate(used) if number in numbers)


def _record(kind: int, content: bytes) -> bytes:
    head = [kind] if kind < 0x80 else [kind & 0x7F | 0x80, kind >> 7]
    size = len(content)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + content


def sheet_ids(container: Container) -> Iterator[str]:
    part = container.parts["xl/workbook.bin"]
    if part.file_size > _MAX_DIRECTORY_BYTES:
        return
    for kind, content in records(container, part):
        if kind == _SHEET:
            length = int.from_bytes(content[8:12], "little")
            yield content[12 : 12 + 2 * length].decode("utf-16-le", "replace")


def records(container: Container, part: Part) -> Iterator[tuple[int, bytes]]:
    """Type and content of each record. Raises MalformedFileError when the last one is cut off."""
    left = b""
    for piece in container.inflate(part):
        data = left + piece
        position = 0
        while (record := record_at(data, position)) is not None:
            kind, start, end = record
            yield kind, data[start:end]
            position = end
        left = data[position:]
    if left:
        raise MalformedFileError(f"part {part.filename!r} of the workbook is cut off", uri=container.uri)


def record_at(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Type, and where the content begins and ends; None when it is not whole."""
    if position >= len(data):
        return None
    kind = data[position]
    position += 1
    if kind & 0x80:
        if position >= len(data):
            return None
        kind = (kind & 0x7F) | (data[position] & 0x7F) << 7
        position += 1
    size = 0
    for shift in (0, 7, 14, 21):
        if position >= len(data):
            return None
        byte = data[position]
        position += 1
        size |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return (kind, position, position + size) if position + size <= len(data) else None
