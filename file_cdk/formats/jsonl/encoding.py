"""JSON in UTF-16 or UTF-32, as some tools write it, read as the UTF-8 that the rest of the program expects."""

import codecs
from typing import IO

_PIECE_BYTES = 128 * 1024
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARK_BYTES = 4
"""Size of the beginning of a file by which its encoding is known, in bytes."""


def wide_encoding(head: bytes) -> str | None:
    """The encoding of a file that begins so, where that has several bytes a character: by its byte order mark, or because a
    zero byte comes with each of two ASCII characters (RFC 4627, 3)."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) < MARK_BYTES or not head.isascii():
        return None
    match [bool(byte) for byte in head[:MARK_BYTES]]:
        case [True, False, True, False]:
            return "utf-16-le"
        case [False, True, False, True]:
            return "utf-16-be"
    return None


_UNDECODABLE = "file_cdk.undecodable"
codecs.register_error(_UNDECODABLE, lambda error: ("\udcff", getattr(error, "end", 0)))


class AsUtf8:
    """What a stream in another encoding is in UTF-8, read forwards only. What is no text comes as bytes that are no UTF-8.

    consumed: bytes read of the stream.
    """

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)
        self._pending = b""
        self._at_end = False
        self.consumed = 0

    def read(self, size: int = -1, /) -> bytes:
        while (size < 0 or len(self._pending) < size) and not self._at_end:
            self._pending += self._next()
        size = len(self._pending) if size < 0 else size
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def _next(self) -> bytes:
        data = self._stream.read(_PIECE_BYTES)
        self._at_end = not data
        self.consumed += len(data)
        return self._decoder.decode(data, final=self._at_end).encode("utf-8", "surrogatepass")
