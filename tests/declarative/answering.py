"""An API of a test: a server on this machine that answers as a function says, and a way to ask it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3

from file_cdk.declarative.http.headers import Headers
from file_cdk.declarative.http.messages import Answer, Request, Response


@dataclass(frozen=True)
class Asked:
    """A request as it came. target: path and query, as they were sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def number(self, name: str, otherwise: int = 0) -> int:
        """A parameter that is a whole number."""
        return int(self.parameters.get(name, [str(otherwise)])[0])


@dataclass(frozen=True)
class Answered:
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Api:
    """url: without a slash at its end. asked: in the order in which requests came."""

    answer: Callable[[Asked], Answered]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def send(self, request: Request, scope: Mapping[str, Any]) -> Answer:
        """As a client with an error handler that ignores what is no success."""
        answer = _POOL.request(
            request.method, request.url, body=request.body, headers=dict(request.headers), retries=False, redirect=False
        )
        response = Response(answer.status, Headers(answer.headers.items()), answer.data, request.url)
        return Answer(response, "SUCCESS" if answer.status < 400 else "IGNORE", f"status {answer.status} is ignored")


_POOL = urllib3.PoolManager()


@contextmanager
def answering(answer: Callable[[Asked], Answered]) -> Iterator[Api]:
    api = Api(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            api.asked.append(asked)
            answered = api.answer(asked)
            self.send_response(answered.status)
            for name, value in answered.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
