"""A server whose every byte a test decides on: one thread per connection, over TCP or TLS."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Self

_CONNECTION_S = 10


@dataclass(frozen=True)
class Asked:
    """A request as it arrived. connection: which one, from 0."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


Parts = Iterable[bytes | float]
"""What goes out: bytes, and pauses in seconds between them. b"" closes the connection."""


@dataclass
class ApiServer:
    """answer: gives the parts of an answer for a request. asked: all that came, in their order."""

    answer: Callable[[Asked], Parts]
    context: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    _listener: socket.socket = field(default_factory=socket.socket)
    _connections: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(32)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"
        acceptor = threading.Thread(target=self._accept)
        self._threads.append(acceptor)
        acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(_CONNECTION_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(_CONNECTION_S)
                thread = threading.Thread(target=self._serve, args=(connection, len(self._connections)))
                self._connections.append(connection)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self.context:
                self._connections[number] = connection = self.context.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection), connection.makefile("rb") as file:
                for method, target, headers, body in _requests(file):
                    asked = Asked(method, target, headers, body, number)
                    self.asked.append(asked)
                    for part in self.answer(asked):
                        if part == b"":
                            return
                        if isinstance(part, bytes):
                            connection.sendall(part)
                        else:
                            time.sleep(part)


def _requests(file: IO[bytes]) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    while line := file.readline():
        method, target, _ = line.decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (field_line := file.readline().decode("latin-1").strip()) != "":
            name, _, value = field_line.partition(":")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
        yield method, target, headers, body


def response(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> list[bytes | float]:
    """A whole one, with its length."""
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return [f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode("latin-1") + body]


def always(*parts: bytes | float) -> Callable[[Asked], Parts]:
    return lambda _: parts


def in_turn(*answers: Parts) -> Callable[[Asked], Parts]:
    """The first for the first request, and so on; the last one again and again."""
    rest = list(answers)
    lock = threading.Lock()

    def answer(_: Asked) -> Parts:
        with lock:
            return rest.pop(0) if len(rest) > 1 else rest[0]

    return answer
