"""The conformance suite for readers, against HTTP servers that have everything, and that lack ranges and lengths."""

from collections.abc import Iterator, Mapping

import pytest
from source_http.store import HttpSettings, HttpStore

from file_cdk import ObjectReader, RetryPolicy
from file_cdk.testing.reader_conformance import ODD_KEYS, ReaderConformance
from file_cdk.testing.servers.http_server import HttpServer

pytest_plugins = ("file_cdk.testing.plugin",)

_REFUSED = frozenset({"a/../c.csv", "./dot.csv", *(key for key in ODD_KEYS if len(key) > 255)})
_IMPATIENT = RetryPolicy(tries=10, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture(scope="module")
def plain_server() -> Iterator[HttpServer]:
    with HttpServer(ranges=False, chunked=True) as server:
        yield server


class UrlStorage:
    """The files of one folder of a server, each by its URL."""

    def __init__(self, server: HttpServer, folder: str) -> None:
        self.server, self.folder = server, folder

    def put(self, uri: str, data: bytes) -> None:
        self.server.put(self.folder, uri, data)

    def put_many(self, files: Mapping[str, bytes]) -> None:
        self.server.put_many(self.folder, files)

    def delete(self, uri: str) -> None:
        self.server.delete(self.folder, uri)

    @property
    def port(self) -> int:
        return self.server.port

    def reader(self) -> ObjectReader:
        return self._reader(self.port, RetryPolicy())

    def reader_through(self, port: int) -> ObjectReader:
        return self._reader(port, _IMPATIENT)

    def _reader(self, port: int, retries: RetryPolicy) -> ObjectReader:
        # Keys that stand for folders have no URL of a file.
        urls = [self.server.url(self.folder, key) for key in self.server.keys(self.folder) if not key.endswith("/")]
        base = f"{self.server.endpoint}/{self.folder}"
        here = [url.replace(f":{self.port}/", f":{port}/") for url in urls]
        return ObjectReader(
            HttpStore(HttpSettings(tuple(here), base_url=base.replace(str(self.port), str(port)))), retries
        )


class TestHttpReader(ReaderConformance):
    refused_keys = _REFUSED

    @pytest.fixture
    def storage(self, http_server: HttpServer, http_folder: str) -> UrlStorage:
        return UrlStorage(http_server, http_folder)


class TestHttpReaderOfWholeFiles(ReaderConformance):
    """Neither ranges nor lengths: everything is counted while it is listed, and spooled while it is read."""

    refused_keys = _REFUSED
    many_files = 200
    large_bytes = 4 << 20

    @pytest.fixture
    def storage(self, plain_server: HttpServer, bucket_name: str) -> UrlStorage:
        plain_server.create_bucket(bucket_name)
        return UrlStorage(plain_server, bucket_name)
