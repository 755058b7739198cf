"""What the ledger of a closed database answers, and what of it can be corrected."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import LedgerKeeper, Mismatch, RunLog
from file_cdk.core.ports import LoadedFile, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination

T0 = datetime(2024, 1, 1, 12, tzinfo=UTC)


def version(uri: str, number: int = 0) -> RemoteFile:
    return RemoteFile(uri, 10, T0 + timedelta(hours=number), f"e{number}")


def load(table: StreamTable, file: RemoteFile, rows: int) -> None:
    batch = pa.record_batch({"a": pa.array(range(rows), pa.int64())})
    table.widen(batch.schema)
    writer = table.begin(file)
    writer.write(ArrowIpcEncoder().encode(batch, file, 1, 0), 0)
    writer.commit(LoadedFile(rows))


@pytest.fixture
def database(tmp_path: Path) -> DuckDBDestination:
    """`orders`: a (2 rows) and b (3), of which a newer version failed; `users`: c (1), and d, which only failed."""
    destination = DuckDBDestination(tmp_path / "x.duckdb", run="r1")
    destination.open()
    orders, users = (destination.table(TableName(name, f"file:///{name}")) for name in ("orders", "Users"))
    load(orders, version("a"), 2)
    load(orders, version("b"), 3)
    orders.flush()
    orders.record_failure(version("b", 5), "file 'b': no")
    load(users, version("c", 9), 1)
    users.flush()
    users.record_failure(version("d"), "file 'd': no")
    destination.close()
    return destination


def change(database: DuckDBDestination, sql: str) -> None:
    with duckdb.connect(database.path) as connection:
        connection.execute(sql)


def unloaded(database: DuckDBDestination, stream: str, *files: RemoteFile) -> list[bool]:
    database.open()
    try:
        return database.table(TableName(stream)).unloaded(files)
    finally:
        database.close()


def counted(database: DuckDBDestination, stream: str) -> list[tuple[str, int]]:
    with duckdb.connect(database.path, read_only=True) as connection:
        return connection.execute(f'SELECT _file_url, count(*) FROM "{stream}" GROUP BY 1 ORDER BY 1').fetchall()


def test_it_is_a_keeper_of_a_ledger(database: DuckDBDestination) -> None:
    assert isinstance(database, LedgerKeeper)
    assert isinstance(database, RunLog)


def test_streams_are_told_with_their_counts(database: DuckDBDestination) -> None:
    users, orders = database.streams()
    assert (users.stream, users.source, users.files, users.rows, users.failed) == ("Users", "file:///Users", 1, 1, 1)
    assert (orders.files, orders.rows, orders.size_bytes, orders.failed, orders.again) == (2, 5, 20, 1, 0)
    assert (orders.newest_at, users.newest_at) == (T0, T0 + timedelta(hours=9))
    assert orders.run == "r1"
    assert [each.stream for each in database.streams("USERS")] == ["Users"]


def test_entries_come_in_order_and_by_choice(database: DuckDBDestination) -> None:
    found = [(each.stream, each.url, each.status) for each in database.entries()]
    assert found == [
        ("Users", "c", "loaded"),
        ("Users", "d", "failed"),
        ("orders", "a", "loaded"),
        ("orders", "b", "failed"),
        ("orders", "b", "loaded"),
    ]
    [failed] = database.entries("orders", failed=True)
    assert (failed.url, failed.error, failed.modified_at) == ("b", "file 'b': no", T0 + timedelta(hours=5))
    assert [each.rows for each in database.entries("orders", ["a", "nowhere"])] == [2]
    assert list(database.entries("orders", [])) == []
    assert sorted(url for part in database.loaded("orders") for url in part) == ["a", "b"]
    assert list(database.loaded("nothing")) == []
    assert list(database.entries("nothing")) == []


def test_what_does_not_exist_is_refused(database: DuckDBDestination, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no sync loaded a table 'nothing'.*'Users', 'orders'"):
        database.streams("nothing")
    missing = DuckDBDestination(tmp_path / "missing.duckdb")
    assert list(missing.entries()) == []
    for ask in (missing.streams, missing.mismatches, lambda: missing.runs(1), lambda: missing.reset("orders")):
        with pytest.raises(DestinationError, match="there is no DuckDB database"):
            ask()
    assert not (tmp_path / "missing.duckdb").exists()
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(DestinationError, match="has no table '_file_cdk_files'"):
        DuckDBDestination(tmp_path / "other.duckdb").reset("orders")


def test_files_that_are_reset_are_loaded_again_in_place_of_their_rows(database: DuckDBDestination) -> None:
    assert database.reset("ORDERS", ["a", "nowhere"]) == 1
    assert [each.again for each in database.streams()] == [0, 1]
    assert counted(database, "orders") == [("a", 2), ("b", 3)]
    assert unloaded(database, "orders", version("a"), version("b")) == [True, False]
    database.open()
    load(database.table(TableName("orders")), version("a"), 4)
    database.close()
    assert counted(database, "orders") == [("a", 4), ("b", 3)]
    assert database.reset("orders") == 2
    assert list(database.entries("orders", failed=True)) == []
    assert unloaded(database, "orders", version("a"), version("b")) == [True, True]
    assert unloaded(database, "Users", version("c", 9)) == [False]


def test_rows_that_agree_with_the_ledger_are_no_mismatch(database: DuckDBDestination) -> None:
    assert database.mismatches() == []
    assert database.mismatches("orders", repair=True) == []
    assert unloaded(database, "orders", version("a"), version("b")) == [False, False]


def test_rows_that_somebody_changed_are_found_and_repaired(database: DuckDBDestination) -> None:
    change(database, "DELETE FROM orders WHERE _file_url = 'a' AND a = 0")
    change(database, "INSERT INTO orders SELECT a, 'stranger', _file_modified_at, _file_row FROM orders LIMIT 2")
    change(database, "INSERT INTO orders (a) VALUES (1)")
    change(database, "INSERT INTO orders SELECT * FROM orders WHERE _file_url = 'b' AND a = 2")
    wrong = [
        Mismatch("orders", "a", 2, 1),
        Mismatch("orders", "b", 3, 4),
        Mismatch("orders", "stranger", None, 2),
        Mismatch("orders", None, None, 1),
    ]
    assert database.mismatches() == wrong
    assert database.mismatches("Users") == []
    assert database.mismatches("orders", repair=True) == wrong
    assert database.mismatches() == wrong[-1:]
    assert unloaded(database, "orders", version("a"), version("b")) == [True, True]
    database.open()
    for uri, rows in (("a", 2), ("b", 3)):
        load(database.table(TableName("orders")), version(uri), rows)
    database.close()
    assert database.mismatches() == wrong[-1:]
    assert counted(database, "orders") == [("a", 2), ("b", 3), (None, 1)]


def test_a_table_that_was_dropped_is_a_mismatch_of_all_its_files(database: DuckDBDestination) -> None:
    change(database, "DROP TABLE orders")
    assert database.mismatches("orders") == [Mismatch("orders", "a", 2, 0), Mismatch("orders", "b", 3, 0)]
    database.mismatches("orders", repair=True)
    assert unloaded(database, "orders", version("a"), version("b")) == [True, True]


def test_runs_are_told_the_last_first(tmp_path: Path) -> None:
    for name in ("r1", "r2", "r3"):
        database = DuckDBDestination(tmp_path / "x.duckdb", run=name)
        database.open()
        database.begin_run("1", "orders", "{}")
        database.close()
    assert [run.name for run in database.runs(2)] == ["r3", "r2"]
    assert database.runs(1)[0].ended_at is None


def test_a_ledger_of_an_earlier_version_answers_and_goes_on(database: DuckDBDestination) -> None:
    """One without the column `skipped`, and without the tables of rejects, runs, and files in progress."""
    change(database, "ALTER TABLE _file_cdk_files DROP COLUMN skipped")
    for table in ("rejects", "runs", "parts"):
        change(database, f"DROP TABLE _file_cdk_{table}")
    assert [(each.stream, each.files, each.uncounted) for each in database.streams()] == [
        ("Users", 1, 1),
        ("orders", 2, 2),
    ]
    assert [(each.url, each.status, each.skipped) for each in database.entries("orders")] == [
        ("a", "loaded", None),
        ("b", "failed", None),
        ("b", "loaded", None),
    ]
    assert [sorted(part) for part in database.loaded("orders")] == [["a", "b"]]
    assert (list(database.rejects()), list(database.runs(5)), list(database.mismatches())) == ([], [], [])
    with database.known(TableName("orders")) as known:
        assert known([version("a"), version("b", 5)]) == [False, True]
    assert unloaded(database, "orders", version("a"), version("b")) == [False, False]
    assert list(database.runs(5)) == []
    assert database.reset("orders", ["a"]) == 1
