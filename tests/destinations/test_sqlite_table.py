"""A table in SQLite: what its columns are declared as, how they grow, and that no value changes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.sqlite.destination import SqliteDestination
from file_cdk.destinations.sqlite.types import DECLARED
from file_cdk.testing.landing import load_whole, version

T = TableName("t")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDestination]:
    destination = SqliteDestination(tmp_path / "x.sqlite")
    destination.open()
    yield destination
    destination.close()


def asked(destination: SqliteDestination, sql: str) -> list[Any]:
    with closing(sqlite3.connect(destination.path)) as db:
        return db.execute(sql).fetchall()


def load(destination: SqliteDestination, uri: str, *rows: dict[str, Any]) -> None:
    table = destination.table(T)
    load_whole(destination, table, version(uri), list(rows))
    table.flush()


def declared(destination: SqliteDestination) -> dict[str, str]:
    return dict(
        asked(destination, "SELECT name, type FROM pragma_table_info('t') WHERE name NOT LIKE '\\_%' ESCAPE '\\'")
    )


def test_columns_are_declared_as_what_they_hold(database: SqliteDestination) -> None:
    load(database, "a", {"i": 1, "d": 0.5, "t": "x", "b": b"\0", "f": True})
    assert declared(database) == {"i": "INTEGER", "d": "REAL", "t": "TEXT", "b": "BLOB", "f": "BOOLEAN"}
    assert asked(database, "SELECT typeof(i), typeof(d), typeof(t), typeof(b), f FROM t") == [
        ("integer", "real", "text", "blob", 1)
    ]
    assert asked(database, "SELECT _file_url, _file_modified_at, _file_row FROM t") == [
        ("a", "2024-01-01 12:00:00.123456", 1)
    ]


def test_a_column_becomes_wider_with_all_that_it_holds(database: SqliteDestination) -> None:
    load(database, "a", {"n": 1, "f": True, "d": 0.1, "s": "x"})
    with closing(sqlite3.connect(database.path)) as db:
        db.executescript("CREATE INDEX mine ON t (n); CREATE VIEW seen AS SELECT n, f FROM t")
    load(database, "b", {"n": 1.5, "f": "maybe", "d": "much", "s": "y"})
    assert declared(database) == {"n": "REAL", "f": "TEXT", "d": "TEXT", "s": "TEXT"}
    assert asked(database, "SELECT n, f, d, s FROM t ORDER BY rowid") == [
        (1.0, "true", "0.1", "x"),
        (1.5, "maybe", "much", "y"),
    ]
    assert asked(database, "SELECT name FROM sqlite_master WHERE type = 'index' AND name = 'mine'") == [("mine",)]
    assert len(asked(database, "SELECT * FROM seen")) == 2


@pytest.mark.parametrize("first", [2**53 + 1, 0.5])
def test_integers_that_no_double_holds_become_text(database: SqliteDestination, first: float) -> None:
    other = 0.5 if first == 2**53 + 1 else 2**53 + 1
    table = database.table(T)
    table.widen(pa.schema({"n": pa.float64()}))
    for uri, value in (("a", first), ("b", other)):
        batch = pa.record_batch({"n": pa.array([value])})
        table.widen(batch.schema)
        writer = table.begin(version(uri))
        writer.write(database.encoder.encode(batch, version(uri), 1, 0), 0)
        writer.commit(LoadedFile(1))
    table.flush()
    assert sorted(asked(database, "SELECT n FROM t")) == [("0.5",), ("9007199254740993",)]
    assert table.schema.field("n").type == pa.string()


def test_an_aborted_load_takes_its_columns_back(database: SqliteDestination) -> None:
    load(database, "a", {"n": 1})
    table = database.table(T)
    batch = pa.record_batch({"n": ["x"], "m": [2]})
    table.widen(batch.schema)
    writer = table.begin(version("b"))
    writer.write(database.encoder.encode(batch, version("b"), 1, 0), 0)
    writer.abort()
    table.widen(pa.schema({"n": pa.int64()}), anew=True)
    load(database, "c", {"n": 2})
    assert declared(database) == {"n": "INTEGER"}
    assert asked(database, "SELECT n FROM t ORDER BY 1") == [(1,), (2,)]


def test_what_is_not_a_number_is_kept_as_a_text(database: SqliteDestination) -> None:
    load(database, "a", {"d": float("nan")}, {"d": float("-inf")}, {"d": None})
    assert asked(database, "SELECT d FROM t ORDER BY rowid") == [("NaN",), (float("-inf"),), (None,)]


@given(
    st.lists(
        st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary()), max_size=4
    )
)
@example(values=[False, float("nan")])
@example(values=[2**63 - 1, 0.0])
def test_whatever_files_hold_nothing_changes(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """Each value a file of its own: it comes back as itself, or as the text that stands for it."""
    destination = SqliteDestination(tmp_path_factory.mktemp("x") / "x.sqlite")
    destination.open()
    table = destination.table(T)
    for number, value in enumerate(values):
        batch = pa.record_batch({"v": pa.array([value])})
        table.widen(batch.schema)
        writer = table.begin(version(f"{number:03}"))
        writer.write(destination.encoder.encode(batch, version(f"{number:03}"), 1, 0), 0)
        writer.commit(LoadedFile(1))
    destination.close()
    kept = [value for (value,) in asked(destination, "SELECT v FROM t ORDER BY _file_url")] if values else []
    for value, found in zip(values, kept, strict=True):
        # An integer may have been a double in between, should that be the same number.
        as_double = text_of(float(value)) if isinstance(value, int) and float(value) == value else None
        assert found == value or (isinstance(found, str) and found in (text_of(value), as_double)), (values, kept)


def text_of(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "NaN" if value != value else repr(value) if isinstance(value, int | float) else None


def test_two_runs_do_not_share_a_database(database: SqliteDestination) -> None:
    other = SqliteDestination(database.path)
    with pytest.raises(DestinationInUseError, match=r"SQLite database .* is in use by another run in this process"):
        other.open()


def test_one_that_is_locked_by_a_stranger_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_cdk.destinations.sqlite.session.BUSY_S", 0.1)
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DestinationInUseError, match="is in use by another process"):
            SqliteDestination(path).open()


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be taken for one" * 10])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(DestinationError, match="no SQLite database"):
        SqliteDestination(path).open()
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_of_somebody_else_is_refused(database: SqliteDestination) -> None:
    with closing(sqlite3.connect(database.path)) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(DestinationError, match="that file_cdk did not make"):
        database.table(T)


def test_every_kind_of_column_is_declared_differently() -> None:
    assert len(set(DECLARED.values())) == len(DECLARED)
