"""The conformance suite against every connector, each on a real server."""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from file_cdk.core.config import parse_config
from file_cdk.core.connector import Connector
from file_cdk.core.errors import TransientError
from file_cdk.core.ports import StreamReader
from file_cdk.readers.objects import ObjectReader
from file_cdk.readers.retries import RetryPolicy
from file_cdk.testing.odd_keys import LONG_KEY
from file_cdk.testing.reader_conformance import ReaderConformance, RefusedKeyError, Storage

if TYPE_CHECKING:
    from file_cdk.testing.servers.azurite import Azurite
    from file_cdk.testing.servers.fake_gcs import FakeGCS
    from file_cdk.testing.servers.http_server import HttpServer
    from file_cdk.testing.servers.moto import MotoServer
    from file_cdk.testing.servers.s3_server import S3Server
    from file_cdk.testing.servers.seaweedfs import SeaweedFS
    from file_cdk.testing.servers.sftp_server import SftpServer

pytest_plugins = ["file_cdk.testing.plugin"]

DOTS = {"a/../c.csv", "./dot.csv"}
EMPTY_SEGMENTS = {"a//b.csv", "/lead.csv"}
BESIDE = {"beside/inside.csv"}

_IMPATIENT = RetryPolicy(tries=10, first_wait_s=0.01, longest_wait_s=0.05)
_RENAMED = re.compile(r"^/|//|\\")


@dataclass(frozen=True)
class ServerStorage:
    """A bucket of a server of the kit. configure: what a connector's user writes, for a server on the port given and,
    where it cannot list, these keys. folder_keys: whether keys that end with a slash mean anything to it."""

    connector: str
    server: Any
    bucket: str
    configure: Callable[[str, int, list[str]], Mapping[str, Any]]
    folder_keys: bool = True
    keys: dict[str, None] = field(default_factory=dict)

    def put(self, uri: str, data: bytes) -> None:
        if uri.endswith("/") and not self.folder_keys:
            raise RefusedKeyError(f"{uri!r} names a folder")
        self.put_many({uri: data})
        if _RENAMED.search(uri) and uri not in self.server.keys(self.bucket):
            del self.keys[uri]
            raise RefusedKeyError(f"the server keeps {uri!r} under another name")

    def put_many(self, files: Mapping[str, bytes]) -> None:
        self.server.put_many(self.bucket, files)
        self.keys.update(dict.fromkeys(files))

    def delete(self, uri: str) -> None:
        self.server.delete(self.bucket, uri)
        del self.keys[uri]

    @property
    def port(self) -> int:
        port: int = self.server.port
        return port

    def reader(self) -> StreamReader:
        return self._reader(self.bucket, self.port)

    def reader_through(self, port: int) -> StreamReader:
        reader = self._reader(self.bucket, port)
        assert isinstance(reader, ObjectReader)
        return ObjectReader(reader.store, _IMPATIENT)

    def missing_root_reader(self) -> StreamReader:
        return self._reader(f"{self.bucket}-missing", self.port)

    def _reader(self, bucket: str, port: int) -> StreamReader:
        source = import_module(f"source_{self.connector}.source").connector
        assert isinstance(source, Connector)
        config = parse_config(
            source.config_class,
            {
                "streams": [{"name": "all", "format": {"filetype": "csv"}}],
                **self.configure(bucket, port, list(self.keys)),
            },
        )
        return source.reader(config)


def s3_storage(server: "S3Server", bucket: str) -> Storage:
    def configure(bucket: str, port: int, _keys: list[str]) -> Mapping[str, Any]:
        return {
            "bucket": bucket,
            "endpoint": f"http://127.0.0.1:{port}",
            "aws_access_key_id": server.access_key,
            "aws_secret_access_key": server.secret_key,
            "region_name": server.region,
        }

    return ServerStorage("s3", server, bucket, configure)


class TestS3OnMoto(ReaderConformance):
    refused_keys = frozenset({"new\nline.csv"})
    many_files = 1_200

    @pytest.fixture
    def storage(self, moto_server: "MotoServer", moto_bucket: str) -> Storage:
        return s3_storage(moto_server, moto_bucket)


class TestS3OnSeaweedFS(ReaderConformance):
    refused_keys = frozenset(DOTS | EMPTY_SEGMENTS | {"back\\slash.csv"})

    @pytest.fixture
    def storage(self, seaweedfs: "SeaweedFS", seaweedfs_bucket: str) -> Storage:
        return s3_storage(seaweedfs, seaweedfs_bucket)


class TestGoogleCloudStorage(ReaderConformance):
    refused_keys = frozenset[str]()

    @pytest.fixture
    def storage(self, fake_gcs: "FakeGCS", fake_gcs_bucket: str) -> Storage:
        return ServerStorage(
            "gcs",
            fake_gcs,
            fake_gcs_bucket,
            lambda bucket, port, _: {"bucket": bucket, "endpoint": f"http://127.0.0.1:{port}"},
        )


