"""A plain HTTP/1.1 server over a folder, with options to lack what real ones often lack."""

import dataclasses
import json
import sys
from pathlib import Path
from urllib.parse import quote, unquote

from file_cdk.testing.servers.bulk import PutRefusedError
from file_cdk.testing.servers.folder import FolderServer
from file_cdk.testing.servers.http_program import Options, basic
from file_cdk.testing.servers.process import Launch, http_status

_PROGRAM = Path(__file__).with_name("http_program.py")


class HttpServer(FolderServer):
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

    @property
    def authorization(self) -> str | None:
        """The Authorization header that requests must carry."""
        if self.token is not None:
            return f"Bearer {self.token}"
        return None if self.username is None else basic(self.username, self.password or "")

    def url(self, bucket: str, key: str) -> str:
        return f"{self.endpoint}/{bucket}/{quote(key)}"

    def keys(self, bucket: str) -> list[str]:
        return sorted(map(unquote, super().keys(bucket)))

    def path(self, bucket: str, key: str) -> Path:
        """The file that is served for a key; raises PutRefusedError for a key that no URL names."""
        name = quote(key, safe="")
        if {".", ".."} & set(key.split("/")) or not key or len(name) > 255:
            raise PutRefusedError("no URL or no file can have this name", uri=key)
        return self._root / bucket / name

    def _plan(self, folder: Path) -> Launch:
        self._root = folder / "files"
        self._root.mkdir()
        options = json.dumps(dataclasses.asdict(self._options))
        return Launch(
            name="the HTTP server",
            # -P: this folder must not come before installed packages, whose names it has modules of.
            command=[sys.executable, "-P", str(_PROGRAM), str(self.port), str(self._root), options],
            folder=folder,
            answers=lambda: http_status(self.port) is not None,
            env={} if self.authorization is None else {"FILE_CDK_HTTP_AUTHORIZATION": self.authorization},
        )
