"""source-gcs against a real local server: listings, ranges, pins, refusals, and both ways of reading."""

import dataclasses
import gzip
import json
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from source_gcs.access import Access, GcsSettings
from source_gcs.config import GcsConfig
from source_gcs.source import connector, store_of
from source_gcs.store import open_bucket, page_of
from source_gcs.url import locate

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileChangedError,
    GlobPatterns,
    ObjectReader,
    ObstoreFirst,
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
Store = ObstoreFirst[GcsSettings]
SECRET = "ya29.s3cr3t-t0ken"
STREAM = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}


@pytest.fixture(autouse=True)
def _no_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here may look for the credentials of this machine, or ask a metadata server."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))


both_ways = pytest.mark.parametrize("by_obstore", [True, False], ids=["obstore", "sdk"])


@pytest.fixture
def by_obstore() -> bool:
    return True


def store_at(bucket: str, access: Access, endpoint: str, by_obstore: bool = True) -> Store:
    return dataclasses.replace(open_bucket(GcsSettings(bucket, access, endpoint)), by_obstore=by_obstore)


@pytest.fixture
def store(fake_gcs: FakeGCS, fake_gcs_bucket: str, by_obstore: bool) -> Store:
    return store_at(fake_gcs_bucket, Access("anonymous"), fake_gcs.endpoint, by_obstore)


def listed(store: Store, prefix: str = "") -> dict[str, RemoteFile]:
    return {file.uri: file for file in ObjectReader(store).list_files(prefix)}


def read(store: Store, file: RemoteFile, start: int, end: int) -> bytes:
    return b"".join(bytes(piece) for piece in store.get(file, start, end))


# Listing


def test_lists_every_key_as_it_is(fake_gcs: FakeGCS, store: Store) -> None:
    for key in [*ODD_KEYS, "zero", "folder/"]:
        fake_gcs.put(store.settings.bucket, key, b"" if key in ("zero", "folder/") else key.encode())
    files = listed(store)
    assert sorted(files) == sorted([*ODD_KEYS, "zero"])
    assert files["zero"].size_bytes == 0
    assert files["emoji😀.csv"].size_bytes == len("emoji😀.csv".encode())
    age = datetime.now(UTC) - files["zero"].modified_at
    assert timedelta(seconds=-5) < age < timedelta(minutes=1)
    assert all(file.etag and file.etag.isdigit() for file in files.values())


def test_lists_page_by_page_and_by_prefix(fake_gcs: FakeGCS, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_gcs.store.PAGE_SIZE", 3)
    keys = [f"{folder}/k{number}.csv" for folder in ("a", "ab", "b ü") for number in range(4)]
    fake_gcs.put_many(store.settings.bucket, dict.fromkeys(keys, b"1"))
    assert len(store.list_page("", None).files) == 3
    assert [file.uri for file in ObjectReader(store).list_files("")] == keys
    assert list(listed(store, "a")) == keys[:8]
    assert list(listed(store, "a/k2")) == ["a/k2.csv"]
    assert list(listed(store, "b ü/")) == keys[8:]
    assert listed(store, "nothing") == {}


def test_a_missing_bucket_is_said_to_be_missing(fake_gcs: FakeGCS) -> None:
    with pytest.raises(AccessError, match="there is no bucket 'gs://no-such-bucket'"):
        store_at("no-such-bucket", Access("anonymous"), fake_gcs.endpoint).list_page("", None)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"items":[{"name":1}]}', b'{"items":[{}]}', b'{"items":[1]}'])
def test_a_damaged_page_may_be_asked_for_again(body: bytes) -> None:
    with pytest.raises(TransientError, match="listing is damaged"):
        page_of(body)


@pytest.mark.parametrize("facts", ["", ',"updated":"soon"', ',"updated":"2024-05-06T07:08:09"'])
def test_an_entry_without_size_or_time_is_listed_with_its_fault(facts: str) -> None:
    good = '{"name":"%s","size":"3","updated":"2024-05-06T07:08:09.12Z","generation":"7"}'
    page = page_of(f'{{"items":[{good % "a"},{{"name":"b"{facts}}},{good % "c"}],"nextPageToken":"t"}}'.encode())
    assert [(file.uri, file.fault) for file in page.files] == [
        ("a", None),
        ("b", "the server does not tell its size and modification time"),
        ("c", None),
    ]
    assert (page.files[2].size_bytes, page.files[2].etag, page.next_token) == (3, "7", "t")


