"""source-gcs against a real local server: listings, ranges, pins, refusals, and both ways of reading."""

import gzip
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from source_gcs.config import GcsConfig
from source_gcs.credentials import Access
from source_gcs.listing import page_of
from source_gcs.location import locate
from source_gcs.source import connector, store_of
from source_gcs.store import GcsStore

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileChangedError,
    GlobPatterns,
    ObjectReader,
    RemoteFile,
    TransientError,
)
from file_cdk.testing.fault_proxy import FaultProxy
from file_cdk.testing.servers.fake_gcs import FakeGCS

pytest_plugins = ["file_cdk.testing.plugin"]

ODD_KEYS = [
    "a//b.csv",
    "/lead.csv",
    "a/../c.csv",
    "./dot.csv",
    "new\nline.csv",
    "sp ace/ü.csv",
    "pct%20x.csv",
    "q?x=1.csv",
    "hash#1.csv",
    "emoji😀.csv",
    "plus+~&=;.csv",
]
SECRET = "ya29.s3cr3t-t0ken"
STREAM = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}


@pytest.fixture(autouse=True)
def _no_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here may look for the credentials of this machine, or ask a metadata server."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))


@pytest.fixture
def store(fake_gcs: FakeGCS, fake_gcs_bucket: str) -> GcsStore:
    return GcsStore(fake_gcs_bucket, Access("anonymous"), fake_gcs.endpoint)


def listed(store: GcsStore, prefix: str = "") -> dict[str, RemoteFile]:
    return {file.uri: file for file in ObjectReader(store).list_files(prefix)}


def read(store: GcsStore, file: RemoteFile, start: int, end: int) -> bytes:
    return b"".join(bytes(piece) for piece in store.get(file, start, end))


# Listing


def test_lists_every_key_as_it_is(fake_gcs: FakeGCS, store: GcsStore) -> None:
    for key in [*ODD_KEYS, "zero", "folder/"]:
        fake_gcs.put(store.bucket, key, b"" if key in ("zero", "folder/") else key.encode())
    files = listed(store)
    assert sorted(files) == sorted([*ODD_KEYS, "zero"])
    assert files["zero"].size_bytes == 0
    assert files["emoji😀.csv"].size_bytes == len("emoji😀.csv".encode())
    age = datetime.now(UTC) - files["zero"].modified_at
    assert timedelta(seconds=-5) < age < timedelta(minutes=1)
    assert all(file.etag and file.etag.isdigit() for file in files.values())


def test_lists_page_by_page_and_by_prefix(fake_gcs: FakeGCS, store: GcsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_gcs.store.PAGE_SIZE", 3)
    keys = [f"{folder}/k{number}.csv" for folder in ("a", "ab", "b ü") for number in range(4)]
    fake_gcs.put_many(store.bucket, dict.fromkeys(keys, b"1"))
    assert len(store.list_page("", None).files) == 3
    assert [file.uri for file in ObjectReader(store).list_files("")] == keys
    assert list(listed(store, "a")) == keys[:8]
    assert list(listed(store, "a/k2")) == ["a/k2.csv"]
    assert list(listed(store, "b ü/")) == keys[8:]
    assert listed(store, "nothing") == {}


def test_a_missing_bucket_is_said_to_be_missing(fake_gcs: FakeGCS) -> None:
    with pytest.raises(AccessError, match="there is no bucket 'gs://no-such-bucket'"):
        GcsStore("no-such-bucket", Access("anonymous"), fake_gcs.endpoint).list_page("", None)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"items":[{"name":1}]}', b'{"items":[{"name":"a"}]}'])
def test_a_damaged_page_may_be_asked_for_again(body: bytes) -> None:
    with pytest.raises(TransientError, match="listing is damaged"):
        page_of(body)


def test_an_empty_page_is_no_end() -> None:
    page = page_of(b'{"nextPageToken":"t"}')
    assert (list(page.files), page.next_token) == ([], "t")


# Reading


def test_reads_every_key_by_ranges(fake_gcs: FakeGCS, store: GcsStore) -> None:
    contents = {key: f"contents of {key}".encode() * 3 for key in ODD_KEYS}
    for key, data in contents.items():
        fake_gcs.put(store.bucket, key, data)
    for uri, file in listed(store).items():
        data = contents[uri]
        assert read(store, file, 0, len(data)) == data, uri
        assert read(store, file, 3, 11) == data[3:11], uri
        assert read(store, file, len(data) - 1, len(data)) == data[-1:], uri


