"""`delivery_method: use_file_transfer` from stores whose objects are replaced meanwhile, and have names of all kinds."""

import dataclasses
import glob
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pytest
from source_local.source import connector as local
from source_s3.source import connector as s3

from file_cdk import Connector, RemoteFile, SourceConfig, StreamReader, TransientError
from file_cdk.pipeline.read import read_streams
from file_cdk.testing.servers.moto import MotoServer

Json = dict[str, Any]
Put = Callable[[str, bytes], object]

CATALOG = {
    "streams": [
        {
            "stream": {"name": "files", "json_schema": {}, "supported_sync_modes": ["incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
    ]
}
LARGE = 20 << 20
"""Of more requests than are made ahead before the first bytes are asked for."""

when_listed: list[Callable[[], object]] = []
when_opened: list[Callable[[], object]] = []
when_read: list[Callable[[], object]] = []
"""What happens, each once: after a listing, before `d/b` is opened, between the first bytes of `d/large` and the next."""


@pytest.fixture(autouse=True)
def _nothing_happens() -> Iterator[None]:
    yield
    for events in (when_listed, when_opened, when_read):
        events.clear()


@dataclass(frozen=True)
class Eventful:
    """A reader, and events at the worst moments."""

    reader: StreamReader

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        yield from self.reader.list_files(prefix)
        if when_listed:
            when_listed.pop(0)()

    def open(self, file: RemoteFile) -> IO[bytes]:
        if file.uri == "d/b" and when_opened:
            when_opened.pop(0)()
        stream = self.reader.open(file)
        return _Torn(stream) if file.uri == "d/large" else stream  # type: ignore[return-value]


@dataclass
class _Torn:
    stream: IO[bytes]

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        if when_read:
            when_read.pop(0)()
        return data

    def close(self) -> None:
        self.stream.close()


@dataclass(frozen=True)
class Store:
    connector: Connector
    config: Json
    put: Put


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        folder = tmp_path / "source"
        folder.mkdir()

        def put(name: str, data: bytes) -> None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)

        return Store(local, {"path": str(folder)}, put)
    server: MotoServer = request.getfixturevalue("moto_server")
    bucket: str = request.getfixturevalue("moto_bucket")
    return Store(s3, s3_config(server, bucket), lambda key, data: server.put(bucket, key, data))


def s3_config(server: MotoServer, bucket: str) -> Json:
    return {
        "bucket": bucket,
        "endpoint": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
    }


class Copies:
    """What a run announces, and what is in the staging folder after it."""

    def __init__(
        self,
        connector: Connector,
        config: Json,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        *keys: str,
        flat: bool = False,
    ) -> None:
        self.staging = folder / "staging"
        self.staging.mkdir(exist_ok=True)
        monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(self.staging))
        raw = {
            **config,
            "streams": [
                {"name": "files", "globs": ["**", *map(glob.escape, keys)], "format": {"filetype": "unstructured"}}
            ],
            "delivery_method": {"delivery_type": "use_file_transfer", "preserve_directory_structure": not flat},
        }
        output = folder / "output.jsonl"
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            self.code = read_streams(connector, raw, CATALOG, None, fd, 2)
        finally:
            os.close(fd)
        self.messages: list[Json] = [json.loads(line) for line in output.read_bytes().splitlines()]
        self.records: list[Json] = [m["record"] for m in self.messages if m["type"] == "RECORD"]

    @property
    def contents(self) -> dict[str, bytes]:
        """By uri, of the files that were announced."""
        staged = {r["data"]["source_uri"]: Path(r["file_reference"]["staging_file_url"]) for r in self.records}
        return {uri.removeprefix(_root(uri)): path.read_bytes() for uri, path in staged.items()}

    @property
    def history(self) -> list[str]:
        states = [m["state"]["stream"]["stream_state"] for m in self.messages if m["type"] == "STATE"]
        return list(states[-1]["history"]) if states else []

    def logged(self, level: str) -> list[str]:
        return [m["log"]["message"] for m in self.messages if m["type"] == "LOG" and m["log"]["level"] == level]

    def in_folder(self) -> list[Path]:
        return sorted(Path(parent, name) for parent, _, names in os.walk(self.staging) for name in names)

    def announced(self) -> list[Path]:
        return sorted(Path(record["file_reference"]["staging_file_url"]) for record in self.records)


def _root(uri: str) -> str:
    return "/".join(uri.split("/")[:3]) + "/" if uri.startswith("s3://") else ""


def eventful(connector: Connector) -> Connector:
    return dataclasses.replace(connector, make_reader=lambda config: Eventful(connector.make_reader(config)))


def test_a_file_replaced_after_it_was_listed_is_copied_as_it_is_now(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a.bin", b"a")
    store.put("d/b.bin", b"old")
    when_listed.append(lambda: store.put("d/b.bin", b"the new version"))
    copies = Copies(eventful(store.connector), store.config, tmp_path, monkeypatch)
    assert copies.code == 0
    assert copies.contents == {"a.bin": b"a", "d/b.bin": b"the new version"}
    assert {r["data"]["bytes"] for r in copies.records} == {1, len(b"the new version")}
    assert copies.logged("WARN") == [
        "file 'd/b.bin' changed while it was copied; its new version is copied from the beginning"
    ]
    assert sorted(copies.history) == ["a.bin", "d/b.bin"]
    assert copies.in_folder() == copies.announced()


def test_a_file_replaced_while_it_is_copied_is_never_of_two_versions(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("d/large", b"o" * LARGE)
    store.put("z", b"z")
    when_read.append(lambda: store.put("d/large", b"n" * LARGE))
    copies = Copies(eventful(store.connector), store.config, tmp_path, monkeypatch)
    assert copies.code == 0
    assert len(copies.logged("WARN")) == 1
    contents = copies.contents
    assert contents["d/large"] == b"n" * LARGE
    assert contents["z"] == b"z"
    assert copies.in_folder() == copies.announced()


def test_a_file_that_keeps_changing_is_left_and_the_others_are_copied(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"a")
    store.put("d/b", b"listed")
    store.put("z", b"z")
    when_opened.extend((lambda n=n: store.put("d/b", b"x" * n)) for n in range(7, 15))  # type: ignore[misc]
    copies = Copies(eventful(store.connector), store.config, tmp_path, monkeypatch)
    assert copies.code == 1
    assert copies.contents == {"a": b"a", "z": b"z"}
    assert len(copies.logged("WARN")) == 2
    assert len(copies.logged("ERROR")) == 1
    assert "'d/b'" in copies.logged("ERROR")[0]
    assert sorted(copies.history) == ["a", "z"]
    assert copies.in_folder() == copies.announced()


ODD_KEYS = (
    "../../etc/x",
    "..",
    "/abs",
    "abs",
    "a//b",
    "a/b",
    "a/%2Fb",
    "a/./b",
    "a/../b",
    "a",  # a file where another key needs a folder
    "con",
    "CON",
    "nul.csv",
    "c:\\x\\y",
    "tab\there",
    "cr\rhere",
    "%~part",
    "%~",
    "~",
    "-rf",
    "d/" + "n" * 300 + ".csv",
    "d/" + "n" * 301 + ".csv",
    "é" * 150,
    "ünï/😀.csv",
    "u\u0308",
    "\u00fc",
    ". /x",
)


def test_no_key_leaves_the_folder_or_meets_another(
    moto_server: MotoServer, moto_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {key: f"content of {number}".encode() for number, key in enumerate(ODD_KEYS)}
    moto_server.put_many(moto_bucket, expected)
    before = set(tmp_path.parent.parent.glob("*"))
    copies = Copies(s3, s3_config(moto_server, moto_bucket), tmp_path, monkeypatch, *ODD_KEYS)
    assert copies.logged("ERROR") == []
    assert copies.contents == expected
    assert copies.in_folder() == copies.announced()
    assert len(set(copies.in_folder())) == len(ODD_KEYS)
    relative = [record["file_reference"]["source_file_relative_path"] for record in copies.records]
    assert len(set(relative)) == len(ODD_KEYS)
    for path in [*relative, *map(str, copies.in_folder())]:
        assert not {"..", "."} & set(path.split("/"))
        assert all(len(part.encode()) <= 255 for part in path.split("/"))
    assert not any(path.startswith("/") for path in relative)
    assert set(tmp_path.parent.parent.glob("*")) == before


def test_names_alone_meet_no_other_either(
    moto_server: MotoServer, moto_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("../x/..", "y/.", "/abs", "con", "%2E%2E", "d/" + "n" * 300, "d/" + "n" * 301, "e/c:\\x", "f/t\tt")
    expected = {key: key.encode() for key in keys}
    moto_server.put_many(moto_bucket, expected)
    copies = Copies(s3, s3_config(moto_server, moto_bucket), tmp_path, monkeypatch, *keys, flat=True)
    assert copies.code == 0
    assert copies.contents == expected
    assert copies.in_folder() == copies.announced()
    names = [record["file_reference"]["source_file_relative_path"] for record in copies.records]
    assert len(set(names)) == len(keys)
    assert not any("/" in name or name in ("", ".", "..") for name in names)


@dataclass(frozen=True)
class Down:
    """Lists files, and answers for none but the first."""

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for number in range(40):
            yield RemoteFile(f"{prefix}{number:02}", 1, datetime(2024, 1, 1, tzinfo=UTC))

    def open(self, file: RemoteFile) -> IO[bytes]:
        if file.uri == "00":
            return BytesIO(b"0")
        raise TransientError("the store does not answer", uri=file.uri)


def test_a_store_that_cannot_be_reached_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = Copies(Connector("source-down", SourceConfig, lambda _: Down()), {}, tmp_path, monkeypatch)
    assert copies.code == 1
    assert copies.contents == {"00": b"0"}
    assert len(copies.logged("ERROR")) == 3
    [error] = [m["trace"]["error"] for m in copies.messages if m["type"] == "TRACE" and m["trace"]["type"] == "ERROR"]
    assert error["failure_type"] == "transient_error"
    assert copies.history == ["00"]
    assert copies.in_folder() == copies.announced()
