"""A plain HTTP/1.1 server over a folder, with options to lack what real ones often lack."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from file_cdk.testing.servers.bulk import PutRefusedError
from file_cdk.testing.servers.folder import files_below, write_atomically
from file_cdk.testing.servers.http_program import Options, basic
from file_cdk.testing.servers.process import ChildServer, Launch, free_ports, http_status

_PROGRAM = Path(__file__).with_name("http_program.py")


class HttpServer(ChildServer):
    """GET and HEAD with keep-alive, Range, If-Range, If-Match, If-None-Match and the dates' conditions; one thread per
    connection, in a process of its own. There are no listings: the objects' URLs are `url(bucket, key)`.

    ranges=False: Range is ignored. etags=False, last_modified=False: the header is not sent. chunked=True: bodies come in
    chunks without a Content-Length, and HEAD tells no length. username and password, or token: every request needs them.

    Keys with `.` or `..` segments are refused: in a URL these mean another path (RFC 3986, section 5.2.4).
    """

    def __init__(
        self,
        *,
        ranges: bool = True,
        etags: bool = True,
        last_modified: bool = True,
        chunked: bool = False,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__()
        self._options = Options(ranges=ranges, etags=etags, last_modified=last_modified, chunked=chunked)
        self.username = username
        self.password = password
        self.token = token
        self._folder = Path()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The Authorization header that requests must carry."""
        if self.token is not None:
            return f"Bearer {self.token}"
        return None if self.username is None else basic(self.username, self.password or "")

    def url(self, bucket: str, key: str) -> str:
        return f"{self.endpoint}/{bucket}/{quote(key)}"

    def create_bucket(self, name: str) -> None:
        (self._folder / name).mkdir()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        write_atomically(self.path(bucket, key), data)

    def put_many(self, bucket: str, objects: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
        for key, data in objects.items() if isinstance(objects, Mapping) else objects:
            self.put(bucket, key, data)

    def delete(self, bucket: str, key: str) -> None:
        self.path(bucket, key).unlink()

    def keys(self, bucket: str) -> list[str]:
        return sorted(unquote(name) for name in files_below(self._folder / bucket))

    def path(self, bucket: str, key: str) -> Path:
        """The file that is served for a key; raises PutRefusedError for a key that no URL names."""
        name = quote(key, safe="")
        if {".", ".."} & set(key.split("/")) or not key or len(name) > 255:
            raise PutRefusedError("no URL or no file can have this name", uri=key)
        return self._folder / bucket / name

    def _plan(self, folder: Path) -> Launch:
        [port] = free_ports(1)
        self._port = port
        self._folder = folder / "files"
        self._folder.mkdir()
        options = json.dumps(dataclasses.asdict(self._options))
        return Launch(
            name="the HTTP server",
            # -P: this folder must not come before installed packages, whose names it has modules of.
            command=[sys.executable, "-P", str(_PROGRAM), str(port), str(self._folder), options],
            folder=folder,
            answers=lambda: http_status(port) is not None,
            env={} if self.authorization is None else {"FILE_CDK_HTTP_AUTHORIZATION": self.authorization},
        )