def test_an_empty_page_is_no_end() -> None:
    page = page_of(b'{"nextPageToken":"t"}')
    assert (list(page.files), page.next_token) == ([], "t")


# Reading


@both_ways
def test_reads_every_key_by_ranges(fake_gcs: FakeGCS, store: Store) -> None:
    contents = {key: f"contents of {key}".encode() * 3 for key in ODD_KEYS}
    for key, data in contents.items():
        fake_gcs.put(store.settings.bucket, key, data)
    for uri, file in listed(store).items():
        data = contents[uri]
        assert read(store, file, 0, len(data)) == data, uri
        assert read(store, file, 3, 11) == data[3:11], uri
        assert read(store, file, len(data) - 1, len(data)) == data[-1:], uri


@both_ways
def test_reads_a_big_object_in_pieces(fake_gcs: FakeGCS, store: Store) -> None:
    data = bytes(range(256)) * 8192
    fake_gcs.put(store.settings.bucket, "big", data)
    file = listed(store)["big"]
    assert read(store, file, 0, len(data)) == data
    assert read(store, file, 12345, 1234567) == data[12345:1234567]
    stopped = store.get(file, 0, len(data))
    assert data.startswith(bytes(next(stopped)))
    stopped.close()  # type: ignore[attr-defined]
    assert read(store, file, 5, 7) == data[5:7]


@both_ways
def test_objects_stored_with_gzip_encoding_come_as_they_are_stored(fake_gcs: FakeGCS, store: Store) -> None:
    packed = gzip.compress(b"a,b\n1,2\n" * 100)
    with fake_gcs.client() as client:
        blob = client.bucket(store.settings.bucket).blob("encoded.csv")
        blob.content_encoding = "gzip"
        blob.upload_from_string(packed, content_type="text/csv")
    file = listed(store)["encoded.csv"]
    assert file.size_bytes == len(packed)
    assert read(store, file, 0, len(packed)) == packed
    assert read(store, file, 4, 20) == packed[4:20]


@both_ways
@pytest.mark.parametrize("contents", [b"other text", b"longer than it was"])
def test_a_replaced_object_is_never_read(fake_gcs: FakeGCS, store: Store, contents: bytes) -> None:
    fake_gcs.put(store.settings.bucket, "k", b"first text")
    file = listed(store)["k"]
    assert read(store, file, 0, 5) == b"first"
    fake_gcs.put(store.settings.bucket, "k", contents)
    with pytest.raises(FileChangedError, match="next sync") as caught:
        read(store, file, 5, 10)
    assert caught.value.uri == "k"
    assert read(store, listed(store)["k"], 0, 5) == contents[:5]


@both_ways
def test_a_deleted_object_is_gone(fake_gcs: FakeGCS, store: Store) -> None:
    fake_gcs.put(store.settings.bucket, "k", b"text")
    file = listed(store)["k"]
    fake_gcs.delete(store.settings.bucket, "k")
    with pytest.raises(FileAccessError, match="gone"):
        read(store, file, 0, 4)


# Faults of the network


@both_ways
@pytest.mark.parametrize(
    "fault",
    [
        "slow_down", "retry_after", "server_error", "reset", "reset_mid_body", "truncated", "length_too_large",
        "length_too_small",
    ],
)  # fmt: skip
def test_faults_may_pass(fake_gcs: FakeGCS, fake_gcs_bucket: str, by_obstore: bool, fault: Any) -> None:
    fake_gcs.put(fake_gcs_bucket, "k", b"0123456789" * 1000)
    with FaultProxy("127.0.0.1", fake_gcs.port, faults=[fault], rate=1.0) as proxy:
        direct = store_at(fake_gcs_bucket, Access("anonymous"), fake_gcs.endpoint)
        broken = store_at(fake_gcs_bucket, Access("anonymous"), proxy.endpoint, by_obstore)
        with pytest.raises(TransientError) as caught:
            read(broken, listed(direct)["k"], 0, 10_000)
        if fault in ("slow_down", "retry_after", "server_error", "reset", "truncated"):
            with pytest.raises(TransientError):
                broken.list_page("", None)
    # obstore does not show the headers of what it was refused with.
    assert (caught.value.retry_after_s is not None) == (fault == "retry_after" and not by_obstore)


