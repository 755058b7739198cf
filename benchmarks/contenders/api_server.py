"""An API for contenders to read, on a port of its own: prints the port, and ends when its stdin does.

    python api_server.py DELAY_MS

`/NAME/PAGES/ROWS?page=N` is page N, from 1, of so many pages with so many records each: `{"data": [...], "next": N + 1}`, where
`next` is null on the last one. With `of=X` the records are those of X. Each answer goes out so long after its request came; any
number of requests wait at the same time. One thread, and answers that are made once: it takes little of what is measured.
"""

import heapq
import json
import re
import select
import socket
import sys
import time
from functools import cache

_ASKED = re.compile(rb"GET /(\w+)/(\d+)/(\d+)\?(\S*) HTTP/1.1\r\n")


def main() -> None:
    delay_s = float(sys.argv[1]) / 1000
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(listener.getsockname()[1], flush=True)
        serve(listener, delay_s)


def serve(listener: socket.socket, delay_s: float) -> None:
    waiting = select.epoll()
    for descriptor in (listener.fileno(), sys.stdin.fileno()):
        waiting.register(descriptor, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    due: list[tuple[float, int, bytes]] = []
    while True:
        timeout_s = -1.0 if not due else max(0.0, due[0][0] - time.monotonic())
        for descriptor, _ in waiting.poll(timeout_s):
            if descriptor == sys.stdin.fileno():
                return
            if descriptor == listener.fileno():
                connection, _address = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                waiting.register(connection.fileno(), select.EPOLLIN)
                continue
            asked = _ASKED.match(received(connections[descriptor]))
            if asked is None:
                waiting.unregister(descriptor)
                connections.pop(descriptor).close()
                continue
            heapq.heappush(due, (time.monotonic() + delay_s, descriptor, answer(*asked.groups())))
        while due and due[0][0] <= time.monotonic():
            _, descriptor, text = heapq.heappop(due)
            if descriptor in connections:
                connections[descriptor].sendall(text)


def received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


@cache
def answer(name: bytes, pages: bytes, rows: bytes, query: bytes) -> bytes:
    asked = dict(part.split("=", 1) for part in query.decode().split("&"))
    page, last, of = int(asked.get("page", 1)), int(pages), asked.get("of")
    numbers = range((page - 1) * int(rows), page * int(rows)) if page <= last else ()
    body = json.dumps(
        {"data": [record(name.decode(), number, of) for number in numbers], "next": page + 1 if page < last else None},
        separators=(",", ":"),
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def record(name: str, number: int, of: str | None) -> dict[str, object]:
    return {
        "id": number,
        "of": of,
        "name": f"{name} {number}",
        "email": f"{name}.{number}@example.com",
        "amount": number % 9973 / 100,
        "created_at": f"2024-01-{number % 28 + 1:02d}T10:{number % 60:02d}:00Z",
        "active": number % 3 > 0,
        "tags": ["a", "b"],
        "address": {"street": f"Street {number % 100}", "zip": f"{number % 99999:05d}"},
    }


if __name__ == "__main__":
    main()
