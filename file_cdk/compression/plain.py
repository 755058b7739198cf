"""A compressed stream read as the plain one, with bounds on what it may unpack to."""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO

from file_cdk.compression.codecs import CODECS, DamagedError, Decoder, Source, open_zip_method
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.streams import ByteStream

ALWAYS_ALLOWED_BYTES = 64 << 20
"""Maximum plain size that is allowed at any expansion ratio, in bytes: sparse text packs a thousandfold by itself."""

PIECE_BYTES = 512 << 10
"""About the plain size that is unpacked in one step, in bytes."""

HEAD_BYTES = 2 << 20
"""Size of the beginning of the plain data that is kept, in bytes: formats look at it more than once."""

_PROBE_AT_BYTES = 2 << 20
"""Position in the plain data, in bytes, at which data that may turn out to be refused is unpacked ahead, before it is read."""

MAGIC_BYTES = 16
"""Size of the beginning of a file by which its compression is known, in bytes."""


def codec_of(head: bytes) -> str | None:
    """What data that begins with `head` is compressed with, by its magic bytes; `head` is MAGIC_BYTES or all there is.

    The .lzma format has none that text could not have, so only a name tells it (see `codec_named`).
    """
    return next((name for name, codec in CODECS.items() if name != "lzma" and codec.begins(head)), None)


def codec_named(name: str, head: bytes) -> str | None:
    """`name` if data that begins with `head` may be compressed so, else what `codec_of` says."""
    return name if CODECS[name].begins(head) else codec_of(head)


def expands_too_far(max_expansion_ratio: int, uri: str, byte: int | None = None) -> MalformedFileError:
    """byte: in the compressed data, where that is known."""
    return MalformedFileError(
        f"unpacks to more than {max_expansion_ratio} times its size",
        uri=uri,
        byte=byte,
        remedy="If it is meant to, set `max_expansion_ratio` higher",
    )


class PlainStream(ByteStream):
    """What a compressed stream unpacks to, readable and seekable; reads return all that is asked for unless the data ends.

    Going back is free within the last piece and the first HEAD_BYTES, else it starts the unpacking anew. Plain bytes above
    both ALWAYS_ALLOWED_BYTES and `max_expansion_ratio` times the compressed bytes read so far are refused.
    Reads raise MalformedFileError, with the position in the compressed stream, after the plain bytes before the fault.

    closes_stream: whether the stream that it reads is closed with it.
    """

    def __init__(
        self,
        stream: IO[bytes],
        open_decoder: Callable[[Source], Decoder],
        label: str,
        uri: str,
        max_expansion_ratio: int,
        *,
        closes_stream: bool = False,
    ) -> None:
        super().__init__()
        self._closed_with_it = stream if closes_stream else None
        self._source = Source(stream)
        self._open_decoder = open_decoder
        self._label = label
        self._uri = uri
        self._max_expansion_ratio = max_expansion_ratio
        self._head = bytearray()
        self._at = 0
        self._probed = False
        self._decoder: Decoder | None = None
        self._fault: MalformedFileError | None = None
        self._piece = b""
        self._piece_at = 0
        self._restart()

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """From the end: unpacks all of it first. Raises as `read`."""
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += self.unpack_to_end()
        if offset < 0:
            raise ValueError("a position before the beginning")
        self._at = offset
        return offset

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(PIECE_BYTES), b""))

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        data = self._some(size)
        if len(data) == size:
            return data
        if not data:
            self._raise_fault()
            return b""
        parts = [data]
        size -= len(data)
        while size and (data := self._some(size)):
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def unpack_to_end(self) -> int:
        """Unpacks what is left, so that damage anywhere is found; size of the plain data. Raises as `read`."""
        while self._advance(PIECE_BYTES):
            pass
        self._raise_fault()
        return self._piece_at

    def close(self) -> None:
        super().close()
        if self._closed_with_it is not None:
            self._closed_with_it.close()

    def _some(self, size: int) -> bytes:
        """Between 1 and `size` bytes at the position, which moves on; none at the end or a fault."""
        data = self._known(size)
        while not data and size:
            if self._at < self._piece_at:
                self._restart()
            if not self._advance(size):
                return b""
            data = self._known(size)
        self._at += len(data)
        return data

    def _known(self, size: int) -> bytes:
        begin = self._at - self._piece_at
        if 0 <= begin < len(self._piece):
            return self._piece[begin : begin + size]
        return bytes(self._head[self._at : self._at + size])

    def _advance(self, size: int) -> bool:
        """Unpacks the next piece; False at the end or at a fault."""
        self._piece_at += len(self._piece)
        self._piece = b""
        if self._fault:
            return False
        try:
            if self._decoder is None:
                self._decoder = self._open_decoder(self._source)
            self._piece = self._decoder.read(min(max(size, PIECE_BYTES), 2 * PIECE_BYTES))
            self._check_expansion(self._piece_at + len(self._piece))
            if not self._probed and self._piece_at + len(self._piece) >= _PROBE_AT_BYTES:
                return self._probe()
        except DamagedError as exc:
            self._fault = MalformedFileError(f"its {self._label} data {exc}", uri=self._uri, byte=self._source.consumed)
        except MalformedFileError as exc:
            self._piece = b""
            self._fault = exc
        if len(self._head) == self._piece_at < HEAD_BYTES:
            self._head += self._piece
        return bool(self._piece)

    def _probe(self) -> bool:
        """Where the data up to here may be a bomb: unpacks on until that is settled, and begins anew if it is none. No
        record of a bomb is worth reading, and some formats would read for long before it is refused."""
        self._probed = True
        plain = self._piece_at + len(self._piece)
        if self._decoder is None or 2 * plain <= self._max_expansion_ratio * self._source.consumed:
            return bool(self._piece)
        with suppress(DamagedError):
            while plain <= ALWAYS_ALLOWED_BYTES and (data := self._decoder.read(PIECE_BYTES)):
                plain += len(data)
        self._check_expansion(plain)
        self._restart()
        return True

    def _check_expansion(self, plain: int) -> None:
        if plain > ALWAYS_ALLOWED_BYTES and plain > self._max_expansion_ratio * self._source.consumed:
            raise expands_too_far(self._max_expansion_ratio, self._uri, self._source.consumed)

    def _raise_fault(self) -> None:
        if self._fault:
            raise self._fault

    def _restart(self) -> None:
        self._source.restart()
        self._decoder = None
        self._piece = b""
        self._piece_at = 0
        self._fault = None


