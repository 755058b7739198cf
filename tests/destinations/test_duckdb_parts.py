"""Progress inside a large file: what is kept of a load that did not end, and what becomes of it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Reject, Rejects, TableName
from file_cdk.core.progress import LoadProgress
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE, DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits
from file_cdk.destinations.duckdb.loads import DuckDBFileLoad
from file_cdk.destinations.duckdb.table import DuckDBTable

T0 = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
FILE = RemoteFile("big", 100, T0, "e")
NEWER = replace(FILE, modified_at=T0 + timedelta(hours=1), etag="f")
OWN_TABLES = "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, '_file_cdk_part_')"
AT_ONCE = WriteLimits(rows=4, kept_after_s=0)
HELD = WriteLimits(kept_after_s=0)


@dataclass
class Database:
    """A destination with one table, closed and opened again as often as a test wants."""

    path: Path
    limits: WriteLimits = AT_ONCE
    destination: DuckDBDestination = field(init=False)

    def __post_init__(self) -> None:
        self.reopen()

    def reopen(self) -> None:
        if hasattr(self, "destination"):
            self.destination.close()
        self.destination = DuckDBDestination(self.path, limits=self.limits, memory_limit_bytes=128 << 20)
        self.destination.open()

    @property
    def table(self) -> DuckDBTable:
        return self.destination.table(TableName("t"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        self.destination.close()
        with duckdb.connect(str(self.path), read_only=True) as connection:
            found = connection.execute(sql).fetchall()
        self.reopen()
        return found

    def change(self, sql: str) -> None:
        self.destination.close()
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(sql)
        self.reopen()

    def write(self, load: DuckDBFileLoad, values: Sequence[Any], rows_before: int, name: str = "a") -> None:
        column = pa.array(values)
        self.table.widen(pa.schema([(name, column.type)]))
        load.write(ArrowIpcEncoder().encode(pa.record_batch({name: column}), FILE, 1, 0), rows_before)

    def keep(self, load: DuckDBFileLoad, rows: int, file: RemoteFile = FILE, **facts: Any) -> None:
        assert load.is_open
        self.table.keep(rows, lambda: LoadProgress(file, rows, rows, **facts))

    def load(self, file: RemoteFile, *values: int) -> None:
        load = self.table.begin(file)
        self.write(load, values, 0)
        load.commit(LoadedFile(len(values)))
        self.table.flush()

    def begin_and_die(self, *values: int, file: RemoteFile = FILE) -> None:
        """The rows are kept; what comes behind them is not."""
        load = self.table.begin(file)
        self.write(load, values, 0)
        self.keep(load, len(values), file)
        self.write(load, [-1] * 5, len(values))
        load.abort()
        self.reopen()

    def rows(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT a, _file_url, _file_row FROM t")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "x.duckdb")


@pytest.mark.parametrize("limits", [AT_ONCE, HELD], ids=["written", "held"])
@pytest.mark.parametrize("has_table", [False, True])
def test_a_load_goes_on_where_it_was(tmp_path: Path, limits: WriteLimits, has_table: bool) -> None:
    database = Database(tmp_path / "x.duckdb", limits)
    before = [(7, "small", 1)] if has_table else []
    if has_table:
        database.load(replace(FILE, uri="small"), 7)
    database.begin_and_die(1, 2, 3, 4, 5)
    assert (database.rows() if has_table else database.query("SELECT * FROM _file_cdk_files")) == before
    [progress] = database.table.begun()
    assert progress == LoadProgress(FILE, 5, 5)
    assert database.table.unloaded([FILE]) == [True]

    load = database.table.resume(progress)
    database.write(load, [6, 7], 5)
    database.keep(load, 7)
    database.write(load, [8], 7)
    load.commit(LoadedFile(8))
    assert database.rows() == [*before, *((n, "big", n) for n in range(1, 9))]
    assert database.table.begun() == []
    assert database.query(OWN_TABLES) == []
    assert database.query("SELECT stream, url, rows FROM _file_cdk_files WHERE url = 'big'") == [("t", "big", 8)]


def test_rows_of_the_older_version_stay_until_the_newer_one_is_whole(database: Database) -> None:
    database.load(FILE, 1, 2, 3)
    database.begin_and_die(11, 12, 13, 14, 15, 16, file=NEWER)
    assert database.rows() == [(1, "big", 1), (2, "big", 2), (3, "big", 3)]
    [progress] = database.table.begun()
    load = database.table.resume(progress)
    load.commit(LoadedFile(6))
    assert [row[0] for row in database.rows()] == [11, 12, 13, 14, 15, 16]
    assert database.query("SELECT etag, rows FROM _file_cdk_files") == [("f", 6)]


def test_what_was_found_is_kept_too(database: Database) -> None:
    rejects = Rejects()
    for reject in (Reject(3, 40, "broken", b"\xff{"), Reject(None, None, "odd\udc80", None)):
        rejects.add(reject)
    rejects.counts["broken"] += 10
    load = database.table.begin(FILE)
    facts: dict[str, Any] = {
        "skipped": Counter({"empty": 2}),
        "rejects": rejects,
        "warnings": Counter({"w": 1}),
        "meaning": "m",
    }
    database.keep(load, 0, **facts)
    database.reopen()
    assert database.table.begun() == [LoadProgress(FILE, 0, 0, **facts)]
    [(rejected, position)] = database.query("SELECT rejected, position FROM _file_cdk_parts")
    assert (rejected, position) == (12, 0)
    assert database.query("SELECT * FROM _file_cdk_rejects") == []


def test_progress_replaces_earlier_progress(database: Database) -> None:
    load = database.table.begin(FILE)
    for rows in range(1, 12):
        database.write(load, [rows], rows - 1)
        database.keep(load, rows)
    load.abort()
    database.reopen()
    [progress] = database.table.begun()
    assert progress.rows == 11
    assert len(database.query(OWN_TABLES)) == 1
    database.table.resume(progress).commit(LoadedFile(11))
    assert database.rows() == [(n, "big", n) for n in range(1, 12)]


def begin_anew(database: Database) -> None:
    database.table.begin(FILE).abort()


def load_newer(database: Database) -> None:
    database.load(NEWER, 1)


def remove(database: Database) -> None:
    database.table.remove([FILE.uri])


def forget(database: Database) -> None:
    database.table.forget_begun([FILE.uri, "never heard of"])


@pytest.mark.parametrize("step", [begin_anew, load_newer, remove, forget])
def test_progress_is_forgotten(database: Database, step: Any) -> None:
    database.load(replace(FILE, uri="other"), 0)
    database.begin_and_die(1, 2, 3, 4, 5)
    step(database)
    assert database.table.begun() == []
    assert database.query(OWN_TABLES) == []
    assert database.query("SELECT * FROM _file_cdk_parts") == []
    assert (0, "other", 1) in database.rows()


@pytest.mark.parametrize("sql", ["DROP TABLE", "DELETE FROM"])
def test_rows_that_somebody_removed_are_not_gone_on_from(database: Database, sql: str) -> None:
    database.begin_and_die(1, 2, 3, 4, 5)
    [(table,)] = database.query(OWN_TABLES)
    database.change(f"{sql} {table}")
    assert database.table.begun() == []
    database.load(FILE, 1, 2)
    assert len(database.rows()) == 2
    assert database.query(OWN_TABLES) == []


def test_a_load_is_kept_when_it_has_lasted(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.duckdb", WriteLimits(rows=4, kept_after_s=3600))
    load = database.table.begin(FILE)
    database.write(load, range(10), 0)
    database.table.keep(90, lambda: pytest.fail("nobody asks for progress before its time"))
    load.abort()
    assert database.query("SELECT * FROM _file_cdk_parts") == []


def test_a_load_that_will_last_is_kept_early(tmp_path: Path) -> None:
    """A hundredth of the file took a twentieth of the time, or more."""
    database = Database(tmp_path / "x.duckdb", WriteLimits(rows=4, kept_after_s=10))
    load = database.table.begin(FILE)
    database.write(load, range(10), 0)
    assert not load.is_to_be_kept(1)
    time.sleep(0.55)
    assert not load.is_to_be_kept(99)
    assert load.is_to_be_kept(1)
    database.table.keep(1, lambda: LoadProgress(FILE, 1, 10))
    assert not load.is_to_be_kept(2)
    load.abort()
    database.reopen()
    assert database.table.begun() == [LoadProgress(FILE, 1, 10)]


def test_columns_grow_and_widen_while_rows_are_kept(database: Database) -> None:
    """As they would in the stream's table: what stands in it is widened when the file is whole, and no sooner."""
    database.load(replace(FILE, uri="other"), 2**53 + 1)
    load = database.table.begin(FILE)
    database.write(load, [1, 2, 3, 4, 5], 0)
    database.keep(load, 5)
    database.write(load, [0.5], 5)
    database.write(load, ["x"], 6, name="A")
    database.keep(load, 7)
    load.abort()
    assert database.query("SELECT data_type FROM duckdb_columns() WHERE table_name = 't' AND column_name = 'a'") == [
        ("BIGINT",)
    ]
    [progress] = database.table.begun()
    database.table.widen(pa.schema([("a", pa.float64()), ("A", pa.string())]))
    load = database.table.resume(progress)
    load.commit(LoadedFile(7))
    assert database.query("SELECT a, A_2 FROM t") == [
        *((value, None) for value in ("9007199254740993", "1.0", "2.0", "3.0", "4.0", "5.0", "0.5")),
        (None, "x"),
    ]
    assert database.query("SELECT * FROM _file_cdk_columns") == [("t", "A", "A_2")]


