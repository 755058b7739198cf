"""source-http against real servers: addresses, credentials and redirects, odd servers, errors, secrets, whole syncs."""

import json
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from source_http.addresses import Addresses
from source_http.config import HttpConfig
from source_http.source import connector, make_reader
from source_http.store import HttpSettings, HttpStore
from source_http.url import locate

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileChangedError,
    ObjectReader,
    RetryPolicy,
    SyncOptions,
    TransientError,
    sync,
)
from file_cdk.core.config import parse_config
from file_cdk.protocol.spec import connection_specification
from file_cdk.testing.servers.http_server import HttpServer

pytest_plugins = ("file_cdk.testing.plugin",)

STREAMS = [{"name": "s", "format": {"filetype": "csv"}}]
SECRET = "s3cr3t-Zq7"

Answer = tuple[int, dict[str, str], bytes]


class Scripted(ThreadingHTTPServer):
    """Answers what a test says, and remembers what was asked."""

    daemon_threads = True

    def __init__(self, answer: Callable[[str, str, dict[str, str]], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.answer = answer
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        assert isinstance(self.server, Scripted)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers))
        status, sent, body = self.server.answer(self.command, self.path, headers)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **sent}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = _serve  # noqa: N815 - names that http.server asks for

    def log_message(self, format: str, *args: object) -> None:
        """No log."""


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[str, str, dict[str, str]], Answer]], Scripted]]:
    servers: list[Scripted] = []

    def start(answer: Callable[[str, str, dict[str, str]], Answer]) -> Scripted:
        server = Scripted(answer)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def config(urls: list[str], **more: Any) -> HttpConfig:
    return parse_config(HttpConfig, {"urls": urls, "streams": STREAMS, **more})


def store(*urls: str, **more: Any) -> HttpStore:
    return HttpStore(HttpSettings(urls, **more))


def uris(*urls: str) -> list[str]:
    return list(Addresses.of(urls).by_uri)


# Addresses


def test_a_template_stands_for_its_files_in_order() -> None:
    found = Addresses.of(["https://host/data/{2023..2024}-{01..02}.csv.gz"])
    assert found.root == "https://host/data"
    assert list(found.by_uri) == ["2023-01.csv.gz", "2023-02.csv.gz", "2024-01.csv.gz", "2024-02.csv.gz"]


@pytest.mark.parametrize(
    ("urls", "root", "expected"),
    [
        (["https://host/a/x.csv"], "https://host/a", ["x.csv"]),
        (["https://host/x.csv"], "https://host", ["x.csv"]),
        (["https://HOST:443/a/x.csv#part"], "https://host/a", ["x.csv"]),
        (["https://host/a/x.csv", "https://host/b/x.csv"], "https://host", ["a/x.csv", "b/x.csv"]),
        (["https://host/a/x.csv", "https://host/a/b/x.csv"], "https://host/a", ["x.csv", "b/x.csv"]),
        (["https://one/a/x.csv", "https://two/a/x.csv"], "https://", ["one/a/x.csv", "two/a/x.csv"]),
        (["https://host/a.csv", "https://host/a.csv"], "https://host", ["a.csv"]),
        (["https://host/a%20b.csv?sig=abc"], "https://host", ["a b.csv"]),
        (["https://host/g?id=1", "https://host/g?id=2"], "https://host", ["g?id=1", "g?id=2"]),
        (["https://host/a%2Fb", "https://host/a/b"], "https://host", ["a%2Fb", "a/b"]),
    ],
)
def test_uris_are_relative_to_the_common_root(urls: list[str], root: str, expected: list[str]) -> None:
    assert Addresses.of(urls).root == root
    assert uris(*urls) == expected


def test_a_query_that_tells_files_apart_shows_no_secret() -> None:
    assert uris(f"https://h/g?id=1&token={SECRET}", f"https://h/g?id=2&token={SECRET}") == [
        "g?id=1&token=***",
        "g?id=2&token=***",
    ]


