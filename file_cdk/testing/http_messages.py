"""HTTP/1.1 messages on a socket, taken apart just far enough to pass them on unchanged (RFC 9112)."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HEAD_LIMIT_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16


class BrokenMessageError(Exception):
    """The peer closed in the middle of a message, or what it sent is not HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """Start line and headers. raw: the bytes as they came, with the empty line. headers: names in lower case, and of a
    repeated one the last."""

    raw: bytes
    start: tuple[str, str, str]
    headers: Mapping[str, str]

    @property
    def method(self) -> str:
        return self.start[0]

    @property
    def target(self) -> str:
        return self.start[1]

    @property
    def status(self) -> int:
        return int(self.start[1])

    @property
    def closes(self) -> bool:
        """No other message follows on this connection."""
        old = "HTTP/1.0" in self.start
        connection = self.headers.get("connection", "").lower()
        return "close" in connection or (old and "keep-alive" not in connection)


@dataclass(frozen=True, slots=True)
class Framing:
    """How a body ends: after `length` bytes, or where its chunks say (`chunked`), or with the connection (neither)."""

    length: int | None
    chunked: bool = False


def request_framing(request: Head) -> Framing:
    if "chunked" in request.headers.get("transfer-encoding", "").lower():
        return Framing(None, chunked=True)
    return Framing(int(request.headers.get("content-length", "0")))


def answer_framing(request: Head, answer: Head) -> Framing:
    if request.method == "HEAD" or answer.status < 200 or answer.status in (204, 304):
        return Framing(0)
    if "chunked" in answer.headers.get("transfer-encoding", "").lower():
        return Framing(None, chunked=True)
    length = answer.headers.get("content-length")
    return Framing(None if length is None else int(length))


class MessageStream:
    """Reads messages from one side of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def read_head(self) -> Head | None:
        """None when the peer closed instead of sending another message."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise BrokenMessageError("headers do not end")
            piece = self.sock.recv(_PIECE_BYTES)
            if not piece:
                if self._buffer:
                    raise BrokenMessageError("closed within the headers")
                return None
            self._buffer += piece
        raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
        lines = raw[:end].decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2:
            raise BrokenMessageError("no start line")
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Head(raw, (words[0], words[1], words[2] if len(words) > 2 else ""), headers)

    def body(self, framing: Framing) -> Iterator[bytes]:
        """The body's bytes as they came, with the framing of chunks."""
        if framing.chunked:
            return self._chunks()
        if framing.length is None:
            return self._until_closed()
        return self._exactly(framing.length)

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            piece = self._take(count)
            count -= len(piece)
            yield piece

    def _take(self, at_most: int) -> bytes:
        if not self._buffer:
            self._buffer = self.sock.recv(_PIECE_BYTES)
            if not self._buffer:
                raise BrokenMessageError("closed within a body")
        piece, self._buffer = self._buffer[:at_most], self._buffer[at_most:]
        return piece

    def _until_closed(self) -> Iterator[bytes]:
        if self._buffer:
            piece, self._buffer = self._buffer, b""
            yield piece
        while piece := self.sock.recv(_PIECE_BYTES):
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            yield from self._exactly(size + 2)
        while (trailer := self._line()) != b"\r\n":
            yield trailer
        yield trailer

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self._take(1)
        return line
