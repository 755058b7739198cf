"""SFTP version 3 over an open channel, as draft-ietf-secsh-filexfer-02 defines it: the requests that reading needs, many of
them pending at a time, with names as bytes.
"""

import stat
import struct
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from file_cdk import TransientError

if TYPE_CHECKING:
    import paramiko

REQUEST_BYTES = 32 << 10
"""Of one read request, which every server has to answer."""

IN_FLIGHT_BYTES = 4 << 20
"""Maximum asked for that has not arrived, in bytes."""

_INIT, _VERSION = 1, 2
_OPEN, _CLOSE, _READ, _LSTAT, _FSTAT, _OPENDIR, _READDIR, _REALPATH, _STAT = 3, 4, 5, 7, 8, 11, 12, 16, 17
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS = 101, 102, 103, 104, 105

END_OF_FILE, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE = 1, 2, 3, 4, 5
_NO_CONNECTION, _CONNECTION_LOST = 6, 7

_MAX_PACKET_BYTES = 16 << 20
_RECEIVE_BYTES = 1 << 20
_FOR_READING = 1

_KINDS = {b"-": stat.S_IFREG, b"d": stat.S_IFDIR, b"l": stat.S_IFLNK}
"""First byte of a line of a listing, for servers that tell the kind of a file in no other way."""

_u32 = struct.Struct(">I")
_u64 = struct.Struct(">Q")
_head = struct.Struct(">IBI")


class StatusError(Exception):
    """The server refuses a request. code: as the protocol numbers it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text or f"status {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Attributes:
    """None for what the server does not tell. modified_s: seconds since 1970."""

    size_bytes: int | None
    mode: int | None
    modified_s: int | None

    @property
    def kind(self) -> int:
        """As `stat.S_IFMT` gives; 0 when the server does not tell."""
        return stat.S_IFMT(self.mode or 0)


@dataclass(slots=True)
class Session:
    """Used by one thread at a time. A TransientError ends it, a StatusError does not. server: names it in errors."""

    channel: "paramiko.Channel"
    server: str
    _buffer: bytearray = field(default_factory=bytearray)
    _last_id: int = 0
    _answers: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _unwanted: set[int] = field(default_factory=set)

    def start(self) -> None:
        self._send(_u32.pack(5) + bytes([_INIT]) + _u32.pack(3))
        kind, _ = self._receive()
        if kind != _VERSION:
            raise TransientError(f"{self.server} does not answer as an SFTP server does")

    def real_path(self, path: bytes) -> bytes:
        return self._path_of(self._ask(_REALPATH, _string(path)))

    def stat(self, path: bytes) -> Attributes:
        """Of what a link leads to."""
        return self._attributes_of(self._ask(_STAT, _string(path)))

    def lstat(self, path: bytes) -> Attributes:
        return self._attributes_of(self._ask(_LSTAT, _string(path)))

    def entries(self, folder: bytes) -> Iterator[tuple[bytes, Attributes]]:
        """Names, as a rule `.` and `..` among them, in the server's order. Attributes are those of links themselves."""
        handle = self._expect(self._ask(_OPENDIR, _string(folder)), _HANDLE).string()
        try:
            while names := self._unless_at_end(self._ask(_READDIR, _string(handle)), _NAME):
                for _ in range(names.u32()):
                    yield names.entry()
        finally:
            self.close_later(handle)

    def open_file(self, path: bytes) -> tuple[bytes, bytes | None]:
        """A handle for reading, and the path with its links resolved, if the server tells."""
        real = self._ask(_REALPATH, _string(path))
        opened = self._ask(_OPEN, _string(path) + _u32.pack(_FOR_READING) + _u32.pack(0))
        try:
            real_path = self._path_of(real)
        except StatusError:
            real_path = None
        return self._expect(opened, _HANDLE).string(), real_path

    def fstat(self, handle: bytes) -> Callable[[], Attributes]:
        """Asks at once; what is returned waits for the answer."""
        return partial(self._attributes_of, self._ask(_FSTAT, _string(handle)))

    def read(self, handle: bytes, start: int, end: int) -> Generator[bytes, None, None]:
        """Bytes `[start, end)` in order, less only when the file ends before."""
        waiting: deque[tuple[int, int, int]] = deque()  # request, and its range
        asked = reached = start
        try:
            while reached < end:
                if asked < end and asked - reached <= IN_FLIGHT_BYTES // 2:
                    ahead = min(end, reached + IN_FLIGHT_BYTES)
                    waiting += self._ask_ranges(handle, asked, ahead)
                    asked = ahead
                request, reached, until = waiting.popleft()
                while reached < until:
                    answer = self._unless_at_end(request, _DATA)
                    if answer is None or not (data := answer.string()):
                        return
                    if len(data) > until - reached:
                        raise TransientError(f"{self.server} sent more than was asked for")
                    yield data
                    reached += len(data)
                    if reached < until:  # a server may answer with less than was asked for
                        request = self._ask(_READ, _range(handle, reached, until))
        finally:
            for request, _, _ in waiting:
                if self._answers.pop(request, None) is None:
                    self._unwanted.add(request)

    def close_later(self, handle: bytes) -> None:
        """Closes the handle without waiting for the answer."""
        self._unwanted.add(self._ask(_CLOSE, _string(handle)))

    def _ask_ranges(self, handle: bytes, first: int, end: int) -> list[tuple[int, int, int]]:
        """Asks for `[first, end)` in one write; returns the requests with their ranges."""
        packets, requests = [], []
        for start in range(first, end, REQUEST_BYTES):
            until = min(start + REQUEST_BYTES, end)
            packets.append(self._packet(_READ, _range(handle, start, until)))
            requests.append((self._last_id, start, until))
        self._send(b"".join(packets))
        return requests

    def _unless_at_end(self, request: int, kind: int) -> "_Fields | None":
        """The answer; None at the end of a file or folder."""
        try:
            return self._expect(request, kind)
        except StatusError as exc:
            if exc.code == END_OF_FILE:
                return None
            raise

    def _path_of(self, request: int) -> bytes:
        names = self._expect(request, _NAME)
        if names.u32() < 1:
            raise StatusError(FAILURE, "no path")
        return names.string()

    def _attributes_of(self, request: int) -> Attributes:
        return self._expect(request, _ATTRS).attributes()

    def _expect(self, request: int, kind: int) -> "_Fields":
        while request not in self._answers:
            answered, body = self._receive()
            number = _Fields(body, self.server).u32()
            if number in self._unwanted:
                self._unwanted.remove(number)
            else:
                self._answers[number] = answered, body
        answered, body = self._answers.pop(request)
        fields = _Fields(body, self.server, 4)
        if answered == kind:
            return fields
        if answered != _STATUS:
            raise TransientError(f"{self.server} answered out of order")
        code = fields.u32()
        if code in (_NO_CONNECTION, _CONNECTION_LOST):
            raise TransientError(f"{self.server} lost its connection")
        raise StatusError(code, fields.string().decode("utf-8", "replace") if fields.left() else "")

    def _ask(self, kind: int, body: bytes) -> int:
        self._send(self._packet(kind, body))
        return self._last_id

    def _packet(self, kind: int, body: bytes) -> bytes:
        """Of a request whose number is `_last_id` from then on."""
        self._last_id = (self._last_id + 1) & 0xFFFFFFFF
        return _head.pack(5 + len(body), kind, self._last_id) + body

    def _send(self, data: bytes) -> None:
        try:
            self.channel.sendall(data)
        except TimeoutError as exc:
            raise TransientError(f"{self.server} takes nothing any more") from exc
        except OSError as exc:
            raise TransientError(f"the connection to {self.server} broke off") from exc

    def _receive(self) -> tuple[int, bytes]:
        """The next packet's kind and what follows it."""
        self._fill(5)
        (length,) = _u32.unpack_from(self._buffer)
        if not 1 <= length <= _MAX_PACKET_BYTES:
            raise TransientError(f"{self.server} sent what is not SFTP")
        self._fill(4 + length)
        kind = self._buffer[4]
        body = bytes(memoryview(self._buffer)[5 : 4 + length])
        del self._buffer[: 4 + length]
        return kind, body

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            try:
                received = self.channel.recv(_RECEIVE_BYTES)
            except TimeoutError as exc:
                raise TransientError(f"{self.server} has stopped sending") from exc
            except OSError as exc:
                raise TransientError(f"the connection to {self.server} broke off") from exc
            if not received:
                raise TransientError(f"{self.server} closed the connection")
            self._buffer += received


