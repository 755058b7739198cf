"""The S3 connector on real servers: what it lists and reads, what its errors say, and what it never shows."""

import gzip
import json
import os
import pickle
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import botocore
import pytest
from source_s3.access import S3Settings
from source_s3.config import S3Config
from source_s3.sdk import ModelFiles, Sdk
from source_s3.source import connector
from source_s3.store import store_of
from source_s3.url import locate

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    GlobPatterns,
    ObstoreFirst,
    RemoteFile,
    TransientError,
)
from file_cdk.core.config import parse_config
from file_cdk.protocol.spec import connection_specification

if TYPE_CHECKING:
    from file_cdk.testing.servers.moto import MotoServer
    from file_cdk.testing.servers.s3_server import S3Server
    from file_cdk.testing.servers.seaweedfs import SeaweedFS

pytest_plugins = ["file_cdk.testing.plugin"]

STREAM = {"name": "all", "globs": ["**/*.csv"], "format": {"filetype": "csv"}}
Store = ObstoreFirst[S3Settings]
ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.fixture(autouse=True)
def no_ambient_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


@pytest.fixture(params=["moto_server", "seaweedfs"])
def server(request: pytest.FixtureRequest) -> "S3Server":
    running: S3Server = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def bucket(server: "S3Server", bucket_name: str) -> str:
    server.create_bucket(bucket_name)
    return bucket_name


def settings(server: "S3Server", bucket: str, **changes: Any) -> S3Settings:
    facts = {
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
        "endpoint": server.endpoint,
        **changes,
    }
    return S3Settings(bucket, **facts)


def listed(store: Store, prefix: str = "") -> list[RemoteFile]:
    files: list[RemoteFile] = []
    token = None
    while True:
        page = store.list_page(prefix, token)
        files += page.files
        token = page.next_token
        if token is None:
            return files


def read(store: Store, file: RemoteFile, start: int, end: int) -> bytes:
    return b"".join(store.get(file, start, end))


def by_sdk(store: Store) -> Store:
    """The same store with its fast way closed."""
    return replace(store, by_obstore=False)


def test_pages_prefixes_markers_and_empty_files(server: "S3Server", bucket: str) -> None:
    names = [f"part/{number:04}.csv" for number in range(1_050)]
    server.put_many(bucket, {**dict.fromkeys(names, b"x"), "part2/ü 1+1=2&<.csv": b"", "folder/": b""})
    store = store_of(settings(server, bucket))
    assert [file.uri for file in listed(store, "part/")] == names
    assert [(file.uri, file.size_bytes) for file in listed(store, "part2")] == [("part2/ü 1+1=2&<.csv", 0)]
    assert [file.uri for file in listed(store)] == [*names, "part2/ü 1+1=2&<.csv"]
    assert listed(store, "nothing") == []


def test_listed_facts_are_those_of_the_sdk(server: "S3Server", bucket: str) -> None:
    server.put(bucket, "a.csv", b"hello")
    (file,) = listed(store_of(settings(server, bucket)))
    head = server.client().head_object(Bucket=bucket, Key="a.csv")
    assert (file.size_bytes, f'"{file.etag}"') == (head["ContentLength"], head["ETag"])
    assert file.modified_at.replace(microsecond=0) == head["LastModified"]


@pytest.mark.parametrize("fast", [True, False])
def test_ranges_small_and_large(server: "S3Server", bucket: str, fast: bool) -> None:
    data = os.urandom(3 << 20)
    server.put(bucket, "big.bin", data)
    store = store_of(settings(server, bucket))
    store = store if fast else by_sdk(store)
    (file,) = listed(store)
    for start, end in [(0, 1), (5, 17), (len(data) - 1, len(data)), (1 << 20, 3 << 20), (0, len(data))]:
        assert read(store, file, start, end) == data[start:end]


@pytest.mark.parametrize("fast", [True, False])
def test_another_version_is_never_read(server: "S3Server", bucket: str, fast: bool) -> None:
    server.put(bucket, "a.csv", b"hello")
    store = store_of(settings(server, bucket))
    store = store if fast else by_sdk(store)
    (file,) = listed(store)
    server.put(bucket, "a.csv", b"hallo")
    with pytest.raises(FileChangedError):
        read(store, file, 0, 5)
    server.delete(bucket, "a.csv")
    with pytest.raises(FileAccessError, match="gone"):
        read(store, file, 0, 5)


@pytest.mark.parametrize("key", ["a//b.csv", "/lead.csv", "a/../c.csv", "./dot.csv", "tab\there.csv"])
def test_keys_that_obstore_cannot_name(moto_server: "MotoServer", moto_bucket: str, key: str) -> None:
    moto_server.put(moto_bucket, key, b"odd")
    moto_server.put(moto_bucket, "b.csv", b"even")
    store = store_of(settings(moto_server, moto_bucket))
    (odd,) = [file for file in listed(store) if file.uri == key]
    assert read(store, odd, 0, 3) == b"odd"


