"""source-smart-open against a real FTP server, and against a small one that speaks WebHDFS."""

import json
import os
import pickle
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from source_smart_open.config import SmartOpenConfig
from source_smart_open.source import connector, make_reader
from source_smart_open.url import locate

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileChangedError,
    ObjectReader,
    RetryPolicy,
    TransientError,
)
from file_cdk.core.config import parse_config

SECRET = "s3cr3t-Zq7"
STREAMS = [{"name": "s", "format": {"filetype": "csv"}}]


def config(urls: list[str], **more: Any) -> SmartOpenConfig:
    return parse_config(SmartOpenConfig, {"urls": urls, "streams": STREAMS, **more})


def reader(urls: list[str], **more: Any) -> ObjectReader:
    made = make_reader(config(urls, **more))
    assert isinstance(made, ObjectReader)
    return ObjectReader(made.store, RetryPolicy(tries=2, first_wait_s=0.01))


@pytest.fixture(scope="module")
def ftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with warnings.catch_warnings():
        # Of asyncore and asynchat, which it uses; from Python 3.12 on it brings copies of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.servers import ThreadedFTPServer

    root = tmp_path_factory.mktemp("ftp")
    authorizer = DummyAuthorizer()
    authorizer.add_user("bob", SECRET, str(root), perm="elr")
    authorizer.add_anonymous(str(root), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"timeout": 0.05, "handle_exit": False}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.address[1]}", root
    server.close_all()
    thread.join(5)


@pytest.fixture
def ftp(ftp_server: tuple[str, Path], request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The URL of a folder of its own, and the folder."""
    address, root = ftp_server
    folder = root / f"t{abs(hash(request.node.nodeid))}"
    folder.mkdir()
    return f"ftp://bob:{SECRET}@{address}/{folder.name}", folder


def test_ftp_files_are_listed_and_read(ftp: tuple[str, Path]) -> None:
    url, folder = ftp
    (folder / "sub").mkdir()
    data = {"sub/a b.csv.gz": os.urandom(3_000_000), "ü.csv": b"id\n1\n", "zero.csv": b""}
    for name, content in data.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1_600_000_000, 1_600_000_000))
    files = pickle.loads(pickle.dumps(reader([f"{url}/sub/a%20b.csv.gz", f"{url}/%C3%BC.csv", f"{url}/zero.csv"])))
    listed = list(files.list_files(""))
    assert [(file.uri, file.size_bytes, file.etag) for file in listed] == [(n, len(c), None) for n, c in data.items()]
    assert {file.modified_at for file in listed} == {datetime.fromtimestamp(1_600_000_000, UTC)}
    for file in listed:
        with files.open(file) as stream:
            assert stream.read() == data[file.uri]
            stream.seek(file.size_bytes // 2)
            assert stream.read(7) == data[file.uri][file.size_bytes // 2 :][:7]


def test_anonymous_ftp(ftp: tuple[str, Path]) -> None:
    url, folder = ftp
    (folder / "a.csv").write_bytes(b"abc")
    files = reader([f"{url.replace(f'bob:{SECRET}@', '')}/a.csv"])
    [file] = files.list_files("")
    with files.open(file) as stream:
        assert stream.read() == b"abc"


@pytest.mark.parametrize("content", [b"longer than before", b"x"])
def test_an_ftp_file_that_was_replaced_is_noticed(ftp: tuple[str, Path], content: bytes) -> None:
    url, folder = ftp
    (folder / "a.csv").write_bytes(b"abc")
    os.utime(folder / "a.csv", (1_600_000_000, 1_600_000_000))
    files = reader([f"{url}/a.csv"])
    [file] = files.list_files("")
    (folder / "a.csv").write_bytes(content)
    with pytest.raises(FileChangedError), files.open(file) as stream:
        stream.read()


def test_an_ftp_file_of_the_same_size_but_another_time_is_noticed(ftp: tuple[str, Path]) -> None:
    url, folder = ftp
    (folder / "a.csv").write_bytes(b"abc")
    os.utime(folder / "a.csv", (1_600_000_000, 1_600_000_000))
    files = reader([f"{url}/a.csv"])
    [file] = files.list_files("")
    (folder / "a.csv").write_bytes(b"xyz")
    with pytest.raises(FileChangedError), files.open(file) as stream:
        stream.read()


def test_ftp_errors(ftp: tuple[str, Path]) -> None:
    url, folder = ftp
    with pytest.raises(AccessError, match="there is no"):
        list(reader([f"{url}/nowhere.csv"]).list_files(""))
    wrong = "wr0ng-Pw9"
    with pytest.raises(AccessError, match="log-in") as caught:
        list(reader([f"{url.replace(SECRET, wrong)}/a.csv"]).list_files(""))
    assert wrong not in str(caught.value)
    with pytest.raises(TransientError, match="refused"):
        list(reader([f"ftp://bob:{SECRET}@127.0.0.1:9/a.csv"]).list_files(""))
    (folder / "a.csv").write_bytes(b"abc")
    files = reader([f"{url}/a.csv"])
    [file] = files.list_files("")
    (folder / "a.csv").unlink()
    with pytest.raises(FileAccessError, match="gone"), files.open(file) as stream:
        stream.read()


class WebHdfs(BaseHTTPRequestHandler):
    """GETFILESTATUS, and OPEN by a redirect as a name node answers."""

    files: ClassVar[dict[str, bytes]] = {}
    users: ClassVar[set[str | None]] = set()

    def do_GET(self) -> None:
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        name = unquote(parts.path)
        if name.startswith("/node/"):
            return self._end(200, self.files[name.removeprefix("/node")])
        name = name.removeprefix("/webhdfs/v1")
        self.users.add(query.get("user.name", [None])[0])
        if name not in self.files:
            return self._end(404, b"{}")
        if query["op"] == ["OPEN"]:
            return self._end(307, b"", {"Location": f"http://{self.headers['Host']}/node{parts.path[11:]}"})
        status = {"length": len(self.files[name]), "modificationTime": 1_600_000_000_123, "type": "FILE"}
        return self._end(200, json.dumps({"FileStatus": status}).encode())

    def _end(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No log."""


@pytest.fixture
def webhdfs() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), WebHdfs)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"webhdfs://alice@127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_webhdfs_files_are_listed_and_read(webhdfs: str) -> None:
    WebHdfs.files = {"/d/a b.csv": os.urandom(700_000), "/d/gone.csv": b"x"}
    files = reader([f"{webhdfs}/d/a%20b.csv", f"{webhdfs}/d/gone.csv"])
    file, gone = files.list_files("")
    assert (file.uri, file.size_bytes) == ("a b.csv", 700_000)
    assert file.modified_at == datetime(2020, 9, 13, 12, 26, 40, 123_000, UTC)
    with files.open(file) as stream:
        assert stream.read() == WebHdfs.files["/d/a b.csv"]
    assert WebHdfs.users == {"alice"}
    del WebHdfs.files["/d/gone.csv"]
    with pytest.raises(FileAccessError, match="gone"), files.open(gone) as stream:
        stream.read()
    with pytest.raises(AccessError, match="there is no"):
        list(reader([f"{webhdfs}/d/nowhere"]).list_files(""))


