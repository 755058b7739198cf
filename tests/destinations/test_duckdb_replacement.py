"""A table that is built beside another, and put in its place or not."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Reject, Rejects, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits

GOODS = TableName("goods", "file:///goods")
T0 = datetime(2024, 1, 1, tzinfo=UTC)
STREAMING = WriteLimits(rows=2)
"""Rows are written while they come."""

LEDGER = ("_file_cdk_files", "_file_cdk_rejects", "_file_cdk_columns", "_file_cdk_streams", "_file_cdk_parts")


@contextmanager
def opened(path: Path, limits: WriteLimits | None = None) -> Iterator[DuckDBDestination]:
    destination = DuckDBDestination(path, limits=limits)
    destination.open()
    try:
        yield destination
    finally:
        destination.close()


def load(table: StreamTable, uri: str, columns: dict[str, list[Any]], hour: int = 0, rejects: int = 0) -> None:
    batch = pa.record_batch(columns)
    table.widen(batch.schema)
    file = RemoteFile(uri, 10, T0 + timedelta(hours=hour))
    writer = table.begin(file)
    writer.write(ArrowIpcEncoder().encode(batch, file, 1, 0), 0)
    found = Rejects()
    for row in range(rejects):
        found.add(Reject(row, None, "bad", b"?"))
    writer.commit(LoadedFile(batch.num_rows, found))


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for sql in statements:
            connection.execute(sql)


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All of the database but its record of runs, in its order."""
    tables = [
        name
        for (name,) in query(
            path, "SELECT table_name FROM duckdb_tables() WHERE table_name <> '_file_cdk_runs' ORDER BY 1"
        )
    ]
    return {name: query(path, f'SELECT * FROM "{name}" ORDER BY rowid') for name in tables}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two files of older versions, one of which failed since; `N` is called `N_2` there."""
    path = tmp_path / "x.duckdb"
    with opened(path) as destination:
        table = destination.table(GOODS)
        load(table, "a", {"n": [1], "N": ["x"], "gone": [True]}, rejects=1)
        load(table, "b", {"n": [2]})
        table.flush()
        table.record_failure(RemoteFile("b", 11, T0), "cannot be read")
    return path


def refresh(destination: DuckDBDestination) -> None:
    new = destination.table(GOODS, anew=True)
    load(new, "a", {"n": ["one", "two", "three"], "M": [1, 2, 3], "m": [4, 5, 6]}, 1)
    load(new, "c", {"n": ["four"]}, 1)
    new.flush()


@pytest.mark.parametrize("limits", [None, STREAMING], ids=["in groups", "streaming"])
def test_rows_columns_names_and_entries_are_replaced_together(path: Path, limits: WriteLimits | None) -> None:
    with opened(path, limits) as destination:
        refresh(destination)
        destination.put_in_place(GOODS)
        table = destination.table(GOODS)
        assert table.schema.names == ["n", "M", "m"]
        load(table, "d", {"n": ["five"]})
    assert query(path, "SELECT n, M, m_2, _file_url, _file_row FROM goods ORDER BY rowid") == [
        ("one", 1, 4, "a", 1),
        ("two", 2, 5, "a", 2),
        ("three", 3, 6, "a", 3),
        ("four", None, None, "c", 1),
        ("five", None, None, "d", 1),
    ]
    found = contents(path)
    assert found.keys() == {"goods", *LEDGER}
    assert [(entry[0], entry[1], entry[7]) for entry in found["_file_cdk_files"]] == [
        ("goods", uri, "loaded") for uri in "acd"
    ]
    assert found["_file_cdk_columns"] == [("goods", "m", "m_2")]
    assert found["_file_cdk_streams"] == [("goods", "file:///goods")]
    assert found["_file_cdk_rejects"] == []


@pytest.mark.parametrize("limits", [None, STREAMING], ids=["in groups", "streaming"])
def test_what_is_not_put_in_place_leaves_the_database_as_it_was(path: Path, limits: WriteLimits | None) -> None:
    before = contents(path)
    with opened(path, limits) as destination:
        refresh(destination)
    assert contents(path) == before


def dead(path: Path) -> Path:
    """The database as a process leaves it that dies before it puts the new table in place."""
    left = path.with_name("left.duckdb")
    with opened(path) as destination:
        refresh(destination)
        for name in (path.name, f"{path.name}.wal"):
            shutil.copy(path.with_name(name), left.with_name(name.replace(path.name, left.name)))
    assert query(left, "SELECT count(*) FROM _file_cdk_refresh_goods") == [(4,)]
    return left


def test_what_a_dead_run_left_goes_when_the_database_is_opened_again(path: Path) -> None:
    before = contents(path)
    left = dead(path)
    assert contents(left) != before
    with opened(left):
        pass
    assert contents(left) == before


def test_what_a_dead_run_left_is_shown_to_nobody(path: Path) -> None:
    left = DuckDBDestination(dead(path))
    change(
        Path(left.path),
        "INSERT INTO _file_cdk_rejects SELECT * REPLACE ('_file_cdk_refresh_goods' AS stream) FROM _file_cdk_rejects",
    )
    assert [(each.stream, each.url) for each in left.rejects()] == [("goods", "a")]
    assert left.rejected() == 1
    with pytest.raises(ConfigError, match=r"Loaded are: 'goods'$"):
        left.rejects("nothing")
    files = [RemoteFile("a", 10, T0), RemoteFile("c", 10, T0 + timedelta(hours=1))]
    with left.known(GOODS) as known:
        assert known(files) == [False, True]


def test_a_table_that_was_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with opened(path) as destination:
        load(destination.table(GOODS, anew=True), "a", {"n": [1]})
        destination.put_in_place(GOODS)
    assert query(path, "SELECT n FROM goods") == [(1,)]


def test_without_rows_there_is_no_table_afterwards(path: Path) -> None:
    with opened(path) as destination:
        destination.table(GOODS, anew=True).begin(RemoteFile("a", 0, T0)).commit(LoadedFile(0))
        destination.put_in_place(GOODS)
    assert contents(path).keys() == set(LEDGER)
    assert query(path, "SELECT url, rows FROM _file_cdk_files") == [("a", 0)]


def test_each_stream_is_replaced_alone(path: Path) -> None:
    other = TableName("others")
    with opened(path) as destination:
        load(destination.table(other), "a", {"k": ["old"]})
    with opened(path) as destination:
        refresh(destination)
        load(destination.table(other, anew=True), "a", {"k": ["new"]})
        destination.put_in_place(GOODS)
    assert query(path, "SELECT n FROM goods ORDER BY rowid LIMIT 1") == [("one",)]
    assert query(path, "SELECT k FROM others") == [("old",)]
    assert contents(path).keys() == {"goods", "others", *LEDGER}


def test_views_and_macros_see_the_new_table(path: Path) -> None:
    change(path, "CREATE VIEW v AS SELECT * FROM goods", "CREATE MACRO q() AS TABLE SELECT n FROM goods")
    with opened(path) as destination:
        refresh(destination)
        destination.put_in_place(GOODS)
    assert query(path, "SELECT n, M FROM v LIMIT 1") == [("one", 1)]
    assert query(path, "FROM q() LIMIT 1") == [("one",)]


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE INDEX by_n ON goods (n)", "the index by_n"),
        ("ALTER TABLE goods ADD PRIMARY KEY (n)", r"the constraint PRIMARY KEY\(n\)"),
        ("ALTER TABLE goods ALTER n SET NOT NULL", "the constraint NOT NULL"),
    ],
)
def test_a_table_with_an_index_or_a_key_is_not_replaced(path: Path, made: str, named: str) -> None:
    change(path, made)
    before = contents(path)
    with opened(path) as destination, pytest.raises(DestinationError, match=named) as caught:
        destination.table(GOODS, anew=True)
    assert "create it again" in str(caught.value)
    assert contents(path) == before


def test_files_of_another_source_do_not_take_the_place(path: Path) -> None:
    with opened(path) as destination, pytest.raises(ConfigError, match="holds the files of 'file:///goods'"):
        destination.table(TableName("goods", "file:///else"), anew=True)


def test_what_was_not_built_cannot_be_put_in_place(path: Path) -> None:
    with opened(path) as destination, pytest.raises(InternalError):
        destination.put_in_place(GOODS)


def test_a_replacement_that_fails_changes_nothing(path: Path) -> None:
    """The last statement does: somebody took the old table away and put a view there."""
    before = query(path, "SELECT * FROM _file_cdk_files")
    with opened(path) as destination:
        refresh(destination)
        assert destination._session is not None
        destination._session.run("x", "ALTER TABLE goods RENAME TO elsewhere")
        destination._session.run("x", "CREATE VIEW goods AS SELECT 1 AS one")
        with pytest.raises(DestinationError):
            destination.put_in_place(GOODS)
    assert query(path, "SELECT * FROM _file_cdk_files") == before
    assert contents(path).keys() == {"elsewhere", *LEDGER}