def test_a_first_file_that_was_kept_has_its_columns_in_their_order(database: Database) -> None:
    load = database.table.begin(FILE)
    database.write(load, [1], 0, name="B")
    database.write(load, [2], 0, name="b")
    database.keep(load, 2)
    database.reopen()
    [progress] = database.table.begun()
    database.table.widen(pa.schema([("B", pa.int64()), ("b", pa.int64())]))
    database.table.resume(progress).commit(LoadedFile(2))
    names = database.query("SELECT column_name FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index")
    assert [name for (name,) in names] == ["B", "b_2", "_file_url", "_file_modified_at", "_file_row"]
    assert database.query("SELECT * FROM _file_cdk_columns") == [("t", "b", "b_2")]
    assert database.table.schema.names == ["B", "b"]


@pytest.mark.parametrize("has_table", [False, True])
def test_all_types_are_moved_as_they_are(tmp_path: Path, has_table: bool) -> None:
    """The first rows go into the stream's table, and out of it when the load has lasted."""
    database = Database(tmp_path / "x.duckdb", WriteLimits(rows=2, kept_after_s=0.2))
    columns: dict[str, Any] = {
        "duration": pa.array([timedelta(days=40, microseconds=1), None, timedelta(0)], pa.duration("us")),
        "nanoseconds": pa.array([1, None, 3], pa.timestamp("ns")),
        "zoned": pa.array([T0, None, T0]),
        "time": pa.array([1, None, 2], pa.time64("us")),
        "decimal": pa.array(["99999999999999999999999999999999999.125", None, "0"], pa.string()).cast(
            pa.decimal128(38, 3)
        ),
        "large": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "bytes": pa.array([b"\xff\x00", None, b""]),
        "nested": pa.array([{"x": [1, None], "y": {"z": "é"}}, None, {"x": [], "y": None}]),
        "map": pa.array([[("k", 1.5)], None, []], pa.map_(pa.string(), pa.float64())),
        "double": pa.array([float("nan"), None, float("-inf")]),
    }
    batch = pa.record_batch(columns)
    if has_table:
        database.load(replace(FILE, uri="other"), 1)
    database.table.widen(batch.schema)
    plain = database.table.begin(replace(FILE, uri="plain"))
    plain.write(ArrowIpcEncoder().encode(batch, FILE, 1, 0), 0)
    plain.commit(LoadedFile(3))
    load = database.table.begin(FILE)
    load.write(ArrowIpcEncoder().encode(batch, FILE, 1, 0), 0)
    while not load.is_to_be_kept(99):
        pass
    database.keep(load, 3)
    database.reopen()
    [progress] = database.table.begun()
    database.table.widen(batch.schema)
    database.table.resume(progress).commit(LoadedFile(3))
    names = ", ".join(f'"{name}"' for name in columns)
    one, other = (
        database.query(f"SELECT hash(row({names})), {names} FROM t WHERE _file_url = '{uri}' ORDER BY _file_row")
        for uri in ("plain", FILE.uri)
    )
    assert [row[0] for row in one] == [row[0] for row in other]
    assert str(one) == str(other)
    assert len(one) == 3