def test_hdfs_goes_through_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "hdfs"
    program.write_text(
        '#!/bin/sh\ncase "$2" in -stat) echo "5 1600000000123";; -cat) printf 12345;; *) exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    files = reader(["hdfs://node/d/a.csv"])
    [file] = files.list_files("")
    assert (file.uri, file.size_bytes, file.modified_us) == ("a.csv", 5, 1_600_000_000_123_000)
    with files.open(file) as stream:
        assert stream.read() == b"12345"


def test_hdfs_without_the_program_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="hdfs is not installed"):
        list(reader(["hdfs://node/d/a.csv"]).list_files(""))


def test_what_only_smart_open_knows_is_sized_by_seeking(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"abc")
    files = reader([f"file://{tmp_path}/a.csv"], start_date="2024-01-01")
    [file] = files.list_files("")
    assert (file.uri, file.size_bytes, file.etag) == ("a.csv", 3, "size:3")
    assert file.modified_at == datetime(2024, 1, 1, tzinfo=UTC)
    with files.open(file) as stream:
        assert stream.read() == b"abc"


def test_schemes_that_smart_open_does_not_know() -> None:
    with pytest.raises(ConfigError, match="cannot open"):
        list(reader(["gopher://host/a.csv"]).list_files(""))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("a.csv", "no URL with a scheme"),
        (f"ftp://bob:{SECRET}@host/folder/", "names no file"),
        (f"ftp://bob:{SECRET}@host/a%0d%0aDELE b", "line end"),
        (f"ftp://bob:{SECRET}@host:port/a", "is no URL"),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config([url])
    assert SECRET not in str(caught.value)


def test_locate() -> None:
    found = locate(f"ftp://bob:{SECRET}@host/d/a.zip!x.csv")
    assert found.config == {"urls": [f"ftp://bob:{SECRET}@host/d/a.zip"]}
    assert (found.globs, found.name) == (("a.zip!x.csv", "a.zip!x.csv/**"), "a")
    assert locate("hdfs://node/d/a.csv").globs == ("a.csv",)
    for url in (f"ftp://bob:{SECRET}@host/*.csv", f"ftp://bob:{SECRET}@host/d/"):
        with pytest.raises(ConfigError) as caught:
            locate(url)
        assert SECRET not in str(caught.value)


def test_secrets_show_nowhere() -> None:
    full = config([f"ftp://bob:{SECRET}@host/d/a.csv"], transport_params={"password": SECRET})
    made = make_reader(full)
    shown = [repr(full), repr(made), connector.origin(full) or "", connector.credential(full) or ""]
    assert SECRET not in "".join(shown)
    assert connector.origin(full) == "ftp://host/d"
    assert connector.credential(full) == "user 'bob' from the URL and transport_params from the configuration"
