"""The conformance suite for destinations: what file_cdk relies on, checked against a destination of yours with pytest.

    from file_cdk.testing.destination_conformance import DestinationConformance

    class TestShelfDestination(DestinationConformance):
        def make_landing(self, tmp_path):
            return ShelfLanding(tmp_path)

where ShelfLanding is a Landing: it makes destinations of one place, and reads back what they wrote there.
"""

import multiprocessing
import os
import pickle
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Destination, FileLoad, LoadedFile, Reject, Rejects, StreamTable, TableName
from file_cdk.core.progress import LoadProgress, Resumable, resumable

STREAM = "goods"
_T0 = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
_EXIT_TIMEOUT_S = 60

VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "booleans": (pa.bool_(), [True, None, False]),
    "integers": (pa.int64(), [-(2**63), None, 2**63 - 1]),
    "doubles": (pa.float64(), [0.1, None, -1e300]),
    "decimals": (pa.decimal128(20, 3), [Decimal("12345678901234567.891"), None]),
    "texts": (pa.string(), ["", None, "żółć 🦆", "a\"b\n'c\\"]),
    "bytes": (pa.binary(), [b"", None, b"\x00\xff"]),
    "dates": (pa.date32(), [date(1, 1, 1), None, date(9999, 12, 31)]),
    "timestamps": (pa.timestamp("us"), [_T0.replace(tzinfo=None), None]),
    "instants": (pa.timestamp("us", "UTC"), [_T0, None]),
    "lists": (pa.list_(pa.int64()), [[1, None], None, []]),
    "structs": (pa.struct({"a": pa.int64(), "b": pa.string()}), [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
}
"""Column types that formats decode to, and values of each."""


class Landing(Protocol):
    """One place to write to. It goes to another process, so it must pickle: it holds a path or an address alone."""

    def destination(self) -> Destination:
        """A new one for the same place, not opened."""

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """The stream's rows in the order they were loaded, data columns alone; none where there is no table. Python values
        as pyarrow's `to_pylist` gives them. Called while no destination is open."""


class DestinationConformance:
    """Subclass it with a name that begins with `Test`, and say how a landing is made; each test gets a new one."""

    def make_landing(self, tmp_path: Path) -> Landing:
        """An empty place of its own. tmp_path: a new folder, for a destination that wants one."""
        raise NotImplementedError(f"{type(self).__name__} needs make_landing, or a fixture named landing")

    @pytest.fixture
    def landing(self, tmp_path: Path) -> Landing:
        return self.make_landing(tmp_path)

    def test_a_committed_file_is_kept(self, landing: Landing) -> None:
        """Its rows in their order, from several splits, and its entry in the ledger, read back by a new destination."""
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}, {"n": 2}], [{"n": 3}])
        assert landing.rows(STREAM) == [{"n": 1}, {"n": 2}, {"n": 3}]
        with _table(landing) as (_, table):
            assert table.unloaded([_file("a"), _file("b")]) == [False, True]

    def test_an_aborted_load_leaves_what_was_there(self, landing: Landing) -> None:
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
            load = _write(destination, table, _file("a", 1), [{"n": 2}])
            load.abort()
            load.abort()
            assert table.unloaded([_file("a", 1)]) == [True]
        assert landing.rows(STREAM) == [{"n": 1}]

    @pytest.mark.parametrize("is_committed", [False, True], ids=["before the commit", "after commit and flush"])
    def test_a_killed_process_leaves_a_version_in_whole(self, landing: Landing, is_committed: bool) -> None:
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
        _run_and_die(_load_and_die, landing, is_committed)
        with _table(landing) as (_, table):
            assert table.unloaded([_file("a"), _file("a", 1)]) == [is_committed, not is_committed]
        assert landing.rows(STREAM) == ([{"n": 2}, {"n": 3}] if is_committed else [{"n": 1}])

    def test_a_newer_version_replaces_the_older(self, landing: Landing) -> None:
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
            _load(destination, table, _file("b"), [{"n": 2}])
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a", 1), [{"n": 3}])
            table.flush()
            assert table.unloaded([_file("a"), _file("a", 1), _file("b")]) == [True, False, False]
        assert landing.rows(STREAM) == [{"n": 2}, {"n": 3}]

    def test_size_time_and_etag_make_a_version(self, landing: Landing) -> None:
        file = _file("a")
        others = [
            RemoteFile("a", file.size_bytes + 1, file.modified_at, file.etag),
            RemoteFile("a", file.size_bytes, file.modified_at + timedelta(microseconds=1), file.etag),
            RemoteFile("a", file.size_bytes, file.modified_at, None),
        ]
        with _table(landing) as (destination, table):
            _load(destination, table, file, [{"n": 1}])
        with _table(landing) as (_, table):
            assert table.unloaded([*others, file]) == [True, True, True, False]

    def test_a_table_grows_with_its_files(self, landing: Landing) -> None:
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
        with _table(landing) as (destination, table):
            _load(destination, table, _file("b"), [{"n": 1.5, "more": "x"}])
            assert table.schema.names == ["n", "more"]
            _load(destination, table, _file("c"), [{"n": 2}])
        assert landing.rows(STREAM) == [{"n": 1, "more": None}, {"n": 1.5, "more": "x"}, {"n": 2, "more": None}]

    def test_a_file_without_rows_is_loaded(self, landing: Landing) -> None:
        with _table(landing) as (_, table):
            table.begin(_file("a")).commit(LoadedFile(0))
        with _table(landing) as (_, table):
            assert table.unloaded([_file("a")]) == [False]
        assert landing.rows(STREAM) == []

    def test_a_failure_is_noted_until_the_file_is_loaded_or_gone(self, landing: Landing) -> None:
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
            table.flush()
            for uri in "ab":
                table.record_failure(_file(uri, 1), "no table at all")
        with _table(landing) as (destination, table):
            assert sorted(table.failed(10)) == ["a", "b"]
            assert len(table.failed(1)) == 1
            assert table.unloaded([_file("a", 1), _file("b", 1)]) == [True, True]
            _load(destination, table, _file("a", 2), [{"n": 2}])
            table.flush()
            assert list(table.failed(10)) == ["b"]
            table.forget_failed(["b"])
        with _table(landing) as (_, table):
            assert list(table.failed(10)) == []
        assert landing.rows(STREAM) == [{"n": 2}]

    def test_a_removed_file_leaves_nothing(self, landing: Landing) -> None:
        rejects = Rejects()
        rejects.add(Reject(2, 10, "not valid", b"?"))
        with _table(landing) as (destination, table):
            for number, uri in enumerate("abcd"):
                _load(destination, table, _file(uri), [{"n": number}])
            table.begin(_file("e")).commit(LoadedFile(0, rejects))
            table.flush()
            table.record_failure(_file("b", 1), "no table at all")
        with _table(landing) as (_, table):
            assert sorted(chain.from_iterable(table.loaded())) == list("abcde")
            for part in table.loaded():
                table.remove([uri for uri in part if uri in "abe"])
            table.remove(["never loaded"])
        with _table(landing) as (_, table):
            assert sorted(chain.from_iterable(table.loaded())) == ["c", "d"]
            assert list(table.failed(10)) == []
            assert table.unloaded([_file("a"), _file("c"), _file("e")]) == [True, False, True]
        assert [row["n"] for row in landing.rows(STREAM)] == [2, 3]

    def test_a_new_table_takes_the_place_of_the_old(self, landing: Landing) -> None:
        """Rows, columns, types and ledger; until then the old one is as it was."""
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": "x", "old": 1}])
            _load(destination, table, _file("b"), [{"n": "y", "old": 2}])
            table.flush()
            table.record_failure(_file("c"), "no table at all")
        with _table(landing) as (destination, old):
            new = _new_table(destination)
            assert new.schema.names == []
            assert new.unloaded([_file("a")]) == [True]
            _load(destination, new, _file("a"), [{"n": 1}, {"n": 2}])
            _load(destination, new, _file("d"), [{"n": 3}])
            new.flush()
            assert old.unloaded([_file("a"), _file("b"), _file("d")]) == [False, False, True]
            assert list(old.failed(10)) == ["c"]
            destination.put_in_place(TableName(STREAM))
        assert landing.rows(STREAM) == [{"n": 1}, {"n": 2}, {"n": 3}]
        with _table(landing) as (_, table):
            assert table.schema.names == ["n"]
            assert table.unloaded([_file("a"), _file("b"), _file("d")]) == [False, True, False]
            assert sorted(chain.from_iterable(table.loaded())) == ["a", "d"]
            assert list(table.failed(10)) == []

    @pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
    def test_a_new_table_that_is_not_put_in_place_leaves_nothing(self, landing: Landing, is_killed: bool) -> None:
        with _table(landing) as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
        if is_killed:
            _run_and_die(_refresh_and_die, landing)
        else:
            with _table(landing) as (destination, _):
                _load(destination, _new_table(destination), _file("a"), [{"m": 2}])
        assert landing.rows(STREAM) == [{"n": 1}]
        with _table(landing) as (destination, table):
            assert table.unloaded([_file("a")]) == [False]
            new = _new_table(destination)
            assert new.schema.names == []
            assert new.unloaded([_file("a")]) == [True]
            _load(destination, new, _file("b"), [{"k": 3}])
            new.flush()
            destination.put_in_place(TableName(STREAM))
        assert landing.rows(STREAM) == [{"k": 3}]

    def test_a_file_with_rejects_can_be_asked_for_again(self, landing: Landing) -> None:
        rejects = Rejects()
        rejects.add(Reject(2, 4, "not a number", b"x\xff"))
        with _table(landing) as (destination, table):
            _write(destination, table, _file("a"), [{"n": 1}]).commit(LoadedFile(1, rejects))
            _load(destination, table, _file("b"), [{"n": 2}])
        with _table(landing) as (_, table):
            files = [_file("a"), _file("b")]
            assert table.unloaded(files) == [False, False]
            assert table.unloaded(files, with_rejects=True) == [True, False]

    @pytest.mark.parametrize("kind", VALUES)
    def test_values_are_kept(self, landing: Landing, kind: str) -> None:
        """In the type that the table's schema says files are to be decoded for."""
        source, values = VALUES[kind]
        with _table(landing) as (destination, table):
            table.widen(pa.schema({"v": source}))
            column = _converted(pa.array(values, source), table.schema.field("v").type)
            file = _file("a")
            load = table.begin(file)
            load.write(destination.encoder.encode(pa.record_batch({"v": column}), file, 1, 0), 0)
            load.commit(LoadedFile(len(values)))
        assert landing.rows(STREAM) == [{"v": value} for value in column.to_pylist()]

    def test_the_files_of_another_source_are_refused(self, landing: Landing) -> None:
        with _table(landing, "one") as (destination, table):
            _load(destination, table, _file("a"), [{"n": 1}])
        with pytest.raises(ConfigError), _table(landing, "two"):
            pass
        with _table(landing, "one") as (_, table):
            assert table.unloaded([_file("a")]) == [False]

    def test_the_encoder_pickles_and_repeats_itself(self, landing: Landing) -> None:
        """It goes to workers."""
        encoder = landing.destination().encoder
        batch, file = pa.record_batch({"n": [1, 2]}), _file("a")
        there = pickle.loads(pickle.dumps(encoder))
        assert encoder.encode(batch, file, 1, 0) == there.encode(batch, file, 1, 0)

    def test_closing_twice_does_nothing(self, landing: Landing) -> None:
        destination = landing.destination()
        destination.open()
        destination.close()
        destination.close()


