"""Decoders of each way to compress a stream of bytes: bounded steps, frame after frame, and an error for all that is damaged.

Each library is imported when the first stream of its kind is opened.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import field
from typing import IO, Any, Protocol

from file_cdk.core.dataclass import dataclass

CHUNK_BYTES = 128 << 10
"""Size of one read of the compressed stream, in bytes."""

FIRST_CHUNK_BYTES = 16 << 10
"""Size of the first read, in bytes: small, so that the expansion of data that unpacks to extremes is known early."""

MAX_WINDOW_BYTES = 128 << 20
"""Maximum of unpacked data that a decoder keeps to refer back to, in bytes; `zstd` and `xz -9` stay within it."""

_ALONE_UNKNOWN_SIZE = b"\xff" * 8


class DamagedError(Exception):
    """Internal to whoever unpacks, who knows the file and its name. The message completes "its gzip data …"."""


TRUNCATED = "ends too early: the file is cut off"
DAMAGED = "is damaged"
TRAILING = "is followed by bytes that are something else"
_TOO_WIDE = f"needs more than the {MAX_WINDOW_BYTES >> 20} MiB of memory that one file may take"
_REASONS = {
    "emory usage limit": _TOO_WIDE,
    "too much memory": _TOO_WIDE,
    "Dictionary mismatch": "needs a dictionary, which is not in the file",
}
"""Messages of liblzma and libzstd about data that is not damaged, and ours."""


class Source:
    """A compressed stream, read from its beginning. consumed: bytes handed out."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.consumed = 0

    def read(self) -> bytes:
        data = self._stream.read(CHUNK_BYTES if self.consumed else FIRST_CHUNK_BYTES)
        self.consumed += len(data)
        return data

    def restart(self) -> None:
        self._stream.seek(0)
        self.consumed = 0


class Decoder(Protocol):
    def read(self, size: int) -> bytes:
        """The next plain bytes: at most `size`, or one block of the format where that is more; none at the end only.

        Raises DamagedError; what the source raises passes unchanged.
        """


@dataclass(frozen=True, slots=True)
class Codec:
    """begins: whether bytes, at least 16 of them unless there are no more, begin such a stream."""

    open: Callable[[Source], Decoder]
    begins: Callable[[bytes], bool]


@dataclass(slots=True)
class _Frames:
    """Frames one after the other, in a decoder that has the interface of the standard library's.

    padding: what may lie between frames and after the last, zero bytes as tape archives leave them. zstd knows none.
    """

    source: Source
    start: Callable[[], Any]
    errors: tuple[type[Exception], ...]
    begins: Callable[[bytes], bool] | None = None
    pending: bytes = b""
    padding: bytes = b"\0"
    decoder: Any = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = self.start()

    def read(self, size: int) -> bytes:
        while True:
            if self.decoder.eof and not self._next_frame():
                return b""
            data = b""
            if self.pending:
                data, self.pending = self.pending, b""
            elif self.decoder.needs_input:
                data = self.source.read()
                if not data:
                    raise DamagedError(TRUNCATED)
            try:
                plain: bytes = self.decoder.decompress(data, size)
            except self.errors as exc:
                reasons = (reason for said, reason in _REASONS.items() if said in str(exc))
                raise DamagedError(next(reasons, DAMAGED)) from exc
            if plain:
                return plain

    def _next_frame(self) -> bool:
        rest = (self.decoder.unused_data or b"").lstrip(self.padding)
        while len(rest) < 16 and (more := self.source.read()):
            rest = (rest + more).lstrip(self.padding)
        if not rest:
            return False
        if self.begins is None or not self.begins(rest):
            raise DamagedError(TRAILING)
        self.pending = rest
        self.decoder = self.start()
        return True


class _Chunks:
    """What is left over of the chunks read from a source, for formats that are cut by hand."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = b""
        self._at = 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end only."""
        while len(self._data) - self._at < size:
            more = self._source.read()
            if not more:
                break
            self._data = self._data[self._at :] + more
            self._at = 0
        return self._data[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        taken = self.peek(size)
        if len(taken) < size:
            raise DamagedError(TRUNCATED)
        self._at += size
        return taken

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.take(min(size, CHUNK_BYTES)))

    def rest(self) -> bytes:
        """What was read of the source and not taken."""
        return self._data[self._at :]


class _Snappy:
    """The framing format of snappy (framing_format.txt of google/snappy): chunks of at most 64 KiB, each by itself."""

    def __init__(self, source: Source) -> None:
        import cramjam

        self._chunks = _Chunks(source)
        self._library = cramjam

    def read(self, size: int) -> bytes:  # noqa: ARG002 - one chunk, which is the least
        while header := self._chunks.peek(4):
            if len(header) < 4:
                raise DamagedError(TRUNCATED)
            kind, size_bytes = header[0], int.from_bytes(header[1:], "little")
            if kind >= _SNAPPY_PASSED_OVER:
                self._pass_over(kind, size_bytes)
            elif plain := self._decode_chunk(kind, size_bytes):
                return plain
        return b""

    def _decode_chunk(self, kind: int, size_bytes: int) -> bytes:
        if kind not in _SNAPPY_DATA or size_bytes > _SNAPPY_CHUNK_BYTES:
            raise DamagedError(DAMAGED)
        try:
            return bytes(self._library.snappy.decompress(_SNAPPY + self._chunks.take(4 + size_bytes)))
        except self._library.DecompressionError as exc:
            raise DamagedError(DAMAGED) from exc

    def _pass_over(self, kind: int, size: int) -> None:
        if kind != _SNAPPY[0]:
            self._chunks.skip(4 + size)
        elif self._chunks.take(len(_SNAPPY)) != _SNAPPY:
            raise DamagedError(DAMAGED)


