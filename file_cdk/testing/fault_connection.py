"""One client's connection through the fault proxy: requests in turn, each passed on or broken."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable

from file_cdk.testing.faults import Fate, Fault, Pauses, refusal
from file_cdk.testing.http_messages import (
    BrokenMessageError,
    Framing,
    Head,
    MessageStream,
    answer_framing,
    request_framing,
)

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing resets
_TRICKLE_PIECES = 20


class FaultConnection:
    """Owns the client's socket and at most one connection to the server.

    fate_of: asked once for each request. count: told each fault that happened. woken: set when the proxy goes dead.
    """

    def __init__(
        self,
        client: socket.socket,
        server_address: tuple[str, int],
        fate_of: Callable[[Head], Fate],
        count: Callable[[Fault], None],
        pauses: Pauses,
        woken: threading.Event,
    ) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = MessageStream(client)
        self._server: MessageStream | None = None
        self._server_address = server_address
        self._fate_of = fate_of
        self._count = count
        self._pauses = pauses
        self._woken = woken

    def serve(self) -> None:
        """Until either side closes, a fault ends the connection, or the proxy goes dead. Never raises."""
        try:
            while self._exchange():
                pass
        except (OSError, BrokenMessageError, ValueError):
            self.abort()  # what breaks on one side is broken on the other
        finally:
            self._close()

    def interrupt(self) -> None:
        """From another thread: wake the one that serves, which then resets the connection."""
        with contextlib.suppress(OSError):
            self._client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._client.sock.shutdown(socket.SHUT_RD)
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._server.sock.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """From another thread: let nothing block the one that serves."""
        with contextlib.suppress(OSError):
            self._client.sock.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Close with a reset."""
        with contextlib.suppress(OSError):
            self._client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._client.sock.close()

    def _close(self) -> None:
        self._client.sock.close()
        if self._server is not None:
            self._server.sock.close()

    def _exchange(self) -> bool:
        """Serve one request. False when the connection ends with it."""
        request = self._client.read_head()
        if self._woken.is_set():
            raise ConnectionAbortedError
        if request is None:
            return False
        fate = self._fate_of(request)
        if fate.fault == "reset":
            return self._reset()
        refused = refusal(fate.fault, to_head=request.method == "HEAD", retry_after_s=self._pauses.retry_after_s)
        if refused is not None and fate.fault is not None:
            return self._refuse(request, refused, fate.fault)
        answer, stays = self._ask(request)
        framing = answer_framing(request, answer)
        stays = stays and not (request.closes or answer.closes) and (framing.chunked or framing.length is not None)
        if fate.fault is None:
            self._pass_on(answer, framing)
        elif fate.fault == "slow_start":
            self._count("slow_start")
            self._wait(self._pauses.slow_start_s)
            self._pass_on(answer, framing)
        else:
            stays = self._break(answer, framing, fate) and stays
        return stays

    def _ask(self, request: Head) -> tuple[Head, bool]:
        """Pass a request on. Returns the head of the answer, and whether the client may send another request."""
        server = self._connected()
        server.sock.sendall(request.raw)
        if "expect" in request.headers:
            readable, _, _ = select.select([server.sock, self._client.sock], [], [])
            if server.sock in readable:
                early = server.read_head()
                if early is None:
                    raise BrokenMessageError("the server closed instead of answering")
                if early.status != 100:
                    return early, False  # an answer instead of an invitation: the client may or may not send the body
                self._client.sock.sendall(early.raw)
        for piece in self._client.body(request_framing(request)):
            server.sock.sendall(piece)
        while (answer := server.read_head()) is not None and answer.status < 200:
            self._client.sock.sendall(answer.raw)
        if answer is None:
            raise BrokenMessageError("the server closed instead of answering")
        return answer, True

    def _connected(self) -> MessageStream:
        """The server's side, made anew when the server has closed it since the last request."""
        if self._server is not None:
            readable, _, _ = select.select([self._server.sock], [], [], 0)
            if not readable:
                return self._server
            self._server.sock.close()
        sock = socket.create_connection(self._server_address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = MessageStream(sock)
        return self._server

    def _pass_on(self, answer: Head, framing: Framing) -> None:
        assert self._server is not None
        pieces = self._server.body(framing)
        self._client.sock.sendall(answer.raw + next(pieces, b""))
        for piece in pieces:
            self._client.sock.sendall(piece)

    def _refuse(self, request: Head, refused: bytes, fault: Fault) -> bool:
        self._count(fault)
        if "expect" in request.headers:
            self._client.sock.sendall(refused)
            return False
        for _ in self._client.body(request_framing(request)):
            pass
        self._client.sock.sendall(refused)
        return not request.closes

    def _reset(self) -> bool:
        self._count("reset")
        self.abort()
        return False

    def _break(self, answer: Head, framing: Framing, fate: Fate) -> bool:
        """Break a body, which is held in memory for it. False when the connection ends with it."""
        assert self._server is not None
        body = b"".join(self._server.body(framing))
        if not body:
            return self._reset()
        assert fate.fault is not None
        self._count(fate.fault)
        send = self._client.sock.sendall
        cut = int(fate.at * len(body))  # below the length, because `at` is below 1
        match fate.fault:
            case "trickle":
                return self._trickle(answer, body)
            case "stall":
                send(answer.raw + body[:cut])
                self._wait(self._pauses.stall_s)
                if fate.goes_on:
                    send(body[cut:])
                return fate.goes_on
            case "length_too_large" if framing.length is not None:
                send(_with_length(answer, len(body) + 1 + cut) + body)
            case "length_too_small" if framing.length is not None:
                send(_with_length(answer, cut) + body[:cut])
            case "reset_mid_body":
                send(answer.raw + body[:cut])
                self.abort()
            case _:
                send(answer.raw + body[:cut])
        return False

    def _trickle(self, answer: Head, body: bytes) -> bool:
        self._client.sock.sendall(answer.raw)
        step = -(-len(body) // _TRICKLE_PIECES)
        for start in range(0, len(body), step):
            self._wait(self._pauses.trickle_s / _TRICKLE_PIECES)
            self._client.sock.sendall(body[start : start + step])
        return True

    def _wait(self, seconds: float) -> None:
        if self._woken.wait(seconds):
            raise ConnectionAbortedError


def _with_length(answer: Head, length: int) -> bytes:
    lines = answer.raw[:-4].split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"content-length:")]
    return b"\r\n".join([*kept, b"Content-Length: %d" % length, b"", b""])