def test_reads_a_big_object_in_pieces(fake_gcs: FakeGCS, store: GcsStore) -> None:
    data = bytes(range(256)) * 8192
    fake_gcs.put(store.bucket, "big", data)
    file = listed(store)["big"]
    assert read(store, file, 0, len(data)) == data
    assert read(store, file, 12345, 1234567) == data[12345:1234567]
    stopped = store.get(file, 0, len(data))
    assert data.startswith(bytes(next(stopped)))
    stopped.close()  # type: ignore[attr-defined]
    assert read(store, file, 5, 7) == data[5:7]


def test_objects_stored_with_gzip_encoding_come_as_they_are_stored(fake_gcs: FakeGCS, store: GcsStore) -> None:
    packed = gzip.compress(b"a,b\n1,2\n" * 100)
    with fake_gcs.client() as client:
        blob = client.bucket(store.bucket).blob("encoded.csv")
        blob.content_encoding = "gzip"
        blob.upload_from_string(packed, content_type="text/csv")
    file = listed(store)["encoded.csv"]
    assert file.size_bytes == len(packed)
    assert read(store, file, 0, len(packed)) == packed
    assert read(store, file, 4, 20) == packed[4:20]


@pytest.mark.parametrize("contents", [b"other text", b"longer than it was"])
def test_a_replaced_object_is_never_read(fake_gcs: FakeGCS, store: GcsStore, contents: bytes) -> None:
    fake_gcs.put(store.bucket, "k", b"first text")
    file = listed(store)["k"]
    fake_gcs.put(store.bucket, "k", contents)
    with pytest.raises(FileChangedError, match="next sync") as caught:
        read(store, file, 0, 5)
    assert caught.value.uri == "k"
    assert read(store, listed(store)["k"], 0, 5) == contents[:5]


def test_a_deleted_object_is_gone(fake_gcs: FakeGCS, store: GcsStore) -> None:
    fake_gcs.put(store.bucket, "k", b"text")
    file = listed(store)["k"]
    fake_gcs.delete(store.bucket, "k")
    with pytest.raises(FileAccessError, match="gone"):
        read(store, file, 0, 4)


# Faults of the network


@pytest.mark.parametrize(
    "fault",
    [
        "slow_down", "retry_after", "server_error", "reset", "reset_mid_body", "truncated", "length_too_large",
        "length_too_small",
    ],
)  # fmt: skip
def test_faults_may_pass(fake_gcs: FakeGCS, fake_gcs_bucket: str, fault: Any) -> None:
    fake_gcs.put(fake_gcs_bucket, "k", b"0123456789" * 1000)
    with FaultProxy("127.0.0.1", fake_gcs.port, faults=[fault], rate=1.0) as proxy:
        direct = GcsStore(fake_gcs_bucket, Access("anonymous"), fake_gcs.endpoint)
        broken = GcsStore(fake_gcs_bucket, Access("anonymous"), proxy.endpoint)
        with pytest.raises(TransientError) as caught:
            read(broken, listed(direct)["k"], 0, 10_000)
        if fault in ("slow_down", "retry_after", "server_error", "reset", "truncated"):
            with pytest.raises(TransientError):
                broken.list_page("", None)
    assert (caught.value.retry_after_s is not None) == (fault == "retry_after")


def test_nobody_there_may_pass(store: GcsStore) -> None:
    proxy = FaultProxy("127.0.0.1", 1)
    with pytest.raises(TransientError, match="connection failed"):
        GcsStore("bucket", Access("anonymous"), proxy.endpoint).list_page("", None)


# Tokens