def test_wrong_keys_missing_bucket_and_no_keys(seaweedfs: "SeaweedFS", seaweedfs_bucket: str) -> None:
    seaweedfs.put(seaweedfs_bucket, "a.csv", b"hello")
    (file,) = listed(store_of(settings(seaweedfs, seaweedfs_bucket)))
    wrong = "wrong-secret-00112233"
    refused = store_of(settings(seaweedfs, seaweedfs_bucket, secret_access_key=wrong))
    for attempt in (lambda: listed(refused), lambda: read(refused, file, 0, 1)):
        with pytest.raises(AccessError, match="not accepted") as caught:
            attempt()
        assert wrong not in shown(caught.value)
    with pytest.raises(AccessError, match="there is no bucket"):
        listed(store_of(settings(seaweedfs, "no-such-bucket")))
    with pytest.raises(AccessError, match="anonymous"):
        listed(store_of(S3Settings(seaweedfs_bucket, endpoint=seaweedfs.endpoint)))


def shown(error: FileCdkError) -> str:
    return f"{error} {error!r} {error.__dict__} {error.__cause__!r}"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://nohost.invalid"])
def test_nobody_there_may_pass(endpoint: str) -> None:
    store = store_of(S3Settings("b", "key", "secret", endpoint=endpoint))
    with pytest.raises(TransientError):
        listed(store)
    with pytest.raises(TransientError):
        read(store, an_object(), 0, 1)


def an_object() -> RemoteFile:
    return RemoteFile("a.csv", 5, datetime(2024, 1, 1, tzinfo=UTC), "abc")


def test_https_to_a_server_of_http(moto_server: "MotoServer") -> None:
    store = store_of(settings(moto_server, "b", endpoint=moto_server.endpoint.replace("http:", "https:")))
    with pytest.raises(ConfigError, match="does not speak HTTPS"):
        listed(store)


def test_models_are_those_of_the_sdk() -> None:
    models = Path(botocore.__file__).with_name("data")
    plain, packed = models / "endpoints.json", models / "s3" / "2006-03-01" / "service-2.json.gz"
    read = ModelFiles().load_file
    assert read(str(plain.with_suffix(""))) == json.loads(plain.read_bytes())
    assert read(str(packed.with_suffix("").with_suffix(""))) == json.loads(gzip.decompress(packed.read_bytes()))
    assert read(str(models / "none")) is None


def test_an_assumed_role_reads(moto_server: "MotoServer", moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_server.endpoint)
    monkeypatch.setenv("AWS_ASSUME_ROLE_EXTERNAL_ID", "shared-with-them")
    moto_server.put(moto_bucket, "a.csv", b"hello")
    store = store_of(settings(moto_server, moto_bucket, role_arn=ROLE))
    (file,) = listed(store)
    assert read(store, file, 0, 5) == b"hello"
    access_key, _, token = Sdk(store.settings).frozen_credentials()
    assert access_key.startswith("ASIA")  # what begins so is temporary
    assert token


def test_the_environment_s_keys_and_endpoint(
    seaweedfs: "SeaweedFS", seaweedfs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs.endpoint)
    seaweedfs.put(seaweedfs_bucket, "a.csv", b"hello")
    store = store_of(S3Settings(seaweedfs_bucket))
    (file,) = listed(store)
    assert read(store, file, 1, 5) == b"ello"
    assert connector.credential(config(seaweedfs_bucket)) == "environment variables"


