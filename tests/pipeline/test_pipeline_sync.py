"""The library's `sync`, with an observer that changes the world between listing and reading."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO

import duckdb
import pytest

from file_cdk import (
    AccessError,
    ConfigError,
    FileCdkError,
    FileChangedError,
    LocalReader,
    RemoteFile,
    SyncOptions,
    TransientError,
    sync,
)
from file_cdk.engine.transfer import Handover, TransferFailed, Transferred
from file_cdk.pipeline.run import MAX_NEWER_VERSIONS, MAX_UNREACHABLE, REST_S, StoreGone, StreamRun

GOOD = "id,name\n1,a\n2,b\n"


@dataclass
class Watcher:
    """Keeps what it is told; `on_listed` runs after the listing and before the first file is opened."""

    on_listed: Callable[[], object] = lambda: None
    files: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    progress: dict[str, tuple[int, int]] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    failed: dict[str, FileCdkError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        self.files = files
        self.skipped = dict(skipped)
        self.on_listed()

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        before = self.progress.get(uri, (0, 0))
        self.progress[uri] = before[0] + rows, before[1] + size_bytes

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        self.loaded.append(uri)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        self.failed[uri] = error

    def warned(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        (folder / name).write_text(GOOD)
    return folder


def run(folder: Path, watcher: Watcher, **options: object) -> list[tuple[object, ...]]:
    database = folder.parent / "x.duckdb"
    result = sync(str(folder), str(database), SyncOptions(stream="t", **options), watcher)  # type: ignore[arg-type]
    assert result.streams[0].files_failed == len(watcher.failed) == len(result.failures)
    assert result.streams[0].files_read == len(watcher.loaded)
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute("select _file_url, id from t").fetchall()
        assert result.streams[0].rows <= len(rows)
    return rows


BOTH = [("a.csv", 1), ("a.csv", 2), ("c.csv", 1), ("c.csv", 2)]


def test_a_file_deleted_between_listing_and_opening(folder: Path) -> None:
    watcher = Watcher(on_listed=(folder / "b.csv").unlink)
    assert run(folder, watcher) == BOTH
    assert "gone" in str(watcher.failed["b.csv"])
    assert watcher.progress.get("b.csv", (0, 0)) == (0, 0)


def test_a_file_replaced_between_listing_and_opening_is_read_in_its_new_version(folder: Path) -> None:
    watcher = Watcher(on_listed=lambda: (folder / "b.csv").write_text("id,name\n7,z\n"))
    assert run(folder, watcher) == [("a.csv", 1), ("a.csv", 2), ("b.csv", 7), ("c.csv", 1), ("c.csv", 2)]
    assert watcher.warnings == ["file 'b.csv' changed while it was read; its new version is read from the beginning"]
    again = Watcher()
    run(folder, again)
    assert again.loaded == []


@dataclass(frozen=True)
class _NeverTheSame:
    """A reader whose second file is another version each time it is opened."""

    inner: LocalReader

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        return self.inner.list_files(prefix)

    def open(self, file: RemoteFile) -> IO[bytes]:
        path = Path(self.inner.root, file.uri)
        if file.uri == "b.csv":
            path.write_text(path.read_text() + "9,n\n")
        return self.inner.open(file)


def test_a_file_that_keeps_changing_fails_after_the_second_try(folder: Path) -> None:
    warnings: list[str] = []
    store = StreamRun(_NeverTheSame(LocalReader(folder)), warnings.append)
    file = next(store.reader.list_files("b.csv"))
    with pytest.raises(FileChangedError) as changed:
        store.reader.open(file)
    newer = store.newer_version(file, changed.value)
    assert isinstance(newer, RemoteFile)
    assert newer.size_bytes > file.size_bytes
    begun = time.monotonic()
    with pytest.raises(FileChangedError) as changed:
        store.reader.open(newer)
    last = store.newer_version(newer, changed.value)
    # Nobody writes while it is looked at: it comes once more, and not again.
    assert last == next(store.reader.list_files("b.csv"))
    assert time.monotonic() - begun >= REST_S
    told = store.newer_version(newer, FileChangedError("changed", uri="b.csv"))
    assert isinstance(told, FileChangedError)
    assert "still being written" in str(told)
    assert len(warnings) == MAX_NEWER_VERSIONS
    other = FileCdkError("something else")
    assert store.newer_version(file, other) is other


def test_a_store_that_is_gone_ends_the_stream() -> None:
    file = RemoteFile("a", 1, datetime(2024, 1, 1, tzinfo=UTC))
    gone = TransferFailed(file, TransientError("connection refused", uri="a"))
    changed = TransferFailed(file, FileChangedError("changed", uri="a"))
    few = [gone] * (MAX_UNREACHABLE - 1)
    outcomes: list[Handover] = [*few, Transferred(file, "/staged/a", "a"), gone, changed, *few, gone]
    told = list(StreamRun(LocalReader("."), pytest.fail).copied(outcomes))
    assert told[:-1] == outcomes
    assert isinstance(told[-1], StoreGone)
    assert "connection refused" in str(told[-1].error)


def test_progress_adds_up_to_what_was_loaded(folder: Path) -> None:
    (folder / "b.csv").write_text("id,name\n1,a\n2\n")
    watcher = Watcher()
    run(folder, watcher)
    assert watcher.progress == {"a.csv": (2, 16), "b.csv": (0, 0), "c.csv": (2, 16)}


def test_columns_widen_within_a_file_past_the_sample(tmp_path: Path) -> None:
    """The first misfit lies far behind what sampling sees, in a split of its own, with every later file in flight."""
    folder = tmp_path / "in"
    folder.mkdir()
    rows = [f"{number},{number % 7}.5,2024-01-0{number % 9 + 1}\n" for number in range(400_000)]
    rows[390_000] = "x1,y,not a day\n"
    (folder / "a.csv").write_text("id,size,day\n" + "".join(rows))
    (folder / "b.csv").write_text("id,size,day\n1,1.5,2024-01-01\n")
    for workers in (0, 2):
        watcher = Watcher()
        database = tmp_path / f"{workers}.duckdb"
        result = sync(str(folder), str(database), SyncOptions(workers=workers, stream="t"), watcher)
        assert not result.failures
        assert len(watcher.warnings) == 3
        with duckdb.connect(str(database), read_only=True) as connection:
            counts = connection.execute("select count(*), count(distinct id), min(typeof(id)) from t").fetchall()
            odd = connection.execute("select size, day, _file_row from t where id = 'x1'").fetchall()
        assert counts == [(400_001, 400_000, "VARCHAR")]
        assert odd == [("y", "not a day", 390_001)]


def test_a_folder_of_nothing_known_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("x")
    watcher = Watcher()
    result = sync(str(tmp_path / "in"), str(tmp_path / "x.duckdb"), SyncOptions(), watcher)
    assert watcher.skipped == {"unknown extension": 1}
    assert result.streams[0].files_read == 0


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("{}/nowhere", SyncOptions(), AccessError),
        ("{}/nowhere/*.csv", SyncOptions(), AccessError),
        ("s9://bucket/x", SyncOptions(), ConfigError),
        ("{}", SyncOptions(filetype="pdf"), ConfigError),
        ("file://elsewhere/x", SyncOptions(), ConfigError),
    ],
)
def test_wrong_sources(tmp_path: Path, source: str, options: SyncOptions, error: type[FileCdkError]) -> None:
    with pytest.raises(error):
        sync(source.format(tmp_path), str(tmp_path / "x.duckdb"), options, Watcher())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("streams: [", "line"),
        ("- a", "mapping"),
        ("path: x\nstreams: []", "streams"),
        ("path: x\nstreams: [{name: a, format: {filetype: csv}, glob: '*'}]", "streams[0].glob"),
        ("path: x\nsource: s9\nstreams: [{name: a, format: {filetype: csv}}]", "s9"),
        ("path: x\nstreams: [{name: a, format: {filetype: xml}}]", "xml"),
        ("path: x\nstreams: [{name: a, validation_policy: Skip Record, format: {filetype: csv}}]", "Skip Record"),
        (
            "path: x\ndelivery_method: {delivery_type: use_file_transfer}\nstreams: [{name: a, format: {filetype: csv}}]",
            "transfer",
        ),
    ],
)
def test_wrong_yaml_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        sync(str(tmp_path / "c.yaml"), str(tmp_path / "x.duckdb"), SyncOptions(), Watcher())
    assert said in str(caught.value)


def test_a_second_folder_is_not_taken_for_the_first(tmp_path: Path) -> None:
    for year in ("2024", "2025"):
        (tmp_path / year / "orders").mkdir(parents=True)
        (tmp_path / year / "orders" / "jan.csv").write_text(f"id\n{year}\n")
    database = tmp_path / "x.duckdb"
    assert sync(tmp_path / "2024" / "orders", database).streams[0].rows == 1
    with pytest.raises(ConfigError) as caught:
        sync(tmp_path / "2025" / "orders", database)
    assert "2024/orders" in str(caught.value)
    assert "--table" in str(caught.value)
    assert sync(tmp_path / "2025" / "orders", database, SyncOptions(stream="later")).streams[0].rows == 1
    assert sync(f"file://{tmp_path}/2024/orders/*.csv", database).streams[0].skipped == {"already loaded": 1}
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute("select id from orders union all select id from later").fetchall() == [
            (2024,),
            (2025,),
        ]


def test_a_file_whose_version_is_made_unknown_is_loaded_again_in_place(folder: Path) -> None:
    rows = run(folder, Watcher())
    with duckdb.connect(str(folder.parent / "x.duckdb")) as connection:
        connection.execute("UPDATE _file_cdk_files SET etag = NULL WHERE url = 'b.csv'")
    watcher = Watcher()
    assert sorted(map(str, run(folder, watcher))) == sorted(map(str, rows))
    assert watcher.loaded == ["b.csv"]


def test_integers_that_a_double_would_round_keep_their_digits(tmp_path: Path) -> None:
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / "1.csv").write_text("id,big\n1,9007199254740993\n")
    sync(folder, tmp_path / "x.duckdb")
    (folder / "2.csv").write_text("id,big\n2,1.5\n")
    sync(folder, tmp_path / "x.duckdb")
    with duckdb.connect(str(tmp_path / "x.duckdb"), read_only=True) as connection:
        assert connection.execute("select id, big from n order by id").fetchall() == [
            (1, Decimal("9007199254740993")),
            (2, Decimal("1.5")),
        ]


@pytest.mark.parametrize("workers", [-1, "2", 1.5])
def test_wrong_numbers_of_workers_are_refused(workers: object) -> None:
    with pytest.raises(ConfigError):
        SyncOptions(workers=workers)  # type: ignore[arg-type]