class _Stored:
    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, size: int) -> bytes:  # noqa: ARG002 - a chunk is small enough for anyone
        return self._source.read()


_GZIP = b"\x1f\x8b\x08"
_XZ = b"\xfd7zXZ\0"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LZ4 = b"\x04\x22\x4d\x18"
_SNAPPY = b"\xff\x06\0\0sNaPpY"
_SNAPPY_DATA = (0, 1)
_SNAPPY_PASSED_OVER = 0x80
"""Lowest kind of chunk without data: padding, an extension, or the beginning of the next stream."""
_SNAPPY_CHUNK_BYTES = 4 + 32 + (1 << 16) * 7 // 6
"""Maximum size of a chunk, in bytes: a checksum, then 64 KiB, which grow by a sixth where they cannot be made smaller."""
_BZIP2_START = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)


def _is_skippable(data: bytes) -> bool:
    return _SKIPPABLE.match(data) is not None


def _is_alone(data: bytes) -> bool:
    """The old .lzma format has no magic: its usual properties, a dictionary size of few bits, and a size below 256 GiB."""
    return (
        data[:3] == b"\x5d\0\0" and len(data) > 13 and (data[10:13] == b"\0\0\0" or data[5:13] == _ALONE_UNKNOWN_SIZE)
    )


def _open_igzip(source: Source, flag: str, begins: Callable[[bytes], bool] | None = None) -> Decoder:
    from isal import igzip_lib

    return _Frames(
        source,
        lambda: igzip_lib.IgzipDecompressor(flag=getattr(igzip_lib, flag)),
        (igzip_lib.IsalError, EOFError),  # type: ignore[arg-type]  # the stub calls the class an instance
        begins,
    )


def _open_bzip2(source: Source) -> Decoder:
    import bz2

    return _Frames(source, bz2.BZ2Decompressor, (OSError, EOFError), CODECS["bzip2"].begins)


def _open_lzma(
    source: Source, form: str, begins: Callable[[bytes], bool] | None = None, pending: bytes = b""
) -> Decoder:
    import lzma

    return _Frames(
        source,
        lambda: lzma.LZMADecompressor(getattr(lzma, form), memlimit=MAX_WINDOW_BYTES + (8 << 20)),
        (lzma.LZMAError, EOFError),
        begins,
        pending,
    )


def _open_zip_lzma(source: Source, size_bytes: int | None) -> Decoder:
    """As in a zip: two bytes of version, two of length, the properties, the data (APPNOTE.TXT, 5.8).

    size_bytes: of the plain data, where no mark ends it."""
    chunks = _Chunks(source)
    head = chunks.take(9)
    size = _ALONE_UNKNOWN_SIZE if size_bytes is None else size_bytes.to_bytes(8, "little")
    return _open_lzma(source, "FORMAT_ALONE", pending=head[4:] + size + chunks.rest())


def _open_zstd(source: Source) -> Decoder:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_BYTES.bit_length() - 1}
    return _Frames(
        source,
        lambda: zstd.ZstdDecompressor(options=options),
        (zstd.ZstdError, EOFError),
        CODECS["zstd"].begins,
        padding=b"",
    )


def _open_lz4(source: Source) -> Decoder:
    import lz4.frame

    return _Frames(source, lz4.frame.LZ4FrameDecompressor, (RuntimeError, EOFError), CODECS["lz4"].begins)


_OTHER_ZIP_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 96: "jpeg", 97: "wavpack", 98: "ppmd", 99: "aes"}

CODECS: dict[str, Codec] = {
    "gzip": Codec(
        lambda source: _open_igzip(source, "DECOMP_GZIP", CODECS["gzip"].begins), lambda data: data.startswith(_GZIP)
    ),
    "bzip2": Codec(_open_bzip2, lambda data: _BZIP2_START.match(data) is not None),
    "xz": Codec(lambda source: _open_lzma(source, "FORMAT_XZ", CODECS["xz"].begins), lambda data: data.startswith(_XZ)),
    "zstd": Codec(_open_zstd, lambda data: data.startswith(_ZSTD) or _is_skippable(data)),
    "lz4": Codec(_open_lz4, lambda data: data.startswith(_LZ4) or _is_skippable(data)),
    "snappy": Codec(_Snappy, lambda data: data.startswith(_SNAPPY)),
    "lzma": Codec(lambda source: _open_lzma(source, "FORMAT_ALONE"), _is_alone),
}
"""By their names, which people are told too; in the order in which a file's beginning is compared with them."""


def open_zip_method(method: int, source: Source, size_bytes: int, flags: int) -> Decoder:
    """Decoder of a zip member's data. flags: the member's general purpose bits. Raises DamagedError for other methods."""
    match method:
        case 0:
            return _Stored(source)
        case 8:
            return _open_igzip(source, "DECOMP_DEFLATE")
        case 12:
            return _open_bzip2(source)
        case 14:
            return _open_zip_lzma(source, None if flags & 2 else size_bytes)
        case 20 | 93:
            return _open_zstd(source)
        case 95:
            return CODECS["xz"].open(source)
    name = _OTHER_ZIP_METHODS.get(method, f"number {method}")
    raise DamagedError(f"uses the compression method {name}, which cannot be read")