def test_a_base_url_keeps_uris_as_they_are() -> None:
    assert config(["https://h/a/b/c.csv"], base_url="https://h/a/").addresses.root == "https://h/a"
    assert list(config(["https://h/a/b/c.csv"], base_url="https://h/a").addresses.by_uri) == ["b/c.csv"]
    with pytest.raises(ConfigError, match="not below `base_url`"):
        config(["https://h/ab/c.csv"], base_url="https://h/a")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/a.csv", "no http:// or https:// URL"),
        ("https://host", "names no file"),
        ("https://host/folder/", "names no file"),
        ("https://host:port/x", "is no URL"),
        ("https://host/{1..100001}.csv", "100,000"),
        ("https://host/{0..9999}{0..9999}", "100,000"),
        (f"https://host/a?token={SECRET}{{1,2}}", "two URLs name the file"),
    ],
)
def test_what_names_no_file_is_a_config_error_without_secrets(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config([url.replace("://", f"://user:{SECRET}@")])
    assert SECRET not in str(caught.value)


def test_100_000_files_are_not_too_many() -> None:
    assert len(uris("https://host/{0..99999}.csv")) == 100_000


@pytest.mark.parametrize(
    ("url", "globs", "name"),
    [
        ("https://host/d/a.csv", ("a.csv",), "a"),
        ("https://host/d/[a].csv?x=1", (r"\[a\].csv",), "[a]"),
        ("https://host/d/{01..12}.csv", ("**",), "d"),
        ("https://host/{01..12}.csv", ("**",), "host"),
        ("https://host/d/x.zip!a/b.csv?k=1", ("x.zip!a/b.csv", "x.zip!a/b.csv/**"), "x"),
        ("https://host/d/{1,2}.tar.gz!*.csv", ("**/*.tar.gz!*.csv", r"**/*.tar.gz!\*.csv"), "d"),
    ],
)
def test_locate(url: str, globs: tuple[str, ...], name: str) -> None:
    found = locate(url)
    assert (found.globs, found.name) == (globs, name)
    assert "!" not in found.config["urls"][0]


def test_locate_refuses_wildcards() -> None:
    with pytest.raises(ConfigError, match="cannot be listed"):
        locate("https://host/*.csv")


# Listing


def test_listing_takes_size_time_and_tag_from_head(scripted: Any) -> None:
    headers = {"ETag": 'W/"7"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server = scripted(lambda *_: (200, headers, b"12345"))
    [file] = store(f"{server.url}/a.csv").list_page("", None).files
    assert (file.size_bytes, file.etag) == (5, 'W/"7"')
    assert file.modified_at == datetime(2015, 10, 21, 7, 28, tzinfo=UTC)
    assert [method for method, _, _ in server.seen] == ["HEAD"]


@pytest.mark.parametrize("refusal", [405, 501, 403, 404, 400])
def test_a_server_without_head_is_asked_for_a_byte(scripted: Any, refusal: int) -> None:
    def answer(method: str, path: str, headers: dict[str, str]) -> Answer:
        if method == "HEAD":
            return refusal, {}, b""
        assert headers["range"] == "bytes=0-0"
        return 206, {"Content-Range": "bytes 0-0/77"}, b"x"

    [file] = store(f"{scripted(answer).url}/a.csv").list_page("", None).files
    assert file.size_bytes == 77


def test_pages_cover_the_listing_and_heed_the_prefix(http_server: HttpServer, http_folder: str) -> None:
    keys = [f"{folder}/{number:03}.csv" for folder in "ab" for number in range(130)]
    http_server.put_many(http_folder, dict.fromkeys(keys, b"x"))
    files = store(f"{http_server.endpoint}/{http_folder}/{{a,b}}/{{000..129}}.csv")
    first = files.list_page("", None)
    assert len(first.files) == 100
    assert first.next_token is not None
    reader = ObjectReader(files)
    assert [file.uri for file in reader.list_files("")] == keys
    assert [file.uri for file in reader.list_files("b/01")] == [key for key in keys if key.startswith("b/01")]


def test_missing_files_fail_or_are_skipped(
    http_server: HttpServer, http_folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    http_server.put(http_folder, "1.csv", b"x")
    base = f"{http_server.endpoint}/{http_folder}"
    with pytest.raises(AccessError, match="there is no"):
        store(f"{base}/{{1..3}}.csv").list_page("", None)
    with caplog.at_level("WARNING"):
        page = store(f"{base}/{{1..3}}.csv", skip_missing=True).list_page("", None)
    assert [file.uri for file in page.files] == ["1.csv"]
    assert "2 of the files" in caplog.text
    with pytest.raises(AccessError, match="there is no"):
        store(f"{base}/2.csv", skip_missing=True).list_page("", None)


def test_answers_that_came_are_kept_while_others_are_asked_for_again(scripted: Any) -> None:
    failures = dict.fromkeys((f"/{number}.csv" for number in range(40)), 1)

    def answer(method: str, path: str, headers: dict[str, str]) -> Answer:
        failures[path] -= 1
        return (503, {"Retry-After": "0"}, b"") if failures[path] == 0 and path.endswith("3.csv") else (200, {}, b"x")

    server = scripted(answer)
    reader = ObjectReader(store(f"{server.url}/{{0..39}}.csv"), RetryPolicy(first_wait_s=0.01))
    assert len(list(reader.list_files(""))) == 40
    assert len(server.seen) == 44


def test_undated_files_count_as_modified_at_the_start_date(scripted: Any) -> None:
    server = scripted(lambda *_: (200, {"ETag": '"1"'}, b"abc"))
    [file] = make_reader(config([f"{server.url}/a"])).list_files("")
    assert file.modified_at == datetime(1970, 1, 1, tzinfo=UTC)
    [file] = make_reader(config([f"{server.url}/a"], start_date="2024-01-01")).list_files("")
    assert file.modified_at == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AccessError), (403, AccessError), (404, AccessError), (429, TransientError), (503, TransientError)],
)
def test_refusals_while_listing(scripted: Any, status: int, error: type[Exception]) -> None:
    server = scripted(lambda *_: (status, {"Retry-After": "7"}, b""))
    with pytest.raises(error) as caught:
        store(f"{server.url}/a.csv?token={SECRET}").list_page("", None)
    assert SECRET not in str(caught.value)
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after_s == 7


