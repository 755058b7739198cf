"""The HTTP server that `http_server.HttpServer` runs: files of a folder over HTTP/1.1. Standard library only.

    python -P http_program.py PORT FOLDER OPTIONS      OPTIONS: a JSON object with the fields of `Options`

The file for `/bucket/key` is FOLDER/bucket/KEY, where KEY is the key percent-encoded whole, slashes too: any key makes a
file name, even one with empty segments. The expected Authorization header, if any, is in FILE_CDK_HTTP_AUTHORIZATION.
"""

import base64
import email.utils
import hmac
import json
import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes, urlsplit

_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Options:
    """ranges: answer Range with 206. etags: send ETag and honour If-Match and If-Range on it. last_modified: the same for
    Last-Modified. chunked: send chunks without a Content-Length."""

    ranges: bool = True
    etags: bool = True
    last_modified: bool = True
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of one file. etag: changes with every replacement, because each is a new inode."""

    size_bytes: int
    etag: str | None
    last_modified: str | None

    @classmethod
    def of(cls, file: BinaryIO, options: Options) -> "Version":
        facts = os.fstat(file.fileno())
        etag = f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"' if options.etags else None
        modified = email.utils.formatdate(facts.st_mtime, usegmt=True) if options.last_modified else None
        return cls(facts.st_size, etag, modified)


def precondition(version: Version, headers: Message) -> HTTPStatus | None:
    """RFC 9110, section 13.2.2: the status when a precondition ends the request. Dates are compared as text, which
    suffices for clients that repeat what they were sent."""
    if (match := headers.get("If-Match")) is not None:
        if version.etag is None or (match != "*" and version.etag not in _listed(match)):
            return HTTPStatus.PRECONDITION_FAILED
    elif (since := headers.get("If-Unmodified-Since")) is not None and version.last_modified not in (None, since):
        return HTTPStatus.PRECONDITION_FAILED
    if (match := headers.get("If-None-Match")) is not None:
        if version.etag is not None and (match == "*" or version.etag in _listed(match)):
            return HTTPStatus.NOT_MODIFIED
    elif version.last_modified is not None and headers.get("If-Modified-Since") == version.last_modified:
        return HTTPStatus.NOT_MODIFIED
    return None


def wanted_range(version: Version, headers: Message) -> tuple[int, int] | None:
    """The half-open byte range to send, or None for the whole file. Raises ValueError for one that begins behind the
    end. Several ranges at once, units other than bytes, and an If-Range that no longer holds get the whole file."""
    if (condition := headers.get("If-Range")) is not None and condition not in (version.etag, version.last_modified):
        return None
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("Range", "").strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, version.size_bytes - int(last)), version.size_bytes
    else:
        start, end = int(first), min(int(last) + 1, version.size_bytes) if last else version.size_bytes
        if last and int(last) < int(first):
            return None
    if start >= version.size_bytes:
        raise ValueError("range not satisfiable")
    return start, end


def _listed(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    options = Options()
    root = Path()
    authorization: str | None = None

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """No log: it would cost more than the request."""

    def _serve(self, *, with_body: bool) -> None:
        if self.authorization is not None and not hmac.compare_digest(
            self.headers.get("Authorization", "").encode(), self.authorization.encode()
        ):
            self._end(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": self.authorization.split()[0]})
            return
        try:
            file = self._path().open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
            self._end(HTTPStatus.NOT_FOUND, {})
            return
        with file:
            self._serve_file(file, with_body=with_body)

    def _path(self) -> Path:
        bucket, _, key = urlsplit("http://x" + self.path).path[1:].partition("/")
        if not key or bucket in {"", ".", ".."}:
            raise ValueError("no file")
        return self.root / bucket / quote(unquote_to_bytes(key), safe="")

    def _serve_file(self, file: BinaryIO, *, with_body: bool) -> None:
        version = Version.of(file, self.options)
        headers = {"ETag": version.etag, "Last-Modified": version.last_modified}
        headers["Accept-Ranges"] = "bytes" if self.options.ranges else "none"
        if (status := precondition(version, self.headers)) is not None:
            self._end(status, headers)
            return
        start, end, status = 0, version.size_bytes, HTTPStatus.OK
        if self.options.ranges and with_body:
            try:
                wanted = wanted_range(version, self.headers)
            except ValueError:
                unsatisfied = {"Content-Range": f"bytes */{version.size_bytes}"}
                self._end(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {**headers, **unsatisfied})
                return
            if wanted is not None:
                (start, end), status = wanted, HTTPStatus.PARTIAL_CONTENT
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{version.size_bytes}"
        headers["Content-Type"] = "application/octet-stream"
        if self.options.chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(end - start)
        self._head(status, headers)
        if with_body:
            self._body(file, start, end)

    def _body(self, file: BinaryIO, start: int, end: int) -> None:
        if not self.options.chunked:
            if end > start:
                connection: socket.socket = self.connection
                connection.sendfile(file, start, end - start)
            return
        file.seek(start)
        while piece := file.read(min(_PIECE_BYTES, end - file.tell())):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _end(self, status: HTTPStatus, headers: Mapping[str, str | None]) -> None:
        body = {} if status == HTTPStatus.NOT_MODIFIED else {"Content-Length": "0"}
        self._head(status, {**headers, **body})

    def _head(self, status: HTTPStatus, headers: Mapping[str, str | None]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news; anything else shows in the log."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def basic(username: str, password: str) -> str:
    """The Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def main(port: str, folder: str, options: str) -> None:
    Handler.root = Path(folder)
    Handler.options = Options(**json.loads(options))
    Handler.authorization = os.environ.get("FILE_CDK_HTTP_AUTHORIZATION")
    _Server(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