def test_nobody_there_may_pass(store: Store) -> None:
    proxy = FaultProxy("127.0.0.1", 1)
    with pytest.raises(TransientError, match=r"connection .*failed"):
        store_at("bucket", Access("anonymous"), proxy.endpoint).list_page("", None)


@both_ways
def test_nobody_there_while_reading_may_pass(by_obstore: bool) -> None:
    nobody = store_at("bucket", Access("anonymous"), FaultProxy("127.0.0.1", 1).endpoint, by_obstore)
    with pytest.raises(TransientError, match=r"connection .*failed"):
        read(nobody, RemoteFile("k", 9, datetime.now(UTC), "7"), 0, 4)


# Reading by obstore


TEXT = b"0123456789"
FILE = RemoteFile("a b.csv", len(TEXT), datetime.now(UTC), "7")


class OneObject(ThreadingHTTPServer):
    """A bucket with one object, by both interfaces. token: without which it answers 401; it gives that to who asks."""

    daemon_threads = True

    def __init__(self, *, token: str | None = None, xml: bool = True, status: int = 206, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _OneObjectHandler)
        self.token, self.xml, self.status, self.ranges = token, xml, status, ranges
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.tokens_given = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def by_xml(self) -> list[dict[str, str]]:
        """Headers of the requests that obstore made."""
        return [headers for path, headers in self.asked if path == "/bucket/a%20b%2Ecsv?generation=7"]

    def __enter__(self) -> "OneObject":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _OneObjectHandler(BaseHTTPRequestHandler):
    server: OneObject
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.tokens_given += 1
        body = json.dumps({"access_token": self.server.token, "expires_in": 3600, "token_type": "Bearer"}).encode()
        self._answer(200, body, {"content-type": "application/json"})

    def do_GET(self) -> None:
        ours = self.server
        headers = {name.lower(): value for name, value in self.headers.items()}
        ours.asked.append((self.path, headers))
        if ours.token and headers.get("authorization") != f"Bearer {ours.token}":
            self._answer(401, b"", {})
        elif ours.status != 206 or (self.path.startswith("/bucket/") and not ours.xml):
            self._answer(ours.status if ours.status != 206 else 404, b"", {"location": "/elsewhere"})
        elif not ours.ranges:
            self._answer(200, TEXT, {"x-goog-generation": "7"})
        else:
            start, end = map(int, headers["range"].removeprefix("bytes=").split("-"))
            extent = {"content-range": f"bytes {start}-{end}/{len(TEXT)}", "x-goog-generation": "7"}
            tags = {"etag": '"e"', "last-modified": "Mon, 02 Nov 2026 00:00:00 GMT"}
            self._answer(206, TEXT[start : end + 1], extent | tags)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_obstore_reads_what_it_can_name(fake_gcs: FakeGCS, store: Store) -> None:
    for key in ODD_KEYS:
        fake_gcs.put(store.settings.bucket, key, key.encode())
    bucket = store._fast()
    assert bucket is not None
    files = listed(store)
    named = [file for file in files.values() if bucket.can_name(file.uri)]
    assert {file.uri for file in named} == set(ODD_KEYS[5:])
    assert [b"".join(bucket.get(file, 0, file.size_bytes)) for file in named] == [file.uri.encode() for file in named]


