"""Pytest fixtures: one server of each kind per test process, started when the first test asks for it, and fresh buckets.

Needs pytest alone to be imported; each server loads its vendor's SDK when it is used. A server that is not installed
is an error that names what to install, never a skip; but Postgres, which is no Python package, is skipped where neither CI nor
FILE_CDK_CI is set. Under pytest-xdist every worker process has servers of its own.

A fixture named for a server is that server, running. `bucket_name` is a name that no other test uses and that every
store accepts; `moto_bucket`, `azurite_container`, `sftp_folder` and their like name
such a bucket that has been made on that server. `local_bucket(files)` makes a folder of files; `golden` has the golden files
beside the module of the test.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from file_cdk.testing.scenarios.golden import Golden
    from file_cdk.testing.scenarios.memory import Files
    from file_cdk.testing.servers.postgres import PostgresServer


def _running(module: str, name: str) -> Any:
    """A fixture: a server of this class of file_cdk.testing.servers."""

    @pytest.fixture(scope="session")
    def server() -> Iterator[Any]:
        with getattr(import_module(f"file_cdk.testing.servers.{module}"), name)() as running:
            yield running

    return server


def _bucket_of(server: str) -> Any:
    """A fixture: the name of a new bucket, container or folder of the server that this fixture is."""

    @pytest.fixture
    def bucket(request: pytest.FixtureRequest, bucket_name: str) -> str:
        request.getfixturevalue(server).create_bucket(bucket_name)
        return bucket_name

    return bucket


moto_server = _running("moto", "MotoServer")
seaweedfs = _running("seaweedfs", "SeaweedFS")
fake_gcs = _running("fake_gcs", "FakeGCS")
azurite = _running("azurite", "Azurite")
sftp_server = _running("sftp_server", "SftpServer")
http_server = _running("http_server", "HttpServer")

moto_bucket = _bucket_of("moto_server")
seaweedfs_bucket = _bucket_of("seaweedfs")
fake_gcs_bucket = _bucket_of("fake_gcs")
azurite_container = _bucket_of("azurite")
sftp_folder = _bucket_of("sftp_server")
http_folder = _bucket_of("http_server")


@pytest.fixture
def bucket_name() -> str:
    return f"test-{secrets.token_hex(8)}"


@pytest.fixture
def local_bucket(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[Files], Path]":
    """Makes a folder of such files, with their times."""

    def made(files: "Files") -> Path:
        from file_cdk.testing.scenarios.memory import as_files

        root = tmp_path_factory.mktemp("bucket")
        for uri, file in as_files(files).items():
            path = root / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            at = file.modified_at.timestamp()
            os.utime(path, (at, at))
        return root

    return made


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> "Golden":
    from file_cdk.testing.scenarios.golden import Golden

    return Golden(request.path.parent / "golden")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["PostgresServer"]:
    from file_cdk.testing.servers.postgres import PostgresServer
    from file_cdk.testing.servers.process import ServerStartError

    server = PostgresServer()
    try:
        server.start()
    except ServerStartError as exc:
        if os.environ.get("CI") or os.environ.get("FILE_CDK_CI"):
            raise
        pytest.skip(str(exc))
    yield server
    server.stop()


@pytest.fixture
def postgres_database(postgres_server: "PostgresServer") -> str:
    """The URL of a new database on that server, with its password."""
    return postgres_server.url(postgres_server.create_database())
