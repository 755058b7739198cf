"""What all connections have in common, whoever makes them."""

import errno
import socket

OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))


def not_connected() -> TimeoutError:
    """One of the host, told apart from one of a handshake by its number."""
    return TimeoutError(errno.ETIMEDOUT, "not connected")
