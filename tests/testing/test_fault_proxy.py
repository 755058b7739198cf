"""The proxy changes nothing by itself, breaks exactly what its seed says, and each fault is seen by a plain client."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.testing.fault_proxy import FAULTS, Fault, FaultProxy, Pauses, fate_of
from file_cdk.testing.servers.azurite import Azurite
from file_cdk.testing.servers.fake_gcs import FakeGCS, service_account_key
from file_cdk.testing.servers.http_server import HttpServer
from file_cdk.testing.servers.seaweedfs import SeaweedFS

pytest_plugins = ["file_cdk.testing.plugin"]

DATA = os.urandom(300_000)
QUICK = Pauses(stall_s=0.3, slow_start_s=0.2, trickle_s=0.2, retry_after_s=7)


@pytest.fixture
def path(http_server: HttpServer, http_folder: str) -> str:
    http_server.put(http_folder, "data", DATA)
    return http_server.url(http_folder, "data").removeprefix(http_server.endpoint)


def _proxy(server: HttpServer | SeaweedFS | FakeGCS | Azurite, *faults: Fault, **options: Any) -> FaultProxy:
    return FaultProxy("127.0.0.1", server.port, faults=faults, pauses=QUICK, **{"rate": 1.0, **options})


def _get(proxy: FaultProxy, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_without_faults_bytes_and_headers_pass_unchanged(http_server: HttpServer, path: str) -> None:
    direct = http.client.HTTPConnection("127.0.0.1", http_server.port, timeout=5)
    direct.request("GET", path, headers={"Range": "bytes=10-99999"})
    expected = direct.getresponse()
    body = expected.read()
    direct.close()
    with _proxy(http_server) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        sockets = set()
        for _ in range(3):
            connection.request("GET", path, headers={"Range": "bytes=10-99999"})
            sockets.add(connection.sock.getsockname())
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (206, body)
            dated = [header for header in answer.getheaders() if header[0] != "Date"]
            assert dated == [header for header in expected.getheaders() if header[0] != "Date"]
        connection.close()
        assert (len(sockets), proxy.requests, proxy.injected) == (1, 3, Counter())


def test_chunked_answers_pass(bucket_name: str) -> None:
    with HttpServer(chunked=True) as server:
        server.create_bucket(bucket_name)
        server.put(bucket_name, "data", DATA)
        with _proxy(server) as proxy:
            assert _get(proxy, f"/{bucket_name}/data")[1] == DATA
        with _proxy(server, "truncated") as proxy, pytest.raises(http.client.IncompleteRead):
            _get(proxy, f"/{bucket_name}/data")


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [("slow_down", 503, None), ("retry_after", 503, "7"), ("server_error", 500, None)],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_refusals(
    http_server: HttpServer, path: str, fault: Fault, status: int, retry_after: str | None, method: str
) -> None:
    with _proxy(http_server, fault) as proxy:
        answer, body = _get(proxy, path, method)
    assert (answer.status, answer.headers["Retry-After"]) == (status, retry_after)
    assert (b"<Code>" in body) == (method == "GET")
    assert proxy.injected == {fault: 1}


def test_a_refusal_keeps_the_connection(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "slow_down", applies_to=lambda request: request.method == "HEAD") as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        for method, status in [("HEAD", 503), ("GET", 200)]:
            connection.request(method, path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
        connection.close()
        assert (proxy.requests, proxy.injected) == (1, {"slow_down": 1})


def test_a_reset_instead_of_an_answer(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "reset") as proxy:
        with pytest.raises(ConnectionResetError):
            _get(proxy, path)
        assert proxy.injected == {"reset": 1}


def test_a_reset_within_the_body(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "reset_mid_body") as proxy:
        with pytest.raises(ConnectionResetError):
            _get(proxy, path)
        assert proxy.injected == {"reset_mid_body": 1}


def test_an_answer_without_a_body_is_reset_instead(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "truncated") as proxy:
        with pytest.raises(ConnectionResetError):
            _get(proxy, path, "HEAD")
        assert proxy.injected == {"reset": 1}


def test_a_truncated_body(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "truncated") as proxy:
        with pytest.raises(http.client.IncompleteRead) as caught:
            _get(proxy, path)
        assert proxy.injected == {"truncated": 1}
    assert DATA.startswith(caught.value.partial)
    assert caught.value.expected == len(DATA) - len(caught.value.partial)


def test_a_length_that_is_too_large(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "length_too_large") as proxy:
        with pytest.raises(http.client.IncompleteRead) as caught:
            _get(proxy, path)
        assert proxy.injected == {"length_too_large": 1}
    assert caught.value.partial == DATA


def test_a_length_that_is_too_small(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "length_too_small") as proxy:
        answer, body = _get(proxy, path)
        assert proxy.injected == {"length_too_small": 1}
    assert int(answer.headers["Content-Length"]) == len(body) < len(DATA)
    assert DATA.startswith(body)


def _seed_where_a_stall(*, goes_on: bool) -> int:
    return next(seed for seed in range(100) if fate_of(seed, 0, 1.0, ["stall"]).goes_on is goes_on)


def test_a_stall_that_goes_on(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "stall", seed=_seed_where_a_stall(goes_on=True)) as proxy:
        started = time.monotonic()
        assert _get(proxy, path)[1] == DATA
        assert time.monotonic() - started >= QUICK.stall_s
        assert proxy.injected == {"stall": 1}


def test_a_stall_that_does_not(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, "stall", seed=_seed_where_a_stall(goes_on=False)) as proxy:
        started = time.monotonic()
        with pytest.raises(http.client.IncompleteRead):
            _get(proxy, path)
        assert time.monotonic() - started >= QUICK.stall_s


@pytest.mark.parametrize("fault", ["slow_start", "trickle"])
def test_slow_answers_are_whole(http_server: HttpServer, path: str, fault: Fault) -> None:
    with _proxy(http_server, fault) as proxy:
        started = time.monotonic()
        assert _get(proxy, path)[1] == DATA
        assert time.monotonic() - started >= 0.19
        assert proxy.injected == {fault: 1}


def test_the_seed_alone_decides(http_server: HttpServer, path: str) -> None:
    faults: tuple[Fault, ...] = ("slow_down", "server_error", "length_too_small")

    def outcomes(seed: int) -> list[tuple[int, int]]:
        with _proxy(http_server, *faults, rate=0.4, seed=seed) as proxy:
            answers = [_get(proxy, path) for _ in range(40)]
        return [(answer.status, len(body)) for answer, body in answers]

    first = outcomes(1)
    assert first == outcomes(1)
    assert first != outcomes(2)
    assert len({status for status, _ in first}) == 3


@given(st.integers(), st.integers(0, 10_000), st.floats(0, 1))
def test_a_fate_lies_within_its_bounds(seed: int, number: int, rate: float) -> None:
    fate = fate_of(seed, number, rate, FAULTS)
    assert fate == fate_of(seed, number, rate, FAULTS)
    assert fate.fault is None or fate.fault in FAULTS
    assert 0 <= fate.at < 1
    if rate == 0:
        assert fate.fault is None


def test_the_rate_is_kept_and_every_fault_happens() -> None:
    fates = Counter(fate_of("seed", number, 0.1, FAULTS).fault for number in range(20_000))
    assert 0.09 < 1 - fates[None] / 20_000 < 0.11
    assert set(fates) == {None, *FAULTS}


def test_an_unknown_fault_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such fault: earthquake"):
        FaultProxy("127.0.0.1", 1, faults=["earthquake"])  # type: ignore[list-item]


def test_a_dead_proxy_refuses_until_it_heals(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server) as proxy:
        kept = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        kept.request("GET", path)
        assert kept.getresponse().read() == DATA
        assert not proxy.dead
        proxy.die()
        with pytest.raises(ConnectionRefusedError):
            _get(proxy, path)
        with pytest.raises(ConnectionResetError):
            kept.sock.recv(1)
        kept.close()
        proxy.heal()
        assert _get(proxy, path)[1] == DATA


def test_death_interrupts_a_stall(http_server: HttpServer, path: str) -> None:
    seed = _seed_where_a_stall(goes_on=True)
    pauses = Pauses(stall_s=60)
    with FaultProxy("127.0.0.1", http_server.port, faults=["stall"], rate=1.0, seed=seed, pauses=pauses) as proxy:
        threading.Timer(0.3, proxy.die).start()
        started = time.monotonic()
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            _get(proxy, path)
        assert time.monotonic() - started < 5


def test_it_dies_of_too_many_requests(http_server: HttpServer, path: str) -> None:
    with _proxy(http_server, max_requests=3) as proxy:
        for _ in range(3):
            assert _get(proxy, path)[1] == DATA
        with pytest.raises(ConnectionResetError):
            _get(proxy, path)
        assert proxy.dead
        proxy.heal()
        assert _get(proxy, path)[1] == DATA


def test_stopping_does_not_wait_for_a_client_that_does_not_read(http_server: HttpServer, http_folder: str) -> None:
    http_server.put(http_folder, "big", bytes(20_000_000))
    with _proxy(http_server) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(f"GET /{http_folder}/big HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1)
        started = time.monotonic()
        proxy.stop()
        assert time.monotonic() - started < 3


def test_it_costs_little(http_server: HttpServer, http_folder: str) -> None:
    http_server.put(http_folder, "small", bytes(4096))

    def seconds(port: int) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        started = time.monotonic()
        for _ in range(300):
            connection.request("GET", f"/{http_folder}/small")
            connection.getresponse().read()
        connection.close()
        return time.monotonic() - started

    with _proxy(http_server, rate=0.0) as proxy:
        seconds(http_server.port)
        direct, proxied = seconds(http_server.port), seconds(proxy.port)
    assert proxied - direct < 300 * 0.002  # measured: 0.0002; the rest is for a busy machine


# Real clients through it: what they sign for the proxy's address is valid at the server.


@pytest.fixture
def through(request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
    with _proxy(request.getfixturevalue(request.param)) as proxy:
        yield proxy


@pytest.mark.parametrize("through", ["seaweedfs"], indirect=True)
def test_boto3_works_through_it(through: FaultProxy, seaweedfs: SeaweedFS, seaweedfs_bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=through.endpoint,
        aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key=seaweedfs.secret_key,
        region_name=seaweedfs.region,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    client.put_object(Bucket=seaweedfs_bucket, Key="a b.csv", Body=DATA)  # waits for 100 Continue
    assert client.get_object(Bucket=seaweedfs_bucket, Key="a b.csv")["Body"].read() == DATA
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=seaweedfs_bucket)["Contents"]] == ["a b.csv"]
    assert through.requests == 3


def _storage_client(endpoint: str) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client(
        project="p",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": endpoint},
    )


@pytest.mark.parametrize("through", ["fake_gcs"], indirect=True)
def test_google_storage_works_through_it(through: FaultProxy, fake_gcs_bucket: str) -> None:
    with _storage_client(through.endpoint) as client:
        blob = client.bucket(fake_gcs_bucket).blob("a b.csv")
        blob.upload_from_string(DATA)
        assert blob.download_as_bytes() == DATA
        assert [found.name for found in client.list_blobs(fake_gcs_bucket)] == ["a b.csv"]
    assert through.requests >= 3  # how many the SDK takes is its own affair


@pytest.mark.parametrize("through", ["azurite"], indirect=True)
def test_azure_storage_works_through_it(through: FaultProxy, azurite: Azurite, azurite_container: str) -> None:
    from azure.storage.blob import BlobServiceClient

    account = f"{through.endpoint}/{azurite.account}"
    credential = {"account_name": azurite.account, "account_key": azurite.account_key}
    with BlobServiceClient(account, credential=credential, retry_total=0) as service:
        client = service.get_container_client(azurite_container)
        client.upload_blob("a b.csv", DATA)
        assert client.download_blob("a b.csv").readall() == DATA
        assert list(client.list_blob_names()) == ["a b.csv"]
    assert through.requests == 3


_OBSTORE = """
import obstore
from obstore.store import AzureStore, GCSStore, S3Store
store = {store}
print([entry["path"] for page in obstore.list(store) for entry in page], obstore.get(store, "a b.csv").bytes().to_bytes())
"""

STORES = {
    "seaweedfs": "S3Store({bucket!r}, endpoint={endpoint!r}, access_key_id={server.access_key!r}, "
    "secret_access_key={server.secret_key!r}, region='us-east-1', client_options=dict(allow_http=True))",
    "fake_gcs": "GCSStore({bucket!r}, service_account_key={key!r}, client_options=dict(allow_http=True))",
    "azurite": "AzureStore({bucket!r}, account_name={server.account!r}, account_key={server.account_key!r}, "
    "endpoint={endpoint!r} + '/devstoreaccount1', client_options=dict(allow_http=True))",
}


@pytest.mark.parametrize("through", sorted(STORES), indirect=True)
def test_obstore_works_through_it(through: FaultProxy, request: pytest.FixtureRequest, bucket_name: str) -> None:
    name = request.node.callspec.params["through"]
    server = request.getfixturevalue(name)
    server.create_bucket(bucket_name)
    server.put(bucket_name, "a b.csv", b"0123456789")
    key = service_account_key(through.endpoint)
    store = STORES[name].format(bucket=bucket_name, endpoint=through.endpoint, server=server, key=key)
    program = _OBSTORE.format(store=store)  # in a process of its own, because obstore and fork do not go together
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout + run.stderr == "['a b.csv'] b'0123456789'\n"
    assert through.requests >= 2