def test_nobody_there_is_transient() -> None:
    with pytest.raises(TransientError, match="refused"):
        store("http://127.0.0.1:9/a.csv").list_page("", None)


# Reading


def _listed(files: HttpStore) -> Any:
    [file] = files.list_page("", None).files
    return file


@pytest.mark.parametrize(
    ("headers", "pin"),
    [
        ({"ETag": '"1"'}, ("if-match", '"1"')),
        (
            {"ETag": 'W/"1"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"},
            ("if-unmodified-since", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ),
    ],
)
def test_reads_are_pinned(scripted: Any, headers: dict[str, str], pin: tuple[str, str]) -> None:
    server = scripted(lambda *_: (200, headers, b"12345"))
    files = store(f"{server.url}/a.csv")
    assert b"".join(files.get(_listed(files), 0, 5)) == b"12345"
    _, _, asked = server.seen[-1]
    assert asked[pin[0]] == pin[1]
    assert asked["range"] == "bytes=0-4"
    assert asked["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, {}, b""), FileAccessError),
        ((403, {}, b""), FileAccessError),
        ((401, {}, b""), AccessError),
        ((412, {}, b""), FileChangedError),
        ((416, {}, b""), FileChangedError),
        ((500, {}, b""), TransientError),
        ((206, {"Content-Range": "bytes 1-2/6"}, b"23"), FileChangedError),
        ((206, {"Content-Range": "bytes 1-2/5", "ETag": '"2"'}, b"23"), FileChangedError),
        ((206, {"Content-Range": "bytes 2-3/5"}, b"34"), FileAccessError),
        ((206, {"Content-Range": "bytes 1-1/5"}, b"2"), TransientError),
        ((206, {"Content-Range": "bytes 1-3/5"}, b"234"), TransientError),
        ((206, {"Content-Range": "bytes 1-2/5", "Content-Length": "9", "Connection": "close"}, b"23"), TransientError),
        ((200, {"ETag": '"2"'}, b"12345"), FileChangedError),
        ((200, {}, b"123456"), FileChangedError),
    ],
)
def test_answers_that_are_not_what_was_listed(scripted: Any, answer: Answer, error: type[Exception]) -> None:
    server = scripted(lambda *_: (200, {"ETag": '"1"'}, b"12345"))
    files = store(f"{server.url}/a.csv?token={SECRET}")
    file = _listed(files)
    server.answer = lambda method, path, headers: answer
    with pytest.raises(error) as caught:
        list(files.get(file, 1, 3))
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__dict__)


def test_a_file_without_ranges_is_fetched_whole_once(scripted: Any) -> None:
    server = scripted(lambda *_: (200, {"ETag": '"1"'}, bytes(range(200))))
    files = store(f"{server.url}/a.csv")
    file = _listed(files)
    assert [b"".join(files.get(file, at, at + 50)) for at in (50, 100, 150)] == [
        bytes(range(at, at + 50)) for at in (50, 100, 150)
    ]
    assert [method for method, _, _ in server.seen] == ["HEAD", "GET"]


def test_a_file_without_anything_is_pinned_by_its_hash() -> None:
    with HttpServer(ranges=False, chunked=True, etags=False, last_modified=False) as server:
        server.create_bucket("b")
        server.put("b", "a.csv", b"one")
        files = store(server.url("b", "a.csv"))
        file = _listed(files)
        assert b"".join(files.get(file, 0, 3)) == b"one"
        server.put("b", "a.csv", b"two")
        with pytest.raises(FileChangedError):
            list(pickle.loads(pickle.dumps(files)).get(file, 0, 3))
        assert _listed(files).etag != file.etag


