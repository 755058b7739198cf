"""The container around Avro's records: a header, then blocks of records, each followed by the file's sync marker.

Layout: https://avro.apache.org/docs/1.12.0/specification/#object-container-files . A block says how many records and how many
bytes it holds. To find a block from the middle of a file, one looks for the marker; that it is one, and no accident in some
record's data, is shown by the block after it ending with the marker too.
"""

from collections.abc import Iterator
from typing import IO

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError, SequentialOnlyError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.avro.codecs import CODECS, MAX_UNPACKED_BYTES, AvroCodecError
from file_cdk.formats.avro.schema import AvroSchemaError, Record, parse_schema, smallest_bytes

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
MAX_BLOCK_BYTES = 256 << 20
MAX_HEADER_BYTES = 64 << 20
MAX_SEARCH_BYTES = 32 << 20
"""Maximum distance to the next marker, in bytes. Blocks are too large beyond it for a file to be read in several places."""
MAX_EMPTY_RECORDS = 1_000_000
"""Maximum number of records in a block if they take no bytes."""

_READ_BYTES = 256 * 1024
_READ_AT_MOST_BYTES = 4 << 20  # a stream may allocate what it is asked for, and damaged sizes ask for much
_MAX_VARINT_BYTES = 10


@dataclass(frozen=True, slots=True)
class FileHeader:
    """size_bytes: the offset of the first block, right behind the header's own marker."""

    schema: Record
    codec: str
    sync: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """count records, unpacked. byte: where the block begins in the file."""

    byte: int
    count: int
    data: bytes


class BlockFaultError(Exception):
    """A block cannot be read. byte: where it begins."""

    def __init__(self, message: str, byte: int) -> None:
        super().__init__(message)
        self.message = message
        self.byte = byte


class TruncatedError(Exception):
    """The stream ended inside of something."""


class BlockReader:
    """Looks ahead in a stream, from some position on, and never goes back in it."""

    __slots__ = ("_at", "_held", "_stream", "position")

    def __init__(self, stream: IO[bytes], position: int) -> None:
        stream.seek(position)
        self._stream = stream
        self._held = b""
        self._at = 0
        self.position = position

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the stream's end; they stay next."""
        if len(self._held) - self._at < size:
            self._fill(size)
        return self._held[self._at : self._at + size]

    def skip(self, size: int) -> None:
        """Passes bytes that were looked at."""
        self._at += size
        self.position += size

    def take(self, size: int) -> bytes:
        """Raises TruncatedError."""
        data = self.peek(size)
        if len(data) < size:
            raise TruncatedError
        self.skip(size)
        return data

    def varint(self) -> int:
        """A zigzag-encoded long. Raises TruncatedError, or ValueError when it is none."""
        value, size = varint_at(self.peek(_MAX_VARINT_BYTES), 0)
        self.skip(size)
        return value

    def find(self, marker: bytes, end: int) -> bool:
        """Goes to the next `marker` that begins before `end`; otherwise to the stream's end or `end`, and is False."""
        while True:
            held = self.peek(_READ_BYTES)
            found = held.find(marker)
            if found >= 0 and self.position + found < end:
                self.skip(found)
                return True
            passed = len(held) - len(marker) + 1
            if found >= 0 or passed <= 0 or self.position + passed >= end:
                self.skip(min(len(held), max(end - self.position, 0)))
                return False
            self.skip(passed)

    def _fill(self, size: int) -> None:
        pieces = [self._held[self._at :]]
        missing = size - len(pieces[0])
        while missing > 0 and (piece := self._stream.read(min(max(missing, _READ_BYTES), _READ_AT_MOST_BYTES))):
            pieces.append(piece)
            missing -= len(piece)
        self._held = b"".join(pieces)
        self._at = 0


