"""Messages between two processes over a socket: Python objects, pickled, each whole or not at all."""

import os
import pickle
import select
import socket
from typing import Any

_LENGTH_BYTES = 4


class Connection:
    """One end. Not for several threads at once."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        """fd: of a stream socket that blocks; from now on it is this object's to close."""
        self._fd = fd

    @classmethod
    def pair(cls) -> "tuple[Connection, Connection]":
        here, there = socket.socketpair()
        return cls(here.detach()), cls(there.detach())

    def fileno(self) -> int:
        return self._fd

    def send(self, message: Any) -> None:
        """Raises BrokenPipeError or ConnectionResetError when nobody can receive it any more, and as pickle does."""
        pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        view = memoryview(len(pickled).to_bytes(_LENGTH_BYTES, "little") + pickled)
        while view:
            view = view[os.write(self._fd, view) :]

    def recv(self) -> Any:
        """Waits for a message. Raises EOFError when none will come, or only a part of one, and as pickle does."""
        length = int.from_bytes(self._read(_LENGTH_BYTES), "little")
        return pickle.loads(self._read(length))

    def poll(self, timeout_s: float | None = 0) -> bool:
        """Whether `recv` would find a message or the end, at once or in that time; None: in any time."""
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return bool(waiting.poll(None if timeout_s is None else timeout_s * 1000))

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _read(self, size: int) -> bytes:
        data = os.read(self._fd, size)
        if len(data) == size:
            return data
        parts, left = [data], size - len(data)
        while left:
            if not (data := os.read(self._fd, left)):
                raise EOFError
            parts.append(data)
            left -= len(data)
        return b"".join(parts)
