"""The codecs of Avro's blocks. Each unpacks one block and stops at a limit, whatever the block claims."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

_inflating: Any = import_module("isal.isal_zlib")  # thrice as fast as zlib; its types do not say that it has errors

MAX_UNPACKED_BYTES = 256 << 20
"""Maximum of an unpacked block, in bytes: writers make blocks of 16 KiB to a few MiB."""

_XZ_MEMORY_BYTES = 192 << 20  # xz -9 asks for 65 MiB
_SNAPPY_CRC_BYTES = 4
_SNAPPY_MAX_RATIO = 64  # a copy of 64 bytes takes at least two


class AvroCodecError(ValueError):
    """A block cannot be unpacked. Its text says why."""


Unpack = Callable[[bytes, int], bytes]
"""(packed, limit) -> unpacked. Raises AvroCodecError."""


def _streamed(open_stream: Callable[[], Any], fault: type[Exception]) -> Unpack:
    """A codec with a decompressor like those of the standard library. fault: what it raises."""

    def unpack(packed: bytes, limit: int) -> bytes:
        stream = open_stream()
        try:
            unpacked = bytes(stream.decompress(packed, limit + 1))
        except fault:
            raise AvroCodecError("its compressed data is damaged") from None
        return _whole(unpacked, limit, ended=stream.eof)

    return unpack


def _zstandard(packed: bytes, limit: int) -> bytes:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            unpacked = bytes(stream.read(limit + 1))
    except (OSError, pa.ArrowInvalid):
        raise AvroCodecError("its compressed data is damaged") from None
    return _whole(unpacked, limit, ended=True)


def _snappy(packed: bytes, limit: int) -> bytes:
    """The data without framing, then the big-endian CRC-32 of what it unpacks to."""
    import pyarrow as pa

    body, checksum = packed[:-_SNAPPY_CRC_BYTES], packed[-_SNAPPY_CRC_BYTES:]
    size = _snappy_size(body)
    if size > limit:
        raise AvroCodecError(f"it unpacks to more than {limit} bytes")
    if size > _SNAPPY_MAX_RATIO * len(body):
        raise AvroCodecError("its compressed data is damaged")
    try:
        unpacked = bytes(pa.decompress(body, decompressed_size=size, codec="snappy", asbytes=True)) if size else b""
    except (OSError, pa.ArrowInvalid):
        raise AvroCodecError("its compressed data is damaged") from None
    if len(unpacked) != size or zlib.crc32(unpacked).to_bytes(_SNAPPY_CRC_BYTES, "big") != checksum:
        raise AvroCodecError("its checksum is wrong")
    return unpacked


def _snappy_size(body: bytes) -> int:
    """A varint at the beginning says how much the rest unpacks to."""
    size = 0
    for index, byte in enumerate(body[:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size
    raise AvroCodecError("its compressed data is damaged")


def _whole(unpacked: bytes, limit: int, *, ended: bool) -> bytes:
    if len(unpacked) > limit:
        raise AvroCodecError(f"it unpacks to more than {limit} bytes")
    if not ended:
        raise AvroCodecError("its compressed data ends too early")
    return unpacked


CODECS: dict[str, Unpack] = {
    "null": lambda packed, _limit: packed,  # a block's own size is limited already
    "deflate": _streamed(lambda: _inflating.decompressobj(-zlib.MAX_WBITS), _inflating.error),
    "bzip2": _streamed(bz2.BZ2Decompressor, OSError),
    "snappy": _snappy,
    "xz": _streamed(lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES), lzma.LZMAError),
    "zstandard": _zstandard,
}