def test_what_obstore_asks_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else, whatever the environment holds: no metadata server, which object_store looks for by this variable."""
    with OneObject() as server, OneObject() as other:
        for name, value in (
            ("GOOGLE_BASE_URL", other.url),
            ("GOOGLE_BEARER_TOKEN", SECRET),
            ("GOOGLE_SKIP_SIGNATURE", "false"),
            ("GCE_METADATA_HOST", other.url.removeprefix("http://")),
        ):
            monkeypatch.setenv(name, value)
        store = store_at("bucket", Access("anonymous"), server.url)
        assert read(store, FILE, 2, 5) == TEXT[2:5]
        [asked] = server.by_xml()
        assert (len(server.asked), other.asked) == (1, [])
    assert (asked["range"], asked["accept-encoding"], asked.get("authorization")) == ("bytes=2-4", "gzip", None)


def test_a_token_serves_all_threads(private_key: str) -> None:
    with OneObject(token=SECRET) as server:
        access = Access("service", {**KEY, "private_key": private_key, "token_uri": f"{server.url}/token"})
        store = store_at("bucket", access, server.url)
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(lambda _: read(store, FILE, 0, 4), range(64))) == {TEXT[:4]}
        assert (server.tokens_given, len(server.by_xml()), len(server.asked)) == (1, 64, 64)
        assert {headers["authorization"] for headers in server.by_xml()} == {f"Bearer {SECRET}"}
    assert SECRET not in f"{store!r} {store._opened!r}"


@both_ways
def test_an_access_token_that_has_expired_is_renewed(monkeypatch: pytest.MonkeyPatch, by_obstore: bool) -> None:
    with OneObject(token=SECRET) as server:
        monkeypatch.setattr("source_gcs.access.OAUTH_TOKEN_URI", f"{server.url}/token")
        store = store_at("bucket", Access("client", {**CLIENT, "access_token": "old"}), server.url, by_obstore)
        assert [read(store, FILE, 0, 4) for _ in range(5)] == [TEXT[:4]] * 5
        assert server.tokens_given == 1
        seen = [headers["authorization"] for headers in server.by_xml()]
    assert seen == ([f"Bearer {token}" for token in ("old", *[SECRET] * 4)] if by_obstore else [])


def test_a_token_is_renewed_before_it_expires(private_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_gcs.store._ASK_AFTER", timedelta(minutes=4))
    with OneObject(token=SECRET) as server:
        access = Access("service", {**KEY, "private_key": private_key, "token_uri": f"{server.url}/token"})
        store = store_at("bucket", access, server.url)
        assert [read(store, FILE, 0, 4) for _ in range(2)] == [TEXT[:4]] * 2
        assert server.tokens_given == 1
        credentials: Any = vars(store._clients())["credentials"]
        assert credentials is not None
        credentials.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=1)
        server.token = "another"
        time.sleep(0.15)  # obstore does not ask twice within a tenth of a second
        assert read(store, FILE, 0, 4) == TEXT[:4]
        assert [headers["authorization"] for headers in server.by_xml()[1:]] == [f"Bearer {SECRET}", "Bearer another"]
        assert len(server.asked) == 3


def test_the_project_that_pays_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with OneObject(token=SECRET) as server:
        user = {name: CLIENT[name] for name in ("client_id", "client_secret", "refresh_token")}
        found = {**user, "type": "authorized_user", "quota_project_id": "payer", "token_uri": f"{server.url}/token"}
        (tmp_path / "found.json").write_text(json.dumps(found))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "found.json"))
        monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.url}/token")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project")
        assert read(store_at("bucket", Access("ambient"), server.url), FILE, 0, 4) == TEXT[:4]
        [asked] = server.by_xml()
    assert (asked["x-goog-user-project"], asked["authorization"]) == ("payer", f"Bearer {SECRET}")


@both_ways
def test_a_forbidden_object(by_obstore: bool) -> None:
    with (
        OneObject(status=403) as server,
        pytest.raises(FileAccessError, match=r"may not read it.*storage\.objects\.get"),
    ):
        read(store_at("bucket", Access("anonymous"), server.url, by_obstore), FILE, 0, 4)


def test_a_server_that_ignores_ranges_is_read_all_the_same() -> None:
    with OneObject(ranges=False) as server:
        store = store_at("bucket", Access("anonymous"), server.url, by_obstore=False)
        for start, end in ((0, 4), (3, 7), (8, 10), (0, 10)):
            assert read(store, FILE, start, end) == TEXT[start:end]
        with pytest.raises(FileChangedError):
            read(store, dataclasses.replace(FILE, etag="8"), 0, 4)


def test_redirections_are_not_followed() -> None:
    with OneObject(status=302) as server:
        store = store_at("bucket", Access("anonymous"), server.url, by_obstore=False)
        with pytest.raises(AccessError, match="reading from gs://bucket: the server answered 302"):
            read(store, FILE, 0, 4)
        with pytest.raises(AccessError, match="listing bucket 'gs://bucket': the server answered 302"):
            store.list_page("", None)
        assert not [path for path, _ in server.asked if path == "/elsewhere"]


def test_only_what_is_wanted_is_asked_for() -> None:
    """The SDK would ask for the bucket's metadata in a thread."""
    with OneObject() as server:
        store = store_at("bucket", Access("anonymous"), server.url, by_obstore=False)
        assert read(store, FILE, 2, 5) == TEXT[2:5]
        time.sleep(0.1)
        assert [path for path, _ in server.asked] == [
            "/download/storage/v1/b/bucket/o/a%20b.csv?alt=media&generation=7"
        ]


