"""Every server of the kit starts, stores and lists through its vendor's SDK and through obstore, and leaves nothing."""

import base64
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import paramiko
import pytest
from botocore.exceptions import ClientError

from file_cdk.testing.odd_keys import PROVERBIAL_KEYS
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.bulk import PutRefusedError
from file_cdk.testing.servers.fake_gcs import FakeGCS
from file_cdk.testing.servers.http_server import HttpServer
from file_cdk.testing.servers.moto import MotoServer
from file_cdk.testing.servers.postgres import PostgresServer
from file_cdk.testing.servers.process import ServerStartError, free_ports
from file_cdk.testing.servers.seaweedfs import SeaweedFS
from file_cdk.testing.servers.sftp_server import SftpServer

if TYPE_CHECKING:
    from file_cdk.testing.servers import ObjectServer

pytest_plugins = ["file_cdk.testing.plugin"]

ODD_KEYS = frozenset(PROVERBIAL_KEYS)
DOTS = {"a/../c.csv", "./dot.csv"}
EMPTY_SEGMENTS = {"a//b.csv", "/lead.csv"}

# What each server is known not to keep under its own name, and how it says so: by an error, or not at all.
REFUSED = {
    "moto_server": {"new\nline.csv"},
    "seaweedfs": DOTS,
    "fake_gcs": set(),
    "azurite": DOTS,
    "sftp_server": DOTS | EMPTY_SEGMENTS,
    "http_server": DOTS,
}
RENAMED = {"seaweedfs": {"a//b.csv": "a/b.csv", "/lead.csv": "lead.csv"}}


@pytest.fixture(params=sorted(REFUSED))
def server_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(request: pytest.FixtureRequest, server_name: str) -> "ObjectServer":
    running: ObjectServer = request.getfixturevalue(server_name)
    return running


@pytest.fixture
def bucket(server: "ObjectServer", bucket_name: str) -> str:
    server.create_bucket(bucket_name)
    return bucket_name


def test_a_bucket_starts_empty_and_follows_what_is_put_and_deleted(server: "ObjectServer", bucket: str) -> None:
    assert server.keys(bucket) == []
    server.put(bucket, "b.csv", b"1")
    server.put(bucket, "a/c.csv", b"2")
    assert server.keys(bucket) == ["a/c.csv", "b.csv"]
    server.delete(bucket, "b.csv")
    assert server.keys(bucket) == ["a/c.csv"]


def test_many_objects_at_once_are_listed_in_order(server: "ObjectServer", bucket: str) -> None:
    names = [f"part/{number:04}.csv" for number in range(1100)]  # more than one page of a listing
    server.put_many(bucket, ((name, b"x") for name in reversed(names)))
    assert server.keys(bucket) == names


def test_odd_keys_are_refused_or_listed_back(server: "ObjectServer", bucket: str, server_name: str) -> None:
    refused = set()
    for key in ODD_KEYS:
        try:
            server.put(bucket, key, b"odd")
        except Exception:  # noqa: BLE001  each vendor has its own
            refused.add(key)
    assert refused == REFUSED[server_name]
    renamed = RENAMED.get(server_name, {})
    assert set(server.keys(bucket)) == {renamed.get(key, key) for key in ODD_KEYS - refused}


def test_bulk_uploads_take_the_same_odd_keys(server: "ObjectServer", bucket: str, server_name: str) -> None:
    accepted = ODD_KEYS - REFUSED[server_name]
    server.put_many(bucket, dict.fromkeys(accepted, b"odd"))
    renamed = RENAMED.get(server_name, {})
    assert set(server.keys(bucket)) == {renamed.get(key, key) for key in accepted}


def test_a_refused_bulk_upload_raises(seaweedfs: SeaweedFS, seaweedfs_bucket: str) -> None:
    with pytest.raises(PutRefusedError) as caught:
        seaweedfs.put_many(seaweedfs_bucket, {"a/../c.csv": b""})
    assert (caught.value.uri, caught.value.status) == ("a/../c.csv", 400)


