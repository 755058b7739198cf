"""Pytest fixtures: one server of each kind per test process, started when the first test asks for it, and fresh buckets.

Needs pytest alone to be imported; each server loads its vendor's SDK when it is used. A server that is not installed
is an error that names what to install, never a skip; but Postgres, which is no Python package, is skipped where neither CI nor
FILE_CDK_CI is set. Under pytest-xdist every worker process has servers of its own.

A fixture named for a server is that server, running. `bucket_name` is a name that no other test uses and that every
store accepts; `moto_bucket`, `azurite_container`, `sftp_folder` and their like name
such a bucket that has been made on that server.
"""

import os
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from file_cdk.testing.servers.azurite import Azurite
    from file_cdk.testing.servers.fake_gcs import FakeGCS
    from file_cdk.testing.servers.http_server import HttpServer
    from file_cdk.testing.servers.moto import MotoServer
    from file_cdk.testing.servers.postgres import PostgresServer
    from file_cdk.testing.servers.seaweedfs import SeaweedFS
    from file_cdk.testing.servers.sftp_server import SftpServer


@pytest.fixture(scope="session")
def moto_server() -> Iterator["MotoServer"]:
    from file_cdk.testing.servers.moto import MotoServer

    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator["SeaweedFS"]:
    from file_cdk.testing.servers.seaweedfs import SeaweedFS

    with SeaweedFS() as server:
        yield server


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator["FakeGCS"]:
    from file_cdk.testing.servers.fake_gcs import FakeGCS

    with FakeGCS() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator["Azurite"]:
    from file_cdk.testing.servers.azurite import Azurite

    with Azurite() as server:
        yield server


@pytest.fixture(scope="session")
def sftp_server() -> Iterator["SftpServer"]:
    from file_cdk.testing.servers.sftp_server import SftpServer

    with SftpServer() as server:
        yield server


@pytest.fixture(scope="session")
def http_server() -> Iterator["HttpServer"]:
    from file_cdk.testing.servers.http_server import HttpServer

    with HttpServer() as server:
        yield server


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


@pytest.fixture
def bucket_name() -> str:
    return f"test-{secrets.token_hex(8)}"


@pytest.fixture
def moto_bucket(moto_server: "MotoServer", bucket_name: str) -> str:
    moto_server.create_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def seaweedfs_bucket(seaweedfs: "SeaweedFS", bucket_name: str) -> str:
    seaweedfs.create_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def fake_gcs_bucket(fake_gcs: "FakeGCS", bucket_name: str) -> str:
    fake_gcs.create_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def azurite_container(azurite: "Azurite", bucket_name: str) -> str:
    azurite.create_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def sftp_folder(sftp_server: "SftpServer", bucket_name: str) -> str:
    sftp_server.create_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def http_folder(http_server: "HttpServer", bucket_name: str) -> str:
    http_server.create_bucket(bucket_name)
    return bucket_name
