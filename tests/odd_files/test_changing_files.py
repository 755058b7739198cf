"""Files that somebody writes to while they are read, through `sync`, through the protocol and copied as they are."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import duckdb
import pytest
from source_local.source import connector as local

from file_cdk import FileCdkError, FileChangedError, LocalReader, RemoteFile, SyncOptions, sync
from file_cdk.engine import ordering
from file_cdk.engine.planning import plan_file
from file_cdk.pipeline import run, sources
from file_cdk.pipeline.read import read_streams

ROWS = 3_000
TEXT = "some text " * 12
SPLIT_BYTES = 4 << 10
"""So small that not all splits of a file are under way at once."""

NEVER_AT_REST = 99


@pytest.fixture(autouse=True)
def _small_splits_and_short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "REST_S", 0.01)
    monkeypatch.setattr(ordering, "splits_of", lambda file, *_: plan_file(file, SPLIT_BYTES))


@dataclass
class Writer:
    """Appends a line to a file of a folder when the middle of one of its first `changes` versions is about to be read."""

    folder: Path
    changes: dict[str, int]
    versions: Counter[str] = field(default_factory=Counter)
    seen: set[RemoteFile] = field(default_factory=set)

    def middle_is_read(self, file: RemoteFile) -> None:
        if file in self.seen:
            return
        self.seen.add(file)
        self.versions[file.uri] += 1
        if self.versions[file.uri] <= self.changes.get(file.uri, 0):
            self.write(file.uri)

    def listed(self, uri: str) -> None:
        """When the run looks whether somebody still writes."""
        if self.changes.get(uri) == NEVER_AT_REST:
            self.write(uri)

    def write(self, uri: str) -> None:
        with (self.folder / uri).open("a") as file:
            file.write(f"{self.versions[uri]},late\n")


@dataclass(frozen=True)
class Restless:
    """A reader of files that the writer changes under its hands."""

    inner: LocalReader
    writer: Writer

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        if prefix:
            self.writer.listed(prefix)
        return self.inner.list_files(prefix)

    def open(self, file: RemoteFile) -> IO[bytes]:
        return cast(IO[bytes], _Watched(self.inner.open(file), file, self.writer))

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalReader, (self.inner.root,)


class _Watched:
    def __init__(self, stream: IO[bytes], file: RemoteFile, writer: Writer) -> None:
        self._stream, self._file, self._writer = stream, file, writer

    def seek(self, position: int, *whence: int) -> int:
        if position > self._file.size_bytes // 2:
            self._writer.middle_is_read(self._file)
        return self._stream.seek(position, *whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@dataclass
class Observer:
    loaded: list[tuple[str, int]] = field(default_factory=list)
    failed: list[FileCdkError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    progress: Counter[str] = field(default_factory=Counter)

    def listed(self, *_: object) -> None: ...

    def progressed(self, _stream: str, uri: str, rows: int, _size_bytes: int) -> None:
        self.progress[uri] += rows

    def file_loaded(self, _stream: str, uri: str, rows: int) -> None:
        self.loaded.append((uri, rows))

    def file_failed(self, _stream: str, _uri: str, error: FileCdkError) -> None:
        self.failed.append(error)

    def warned(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(("a.csv", "b.csv", "c.csv")):
        rows = ROWS if name != "c.csv" else 3
        (folder / name).write_text("id,v\n" + "".join(f"{row},{TEXT}\n" for row in range(rows)))
        os.utime(folder / name, (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


def lines(path: Path) -> int:
    return path.read_text().count("\n") - 1


def ledger(database: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute("select url, status, rows from _file_cdk_files order by url, status").fetchall()


def loaded(database: Path) -> dict[str, tuple[int, int]]:
    """Rows, and the number of the last, by file."""
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute("select _file_url, count(*), max(_file_row) from t group by 1").fetchall()
    return {url: (count, last) for url, count, last in found}


def sync_while(monkeypatch: pytest.MonkeyPatch, folder: Path, changes: dict[str, int]) -> tuple[Observer, Any]:
    """Syncs `folder` in this process while files of it change."""
    writer = Writer(folder, changes)
    restless = dataclasses.replace(local, make_reader=lambda config: Restless(LocalReader(config.path), writer))
    monkeypatch.setattr(sources, "connector_for", lambda _scheme: restless)
    observer = Observer()
    result = sync(folder, folder.parent / "x.duckdb", SyncOptions(workers=0, stream="t"), observer)
    return observer, result.streams[0]


@pytest.mark.parametrize("changes", [{"a.csv": 1}, {"a.csv": 2}, {"a.csv": 2, "b.csv": 2}, {"a.csv": 1, "b.csv": 2}])
def test_a_file_that_comes_to_rest_is_loaded_once_in_its_last_version(
    monkeypatch: pytest.MonkeyPatch, folder: Path, changes: dict[str, int]
) -> None:
    observer, result = sync_while(monkeypatch, folder, changes)
    expected = {name: ROWS + changes.get(name, 0) for name in ("a.csv", "b.csv")} | {"c.csv": 3}
    assert {name: lines(folder / name) for name in expected} == expected
    assert observer.loaded == list(expected.items())
    assert not observer.failed
    assert dict(observer.progress) == expected
    assert (result.files_read, result.files_failed, result.rows) == (3, 0, sum(expected.values()))
    assert ledger(folder.parent / "x.duckdb") == [(name, "loaded", rows) for name, rows in expected.items()]
    assert loaded(folder.parent / "x.duckdb") == {name: (rows, rows) for name, rows in expected.items()}
    said = [warning.partition(";")[0] for warning in observer.warnings]
    assert said == [
        f"file {name!r} changed{again} while it was read"
        for name, times in changes.items()
        for again in ("", " again")[:times]
    ]
    again, result = sync_while(monkeypatch, folder, {})
    assert (again.loaded, dict(result.skipped)) == ([], {"already loaded": 3})


def test_a_file_that_never_rests_is_left_after_the_second_try(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    observer, result = sync_while(monkeypatch, folder, {"a.csv": NEVER_AT_REST})
    assert observer.loaded == [("b.csv", ROWS), ("c.csv", 3)]
    [error] = observer.failed
    assert isinstance(error, FileChangedError)
    assert "still being written" in str(error)
    assert "'a.csv'" in str(error)
    assert "rename" in str(error)
    assert len(observer.warnings) == 2
    assert (result.files_read, result.files_failed) == (2, 1)
    assert ledger(folder.parent / "x.duckdb") == [
        ("a.csv", "failed", None),
        ("b.csv", "loaded", ROWS),
        ("c.csv", "loaded", 3),
    ]
    assert observer.progress["a.csv"] == 0
    again, result = sync_while(monkeypatch, folder, {})  # the writer is done
    assert again.loaded == [("a.csv", lines(folder / "a.csv"))]
    assert [status for _, status, _ in ledger(folder.parent / "x.duckdb")] == ["loaded"] * 3


def test_a_file_that_changes_a_third_time_is_left(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    observer, _ = sync_while(monkeypatch, folder, {"a.csv": 3})
    assert observer.loaded == [("b.csv", ROWS), ("c.csv", 3)]
    assert ["still being written" in str(error) for error in observer.failed] == [True]
    assert len(ledger(folder.parent / "x.duckdb")) == 3


def test_a_version_loaded_before_stays_while_a_newer_one_is_being_written(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    sync_while(monkeypatch, folder, {})
    Writer(folder, {}).write("a.csv")
    observer, _ = sync_while(monkeypatch, folder, {"a.csv": NEVER_AT_REST})
    assert (observer.loaded, len(observer.failed)) == ([], 1)
    assert loaded(folder.parent / "x.duckdb")["a.csv"] == (ROWS, ROWS)
    assert ledger(folder.parent / "x.duckdb")[:2] == [("a.csv", "failed", None), ("a.csv", "loaded", ROWS)]


def test_types_that_do_not_fit_and_a_change_in_one_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The file begins anew for its types, then for its change, and again for the types of its later splits."""
    count = 4 * ROWS
    rows = [f"{row},{row * 1_000_000}\n" for row in range(count)]
    rows[count // 4] = "x1,1\n"
    rows[count - 2] = "1,2.5\n"
    (folder / "a.csv").write_text("id,v\n" + "".join(rows))
    for name in ("b.csv", "c.csv"):
        (folder / name).unlink()
    observer, result = sync_while(monkeypatch, folder, {"a.csv": 2})
    assert not observer.failed
    assert observer.loaded == [("a.csv", count + 2)]
    assert (result.files_read, result.rows) == (1, count + 2)
    assert loaded(folder.parent / "x.duckdb")["a.csv"] == (count + 2, count + 2)


def protocol_read(folder: Path, changes: dict[str, int], **config: object) -> tuple[int, list[dict[str, Any]]]:
    """What source-local says, run in this process while files change."""
    writer = Writer(folder, changes)
    restless = dataclasses.replace(local, make_reader=lambda config: Restless(LocalReader(config.path), writer))
    stream = {"name": "t", "globs": ["*.csv"], "format": {"filetype": "csv"}}
    chosen = {"name": "t", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    catalog = {"streams": [{"stream": chosen, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
    out = folder.parent / "out.jsonl"
    with out.open("wb") as file:
        code = read_streams(
            restless, {"path": str(folder), "streams": [stream], **config}, catalog, None, file.fileno(), 0
        )
    return code, [json.loads(line) for line in out.read_text().splitlines()]


def records_of(messages: list[dict[str, Any]], uri: str) -> list[str]:
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    return [each["data"]["id"] for each in records if each["data"]["_ab_source_file_url"] == uri]


def history(messages: list[dict[str, Any]]) -> set[str]:
    last = [message["state"] for message in messages if message["type"] == "STATE"][-1]
    return set(last["stream"]["stream_state"]["history"])


def statuses(messages: list[dict[str, Any]]) -> list[str]:
    traces = [message["trace"] for message in messages if message["type"] == "TRACE"]
    return [each["stream_status"]["status"] for each in traces if each["type"] == "STREAM_STATUS"]


@pytest.mark.parametrize("times", [1, 2])
def test_by_the_protocol_the_last_version_comes_whole_and_last(folder: Path, times: int) -> None:
    code, messages = protocol_read(folder, {"a.csv": times})
    assert code == 0
    whole = [*map(str, range(ROWS)), *map(str, range(1, times + 1))]
    assert records_of(messages, "a.csv")[-len(whole) :] == whole
    # Each version begins once: what came of the older ones is the beginning of the file.
    assert records_of(messages, "a.csv").count("0") == times + 1
    assert records_of(messages, "b.csv") == [*map(str, range(ROWS))]
    assert history(messages) == {"a.csv", "b.csv", "c.csv"}
    assert statuses(messages)[-1] == "COMPLETE"


def test_by_the_protocol_a_file_that_never_rests_is_told_and_left_unread(folder: Path) -> None:
    code, messages = protocol_read(folder, {"a.csv": NEVER_AT_REST})
    assert code == 1
    assert records_of(messages, "a.csv").count("0") == 2
    assert records_of(messages, "b.csv") == [*map(str, range(ROWS))]
    assert "a.csv" not in history(messages)
    assert statuses(messages)[-1] == "INCOMPLETE"
    [error] = [each["trace"]["error"] for each in messages if each.get("trace", {}).get("type") == "ERROR"]
    assert "still being written" in error["message"]
    assert "'a.csv'" in error["message"]


class Appended(LocalReader):
    """Its file `a.csv` gets a line whenever it is opened, as often as the file `left` beside the folder says."""

    def open(self, file: RemoteFile) -> Any:
        if file.uri == "a.csv":
            self._append()
        return super().open(file)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        if prefix and self._left() > 10:
            self._append()
        return super().list_files(prefix)

    def _left(self) -> int:
        return int(Path(self.root, "../left").read_text())

    def _append(self) -> None:
        if left := self._left():
            Path(self.root, "../left").write_text(str(left - 1))
            with Path(self.root, "a.csv").open("a") as file:
                file.write("1,late\n")


@pytest.mark.parametrize(("times", "code"), [(1, 0), (2, 0), (NEVER_AT_REST, 1)])
def test_files_that_change_while_they_are_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, times: int, code: int
) -> None:
    (tmp_path / "staging").mkdir()
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path / "staging"))
    (tmp_path / "left").write_text(str(times))
    chosen = {"name": "t", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    catalog = {"streams": [{"stream": chosen, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
    config = {
        "path": str(folder),
        "streams": [{"name": "t", "globs": ["*.csv"], "format": {"filetype": "unstructured"}}],
        "delivery_method": {"delivery_type": "use_file_transfer"},
    }
    out = tmp_path / "out.jsonl"
    with out.open("wb") as file:
        source = dataclasses.replace(local, make_reader=lambda config: Appended(config.path))
        assert read_streams(source, config, catalog, None, file.fileno(), 1) == code
    messages = [json.loads(line) for line in out.read_text().splitlines()]
    copies = [each["record"]["data"]["file_name"] for each in messages if each["type"] == "RECORD"]
    assert copies == (["a.csv"] if code == 0 else []) + ["b.csv", "c.csv"]
    staged = [path.read_text() for path in (tmp_path / "staging").rglob("a.csv")]
    assert staged == ([(folder / "a.csv").read_text()] if code == 0 else [])
    assert ("still being written" in out.read_text()) == (code == 1)
