"""A reader's stream as formats rely on it: a read returns all that was asked for, unless the file ends."""

from typing import IO, Any


class WholeReads:
    """Wraps a stream whose `read(n)` may return less, as sockets and HTTP bodies do.

    What a split decodes to, batch by batch, then depends on the file alone and not on how its bytes happened to arrive: a
    second run after a worker's death can go on where the first stopped.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self._stream.read(1 << 20), b""))
        data = self._stream.read(size)
        if len(data) == size or not data:
            return data
        parts = [data]
        left = size - len(data)
        while left and (data := self._stream.read(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