class TestAzure(ReaderConformance):
    refused_keys = frozenset({"back\\slash.csv"})

    @pytest.fixture
    def storage(self, azurite: "Azurite", azurite_container: str) -> Storage:
        def configure(bucket: str, port: int, _keys: list[str]) -> Mapping[str, Any]:
            return {
                "azure_blob_storage_account_name": azurite.account,
                "azure_blob_storage_container_name": bucket,
                "azure_blob_storage_endpoint": f"http://127.0.0.1:{port}/{azurite.account}",
                "credentials": {
                    "auth_type": "storage_account_key",
                    "azure_blob_storage_account_key": azurite.account_key,
                },
            }

        return ServerStorage("azure_blob_storage", azurite, azurite_container, configure)


@dataclass(frozen=True)
class SftpStorage:
    """A folder of the SFTP server, which tells times in whole seconds: a replacement is made to be of a later one."""

    server: "SftpServer"
    folder: str

    def put(self, uri: str, data: bytes) -> None:
        path = self.server.path(self.folder, uri)
        earlier = path.stat().st_mtime if path.is_file() else 0
        self.server.put(self.folder, uri, data)
        if earlier:
            os.utime(path, (time.time(), earlier + 1))

    def delete(self, uri: str) -> None:
        self.server.delete(self.folder, uri)

    def reader(self) -> StreamReader:
        return self._reader(self.folder)

    def missing_root_reader(self) -> StreamReader:
        return self._reader(f"{self.folder}-missing")

    def _reader(self, folder: str) -> StreamReader:
        source = import_module("source_sftp.source").connector
        assert isinstance(source, Connector)
        config = parse_config(
            source.config_class,
            {
                "streams": [{"name": "all", "format": {"filetype": "csv"}}],
                "host": self.server.host,
                "port": self.server.port,
                "username": self.server.username,
                "credentials": {"auth_type": "password", "password": self.server.password},
                "known_hosts": str(self.server.known_hosts),
                "folder_path": f"/{folder}",
            },
        )
        return source.reader(config)


class TestSftp(ReaderConformance):
    refused_keys = frozenset(DOTS | EMPTY_SEGMENTS | BESIDE)

    @pytest.fixture
    def storage(self, sftp_server: "SftpServer", sftp_folder: str) -> Storage:
        return SftpStorage(sftp_server, sftp_folder)


def http_storage(server: "HttpServer", folder: str) -> ServerStorage:
    def configure(bucket: str, port: int, keys: list[str]) -> Mapping[str, Any]:
        root = f"http://127.0.0.1:{port}/{bucket}"
        if bucket != folder:
            return {"urls": [f"{root}/a.csv"]}
        # Files that are not there, in the folder that all are to be named below, whichever others there are.
        nowhere = f"{root}/{{nowhere,nor-here}}"
        return {"urls": [nowhere, *(f"{root}/{quote(key)}" for key in keys)], "missing": "skip"}

    return ServerStorage("http", server, folder, configure, folder_keys=False)


class TestHttp(ReaderConformance):
    refused_keys = frozenset(DOTS | {LONG_KEY})
    many_files = 250

    @pytest.fixture
    def storage(self, http_server: "HttpServer", http_folder: str) -> Storage:
        return http_storage(http_server, http_folder)


@dataclass(frozen=True)
class GoesAround(ServerStorage):
    """Leaves the proxy aside."""

    def reader_through(self, port: int) -> StreamReader:
        return self.reader()


@dataclass(frozen=True)
class GivesUp(ServerStorage):
    """Tries nothing again."""

    def reader_through(self, port: int) -> StreamReader:
        reader = super().reader_through(port)
        assert isinstance(reader, ObjectReader)
        return ObjectReader(reader.store, RetryPolicy(tries=1))


def test_a_storage_that_leaves_the_proxy_aside_is_told_so(http_server: "HttpServer", http_folder: str) -> None:
    right = http_storage(http_server, http_folder)
    wrong = GoesAround("http", http_server, http_folder, right.configure)
    with pytest.raises(pytest.fail.Exception, match="no request met a fault"):
        ReaderConformance().test_faults_change_nothing(wrong)
    with pytest.raises(pytest.fail.Exception, match="nothing is raised, TransientError or AccessError should be"):
        ReaderConformance().test_a_dead_server_is_an_error_in_time(wrong)


def test_a_reader_that_tries_nothing_again_is_found(http_server: "HttpServer", http_folder: str) -> None:
    right = http_storage(http_server, http_folder)
    with pytest.raises(TransientError):
        ReaderConformance().test_faults_change_nothing(GivesUp("http", http_server, http_folder, right.configure))