@dataclass(slots=True)
class _Fields:
    """Takes a packet's fields one after the other."""

    _body: bytes
    _server: str
    _position: int = 0

    def left(self) -> int:
        return len(self._body) - self._position

    def u32(self) -> int:
        return int(_u32.unpack(self._take(4))[0])

    def u64(self) -> int:
        return int(_u64.unpack(self._take(8))[0])

    def string(self) -> bytes:
        return self._take(self.u32())

    def attributes(self) -> Attributes:
        flags = self.u32()
        size = self.u64() if flags & 1 else None
        if flags & 2:
            self._take(8)  # owner and group
        mode = self.u32() if flags & 4 else None
        modified = None
        if flags & 8:
            self._take(4)  # time of the last access
            modified = self.u32()
        if flags & 0x80000000:
            for _ in range(self.u32()):
                self.string()
                self.string()
        return Attributes(size, mode, modified)

    def entry(self) -> tuple[bytes, Attributes]:
        name, line, attributes = self.string(), self.string(), self.attributes()
        if not attributes.kind and (kind := _KINDS.get(line[:1])):
            attributes = replace(attributes, mode=kind)
        return name, attributes

    def _take(self, size: int) -> bytes:
        if size > self.left():
            raise TransientError(f"{self._server} sent a packet that is cut off")
        taken = self._body[self._position : self._position + size]
        self._position += size
        return taken


def _string(data: bytes) -> bytes:
    return _u32.pack(len(data)) + data


def _range(handle: bytes, start: int, end: int) -> bytes:
    return _string(handle) + _u64.pack(start) + _u32.pack(end - start)
