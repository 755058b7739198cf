"""The directory of a zip archive, read entry by entry in bounded memory. Layout: PKWARE's APPNOTE.TXT."""

import stat
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import IO

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.readers.archives.excerpt import StreamBytes
from file_cdk.readers.archives.members import Left, Limits, Member, ZipPlace, clean_name, counted

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_SIGN, _END64_LOCATOR_SIGN, _END64_SIGN = b"PK\5\6", b"PK\6\7", b"PK\6\6"
_ENTRY_SIGN, _LOCAL_SIGN = b"PK\1\2", b"PK\3\4"
_TAIL_BYTES = _END.size + 0xFFFF + _END64_LOCATOR.size
_CHUNK_BYTES = 1 << 20
_LENGTHS, _LENGTHS_AT = struct.Struct("<3H"), 28
_UTF8 = 1 << 11
_NOT_HERE = 0xFFFFFFFF
_ZIP64 = 1
_UNIX = 3

_Span = tuple[int, int]
"""Where a member begins, and where it ends at the least."""


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the directory lies in the file; shift: bytes put before the archive, which its offsets do not count."""

    start: int
    size_bytes: int
    shift: int


def list_zip(stream: IO[bytes], archive: RemoteFile, limits: Limits) -> Iterator[Member]:
    """The regular members, in the directory's order. Takes two requests of a store, or one where the archive is small.

    Raises MalformedFileError for a directory that is damaged or missing, for members that overlap, and beyond the limits.
    """
    source = StreamBytes(stream)
    directory = _find_directory(source, archive)
    spans: list[_Span] = []
    members = (_member(entry, at, directory, archive, spans) for at, entry in _entries(source, directory, archive))
    yield from counted(members, archive, limits)
    # Members that share bytes are how a small archive unpacks to petabytes, and no tool makes them otherwise.
    for (start, stop), (after, _) in pairwise([*sorted(spans), (directory.start, directory.start)]):
        if stop > after:
            raise _damaged(archive, "has members that overlap", start)


def data_start(stream: IO[bytes], place: ZipPlace, archive: RemoteFile) -> int:
    """Where the member's compressed data begins. Raises MalformedFileError when there is no such member."""
    header = StreamBytes(stream).read_exactly(place.header_offset, _LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(_LOCAL_SIGN):
        raise _damaged(archive, "has no member where its directory says", place.header_offset)
    *_, name_bytes, extra_bytes = _LOCAL.unpack(header)
    start = place.header_offset + _LOCAL.size + int(name_bytes) + int(extra_bytes)
    if start + place.stored_bytes > archive.size_bytes:
        raise _damaged(archive, "ends within this member", place.header_offset)
    return start


def _find_directory(source: StreamBytes, archive: RemoteFile) -> _Directory:
    tail_at = max(0, archive.size_bytes - _TAIL_BYTES)
    tail = source.read_exactly(tail_at, archive.size_bytes - tail_at)
    at = _find_end(tail)
    if at < 0:
        raise _damaged(archive, "is not a whole zip archive: it has no directory at its end")
    _, disk, _, _, _, size_bytes, offset, _ = _END.unpack_from(tail, at)
    end = tail_at + at
    locator_at = at - _END64_LOCATOR.size
    if locator_at >= 0 and tail.startswith(_END64_LOCATOR_SIGN, locator_at):
        _, _, said_at, _ = _END64_LOCATOR.unpack_from(tail, locator_at)
        # With bytes before the archive it does not lie where it is said to, but where it usually does.
        for end in (said_at, tail_at + locator_at - _END64.size):
            found = source.read_exactly(end, _END64.size) if 0 <= end < archive.size_bytes else b""
            if len(found) == _END64.size and found.startswith(_END64_SIGN):
                break
        else:
            raise _damaged(archive, "is damaged: its directory cannot be found")
        _, _, _, _, disk, _, _, _, size_bytes, offset = _END64.unpack(found)
    if disk:
        raise _damaged(archive, "is one part of an archive in several files")
    shift = end - size_bytes - offset
    if shift < 0:
        raise _damaged(archive, "is damaged: its directory does not lie where it says")
    return _Directory(offset + shift, size_bytes, shift)


def _find_end(tail: bytes) -> int:
    """The last record that ends a directory and fits in, -1 if there is none."""
    at = tail.rfind(_END_SIGN)
    while at >= 0:
        if at + _END.size <= len(tail) and at + _END.size + int(_END.unpack_from(tail, at)[-1]) <= len(tail):
            return at
        at = tail.rfind(_END_SIGN, 0, at)
    return -1


def _entries(source: StreamBytes, directory: _Directory, archive: RemoteFile) -> Iterator[tuple[int, bytes]]:
    """The directory's entries as they are, and where they lie."""
    at, end = directory.start, directory.start + directory.size_bytes
    buffer, buffer_at, taken = b"", at, 0
    while buffer_at + taken < end:
        size = _entry_bytes(buffer, taken)
        if len(buffer) - taken < size:
            chunk = source.read_exactly(at, min(_CHUNK_BYTES, end - at))
            if not chunk:
                raise _damaged(archive, "is damaged: its directory is cut off", at)
            buffer, buffer_at, taken = buffer[taken:] + chunk, buffer_at + taken, 0
            at += len(chunk)
            continue
        if not buffer.startswith(_ENTRY_SIGN, taken):
            raise _damaged(archive, "is damaged: its directory has an entry that is none", buffer_at + taken)
        yield buffer_at + taken, buffer[taken : taken + size]
        taken += size


def _entry_bytes(buffer: bytes, at: int) -> int:
    if len(buffer) - at < _ENTRY.size:
        return _ENTRY.size
    name_bytes, extra_bytes, comment_bytes = _LENGTHS.unpack_from(buffer, at + _LENGTHS_AT)
    return _ENTRY.size + int(name_bytes) + int(extra_bytes) + int(comment_bytes)


def _member(entry: bytes, at: int, directory: _Directory, archive: RemoteFile, spans: list[_Span]) -> Member | Left:
    (_, _, system, _, _, flags, method, _, _, crc32, stored, size, name_bytes, extra_bytes, _, _, _, mode, offset) = (
        _ENTRY.unpack_from(entry)
    )
    raw_name = entry[_ENTRY.size : _ENTRY.size + name_bytes]
    extra = entry[_ENTRY.size + name_bytes :][:extra_bytes]
    try:
        size, stored, offset = _wide(extra, size, stored, offset)
    except struct.error:
        raise _damaged(archive, "is damaged: its directory has an entry without its sizes", at) from None
    start = offset + directory.shift
    spans.append((start, start + _LOCAL.size + name_bytes + stored))
    kind = stat.S_IFMT(mode >> 16) if system == _UNIX else 0
    name = _decoded(raw_name, flags)
    if system != _UNIX:
        name = name.replace("\\", "/")
    if name.endswith("/") or kind not in (0, stat.S_IFREG):
        return Left.LINK if kind == stat.S_IFLNK else Left.OTHER
    return Member(clean_name(name), size, ZipPlace(start, stored, method, flags, crc32))


def _wide(extra: bytes, *numbers: int) -> list[int]:
    """Those of the numbers that have no room in 32 bits, in their order, from the extra field. Raises struct.error."""
    at = 0
    values = b""
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64:
            values = extra[at + 4 : at + 4 + size]
            break
        at += 4 + size
    wide = iter(struct.iter_unpack("<Q", values[: len(values) // 8 * 8]))
    found = []
    for number in numbers:
        if number == _NOT_HERE:
            (number,) = next(wide, (None,))
            if number is None:
                raise struct.error
        found.append(int(number))
    return found


def _decoded(name: bytes, flags: int) -> str:
    """Without a mark that says UTF-8, names are to be in IBM's code page 437; macOS and others write UTF-8 all the same."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("utf-8", "surrogateescape") if flags & _UTF8 else name.decode("cp437")


def _damaged(archive: RemoteFile, message: str, byte: int | None = None) -> MalformedFileError:
    return MalformedFileError(message, uri=archive.uri, byte=byte)