@contextmanager
def token_server(status: int, answer: dict[str, Any]) -> Iterator[str]:
    """Address of what gives this answer to all who want a token, and 401 to who wants anything else."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def test_a_service_account_reads(fake_gcs: FakeGCS, fake_gcs_bucket: str, private_key: str) -> None:
    fake_gcs.put(fake_gcs_bucket, "k", b"text")
    with token_server(200, {"access_token": SECRET, "expires_in": 3600, "token_type": "Bearer"}) as uri:
        access = Access("service", {**KEY, "private_key": private_key, "token_uri": uri})
        store = GcsStore(fake_gcs_bucket, access, fake_gcs.endpoint)
        assert read(store, listed(store)["k"], 0, 4) == b"text"


@pytest.mark.parametrize("kind", ["service", "client"])
def test_refused_credentials_are_told_without_showing_them(
    private_key: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What refuses them may quote them."""
    fault = {"error": "invalid_grant", "error_description": f"{SECRET} {private_key[40:90]}"}
    with token_server(400, fault) as uri:
        monkeypatch.setattr("source_gcs.credentials.OAUTH_TOKEN_URI", uri)
        key = {**KEY, "private_key": private_key, "token_uri": uri}
        store = GcsStore("bucket", Access(kind, key if kind == "service" else CLIENT), uri[:-6])
        with pytest.raises(AccessError, match="no access token for the credentials: invalid_grant") as caught:
            store.list_page("", None)
    assert caught.value.__suppress_context__
    shown = f"{caught.value!r} {caught.value}"
    assert SECRET not in shown
    assert private_key[40:90] not in shown


# Configuration


def config(**fields: Any) -> GcsConfig:
    return GcsConfig.model_validate({"bucket": "bucket", "streams": [STREAM], **fields})


CLIENT = {
    "auth_type": "Client",
    "client_id": "id-of-client",
    "client_secret": "s3cr3t-of-client",
    "access_token": SECRET,
    "refresh_token": "r3fresh",
}
KEY = {
    "type": "service_account",
    "client_email": "reader@project.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\nMIIs3cr3t\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}
SERVICE = {"auth_type": "Service", "service_account": json.dumps(KEY)}


def test_spec_is_that_of_configurations_in_use() -> None:
    done = subprocess.run([sys.executable, "-m", "source_gcs", "spec"], capture_output=True, text=True, check=True)
    spec = json.loads(done.stdout)["spec"]["connectionSpecification"]
    assert {"bucket", "streams"} <= set(spec["required"])
    credentials = spec["properties"]["credentials"]
    assert credentials["title"] == "Authentication"
    kinds = {option["properties"]["auth_type"]["const"]: option for option in credentials["oneOf"]}
    assert sorted(kinds) == ["Client", "Service"]
    secrets = {
        name for option in kinds.values() for name, field in option["properties"].items() if field.get("airbyte_secret")
    }
    assert secrets == {"client_id", "client_secret", "access_token", "refresh_token", "service_account"}


@pytest.mark.parametrize("credentials", [None, CLIENT, SERVICE, {**SERVICE, "service_account": KEY}])
def test_no_secret_shows(credentials: Any) -> None:
    parsed = config(credentials=credentials)
    store = store_of(parsed)
    shown = f"{parsed!r} {parsed} {store!r} {connector.reader(parsed)!r} {store.origin}"
    assert not any(text in shown for text in (SECRET, "s3cr3t", "r3fresh", "MII"))


@pytest.mark.parametrize(
    "service_account", ["s3cr3t", '"s3cr3t"', '{"private_key": "s3cr3t"}', json.dumps({**KEY, "token_uri": 7})]
)
def test_what_is_no_key_is_refused_without_showing_it(service_account: str) -> None:
    from file_cdk.core.config import parse_config

    raw = {"bucket": "b", "streams": [STREAM], "credentials": {**SERVICE, "service_account": service_account}}
    with pytest.raises(ConfigError, match="service account key") as caught:
        parse_config(GcsConfig, raw)
    assert "s3cr3t" not in str(caught.value)


def test_a_private_key_that_cannot_be_used_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="private key of service account reader@project") as caught:
        store_of(config(credentials=SERVICE)).list_page("", None)
    assert "s3cr3t" not in repr(caught.value) + str(caught.value.__cause__)


def test_the_key_of_older_configurations_counts() -> None:
    assert store_of(config(service_account=json.dumps(KEY))).access.kind == "service"