def varint_at(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    value = 0
    for index, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + index + 1
    if len(data) < at + _MAX_VARINT_BYTES:
        raise TruncatedError
    raise ValueError("a number in it is damaged")


# The header


def read_header(stream: IO[bytes], file: RemoteFile) -> FileHeader:
    """Raises MalformedFileError."""
    try:
        return _parse_header(BlockReader(stream, 0))
    except TruncatedError:
        raise MalformedFileError("is not a whole Avro file: it ends within its header", uri=file.uri) from None
    except AvroSchemaError as exc:
        raise MalformedFileError(str(exc), uri=file.uri) from None
    except ValueError as exc:
        raise MalformedFileError(f"is not an Avro file: {exc}", uri=file.uri) from None


def _parse_header(reader: BlockReader) -> FileHeader:
    magic = reader.peek(len(MAGIC))
    if magic != MAGIC:
        raise ValueError("it is empty" if not magic else "it does not begin with the Avro magic bytes")
    reader.skip(len(MAGIC))
    metadata = _metadata(reader)
    sync = reader.take(SYNC_BYTES)
    schema = parse_schema(metadata.get(b"avro.schema", b""))
    if not isinstance(schema, Record):
        raise AvroSchemaError("its schema is not a record: files of other values have no columns")
    codec = metadata.get(b"avro.codec", b"null").decode("utf-8", "backslashreplace")
    if codec not in CODECS:
        raise AvroSchemaError(f"its codec {codec[:40]!r} is not one of {', '.join(CODECS)}")
    return FileHeader(schema, codec, sync, reader.position)


def _metadata(reader: BlockReader) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while count := reader.varint():
        if count < 0:
            count = -count
            reader.varint()  # the size in bytes, for those who skip
        for _ in range(count):
            key = reader.take(_metadata_size(reader))
            found[key] = reader.take(_metadata_size(reader))
    return found


def _metadata_size(reader: BlockReader) -> int:
    size = reader.varint()
    if not 0 <= size <= MAX_HEADER_BYTES or reader.position > MAX_HEADER_BYTES:
        raise ValueError("its header is damaged")
    return size


# Blocks


def blocks_of(stream: IO[bytes], header: FileHeader, split: Split, report: SplitReport) -> Iterator[RecordBlock]:
    """The blocks that begin in the split, in order. Sets report.start before the first one and report.end after each.

    Raises BlockFaultError at a block that cannot be read, SequentialOnlyError when blocks are too far apart to be searched.
    """
    begin = max(split.start, header.size_bytes)
    if split.at_record or split.start <= header.size_bytes:
        reader = BlockReader(stream, begin)
    else:
        reader = _at_next_block(stream, header, split)
    report.start = 0 if split.is_first else reader.position
    report.end = reader.position
    smallest = smallest_bytes(header.schema)
    while reader.position < split.end and reader.peek(1):
        block = _read_block(reader, header, smallest)
        report.end = reader.position
        yield block


def _at_next_block(stream: IO[bytes], header: FileHeader, split: Split) -> BlockReader:
    """A reader at the first block that begins at the split's start or later; at the stream's end if there is none."""
    limit = max(split.start, split.end) + MAX_SEARCH_BYTES
    reader = BlockReader(stream, split.start - SYNC_BYTES)
    while reader.find(header.sync, limit):
        if _is_block_behind(reader, header.sync):
            reader.skip(SYNC_BYTES)
            return reader
        reader.skip(1)
    if reader.peek(1):
        raise SequentialOnlyError(
            "its blocks are too large for it to be read in several places at once", uri=split.file.uri
        )
    return reader


def _is_block_behind(reader: BlockReader, sync: bytes) -> bool:
    """Whether the marker that is next is followed by a block, or by the stream's end."""
    head = reader.peek(SYNC_BYTES + 2 * _MAX_VARINT_BYTES)
    if len(head) == SYNC_BYTES:
        return True
    try:
        count, at = varint_at(head, SYNC_BYTES)
        size, at = varint_at(head, at)
    except (TruncatedError, ValueError):
        return False
    if count < 0 or not 0 <= size <= MAX_BLOCK_BYTES:
        return False
    return reader.peek(at + size + SYNC_BYTES)[at + size :] == sync


def _read_block(reader: BlockReader, header: FileHeader, smallest: int) -> RecordBlock:
    byte = reader.position
    try:
        count, size = reader.varint(), reader.varint()
        if count < 0 or size < 0:
            raise ValueError
        if size > MAX_BLOCK_BYTES:
            raise BlockFaultError(f"block is larger than the limit of {MAX_BLOCK_BYTES} bytes", byte)
        packed = reader.take(size)
        if reader.take(SYNC_BYTES) != header.sync:
            raise BlockFaultError("block does not end with the file's sync marker", byte)
    except TruncatedError:
        raise BlockFaultError("file ends within a block", byte) from None
    except ValueError:
        raise BlockFaultError("block does not begin with its number of records and its size", byte) from None
    try:
        data = CODECS[header.codec](packed, MAX_UNPACKED_BYTES)
    except AvroCodecError as exc:
        raise BlockFaultError(f"block cannot be unpacked ({header.codec}): {exc}", byte) from None
    if count > (len(data) // smallest if smallest else MAX_EMPTY_RECORDS):
        raise BlockFaultError("block claims more records than it has bytes for", byte)
    return RecordBlock(byte, count, data)