def test_starting_twice_is_an_error(server: "ObjectServer") -> None:
    with pytest.raises(RuntimeError, match="running already"):
        server.start()


@pytest.mark.parametrize("name", ["moto_server", "seaweedfs"])
def test_s3_listings_carry_the_etag_of_the_contents(
    name: str, request: pytest.FixtureRequest, bucket_name: str
) -> None:
    server: SeaweedFS | MotoServer = request.getfixturevalue(name)
    server.create_bucket(bucket_name)
    server.put(bucket_name, "one", b"hello")
    server.put_many(bucket_name, {"two": b"hello"})
    listed = server.client().list_objects_v2(Bucket=bucket_name)["Contents"]
    assert [entry["ETag"] for entry in listed] == ['"5d41402abc4b2a76b9719d911017c592"'] * 2


def test_seaweedfs_checks_signatures(seaweedfs: SeaweedFS, seaweedfs_bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=seaweedfs.endpoint,
        aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key="not the secret",
        region_name=seaweedfs.region,
    )
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_objects_v2(Bucket=seaweedfs_bucket)


def test_two_seaweedfs_run_side_by_side(seaweedfs: SeaweedFS, bucket_name: str) -> None:
    seaweedfs.create_bucket(bucket_name)
    with SeaweedFS() as other:
        other.create_bucket(bucket_name)
        other.put(bucket_name, "only here", b"")
        assert other.keys(bucket_name) == ["only here"]
    assert seaweedfs.keys(bucket_name) == []


# obstore runs in a process of its own: a process that has used it must not fork any more, and other tests do.

_OBSTORE = """
import sys
import obstore
from obstore.store import AzureStore, GCSStore, S3Store
{store}
print([entry["path"] for page in obstore.list(store) for entry in page])
print(obstore.get_range(store, "a/ü.csv", start=2, end=5).to_bytes())
"""


def _run_obstore(store: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", _OBSTORE.format(store=store)], capture_output=True, text=True, timeout=60, check=False
    )
    return run.stdout + run.stderr


def _s3_store(server: SeaweedFS | MotoServer, bucket: str) -> str:
    return (
        f"store = S3Store({bucket!r}, endpoint={server.endpoint!r}, access_key_id={server.access_key!r},"
        f" secret_access_key={server.secret_key!r}, region='us-east-1', client_options=dict(allow_http=True))"
    )


def _gcs_store(server: FakeGCS, bucket: str) -> str:
    return (
        f"store = GCSStore({bucket!r}, service_account_key={server.service_account_key!r},"
        " client_options=dict(allow_http=True))"
    )


def _azure_store(server: Azurite, container: str) -> str:
    return (
        f"store = AzureStore({container!r}, account_name={server.account!r}, account_key={server.account_key!r},"
        f" endpoint={server.endpoint!r}, client_options=dict(allow_http=True))"
    )


STORES: dict[str, Callable[[Any, str], str]] = {
    "moto_server": _s3_store,
    "seaweedfs": _s3_store,
    "fake_gcs": _gcs_store,
    "azurite": _azure_store,
}


@pytest.mark.parametrize("name", sorted(STORES))
def test_obstore_talks_to_it(name: str, request: pytest.FixtureRequest, bucket_name: str) -> None:
    server = request.getfixturevalue(name)
    server.create_bucket(bucket_name)
    server.put(bucket_name, "a/ü.csv", b"0123456789")
    assert _run_obstore(STORES[name](server, bucket_name)) == "['a/ü.csv']\nb'234'\n"


# SFTP


@contextlib.contextmanager
def _ssh(server: SftpServer, **credentials: Any) -> Iterator[paramiko.SFTPClient]:
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        client.connect(server.host, server.port, server.username, allow_agent=False, look_for_keys=False, **credentials)
        yield client.open_sftp()
    finally:
        client.close()


