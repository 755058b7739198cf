"""source-sftp against a real server: listing, reading, host keys, credentials, URLs."""

import base64
import os
import pickle
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from source_sftp.config import SftpConfig
from source_sftp.protocol import IN_FLIGHT_BYTES, REQUEST_BYTES
from source_sftp.source import connector
from source_sftp.store import SftpStore
from source_sftp.url import locate

from file_cdk import (
    AccessError,
    ConfigError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    RemoteFile,
    TransientError,
)
from file_cdk.core.config import parse_config
from file_cdk.protocol.spec import connection_specification
from file_cdk.testing.servers.sftp_server import SftpServer

pytest_plugins = ["file_cdk.testing.plugin"]


def _config(server: SftpServer, folder: str, **changes: Any) -> SftpConfig:
    raw = {
        "host": server.host,
        "port": server.port,
        "username": server.username,
        "credentials": {"auth_type": "password", "password": server.password},
        "folder_path": f"/{folder}",
        "known_hosts": str(server.known_hosts),
        "streams": [{"name": "s", "format": {"filetype": "csv"}}],
    }
    return parse_config(SftpConfig, raw | changes)


@pytest.fixture
def store(sftp_server: SftpServer, sftp_folder: str) -> Iterator[SftpStore]:
    made = SftpStore(_config(sftp_server, sftp_folder))
    yield made
    made.close()


def _listed(store: SftpStore, prefix: str = "") -> list[RemoteFile]:
    files: list[RemoteFile] = []
    token = None
    while True:
        page = store.list_page(prefix, token)
        files += page.files
        if (token := page.next_token) is None:
            return sorted(files, key=lambda file: file.uri)


def _uris(store: SftpStore, prefix: str = "") -> list[str]:
    return [file.uri for file in _listed(store, prefix)]


def _failure(config: SftpConfig) -> FileCdkError:
    store = SftpStore(config)
    with pytest.raises((AccessError, ConfigError, TransientError)) as caught:
        store.list_page("", None)
    store.close()
    assert isinstance(caught.value, FileCdkError)
    return caught.value


def test_every_file_is_listed_once_with_size_and_whole_seconds(
    sftp_server: SftpServer, sftp_folder: str, store: SftpStore
) -> None:
    names = ["a.csv", "sp ace/ü.csv", "new\nline.csv", "d/e/f.csv", "pct%20x.csv", "emoji😀.csv", "q?x=1.csv", "empty"]
    for name in names:
        sftp_server.put(sftp_folder, name, b"" if name == "empty" else name.encode())
        os.utime(sftp_server.path(sftp_folder, name), (1, 1_700_000_000))
    files = _listed(store)
    assert [file.uri for file in files] == sorted(names)
    assert {file.uri: file.size_bytes for file in files}["d/e/f.csv"] == 9
    assert {file.modified_at.timestamp() for file in files} == {1_700_000_000.0}
    for file in files:
        if file.size_bytes:
            assert b"".join(store.get(file, 0, file.size_bytes)) == file.uri.encode()


def test_pages_hold_all_files_of_many_folders(sftp_server: SftpServer, sftp_folder: str, store: SftpStore) -> None:
    names = [f"{n % 23}/{n}/x" for n in range(450)]
    sftp_server.put_many(sftp_folder, dict.fromkeys(names, b"1"))
    assert store.list_page("", None).next_token is not None
    assert _uris(store) == sorted(names)


def test_a_prefix_enters_no_other_folder(sftp_server: SftpServer, sftp_folder: str, store: SftpStore) -> None:
    sftp_server.put_many(sftp_folder, dict.fromkeys(("a/b1/x", "a/b2/x", "a/c/x", "ab", "z/x"), b"1"))
    sftp_server.path(sftp_folder, "z").chmod(0)
    try:
        assert _uris(store, "a/b") == ["a/b1/x", "a/b2/x"]
        assert _uris(store, "a") == ["a/b1/x", "a/b2/x", "a/c/x", "ab"]
        assert _uris(store, "none/x") == []
        if os.geteuid() != 0:
            with pytest.raises(AccessError, match="permission denied"):
                _listed(store)
    finally:
        sftp_server.path(sftp_folder, "z").chmod(0o755)


def test_names_that_are_not_utf_8_are_escaped(sftp_server: SftpServer, sftp_folder: str, store: SftpStore) -> None:
    folder = os.fsencode(sftp_server.path(sftp_folder, "x").parent)
    Path(os.fsdecode(folder + b"/caf\xe9%.csv")).write_bytes(b"data")
    [file] = _listed(store)
    assert file.uri == "caf%E9%25.csv"
    assert b"".join(store.get(file, 1, 3)) == b"at"