def test_a_database_of_an_older_version_gets_the_table_it_lacks(database: Database) -> None:
    database.load(FILE, 1)
    database.destination.close()
    with duckdb.connect(str(database.path)) as connection:
        connection.execute("DROP TABLE _file_cdk_parts")
    with database.destination.known(TableName("t")) as known:
        assert known([FILE, NEWER]) == [False, True]
    assert database.destination.check()
    assert database.destination.rejected() == 0
    database.reopen()
    assert database.table.begun() == []


def test_kept_rows_are_unknown_to_who_only_looks(database: Database) -> None:
    database.begin_and_die(1, 2, 3, 4, 5)
    database.destination.close()
    with database.destination.known(TableName("t")) as known:
        assert known([FILE]) == [True]
    assert database.destination.rejected() == 0
    with pytest.raises(ConfigError, match="no sync loaded"):
        database.destination.rejected("t")
    database.reopen()
    assert database.table.schema == pa.schema([])


def interrupt_and_close(database: Database) -> None:
    try:
        raise KeyboardInterrupt
    finally:
        database.destination.close()


def test_a_new_database_with_progress_in_it_is_kept_after_an_error(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.duckdb")
    load = database.table.begin(FILE)
    database.write(load, [1], 0)
    database.keep(load, 1)
    with pytest.raises(KeyboardInterrupt):
        interrupt_and_close(database)
    database.reopen()
    assert len(database.table.begun()) == 1


def test_a_count_that_is_not_that_of_the_rows_is_a_bug(database: Database) -> None:
    load = database.table.begin(FILE)
    database.write(load, [1, 2], 0)
    with pytest.raises(InternalError, match="2 rows were written and 3 counted"):
        database.keep(load, 3)
    load.abort()
    with pytest.raises(InternalError, match="not open"):
        database.table.keep(1, lambda: LoadProgress(FILE, 1, 1))


@pytest.mark.parametrize("text", ["soon", "-1", "1_0", "inf", "1.2.3", "٣"])
def test_the_time_has_to_be_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    monkeypatch.setenv(KEEP_AFTER_VARIABLE, text)
    with pytest.raises(ConfigError, match="must be a number of seconds"):
        DuckDBDestination(tmp_path / "x.duckdb")