def test_sftp_takes_the_password_and_the_key(sftp_server: SftpServer, sftp_folder: str) -> None:
    sftp_server.put(sftp_folder, "a/b.csv", b"hello")
    for credentials in ({"password": sftp_server.password}, {"key_filename": str(sftp_server.client_key)}):
        with _ssh(sftp_server, **credentials) as sftp, sftp.open(f"/{sftp_folder}/a/b.csv") as file:
            assert file.read() == b"hello"


def test_sftp_refuses_another_password(sftp_server: SftpServer) -> None:
    with pytest.raises(paramiko.AuthenticationException), _ssh(sftp_server, password="wrong"):
        pass


def test_sftp_shows_nothing_outside_of_its_folder(sftp_server: SftpServer) -> None:
    with _ssh(sftp_server, password=sftp_server.password) as sftp, pytest.raises(FileNotFoundError):
        sftp.stat("../../known_hosts")


# HTTP


def _get(server: HttpServer, url: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", url.removeprefix(server.endpoint), headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


@pytest.fixture
def digits(http_server: HttpServer, http_folder: str) -> str:
    http_server.put(http_folder, "digits", b"0123456789")
    return http_server.url(http_folder, "digits")


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
    ],
)
def test_http_ranges(
    http_server: HttpServer, digits: str, wanted: str, status: int, body: bytes, content_range: str | None
) -> None:
    got = _get(http_server, digits, Range=wanted)
    assert (got[0], got[1], got[2]["Content-Range"]) == (status, body, content_range)


def test_http_ranges_are_pinned_by_etag_and_date(http_server: HttpServer, http_folder: str, digits: str) -> None:
    headers = _get(http_server, digits)[2]
    etag = headers["ETag"]
    assert _get(http_server, digits, Range="bytes=0-0", If_Range=etag)[:2] == (206, b"0")
    assert _get(http_server, digits, Range="bytes=0-0", If_Match=etag)[:2] == (206, b"0")
    assert _get(http_server, digits, If_None_Match=etag)[:2] == (304, b"")
    assert _get(http_server, digits, If_Modified_Since=headers["Last-Modified"])[:2] == (304, b"")
    http_server.put(http_folder, "digits", b"9876543210")  # as long as before, and at once
    assert _get(http_server, digits, Range="bytes=0-0", If_Range=etag)[:2] == (200, b"9876543210")
    assert _get(http_server, digits, If_Match=etag)[:2] == (412, b"")
    assert _get(http_server, digits, If_None_Match=etag)[:2] == (200, b"9876543210")


