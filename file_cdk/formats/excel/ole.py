"""The container of .xls files, as far as its stream with the workbook goes: a small file system of sectors ([MS-CFB])."""

import struct

from file_cdk.core.dataclass import dataclass

_END_OF_CHAIN = 0xFFFFFFFA  # and the special values above
_ENTRY_BYTES = 128
_STREAM_TYPE = 2
_SMALL_STREAM_BYTES = 4096
_NAMES = ("workbook", "book")
"""Names of the stream, in lower case, since case does not matter. `book` beside `workbook` is for Excel 95."""
_SPELLED = {"workbook": "Workbook", "book": "Book"}
"""The names as calamine looks for them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """offset: of the directory's entry in the file. first: sector. size_bytes: of the stream."""

    offset: int
    name: str
    first: int
    size_bytes: int


def workbook_stream(data: bytes) -> bytes:
    """Empty when it cannot be found."""
    table, entries, entry = _opened(data)
    if entry is None:
        return b""
    size = _sector_bytes(data)
    try:
        if entry.size_bytes >= _SMALL_STREAM_BYTES:
            return _joined(data, _chain(table, entry.first), size)[: entry.size_bytes]
        root = _joined(data, _chain(table, entries[0].first), size)
        small = _joined(data, _chain(table, struct.unpack_from("<I", data, 60)[0]), size)
        links = struct.unpack(f"<{len(small) // 4}I", small)
        return _joined(bytes(64) + root, _chain(links, entry.first), 64)[: entry.size_bytes]
    except (struct.error, IndexError):
        return b""


def holds_workbook(data: bytes) -> bool:
    return _opened(data)[2] is not None


def with_usual_name(data: bytes) -> bytes:
    """The same file, its workbook's stream named so that calamine reads it and no other."""
    _, entries, chosen = _opened(data)
    for entry in entries if chosen else ():
        if entry is chosen:
            name = _SPELLED[entry.name.lower()]
        elif entry.name.lower() in _NAMES:
            name = "_" * len(entry.name)
        else:
            continue
        if name != entry.name:
            spelled = name.encode("utf-16-le")
            data = data[: entry.offset] + spelled + data[entry.offset + len(spelled) :]
    return data


def stream_edited(data: bytes, position: int, content: bytes) -> bytes:
    """The file with bytes of the workbook's stream replaced, but for those in a small stream or in two sectors."""
    table, _, entry = _opened(data)
    if entry is None or entry.size_bytes < _SMALL_STREAM_BYTES:
        return data
    size = _sector_bytes(data)
    sectors, at = _chain(table, entry.first), position // size
    if at != (position + len(content) - 1) // size or at >= len(sectors):
        return data
    offset = (sectors[at] + 1) * size + position % size
    return data[:offset] + content + data[offset + len(content) :]


def _opened(data: bytes) -> tuple[tuple[int, ...], list[_Entry], _Entry | None]:
    """The table and the entries of `_directory`, none where they are damaged, and the entry of the workbook's stream."""
    try:
        table, entries = _directory(data)
    except (struct.error, IndexError):
        return (), [], None
    found = (entry for name in _NAMES for entry in entries if entry.name.lower() == name)
    return table, entries, next(found, None)


def _sector_bytes(data: bytes) -> int:
    return 1 << min(int(struct.unpack_from("<H", data, 30)[0]), 20)


def _directory(data: bytes) -> tuple[tuple[int, ...], list[_Entry]]:
    """The sector that follows each one in its stream, and what the directory lists: the root, then streams."""
    size = _sector_bytes(data)
    table = _sector_table(data, size)
    entries: list[_Entry] = []
    for sector in _chain(table, struct.unpack_from("<I", data, 48)[0]):
        for offset in range((sector + 1) * size, min((sector + 2) * size, len(data) - _ENTRY_BYTES + 1), _ENTRY_BYTES):
            (name_bytes, kind), (first, size_bytes) = (
                struct.unpack_from("<HB", data, offset + 64), struct.unpack_from("<II", data, offset + 116),
            )  # fmt: skip
            name = data[offset : offset + min(max(name_bytes - 2, 0), 62)].decode("utf-16-le", "replace")
            if not entries or kind == _STREAM_TYPE:
                entries.append(_Entry(offset, name, first, size_bytes))
    return table, entries


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


def _chain(table: tuple[int, ...], first: int) -> list[int]:
    """Numbers of the sectors of one stream."""
    numbers: list[int] = []
    while first < min(_END_OF_CHAIN, len(table)) and len(numbers) <= len(table):
        numbers.append(first)
        first = table[first]
    return numbers


def _joined(data: bytes, numbers: list[int], sector_bytes: int) -> bytes:
    """The container's first sector is no sector of a stream."""
    return b"".join([data[(number + 1) * sector_bytes : (number + 2) * sector_bytes] for number in numbers])
