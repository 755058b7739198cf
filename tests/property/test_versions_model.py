"""The law of versions, through `sync` into a real database and through the protocol: a store changes its files at any moment,
and each file listed has one outcome, which is that of one version."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import duckdb
import pytest
from changing import ChangingStore
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk import (
    Connector,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    Location,
    RemoteFile,
    SourceConfig,
    SyncOptions,
    sync,
)
from file_cdk.core.errors import MalformedFileError, TooManyRejectsError
from file_cdk.engine import ordering
from file_cdk.engine.planning import plan_file
from file_cdk.pipeline import run, sources
from file_cdk.pipeline.read import read_streams

URIS = ("a.csv", "b.csv", "c.csv")

good_lines = st.sampled_from(["1,v#\n", "2,v# and more\n", '3,"v#,\n"\n', "x,v#\n", "4.5,v#\n"])
lines = st.one_of(good_lines, good_lines, good_lines, st.sampled_from(["# is short\n"]))
texts = st.one_of(
    st.lists(good_lines, max_size=20), st.lists(good_lines, min_size=8, max_size=20), st.lists(lines, max_size=20)
).map(lambda found: "id,v\n" + "".join(found))
good_texts = st.lists(good_lines, max_size=20).map(lambda found: "id,v\n" + "".join(found))


def schedules(of: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[int, str, str | None]]]:
    change = st.tuples(st.integers(0, 150), st.sampled_from(URIS), st.one_of(of, of, st.none()))
    return st.lists(change, max_size=6).map(lambda found: sorted(found, key=lambda each: each[0]))


@dataclass
class Observer:
    outcomes: list[tuple[str, FileCdkError | int]] = field(default_factory=list)
    rows: int = 0

    def listed(self, *_: object) -> None: ...

    def progressed(self, _stream: str, _uri: str, rows: int, _size_bytes: int) -> None:
        self.rows += rows

    def file_loaded(self, _stream: str, uri: str, rows: int) -> None:
        self.outcomes.append((uri, rows))

    def file_failed(self, _stream: str, uri: str, error: FileCdkError) -> None:
        self.outcomes.append((uri, error))

    def warned(self, message: str) -> None: ...


def rows_of(store: ChangingStore, file: RemoteFile) -> list[list[str]]:
    return list(csv.reader(io.StringIO(store.texts[file].decode(), newline="")))[1:]


def connector_of(store: ChangingStore) -> Connector:
    return Connector("memory", SourceConfig, lambda _config: store, locate=lambda _url: Location({}, ("**",), "t"))


@contextmanager
def world(store: ChangingStore, split_bytes: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "REST_S", 0)
        patch.setattr(ordering, "splits_of", lambda file, *_: plan_file(file, split_bytes))
        patch.setattr("file_cdk.engine.sampling.SAMPLE_FILES", 1)
        patch.setattr(sources, "connector_for", lambda _scheme: connector_of(store))
        yield


def is_true(store: ChangingStore, uri: str, error: FileCdkError) -> bool:
    versions = [file for file in store.texts if file.uri == uri]
    match error:
        case TooManyRejectsError() | MalformedFileError():
            return any(len(row) < 2 for file in versions for row in rows_of(store, file))
        case FileChangedError():
            return len(versions) > 1
        case FileAccessError():
            return True
        case _:
            return False


@settings(max_examples=25)
@given(
    files=st.lists(st.tuples(st.sampled_from(URIS), texts), min_size=1, max_size=4),
    schedule=schedules(texts),
    split_bytes=st.integers(8, 80),
)
def test_a_table_holds_one_version_of_each_file(
    files: list[tuple[str, str]], schedule: list[tuple[int, str, str | None]], split_bytes: int
) -> None:
    store = ChangingStore(schedule)
    for uri, text in files:
        store.put(uri, text)
    with tempfile.TemporaryDirectory() as folder, world(store, split_bytes):
        database = Path(folder) / "x.duckdb"
        observer = Observer()
        result = sync("memory:all", database, SyncOptions(workers=0, dialect="default"), observer).streams[0]
        assert [uri for uri, _ in observer.outcomes] == [file.uri for file in store.listed]
        loaded = {uri: rows for uri, rows in observer.outcomes if isinstance(rows, int)}
        failed = {uri: error for uri, error in observer.outcomes if isinstance(error, FileCdkError)}
        assert (result.files_read, result.files_failed) == (len(loaded), len(failed))
        assert result.rows == observer.rows == sum(loaded.values())
        assert all(is_true(store, uri, error) for uri, error in failed.items())
        of_loaded = versions_in(store, database, "loaded")
        assert {uri: len(values(store, file)) for uri, file in of_loaded.items()} == loaded
        assert versions_in(store, database, "failed").keys() == failed.keys()
        compare(database, store)
        # Nothing changes any more: what there is comes in, but for what cannot.
        store.schedule.clear()
        sync("memory:all", database, SyncOptions(workers=0, dialect="default"))
        good = {uri: file for uri, file in store.current.items() if all(len(row) == 2 for row in rows_of(store, file))}
        of_loaded = versions_in(store, database, "loaded")
        assert {uri: of_loaded.get(uri) for uri in good} == good
        compare(database, store)


def versions_in(store: ChangingStore, database: Path, status: str) -> dict[str, RemoteFile]:
    """As the ledger has them: one each."""
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute("select url, etag from _file_cdk_files where status = ?", [status]).fetchall()
    assert len(dict(found)) == len(found)
    by_etag = {file.etag: file for file in store.texts}
    return {url: by_etag[etag] for url, etag in found}


def compare(database: Path, store: ChangingStore) -> None:
    """Whether the table holds what its ledger says."""
    with duckdb.connect(str(database), read_only=True) as connection:
        columns = connection.execute("select column_name from duckdb_columns() where table_name = 't'").fetchall()
        filled = ("v",) in columns
        found = connection.execute("select _file_url, v from t order by rowid").fetchall() if filled else []
    by_uri = {uri: [v for _, v in rows] for uri, rows in groupby(found, key=lambda row: row[0])}
    of_loaded = versions_in(store, database, "loaded")
    expected = {uri: values(store, file) for uri, file in of_loaded.items()}
    assert by_uri == {uri: rows for uri, rows in expected.items() if rows}
    assert not of_loaded.items() & versions_in(store, database, "failed").items()


@settings(max_examples=250)
@given(
    files=st.lists(st.tuples(st.sampled_from(URIS), good_texts), min_size=1, max_size=4),
    schedule=schedules(good_texts),
    split_bytes=st.integers(8, 80),
)
def test_by_the_protocol_a_file_never_begins_again_after_it_is_done(
    files: list[tuple[str, str]], schedule: list[tuple[int, str, str | None]], split_bytes: int
) -> None:
    store = ChangingStore(schedule)
    for uri, text in files:
        store.put(uri, text)
    stream = {"name": "t", "globs": ["**"], "format": {"filetype": "csv"}}
    chosen = {"name": "t", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    catalog = {"streams": [{"stream": chosen, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
    with tempfile.TemporaryFile() as out, world(store, split_bytes):
        code = read_streams(connector_of(store), {"streams": [stream]}, catalog, None, out.fileno(), 0)
        out.seek(0)
        messages = [json.loads(line) for line in out.read().splitlines()]
    records = [each["record"]["data"] for each in messages if each["type"] == "RECORD"]
    states = [each["state"]["stream"]["stream_state"] for each in messages if each["type"] == "STATE"]
    came = [uri for uri, _ in groupby(record["_ab_source_file_url"] for record in records)]
    assert came == [file.uri for file in store.listed if file.uri in came]
    done = states[-1]["history"] if states else {}
    assert (code == 0) == (done.keys() == {file.uri for file in store.listed})
    by_time = {(file.uri, f"{file.modified_at:%Y-%m-%dT%H:%M:%S.%fZ}"): file for file in store.texts}
    for uri in {file.uri for file in store.listed}:
        attempts = [
            [record["v"] for record in group]
            for _, group in groupby(
                (record for record in records if record["_ab_source_file_url"] == uri),
                key=lambda record: record["_ab_source_file_last_modified"],
            )
        ]
        versions = [file for file in store.texts if file.uri == uri]
        assert all(any(attempt == values(store, file)[: len(attempt)] for file in versions) for attempt in attempts)
        assert len(attempts) <= run.MAX_NEWER_VERSIONS + 1
        if uri in done:
            whole = values(store, by_time[uri, done[uri]])
            assert (attempts[-1] if whole else []) == whole


def values(store: ChangingStore, file: RemoteFile) -> list[str]:
    return [row[1] for row in rows_of(store, file)]