class ResumableConformance(DestinationConformance):
    """In its place for a destination whose tables are Resumable; here they are to keep progress as soon as they are asked."""

    @pytest.mark.parametrize("has_older", [False, True])
    def test_a_killed_load_goes_on(self, landing: Landing, has_older: bool) -> None:
        """What was kept is seen by nobody, survives the process, and is a part of the file in the end."""
        older = [{"n": 1}] if has_older else []
        with _table(landing) as (destination, table):
            if has_older:
                _load(destination, table, _file("a"), older)
        _run_and_die(_keep_and_die, landing)
        assert landing.rows(STREAM) == older
        with _table(landing) as (destination, table):
            assert table.unloaded([_file("a", 1)]) == [True]
            progress = _progress(2)
            assert list(_resumable(table).begun()) == [progress]
            table.widen(pa.schema([("n", pa.int64())]))
            load = _resumable(table).resume(progress)
            _write_into(load, destination, table, progress.file, 2, [{"n": 4}])
            load.commit(LoadedFile(3))
        assert landing.rows(STREAM) == [{"n": 2}, {"n": 3}, {"n": 4}]
        with _table(landing) as (_, table):
            assert table.unloaded([_file("a", 1)]) == [False]
            assert not _resumable(table).begun()

    @pytest.mark.parametrize("how", ["begun", "loaded", "removed", "forgotten"])
    def test_progress_is_forgotten(self, landing: Landing, how: str) -> None:
        _run_and_die(_keep_and_die, landing)
        with _table(landing) as (destination, table):
            match how:
                case "begun":
                    table.begin(_file("a", 1)).abort()
                case "loaded":
                    _load(destination, table, _file("a", 2), [{"n": 9}])
                case "removed":
                    table.remove(["a"])
                case _:
                    _resumable(table).forget_begun(["a", "unknown"])
            assert not _resumable(table).begun()
        assert landing.rows(STREAM) == ([{"n": 9}] if how == "loaded" else [])


