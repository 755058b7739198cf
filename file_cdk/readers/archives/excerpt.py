"""A part of a stream as a stream of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from file_cdk.core.errors import FileCdkError, MalformedFileError
from file_cdk.core.streams import ByteStream


class Bytes(Protocol):
    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; none at the end only."""

    def close(self) -> None: ...


class StreamBytes:
    """A reader's stream, asked to move only when what is read does not follow what was read last."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._at: int | None = None

    def read_at(self, offset: int, size: int) -> bytes:
        if self._at != offset:
            self._stream.seek(offset)
        data = self._stream.read(size)
        self._at = offset + len(data)
        return data

    def read_exactly(self, offset: int, size: int) -> bytes:
        """Fewer than `size` at the end only."""
        parts = []
        while size and (data := self.read_at(offset, size)):
            parts.append(data)
            offset += len(data)
            size -= len(data)
        return b"".join(parts)

    def close(self) -> None:
        self._stream.close()


class Excerpt(ByteStream):
    """`size_bytes` of `source` from `start` on. Errors name `uri`; what ends too early is a MalformedFileError.

    Closing it closes the source."""

    def __init__(self, source: Bytes, start: int, size_bytes: int, uri: str) -> None:
        super().__init__()
        self._source = source
        self._start = start
        self._size_bytes = size_bytes
        self._uri = uri
        self._at = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size_bytes)[whence])
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size_bytes - self._at)
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        size = min(size, left)
        if not size:
            return b""
        with naming(self._uri):
            data = self._source.read_at(self._start + self._at, size)
        if not data:
            raise MalformedFileError("the archive ends within this member", uri=self._uri, byte=self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


@contextmanager
def naming(uri: str) -> Iterator[None]:
    """Errors raised about an archive, as errors about its member `uri`."""
    try:
        yield
    except FileCdkError as exc:
        exc.uri = uri
        raise