def test_a_server_without_the_xml_interface_is_soon_not_asked_by_it() -> None:
    with OneObject(xml=False) as server:
        store = store_at("bucket", Access("anonymous"), server.url)
        assert [read(store, FILE, 0, 4) for _ in range(20)] == [TEXT[:4]] * 20
        assert (len(server.by_xml()), len(server.asked)) == (5, 25)


def test_everything_is_read_without_obstore(fake_gcs: FakeGCS, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    fake_gcs.put(store.settings.bucket, "k", b"text")
    assert read(store, listed(store)["k"], 0, 4) == b"text"
    assert store._fast() is None


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


@both_ways
def test_a_service_account_reads(fake_gcs: FakeGCS, fake_gcs_bucket: str, private_key: str, by_obstore: bool) -> None:
    fake_gcs.put(fake_gcs_bucket, "k", b"text")
    with token_server(200, {"access_token": SECRET, "expires_in": 3600, "token_type": "Bearer"}) as uri:
        access = Access("service", {**KEY, "private_key": private_key, "token_uri": uri})
        store = store_at(fake_gcs_bucket, access, fake_gcs.endpoint, by_obstore)
        assert read(store, listed(store)["k"], 0, 4) == b"text"


@pytest.mark.parametrize("kind", ["service", "client"])
def test_refused_credentials_are_told_without_showing_them(
    private_key: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What refuses them may quote them."""
    fault = {"error": "invalid_grant", "error_description": f"{SECRET} {private_key[40:90]}"}
    with token_server(400, fault) as uri:
        monkeypatch.setattr("source_gcs.access.OAUTH_TOKEN_URI", uri)
        key = {**KEY, "private_key": private_key, "token_uri": uri}
        store = store_at("bucket", Access(kind, key if kind == "service" else CLIENT), uri[:-6])
        for attempt in (lambda: store.list_page("", None), lambda: read(store, FILE, 0, 4)):
            with pytest.raises(AccessError, match="no access token for the credentials: invalid_grant") as caught:
                attempt()
            assert caught.value.__suppress_context__
            shown = f"{caught.value!r} {caught.value}"
            assert SECRET not in shown
            assert private_key[40:90] not in shown


# Configuration


def config(**fields: Any) -> GcsConfig:
    return GcsConfig(**{"bucket": "bucket", "streams": [STREAM], **fields})


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
    assert store_of(config(service_account=json.dumps(KEY))).settings.access.kind == "service"


def test_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_of(config()).settings.endpoint == "https://storage.googleapis.com"
    assert store_of(config(endpoint="gcs.example.org:8443/")).settings.endpoint == "https://gcs.example.org:8443"
    assert store_of(config()).settings.access.kind == "ambient"
    assert store_of(config(endpoint="http://127.0.0.1:1")).settings.access.kind == "anonymous"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")
    assert store_of(config()) == store_at("bucket", Access("anonymous"), "http://127.0.0.1:4443")
    for bad in ("http://user:pw@host", "ftp://host", "https://host/path"):
        with pytest.raises(ConfigError, match="must be an address"):
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


@both_ways
def test_a_store_pickles_without_its_clients(fake_gcs: FakeGCS, store: Store) -> None:
    fake_gcs.put(store.settings.bucket, "k", b"text")
    file = listed(store)["k"]
    assert read(store, file, 0, 1) == b"t"
    again = pickle.loads(pickle.dumps(store))
    assert (again, again.by_obstore) == (store, store.by_obstore)
    assert read(again, file, 1, 3) == b"ex"


def test_a_search_for_credentials_in_vain_is_not_repeated_by_workers(fake_gcs: FakeGCS, fake_gcs_bucket: str) -> None:
    store = store_at(fake_gcs_bucket, Access("ambient"), fake_gcs.endpoint)
    store.list_page("", None)
    assert pickle.loads(pickle.dumps(store)).settings.access == Access("anonymous")


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
        ("gs://b-1/shop/orders.csv", ("shop/orders.csv",), "orders"),
        ("gs://b-1/shop/orders.csv.gz", ("shop/orders.csv.gz",), "orders"),
        ("gs://b-1/shop/v1.2", ("shop/v1.2", "shop/v1.2/**"), "v1.2"),
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