def open_plain(stream: IO[bytes], codec: str, uri: str, max_expansion_ratio: int) -> PlainStream:
    """codec: a key of CODECS."""
    return PlainStream(stream, CODECS[codec].open, codec, uri, max_expansion_ratio)


def open_zip_member(
    stream: IO[bytes], uri: str, max_expansion_ratio: int, *, method: int, flags: int, size_bytes: int, crc32: int
) -> PlainStream:
    """The member whose compressed data is `stream`, checked against what the archive's directory says of it.

    Closing it closes `stream`."""

    def open_decoder(source: Source) -> Decoder:
        return _Checked(open_zip_method(method, source, size_bytes, flags), size_bytes, crc32)

    return PlainStream(stream, open_decoder, "zip", uri, max_expansion_ratio, closes_stream=True)


@dataclass(slots=True)
class _Checked:
    """A decoder whose data has to have a size and a checksum: looked at as soon as the size is reached, since who reads the
    data may know its size and read no further."""

    decoder: Decoder
    left: int
    expected_crc32: int
    crc32: int = 0

    def read(self, size: int) -> bytes:
        data = self.decoder.read(size)
        self.left -= len(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        if self.left < 0 or (data and not self.left and self.decoder.read(1)):
            raise DamagedError("is longer than the archive says")
        if not data and self.left:
            raise DamagedError("is shorter than the archive says")
        if not self.left and self.crc32 != self.expected_crc32:
            raise DamagedError("is damaged: its checksum does not match")
        return data


class PeekedStream(ByteStream):
    """A stream whose beginning was looked at, and is served again without asking the store a second time."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        """Reads `size` bytes from the stream's beginning."""
        super().__init__()
        self._stream = stream
        stream.seek(0)
        self.head = stream.read(size)
        self._stream_at = len(self.head)
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        data = self.head[self._at : None if size < 0 else self._at + size]
        if len(data) != size:
            if self._stream_at != self._at + len(data):
                self._stream_at = self._stream.seek(self._at + len(data))
            rest = self._stream.read(size if size < 0 else size - len(data))
            self._stream_at += len(rest)
            data = data + rest if data else rest
        self._at += len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        """Lines with their ends, from here on; it reads ahead of them, so that `tell` means nothing meanwhile."""
        rest = b""
        while piece := self.read(PIECE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line + b"\n"
        if rest:
            yield rest

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset = self._stream_at = self._stream.seek(offset, os.SEEK_END)
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at