def _resumable(table: StreamTable) -> Resumable:
    found = resumable(table)
    assert found is not None, "the table keeps no progress"
    return found


def _progress(rows: int) -> LoadProgress:
    rejects = Rejects()
    rejects.add(Reject(2, 3, "bad", b"\xff"))
    return LoadProgress(_file("a", 1), rows + 1, rows, Counter(odd=1), rejects, Counter(strange=2), "as it was")


def _file(uri: str, number: int = 0) -> RemoteFile:
    """The file's version of that number."""
    return RemoteFile(uri, 10, _T0 + timedelta(hours=number), f"e{number}")


@contextmanager
def _table(landing: Landing, origin: str | None = None) -> Iterator[tuple[Destination, StreamTable]]:
    destination = landing.destination()
    destination.open()
    try:
        yield destination, destination.table(TableName(STREAM, origin))
    finally:
        destination.close()


def _write(
    destination: Destination, table: StreamTable, file: RemoteFile, *splits: Sequence[dict[str, Any]]
) -> FileLoad:
    """Widens the table as a sync does, and writes one block per split."""
    batches = [pa.RecordBatch.from_pylist(list(rows)) for rows in splits]
    for batch in batches:
        table.widen(batch.schema)
    load = table.begin(file)
    rows_before = 0
    for rows in splits:
        _write_into(load, destination, table, file, rows_before, rows)
        rows_before += len(rows)
    return load


