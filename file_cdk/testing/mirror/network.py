"""An HTTP proxy on a loopback port behind which every host name is the same program: nothing leaves this machine."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Self

from file_cdk.testing.http_messages import BrokenMessageError, Head, MessageStream, request_framing
from file_cdk.testing.mirror.answers import RESET, Answer
from file_cdk.testing.mirror.asked import Asked, asked
from file_cdk.testing.mirror.certificates import Authority
from file_cdk.testing.servers.process import free_ports

_LINGER_NONE = struct.pack("ii", 1, 0)
_PORTS = {"http": ":80", "https": ":443"}


class Proxy:
    """Answers CONNECT with a tunnel to itself, in TLS under a certificate for the name that was asked for; requests with a whole
    URL, and those to its own port, are answered as they are. One thread a connection.

    answer: called in any of them. latency_s: waited before each answer.
    """

    def __init__(self, answer: Callable[[Asked], Answer], authority: Authority, latency_s: float = 0.0) -> None:
        self._answer = answer
        self._authority = authority
        self._latency_s = latency_s
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        [self.port] = free_ports(1)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Closes every connection and waits for the threads."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self._acceptor is not None:
            self._acceptor.join()
        with self._lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self._connections[thread] = connection
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError, BrokenMessageError, ValueError):
                self._exchange(connection)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)
            connection.close()

    def _exchange(self, connection: socket.socket) -> None:
        stream = MessageStream(connection)
        head = stream.read_head()
        if head is not None and head.method == "CONNECT":
            host, _, port = head.target.rpartition(":")
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            context = self._authority.context(host.strip("[]").lower())
            with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as wrapped:
                with self._lock:
                    self._connections[threading.current_thread()] = wrapped  # whose file it is from here on
                wrapped.do_handshake()
                origin = ("https", _without_port(host, f":{port}", "https"))
                self._requests(MessageStream(wrapped), None, origin)
            return
        if head is not None:
            self._requests(stream, head, None)

    def _requests(self, stream: MessageStream, head: Head | None, origin: tuple[str, str] | None) -> None:
        """origin: None where each request tells its own."""
        head = head or stream.read_head()
        while head is not None:
            body = _unchunked(b"".join(stream.body(request_framing(head))), head)
            where, target = (origin, head.target) if origin else _told(head)
            answer = self._answer(asked(head.method, where, target, head.headers, body))
            if self._latency_s:
                time.sleep(self._latency_s)
            if answer.status == RESET:
                _reset(stream.sock)
                return
            stream.sock.sendall(_message(answer, closes=head.closes, to_head=head.method == "HEAD"))
            if head.closes:
                return
            head = stream.read_head()


def _told(head: Head) -> tuple[tuple[str, str], str]:
    """Scheme, host and target of a request with a whole URL, or to this port itself."""
    scheme, separator, rest = head.target.partition("://")
    if not separator:
        return ("http", head.headers.get("host", "").lower()), head.target
    host, slash, target = rest.partition("/")
    name, colon, port = host.lower().partition(":")
    return (scheme, _without_port(name, colon + port, scheme)), slash + target or "/"


def _without_port(host: str, port: str, scheme: str) -> str:
    return host.lower() if port in ("", _PORTS.get(scheme)) else f"{host.lower()}{port}"


def _unchunked(body: bytes, head: Head) -> bytes:
    if "chunked" not in head.headers.get("transfer-encoding", ""):
        return body
    whole = b""
    while body:
        line, _, body = body.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        whole, body = whole + body[:size], body[size + 2 :]
        if not size:
            break
    return whole


def _message(answer: Answer, *, closes: bool, to_head: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {answer.words}",
        "Content-Type: application/json",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
        f"Connection: {'close' if closes else 'keep-alive'}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (b"" if to_head else answer.body)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    connection.close()