def test_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_of(config()).endpoint == "https://storage.googleapis.com"
    assert store_of(config(endpoint="gcs.example.org:8443/")).endpoint == "https://gcs.example.org:8443"
    assert store_of(config()).access.kind == "ambient"
    assert store_of(config(endpoint="http://127.0.0.1:1")).access.kind == "anonymous"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")
    assert store_of(config()) == GcsStore("bucket", Access("anonymous"), "http://127.0.0.1:4443")
    for bad in ("http://user:pw@host", "ftp://host", "https://host/path"):
        with pytest.raises(ValueError, match="must be an address"):
            config(endpoint=bad)


def test_credentials_are_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert connector.credential(config()) == "anonymous"
    assert connector.credential(config(credentials=CLIENT)) == "OAuth client from the configuration"
    assert connector.credential(config(credentials=SERVICE)) == (
        "service account reader@project.iam.gserviceaccount.com from the configuration"
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(AccessError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        connector.credential(config())


def test_a_store_pickles_without_its_clients(fake_gcs: FakeGCS, store: GcsStore) -> None:
    fake_gcs.put(store.bucket, "k", b"text")
    file = listed(store)["k"]
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert read(again, file, 1, 3) == b"ex"


def test_a_search_for_credentials_in_vain_is_not_repeated_by_workers(fake_gcs: FakeGCS, fake_gcs_bucket: str) -> None:
    store = GcsStore(fake_gcs_bucket, Access("ambient"), fake_gcs.endpoint)
    store.list_page("", None)
    assert pickle.loads(pickle.dumps(store)).access == Access("anonymous")


def test_imports_nothing_of_the_vendor_until_it_is_used() -> None:
    code = (
        "import sys, source_gcs.source as s; s.connector.location('gs://b/k');"
        "print([m for m in sys.modules if m.split('.')[0] in ('google', 'requests', 'obstore', 'pyarrow', 'duckdb')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stderr


# URLs


@pytest.mark.parametrize(
    ("url", "globs", "name"),
    [
        ("gs://b-1", ("**",), "b-1"),
        ("gcs://b-1/", ("**",), "b-1"),
        ("gs://b-1/shop/orders.csv", ("shop/orders.csv", "shop/orders.csv/**"), "orders"),
        ("gs://b-1/shop/orders", ("shop/orders", "shop/orders/**"), "orders"),
        ("gs://b-1/shop/v1.2/", ("shop/v1.2/**",), "v1.2"),
        ("gs://b-1/shop/**/*.csv", ("shop/**/*.csv",), "shop"),
        ("gs://b-1/*.csv", ("*.csv",), "b-1"),
        ("gs://b-1/!x*.csv", ("\\!x*.csv",), "b-1"),
        ("gs://b-1/a.zip!in/x.csv", ("a.zip!in/x.csv", "a.zip!in/x.csv/**"), "x"),
        ("gs://b-1/a?b#c", ("a?b#c",), "b-1"),
    ],
)
def test_locates(url: str, globs: tuple[str, ...], name: str) -> None:
    location = locate(url)
    assert (location.config, location.globs, location.name) == ({"bucket": "b-1"}, globs, name)
    GlobPatterns(location.globs)


@pytest.mark.parametrize("url", ["gs://", "gs:///k", "gs://user:hunter2@b/k"])
def test_urls_without_a_bucket_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="names no bucket") as caught:
        locate(url)
    assert "hunter2" not in str(caught.value)


# The whole way


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_protocol_read(fake_gcs: FakeGCS, fake_gcs_bucket: str, tmp_path: Path, workers: str) -> None:
    fake_gcs.put_many(fake_gcs_bucket, {f"d/{n:02}.csv": f"id,t\n{n},x\n".encode() for n in range(30)})
    fields = {"bucket": fake_gcs_bucket, "endpoint": fake_gcs.endpoint, "streams": [{**STREAM, "globs": ["d/*.csv"]}]}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    stream = {"name": "s", "json_schema": {"properties": {"id": {}, "t": {}}}, "supported_sync_modes": ["incremental"]}
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [{"stream": stream, **modes}]}))
    command = [sys.executable, "-m", "source_gcs", "read", "--workers", workers]
    command += ["--config", str(tmp_path / "config.json"), "--catalog", str(tmp_path / "catalog.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    records = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
    assert sorted(int(record["id"]) for record in records) == list(range(30))
    assert records[0]["_ab_source_file_url"].startswith("d/")