def test_http_keeps_connections_alive(http_server: HttpServer, digits: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", http_server.port, timeout=10)
    ports = set()
    for method in ["GET", "HEAD", "GET"]:
        connection.request(method, digits.removeprefix(http_server.endpoint))
        ports.add(connection.sock.getsockname())
        answer = connection.getresponse()
        assert (answer.read(), answer.headers["Content-Length"]) == (b"" if method == "HEAD" else b"0123456789", "10")
    connection.close()
    assert len(ports) == 1


def test_http_without_ranges_etags_and_dates(bucket_name: str) -> None:
    with HttpServer(ranges=False, etags=False, last_modified=False) as server:
        server.create_bucket(bucket_name)
        server.put(bucket_name, "k", b"0123")
        status, body, headers = _get(server, server.url(bucket_name, "k"), Range="bytes=0-0")
    assert (status, body, headers["Accept-Ranges"]) == (200, b"0123", "none")
    assert (headers["ETag"], headers["Last-Modified"]) == (None, None)


def test_http_in_chunks(bucket_name: str) -> None:
    data = os.urandom(200_000)
    with HttpServer(chunked=True) as server:
        server.create_bucket(bucket_name)
        server.put_many(bucket_name, {"big": data, "empty": b""})
        status, body, headers = _get(server, server.url(bucket_name, "big"))
        part = _get(server, server.url(bucket_name, "big"), Range="bytes=5-150000")
        empty = _get(server, server.url(bucket_name, "empty"))
    assert (status, body, headers["Content-Length"]) == (200, data, None)
    assert part[:2] == (206, data[5:150_001])
    assert empty[:2] == (200, b"")


def test_http_wants_credentials(bucket_name: str) -> None:
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    for server, right in [
        (HttpServer(username="me", password="secret"), basic),
        (HttpServer(token="t0ken"), "Bearer t0ken"),
    ]:
        with server:
            server.create_bucket(bucket_name)
            server.put(bucket_name, "k", b"1")
            url = server.url(bucket_name, "k")
            assert _get(server, url)[0] == 401
            assert _get(server, url, Authorization=right + "x")[0] == 401
            assert _get(server, url, Authorization=right)[:2] == (200, b"1")


def test_http_serves_nothing_outside_of_its_folder(http_server: HttpServer, http_folder: str) -> None:
    for path in ["/../server.log", f"/{http_folder}/../../server.log", "/%2e%2e/server.log", f"/{http_folder}", "/"]:
        assert _get(http_server, path)[0] == 404


# Processes


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _ends(group: int) -> bool:
    deadline = time.monotonic() + 10
    while _alive(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _alive(group)


@pytest.mark.parametrize("kind", [SeaweedFS, MotoServer, FakeGCS, Azurite, SftpServer, HttpServer])
def test_stopping_leaves_no_process_and_no_file(kind: type[SeaweedFS | HttpServer]) -> None:
    server = kind()
    server.start()
    process = server.process
    folder = process.folder
    assert _alive(process.group_id)
    assert folder.exists()
    server.stop()
    server.stop()
    assert not _alive(process.group_id)
    assert not folder.exists()
    assert [path for path in process.leftovers if path.exists()] == []
    with pytest.raises(OSError):  # noqa: PT011  whatever the system says of a closed port
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=1).connect()


def test_postgres_has_databases_and_leaves_nothing(postgres_server: PostgresServer) -> None:
    one, two = postgres_server.create_database(), postgres_server.create_database()
    postgres_server.sql("CREATE TABLE t (n INTEGER)", one)
    assert postgres_server.sql("SELECT count(*) FROM pg_tables WHERE tablename = 't'", two) == "0"
    own = PostgresServer()
    own.start()
    group, folder = own.process.group_id, own.process.folder
    own.stop()
    own.stop()
    assert not _alive(group)
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["seaweedfs.SeaweedFS", "http_server.HttpServer"])
def test_a_killed_test_process_takes_its_server_along(kind: str) -> None:
    module, name = kind.split(".")
    program = (
        f"from file_cdk.testing.servers.{module} import {name}\n"
        f"server = {name}()\nserver.start()\n"
        "print(server.process.group_id, server.process.folder, *server.process.leftovers, flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as test_process:
        assert test_process.stdout is not None
        group, *paths = test_process.stdout.readline().split()
        assert Path(paths[0]).exists()
        assert _alive(int(group))
        test_process.send_signal(signal.SIGKILL)
    assert _ends(int(group))
    assert [path for path in paths if Path(path).exists()] == []


def test_a_missing_program_is_an_error_that_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FILE_CDK_AZURITE", raising=False)
    with pytest.raises(ServerStartError, match="npm install azurite"):
        Azurite().start()


def test_a_server_that_does_not_come_up_shows_what_it_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "azurite-blob"
    broken.write_text("#!/bin/sh\necho it cannot work\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("FILE_CDK_AZURITE", str(tmp_path))
    with pytest.raises(ServerStartError, match="ended with code 3: it cannot work"):
        Azurite().start()


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(port < 32_768 for port in ports)


def test_the_plugin_loads_no_sdk() -> None:
    program = (
        "import sys, file_cdk.testing.plugin\n"
        "print(sorted({'boto3', 'google', 'azure', 'asyncssh', 'obstore', 'pyarrow', 'moto'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