def test_the_session_token_of_the_environment_does_not_join_configured_keys(
    seaweedfs: "SeaweedFS", seaweedfs_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    seaweedfs.put(seaweedfs_bucket, "a.csv", b"hello")
    store = store_of(settings(seaweedfs, seaweedfs_bucket))
    (file,) = listed(store)
    assert read(store, file, 0, 5) == b"hello"
    assert store._opened.fast is not None


@pytest.mark.parametrize(
    ("facts", "bucket_url", "region"),
    [
        (S3Settings("my-b", "k", "s"), "https://my-b.s3.amazonaws.com", "us-east-1"),
        (S3Settings("my-b", "k", "s", region_name="eu-west-1"), "https://my-b.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        (S3Settings("my.b", "k", "s", region_name="eu-west-1"), "https://s3.eu-west-1.amazonaws.com/my.b", "eu-west-1"),
        (S3Settings("my-b", region_name="cn-north-1"), "https://my-b.s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        (S3Settings("my-b", endpoint="https://x.org"), "https://x.org/my-b", "us-east-1"),
        (S3Settings("my-b", endpoint="https://x.org", addressing_style="virtual"), "https://my-b.x.org", "us-east-1"),
    ],
)
def test_where_a_bucket_is(facts: S3Settings, bucket_url: str, region: str) -> None:
    target = Sdk(facts).target
    assert (target.bucket_url, target.region) == (bucket_url, region)


def config(bucket: str, **changes: Any) -> S3Config:
    return parse_config(S3Config, {"bucket": bucket, "streams": [STREAM], **changes})


def test_which_credentials(tmp_path: Path) -> None:
    (tmp_path / "aws-credentials").write_text(
        "[dev]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = hidden\n"
    )
    keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "hidden"}
    assert connector.credential(config("b")) == "anonymous"
    assert connector.credential(config("b", **keys)) == "access key AKIA…MPLE from the configuration"
    assert connector.credential(config("b", profile="dev")) == "profile 'dev'"
    assert connector.credential(config("b", role_arn=ROLE, **keys)) == (
        f"role {ROLE} by access key AKIA…MPLE from the configuration"
    )
    with pytest.raises(ConfigError, match="absent"):
        connector.credential(config("b", profile="absent"))


def test_the_specification_is_that_of_existing_configurations() -> None:
    schema = connection_specification(S3Config)
    properties = schema["properties"]
    secret = {name for name, field in properties.items() if field.get("airbyte_secret")}
    assert secret == {"aws_access_key_id", "aws_secret_access_key"}
    assert {"bucket", "role_arn", "endpoint", "region_name"} <= properties.keys()
    assert properties["endpoint"]["default"] == ""
    assert sorted(schema["required"]) == ["bucket", "streams"]


@pytest.mark.parametrize(
    ("endpoint", "means"),
    [
        ("", None),
        ("s3.example.org", "https://s3.example.org"),
        ("https://s3.example.org/", "https://s3.example.org"),
        ("http://127.0.0.1:8333", "http://127.0.0.1:8333"),
    ],
)
def test_endpoints(endpoint: str, means: str | None) -> None:
    assert config("b", endpoint=endpoint).settings.endpoint == means


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "ftp://x"},
        {"endpoint": "https://user:topsecret@x"},
        {"endpoint": "https://"},
        {"aws_access_key_id": "topsecret"},
        {"aws_secret_access_key": "topsecret"},
        {"aws_access_key_id": "a", "aws_secret_access_key": "topsecret", "profile": "p"},
    ],
)
def test_configurations_that_cannot_be_right(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config("b", **changes)
    assert "topsecret" not in str(caught.value)


def test_secrets_do_not_show_and_stores_pickle() -> None:
    configured = config("b", aws_access_key_id="topsecret-id", aws_secret_access_key="topsecret")
    reader = pickle.loads(pickle.dumps(connector.reader(configured)))
    for value in (configured, configured.settings, reader, reader.store):
        assert "topsecret" not in repr(value) + str(value)
    assert reader.store.settings == configured.settings
    assert connector.origin(configured) == "s3://b"


@pytest.mark.parametrize(
    ("url", "name", "matching", "others"),
    [
        ("s3://b", "b", ["x.csv", "y/z"], []),
        ("s3a://b/", "b", ["x.csv"], []),
        ("s3://b/p/q/", "q", ["p/q/x.csv", "p/q/r/x"], ["p/q", "p/q2/x"]),
        ("s3://b/p/*.csv", "p", ["p/x.csv"], ["p/r/x.csv", "p/x.txt"]),
        ("s3://b/p/q.csv.gz", "q", ["p/q.csv.gz"], ["p/q.csv.gz/x"]),
        ("s3://b/p/q", "q", ["p/q", "p/q/x.csv"], ["p/q2"]),
        ("s3://b/2024.zip!in/y.csv", "y", ["2024.zip!in/y.csv"], ["2024.zip!in/z.csv"]),
        ("s3://b/2024.zip!*.csv", "2024", ["2024.zip!y.csv"], ["2025.zip!y.csv", "2024.zip!in/y.csv"]),
        ("s3://b/100%25 a+b.csv", "100%25 a+b", ["100%25 a+b.csv"], ["100% a b.csv"]),
    ],
)
def test_urls(url: str, name: str, matching: list[str], others: list[str]) -> None:
    location = locate(url)
    assert (location.config, location.name) == ({"bucket": "b"}, name)
    patterns = GlobPatterns(location.globs)
    assert [uri for uri in matching + others if patterns.matches(uri)] == matching


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://*/x", "s3://key:topsecret@b/x", "http://b/x"])
def test_urls_that_name_no_bucket(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(url)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_command_reads_a_bucket(server: "S3Server", bucket: str, workers: int, tmp_path: Path) -> None:
    server.put(bucket, "in/a.csv", b"id\n1\n2\n")
    server.put(bucket, "in/b.csv", b"id\n3\n")
    keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
    configured = {"bucket": bucket, "streams": [STREAM], "endpoint": server.endpoint, **keys}
    stream = {"name": "all", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}
    choice = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    (tmp_path / "config.json").write_text(json.dumps(configured))
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [choice]}))
    command = [sys.executable, "-m", "source_s3", "read", "--config", "config.json", "--catalog", "catalog.json"]
    ran = subprocess.run(
        [*command, "--workers", str(workers), "--debug"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.returncode == 0, ran.stderr
    assert server.secret_key not in ran.stdout + ran.stderr
    assert ids(ran.stdout) == ["1", "2", "3"]


def ids(output: str) -> list[str]:
    messages = map(json.loads, output.splitlines())
    return [message["record"]["data"]["id"] for message in messages if message["type"] == "RECORD"]


@pytest.fixture
def mocked_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="mocked")
        for number in range(1_003):
            client.put_object(Bucket="mocked", Key=f"a b/{number:04}+ü.csv", Body=b"id\n%d\n" % number)
        yield "mocked"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_moto_in_the_same_process(mocked_bucket: str) -> None:
    store = store_of(S3Settings(mocked_bucket))
    files = listed(store)
    assert [file.uri for file in files] == [f"a b/{number:04}+ü.csv" for number in range(1_003)]
    assert read(store, files[7], 3, 5) == b"7\n"
    assert store._opened.fast is None


def test_the_specification_needs_no_sdk() -> None:
    code = (
        "import sys, source_s3.source\n"
        "print([name for name in ('boto3', 'botocore', 'obstore', 'pyarrow', 'urllib3') if name in sys.modules])"
    )
    path = os.pathsep.join(sys.path)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert ran.stdout.strip() == "[]"


def test_a_worker_with_configured_keys_needs_no_sdk(seaweedfs: "SeaweedFS", seaweedfs_bucket: str) -> None:
    seaweedfs.put(seaweedfs_bucket, "a.csv", b"hello")
    store = store_of(settings(seaweedfs, seaweedfs_bucket))
    (file,) = listed(store)
    code = (
        "import pickle, sys\n"
        "store, file = pickle.load(sys.stdin.buffer)\n"
        "print(b''.join(store.get(file, 0, 5)).decode(), 'botocore' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((store, file)),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.stdout.decode().split() == ["hello", "False"]


LISTING = (
    b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a.csv</Key>'
    b"<LastModified>2024-05-06T07:08:09.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>3</Size></Contents>"
    b"</ListBucketResult>"
)


class _OfAnotherRegion(BaseHTTPRequestHandler):
    """Answers as AWS does for a bucket of eu-west-1, but for what is signed for that region; no emulator does."""

    statuses: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        right = "/eu-west-1/s3/" in self.headers.get("Authorization", "")
        body = (
            LISTING if right else b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"
        )
        self.statuses.append(200 if right else 400)
        self.send_response(200 if right else 400)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_bucket_of_another_region_is_listed_there() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _OfAnotherRegion)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        store = store_of(S3Settings("bucket", "key", "secret", endpoint=f"http://127.0.0.1:{server.server_port}"))
        assert [file.uri for file in store.list_page("", None).files] == ["a.csv"]
        store.list_page("", None)
        assert _OfAnotherRegion.statuses == [400, 200, 200]
    finally:
        server.shutdown()
        server.server_close()


class _OverTls(BaseHTTPRequestHandler):
    """One object, `a.csv`, whoever asks: emulators speak plain HTTP."""

    def do_GET(self) -> None:
        body = LISTING if "list-type=2" in self.path else b"123"
        is_range = "Range" in self.headers
        self.send_response(206 if is_range else 200)
        if is_range:
            self.send_header("Content-Range", "bytes 0-2/3")
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Mon, 06 May 2024 07:08:09 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def tls_endpoint(certificate: tuple[Path, Path]) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), _OverTls) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("by_variable", [False, True])
def test_ca_bundle_is_trusted_in_listings_and_reads(
    tls_endpoint: str, certificate: tuple[Path, Path], by_variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_bundle = str(certificate[0])
    if by_variable:
        monkeypatch.setenv("AWS_CA_BUNDLE", ca_bundle)
    settings = S3Settings("b", "k", "s", endpoint=tls_endpoint, ca_bundle=None if by_variable else ca_bundle)
    store = store_of(settings)
    [file] = store.list_page("", None).files
    fast = store._fast()
    assert fast is not None
    assert b"".join(fast.get(file, 0, 3)) == b"123"
    assert b"".join(store._sdk().get(file, 0, 3)) == b"123"


def test_a_certificate_that_no_bundle_has_is_refused(tls_endpoint: str) -> None:
    with pytest.raises(AccessError, match="certificate of bucket 'b'") as caught:
        store_of(S3Settings("b", "k", "s", endpoint=tls_endpoint)).list_page("", None)
    assert "ca_bundle" in str(caught.value)
