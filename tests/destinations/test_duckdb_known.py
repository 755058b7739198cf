"""Asking a database what is loaded, and whether it could be written, without a trace."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from file_cdk import sync
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Inspectable, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.readers.local import LocalReader

ORIGIN = "the folder"


def files_of(folder: Path) -> list[RemoteFile]:
    return sorted(LocalReader(folder).list_files(""), key=lambda file: file.uri)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.csv").write_text("id\n1\n")
    return folder


@pytest.fixture
def database(tmp_path: Path, orders: Path) -> Path:
    (orders / "bad.csv").write_bytes(b",,\n")
    path = tmp_path / "shop.duckdb"
    sync(orders, path)
    return path


def test_what_was_loaded_is_known_and_the_file_untouched(database: Path, orders: Path) -> None:
    (orders / "d.csv").write_text("id\n4\n")
    before, names = database.read_bytes(), sorted(each.name for each in database.parent.iterdir())
    a, b, bad, c, d = files_of(orders)
    later = replace(b, modified_at=b.modified_at + timedelta(seconds=1))
    with DuckDBDestination(database).known(TableName("orders", orders.as_uri())) as known:
        assert known([a, later, bad, c, d]) == [False, True, True, False, True]
        assert known([]) == []
        assert known([d, c]) == [True, False]
    with DuckDBDestination(database).known(TableName("others")) as known:
        assert known([a]) == [True]
    assert database.read_bytes() == before
    assert sorted(each.name for each in database.parent.iterdir()) == names


def test_a_sync_may_run_while_what_is_known_is_looked_at(database: Path, orders: Path) -> None:
    (orders / "d.csv").write_text("id\n4\n")
    with DuckDBDestination(database).known(TableName("orders", orders.as_uri())) as known:
        program = f"from file_cdk import sync; print(sync({str(orders)!r}, {str(database)!r}).streams[0].files_read)"
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ran.stdout == "1\n"
        assert known(files_of(orders))[-1], "as it was when it was asked"


def test_where_there_is_no_database_nothing_is_known_or_made(tmp_path: Path) -> None:
    empty = tmp_path / "empty.duckdb"
    empty.touch()
    file = RemoteFile("a", 1, datetime(2024, 1, 1, tzinfo=UTC))
    for path in (tmp_path / "none.duckdb", tmp_path / "no" / "folder.duckdb", empty):
        with DuckDBDestination(path).known(TableName("a", ORIGIN)) as known:
            assert known([file, file]) == [True, True]
    assert [each.name for each in tmp_path.iterdir()] == ["empty.duckdb"]
    assert empty.stat().st_size == 0


def test_a_database_of_somebody_else_knows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS a")
    before = path.read_bytes()
    with DuckDBDestination(path).known(TableName("a", ORIGIN)) as known:
        assert known([RemoteFile("a", 1, datetime(2024, 1, 1, tzinfo=UTC))]) == [True]
    assert DuckDBDestination(path).check()
    assert path.read_bytes() == before


def test_what_a_sync_would_refuse_is_refused(database: Path) -> None:
    destination = DuckDBDestination(database)
    with pytest.raises(ConfigError, match="holds the files of"), destination.known(TableName("orders", ORIGIN)):
        pass
    with pytest.raises(DestinationError, match="would share one table"), destination.known(TableName("ORDERS")):
        pass
    with duckdb.connect(str(database)) as connection:
        connection.execute("ALTER TABLE _file_cdk_files DROP COLUMN run")
    with pytest.raises(DestinationError, match="other columns"), destination.known(TableName("orders")):
        pass
    with pytest.raises(DestinationError, match="other columns"):
        destination.check()


def test_a_table_that_was_dropped_has_no_files(database: Path, orders: Path) -> None:
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE orders")
    with DuckDBDestination(database).known(TableName("orders", orders.as_uri())) as known:
        assert known(files_of(orders)) == [True, True, True, True]


def test_checking_leaves_everything_as_it_was(database: Path, tmp_path: Path) -> None:
    before = database.read_bytes()
    assert DuckDBDestination(database).check()
    assert database.read_bytes() == before
    empty = tmp_path / "empty.duckdb"
    empty.touch(mode=0o640)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert not DuckDBDestination(empty).check()
    assert not DuckDBDestination(tmp_path / "new.duckdb").check()
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    assert (empty.stat().st_size, empty.stat().st_mode & 0o777) == (0, 0o640)


def test_what_cannot_be_written_is_refused(database: Path, tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="there is no folder"):
        DuckDBDestination(tmp_path / "no" / "x.duckdb").check()
    (tmp_path / "text.duckdb").write_text("this is no database")
    with pytest.raises(DestinationError, match="not a DuckDB database"):
        DuckDBDestination(tmp_path / "text.duckdb").check()
    program = f"import duckdb, sys; c = duckdb.connect({str(database)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(DestinationError, match="in use by another process"):
            DuckDBDestination(database).check()
        with (
            pytest.raises(DestinationError, match="in use by another process"),
            DuckDBDestination(database).known(TableName("x")),
        ):
            pass
        other.communicate("")


def test_it_is_an_inspectable_destination(tmp_path: Path) -> None:
    assert isinstance(DuckDBDestination(tmp_path / "x.duckdb"), Inspectable)