def test_links_are_followed_inside_and_loops_left_out(
    sftp_server: SftpServer, sftp_folder: str, store: SftpStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sftp_server.put(sftp_folder, "d/x", b"12")
    sftp_server.put(f"{sftp_folder}", "y", b"3")
    root = sftp_server.path(sftp_folder, "y").parent
    (root / "to_d").symlink_to("d")
    (root / "d/up").symlink_to("..")
    (root / "dead").symlink_to("nothing")
    (root / "self").symlink_to("self")
    (root / "out").symlink_to("../..")
    found = _listed(store)
    assert [file.uri for file in found if file.fault is None] == ["d/x", "to_d/x", "y"]
    assert {file.uri for file in found if file.fault} == {"dead", "self", "out"}
    assert {file.fault for file in found if file.uri == "dead"} == {"a link that leads nowhere"}
    assert caplog.text.count("left out") >= 4
    assert _uris(store, "to_d/") == ["to_d/x"]


@pytest.mark.parametrize("size", [1, REQUEST_BYTES, REQUEST_BYTES + 1, IN_FLIGHT_BYTES * 2 + 7])
def test_any_range_arrives_whole(sftp_server: SftpServer, sftp_folder: str, store: SftpStore, size: int) -> None:
    data = os.urandom(size)
    sftp_server.put(sftp_folder, "x", data)
    [file] = _listed(store)
    assert b"".join(store.get(file, 0, size)) == data
    assert b"".join(store.get(file, size // 3, size // 2 + 1)) == data[size // 3 : size // 2 + 1]


def test_a_read_that_is_left_disturbs_no_later_one(sftp_server: SftpServer, sftp_folder: str, store: SftpStore) -> None:
    data = os.urandom(3 << 20)
    sftp_server.put(sftp_folder, "x", data)
    [file] = _listed(store)
    pieces = store.get(file, 0, len(data))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    assert b"".join(store.get(file, 5, 9)) == data[5:9]


def test_other_versions_are_refused(sftp_server: SftpServer, sftp_folder: str, store: SftpStore) -> None:
    sftp_server.put(sftp_folder, "x", b"123")
    [file] = _listed(store)
    for data in (b"1234", b""):
        sftp_server.put(sftp_folder, "x", data)
        with pytest.raises(FileChangedError):
            list(store.get(file, 0, 3))
    sftp_server.put(sftp_folder, "x", b"123")
    with pytest.raises(FileChangedError):
        list(store.get(replace(file, etag="0-3"), 0, 3))


def test_a_file_that_grows_while_it_is_read_is_refused(
    sftp_server: SftpServer, sftp_folder: str, store: SftpStore
) -> None:
    data = bytes(IN_FLIGHT_BYTES * 3)
    sftp_server.put(sftp_folder, "x", data)
    [file] = _listed(store)
    pieces = store.get(file, 0, len(data))
    next(pieces)
    with sftp_server.path(sftp_folder, "x").open("ab") as more:
        more.write(b"1")
    with pytest.raises(FileChangedError):
        list(pieces)


def test_files_that_are_gone_or_outside_are_refused(
    sftp_server: SftpServer, sftp_folder: str, store: SftpStore
) -> None:
    sftp_server.put(sftp_folder, "x", b"123")
    [file] = _listed(store)
    sftp_server.delete(sftp_folder, "x")
    with pytest.raises(FileAccessError, match="gone"):
        list(store.get(file, 0, 3))
    for uri in ("../x", "/x", "a//x", "a/./x"):
        with pytest.raises(FileAccessError):
            list(store.get(replace(file, uri=uri), 0, 3))


def test_unknown_and_changed_host_keys_are_refused(sftp_server: SftpServer, sftp_folder: str, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    unknown = _failure(_config(sftp_server, sftp_folder, known_hosts=str(empty)))
    assert isinstance(unknown, AccessError)
    assert "SHA256:" in str(unknown)
    assert "ssh-keyscan" in str(unknown)
    client_key = (sftp_server.client_key.parent / "client_key.pub").read_text()
    for changed in (client_key.strip(), "SHA256:" + "A" * 43):
        failure = _failure(_config(sftp_server, sftp_folder, host_key=changed))
        assert isinstance(failure, AccessError)
        assert "another host key" in str(failure)


def test_a_given_host_key_or_fingerprint_is_accepted(sftp_server: SftpServer, sftp_folder: str, tmp_path: Path) -> None:
    import paramiko

    line = " ".join(sftp_server.known_hosts.read_text().split()[1:3])
    kind, _, encoded = line.partition(" ")
    key = paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
    for host_key in (line, key.fingerprint):
        made = SftpStore(_config(sftp_server, sftp_folder, host_key=host_key, known_hosts=None))
        assert made.list_page("", None).files == []
        made.close()


def test_checking_is_left_out_on_request_with_a_warning(
    sftp_server: SftpServer, sftp_folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = SftpStore(_config(sftp_server, sftp_folder, verify_host_key=False, known_hosts=None))
    assert made.list_page("", None).files == []
    made.close()
    assert "verify_host_key" in caplog.text


def test_the_private_key_logs_in(sftp_server: SftpServer, sftp_folder: str) -> None:
    key = {"auth_type": "private_key", "private_key": sftp_server.client_key.read_text()}
    config = _config(sftp_server, sftp_folder, credentials=key)
    made = SftpStore(config)
    assert made.list_page("", None).files == []
    made.close()
    told = connector.credential(config)
    assert told is not None
    assert "ssh-ed25519 SHA256:" in told
    assert "PRIVATE" not in repr(config) + told


def test_wrong_credentials_are_told_without_showing_them(sftp_server: SftpServer, sftp_folder: str) -> None:
    for credentials in (
        {"auth_type": "password", "password": "hunter-2-secret"},
        {"auth_type": "private_key", "private_key": "hunter-2-secret"},
        {
            "auth_type": "private_key",
            "private_key": sftp_server.client_key.read_text(),
            "passphrase": "hunter-2-secret",
        },
    ):
        config = _config(sftp_server, sftp_folder, credentials=credentials)
        failure = _failure(config)
        assert isinstance(failure, AccessError)
        shown = f"{failure}{failure!r}{failure.__cause__}{config!r}{SftpStore(config)!r}{connector.origin(config)}"
        assert "hunter" not in shown


def test_a_server_that_is_not_there_may_come_back(sftp_server: SftpServer, sftp_folder: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        failure = _failure(_config(sftp_server, sftp_folder, port=taken.getsockname()[1]))
    assert isinstance(failure, TransientError)
    assert "refused" in str(failure)


def test_no_such_folder(sftp_server: SftpServer, sftp_folder: str) -> None:
    failure = _failure(_config(sftp_server, sftp_folder, folder_path="/nowhere"))
    assert isinstance(failure, AccessError)
    assert "folder_path" in str(failure)


def test_a_store_pickles_without_its_connections(sftp_server: SftpServer, sftp_folder: str, store: SftpStore) -> None:
    sftp_server.put(sftp_folder, "x", b"1")
    uris = _uris(store)
    copy = pickle.loads(pickle.dumps(store))
    assert _uris(copy) == uris
    copy.close()


def test_the_reader_reads_through_windows(sftp_server: SftpServer, sftp_folder: str) -> None:
    data = os.urandom(1 << 20)
    sftp_server.put(sftp_folder, "x", data)
    reader = connector.reader(_config(sftp_server, sftp_folder))
    [file] = reader.list_files("")
    with reader.open(file) as stream:
        assert stream.read() == data
    reader.store.close()  # type: ignore[attr-defined]  # an ObjectReader over an SftpStore


@pytest.mark.parametrize(
    ("path", "folder", "globs", "name"),
    [
        ("/data/in/*.csv", "/data/in", ("*.csv",), "in"),
        ("/data/in/", "/data/in", ("**",), "in"),
        ("/data/a%20b.csv", "/data", ("a b.csv",), "a b"),
        ("/data/a.csv.gz", "/data", ("a.csv.gz",), "a"),
        ("/data/orders", "/data", ("orders", "orders/**"), "orders"),
        ("/data/!a*.csv", "/data", ("\\!a*.csv",), "data"),
        ("/data/*.zip!in/*.csv", "/data", ("*.zip!in/*.csv", "*.zip!in/\\*.csv"), "in"),
        ("/data/x*/y.csv", "/data", ("x*/y.csv",), "data"),
        ("", "/", ("**",), "h.example"),
        ("/d/a.zip!in.csv", "/d", ("a.zip!in.csv", "a.zip!in.csv/**"), "in"),
    ],
)
def test_urls(path: str, folder: str, globs: tuple[str, ...], name: str) -> None:
    found = locate(f"sftp://me:p%40ss@h.example:2222{path}")
    assert (found.config["folder_path"], found.globs, found.name) == (folder, globs, name)
    assert found.config["credentials"] == {"auth_type": "password", "password": "p@ss"}
    assert (found.config["username"], found.config["port"]) == ("me", 2222)


def test_a_url_that_cannot_be_read_shows_no_password() -> None:
    with pytest.raises(ConfigError) as caught:
        locate("sftp://me:hunter2@h:99999/x")
    assert "hunter" not in str(caught.value)


def test_secrets_are_marked_in_the_specification() -> None:
    by_password, by_key, _ = connection_specification(SftpConfig)["properties"]["credentials"]["oneOf"]
    assert by_password["properties"]["password"]["airbyte_secret"] is True
    assert by_key["properties"]["private_key"]["airbyte_secret"] is True