def _write_into(
    load: FileLoad,
    destination: Destination,
    table: StreamTable,
    file: RemoteFile,
    rows_before: int,
    rows: Sequence[dict[str, Any]],
) -> None:
    batch = pa.RecordBatch.from_pylist(list(rows))
    types = [table.schema.field(name).type for name in batch.schema.names]
    columns = [_converted(column, kind) for column, kind in zip(batch.columns, types, strict=True)]
    decoded = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    load.write(destination.encoder.encode(decoded, file, 1, 0), rows_before)


def _load(destination: Destination, table: StreamTable, file: RemoteFile, *splits: Sequence[dict[str, Any]]) -> None:
    _write(destination, table, file, *splits).commit(LoadedFile(sum(map(len, splits))))


def _converted(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Text of a kind where the destination wants text: pyarrow casts not everything to it."""
    if not pa.types.is_string(kind) or pa.types.is_string(column.type):
        return column.cast(kind)
    return pa.array([None if value is None else str(value) for value in column.to_pylist()], kind)


def _new_table(destination: Destination) -> StreamTable:
    return destination.table(TableName(STREAM), anew=True)


def _run_and_die(target: Callable[..., None], *arguments: object) -> None:
    """In a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join(_EXIT_TIMEOUT_S)
    assert process.exitcode == -signal.SIGKILL, "the process that loads did not come to the place where it is killed"


def _refresh_and_die(landing: Landing) -> None:
    with _table(landing) as (destination, _):
        new = _new_table(destination)
        _load(destination, new, _file("a"), [{"m": 2}])
        new.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def _keep_and_die(landing: Landing) -> None:
    with _table(landing) as (destination, table):
        load = _write(destination, table, _file("a", 1), [{"n": 2}], [{"n": 3}])
        _resumable(table).keep(3, lambda: _progress(2))
        _write_into(load, destination, table, _file("a", 1), 2, [{"n": -1}])
        os.kill(os.getpid(), signal.SIGKILL)


def _load_and_die(landing: Landing, is_committed: bool) -> None:
    with _table(landing) as (destination, table):
        load = _write(destination, table, _file("a", 1), [{"n": 2}, {"n": 3}])
        if is_committed:
            load.commit(LoadedFile(2))
            table.flush()
        os.kill(os.getpid(), signal.SIGKILL)