# Credentials and redirects


@pytest.mark.parametrize(
    ("urls", "more", "expected"),
    [
        ("http://", {"credentials": {"auth_type": "bearer", "token": SECRET}}, f"Bearer {SECRET}"),
        ("http://", {"credentials": {"auth_type": "basic", "username": "u", "password": "p:"}}, "Basic dTpwOg=="),
        ("http://u:p%3A@", {"credentials": {"auth_type": "bearer", "token": SECRET}}, "Basic dTpwOg=="),
    ],
)
def test_credentials_are_sent(scripted: Any, urls: str, more: dict[str, Any], expected: str) -> None:
    server = scripted(lambda *_: (200, {"ETag": '"1"'}, b"abc"))
    url = f"{server.url}/a.csv".replace("http://", urls)
    list(make_reader(config([url], headers={"X-Key": SECRET}, **more)).list_files(""))
    [(_, _, headers)] = server.seen
    assert headers["authorization"] == expected
    assert headers["x-key"] == SECRET


def test_credentials_do_not_follow_a_redirect_to_another_host(scripted: Any) -> None:
    target = scripted(lambda *_: (200, {"ETag": '"1"'}, b"abc"))
    there = target.url.replace("http://", f"http://other:{SECRET}@")
    origin = scripted(lambda method, path, headers: (302, {"Location": "/b" if path == "/a" else f"{there}/c"}, b"go"))
    more = {"credentials": {"auth_type": "bearer", "token": SECRET}, "headers": {"X-Key": SECRET}}
    [file] = make_reader(config([f"{origin.url}/a"], **more)).list_files("")
    assert file.uri == "a"
    assert [headers.get("x-key") for _, _, headers in origin.seen] == [SECRET, SECRET]
    [(_, path, headers)] = target.seen
    assert path == "/c"
    assert SECRET not in repr(headers)
    assert "authorization" not in headers


@pytest.mark.parametrize("location", ["/a", "ftp://host/a", "file:///etc/passwd", "http://[", "//"])
def test_redirects_are_bounded(scripted: Any, location: str) -> None:
    server = scripted(lambda *_: (301, {"Location": location}, b""))
    with pytest.raises(AccessError, match="redirects"):
        store(f"{server.url}/a").list_page("", None)
    assert len(server.seen) <= 11


def test_secrets_show_nowhere() -> None:
    full = config(
        [f"https://user:{SECRET}@host/a.csv?sig={SECRET}"],
        credentials={"auth_type": "basic", "username": "bob", "password": SECRET},
        headers={"X-Key": SECRET},
    )
    reader = make_reader(full)
    assert isinstance(reader, ObjectReader)
    shown = [repr(full), str(full), repr(reader), repr(reader.store), reader.store.origin, repr(full.addresses)]
    shown += [connector.origin(full) or "", connector.credential(full) or "", repr(full.credentials)]
    assert SECRET not in "".join(shown)
    assert connector.credential(full) == (
        "user from the URL and user 'bob' from the configuration and header X-Key from the configuration"
    )
    assert connector.credential(config(["https://h/a"])) == "anonymous"


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"X": f"{SECRET}\r\nY: 1"}, {"Range": "bytes=0-1"}])
def test_headers_that_cannot_be_sent(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="headers") as caught:
        config(["https://h/a"], headers=headers)
    assert SECRET not in str(caught.value)


def test_the_specification_marks_secrets() -> None:
    properties = connection_specification(HttpConfig)["properties"]
    assert properties["headers"]["additionalProperties"]["airbyte_secret"]
    for variant, name in zip(properties["credentials"]["oneOf"], ("password", "token"), strict=True):
        assert variant["properties"][name]["airbyte_secret"]
        assert variant["properties"]["auth_type"]["const"]
    assert json.dumps(properties)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sync_loads_every_row_once(workers: int, tmp_path: Path, http_server: HttpServer, http_folder: str) -> None:
    rows = {f"{number:02}.csv": 100 * number for number in range(1, 13)}
    for key, count in rows.items():
        http_server.put(http_folder, key, b"id\n" + b"".join(b"%d\n" % line for line in range(count)))
    url = f"{http_server.endpoint}/{http_folder}/{{01..12}}.csv"
    loaded = []
    for _ in range(2):
        [result] = sync(url, tmp_path / "t.duckdb", SyncOptions(workers=workers)).streams
        loaded.append(result.rows)
    assert loaded == [sum(rows.values()), 0]
