"""Large sheets of an .xlsx workbook without the search for merged ranges that calamine adds to the reading of each.

Calamine looks for `<mergeCells>`, which stands behind the rows, by going through the whole sheet a second time, up to the first
one that it finds. Nothing here needs merged ranges, so an empty list of them is put before the sheet's first byte. What is
packed stays as it is: a block of packed data that is only stored may stand before any other.
"""

import struct
import zipfile
from importlib import import_module
from typing import Any

from file_cdk.formats.excel.container import Container, Part, data_start

_crc32: Any = import_module("isal.isal_zlib").crc32

MIN_BYTES = 1 << 20
"""Minimum size of such a sheet, unpacked, in bytes: for a smaller one the archive need not be copied."""

_NO_RANGES = b"<mergeCells></mergeCells>"
_BEFORE = {
    zipfile.ZIP_STORED: _NO_RANGES,
    # A block that is stored and not the last one (RFC 1951, 3.2.4).
    zipfile.ZIP_DEFLATED: b"\0" + struct.pack("<HH", len(_NO_RANGES), 0xFFFF ^ len(_NO_RANGES)) + _NO_RANGES,
}

_END = struct.Struct("<4s8xIIH")
_END_MARK = b"PK\x05\x06"
_ENTRY = struct.Struct("<4s12xIIIHHH8xI")
_ENTRY_MARK = b"PK\x01\x02"
_SIZES, _OFFSET = struct.Struct("<III"), struct.Struct("<I")
_SIZES_AT, _OFFSET_AT, _DIRECTORY_AT = 16, 42, 16
"""Places of the checksum with the two sizes and of the offset in an entry, and of the directory's in the archive's end."""
_MAX_ARCHIVE_BYTES = 1 << 31
_IN_64_BITS = (1 << 32) - 1
_ZEROS = bytes(1 << 20)


def without_merged(container: Container) -> bytes:
    """The workbook's bytes for calamine, and for it alone: its large sheets are no valid XML any more.

    As they are where that is not simple: archives of 2 GiB and more, and those with something before or behind them.
    """
    sheets = {part.header_offset: part for name, part in container.parts.items() if _is_large_sheet(name, part)}
    try:
        return _with_blocks(container.data, sheets) or container.data if sheets else container.data
    except struct.error:  # an entry leads to nowhere, which is said when its part is read
        return container.data


def _is_large_sheet(name: str, part: Part) -> bool:
    return name.startswith("xl/worksheets/") and part.file_size >= MIN_BYTES and part.compress_type in _BEFORE


def _with_blocks(data: bytes, sheets: dict[int, Part]) -> bytes | None:
    """sheets: by the offset of their headers."""
    end_at = len(data) - _END.size
    mark, directory_bytes, directory_at, comment_bytes = _END.unpack_from(data, end_at)
    if mark != _END_MARK or comment_bytes or directory_at + directory_bytes != end_at or end_at > _MAX_ARCHIVE_BYTES:
        return None
    files: list[bytes | memoryview] = []
    done = 0
    for _, part in sorted(sheets.items()):
        start = data_start(data, part)
        files += [memoryview(data)[done:start], _BEFORE[part.compress_type]]
        done = start
    files.append(memoryview(data)[done:directory_at])
    directory = bytearray(data[directory_at:end_at])
    at = 0
    while at < directory_bytes:
        mark, crc, packed_bytes, size_bytes, *more, header_at = _ENTRY.unpack_from(directory, at)
        if mark != _ENTRY_MARK or _IN_64_BITS in (packed_bytes, size_bytes, header_at):
            return None
        if header_at in sheets:
            packed_bytes += len(_BEFORE[sheets[header_at].compress_type])
            sizes = (_crc_of_both(crc, size_bytes), packed_bytes, size_bytes + len(_NO_RANGES))
            _SIZES.pack_into(directory, at + _SIZES_AT, *sizes)
        moved = sum(len(_BEFORE[part.compress_type]) for offset, part in sheets.items() if offset < header_at)
        _OFFSET.pack_into(directory, at + _OFFSET_AT, header_at + moved)
        at += _ENTRY.size + sum(more)
    end = bytearray(data[end_at:])
    _OFFSET.pack_into(end, _DIRECTORY_AT, sum(map(len, files)))
    return b"".join([*files, directory, end])


def _crc_of_both(crc: int, size_bytes: int) -> int:
    """The checksum of the empty list and then the data of this checksum, which need not be read for it: what stands before
    changes it as it would change that of as many zeros."""
    after_list, alone = _crc32(_NO_RANGES), 0
    while size_bytes:
        zeros = memoryview(_ZEROS)[:size_bytes]
        after_list, alone = _crc32(zeros, after_list), _crc32(zeros, alone)
        size_bytes -= len(zeros)
    return int(crc ^ after_list ^ alone)
