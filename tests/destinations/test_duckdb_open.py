"""Opening: what is refused, and with what words."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from file_cdk.core.errors import ConfigError, DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.table import DuckDBTable

FILE = RemoteFile("a", 1, datetime(2024, 1, 1, tzinfo=UTC))


def refusal(path: Path) -> str:
    with pytest.raises(DestinationError) as caught:
        DuckDBDestination(path).open()
    assert str(path) in caught.value.message
    assert caught.value.remedy
    return str(caught.value)


def test_a_missing_file_is_created_and_an_existing_one_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    for _ in range(2):
        destination = DuckDBDestination(path)
        destination.open()
        destination.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS a")
    destination = DuckDBDestination(path)
    destination.open()
    destination.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT a FROM mine").fetchall() == [(1,)]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "no" / "x.duckdb")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("content", [b"hello", b"a,b\n" * 5000, b"SQLite format 3\0" + bytes(4096)])
def test_another_kind_of_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.duckdb"
    path.write_bytes(content)
    assert "is not a DuckDB database" in refusal(path)
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_database_with_the_same_permissions(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    path.touch(mode=0o600)
    link = tmp_path / "link.duckdb"
    link.symlink_to(path)
    destination = DuckDBDestination(link)
    destination.open()
    destination.table(TableName("t")).record_failure(FILE, "gone")
    destination.close()
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT url FROM _file_cdk_files").fetchall() == [("a",)]


LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_an_empty_file_that_another_process_is_about_to_fill_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    path.touch()
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        assert "in use by another process" in refusal(path)
        other.communicate()
    assert path.read_bytes() == b""


def fail_after(path: Path, step: Callable[[DuckDBTable], None]) -> None:
    """As a sync does it when the files turn out not to be what was asked for."""
    destination = DuckDBDestination(path)
    with ExitStack() as opened:
        destination.open()
        opened.callback(destination.close)
        step(destination.table(TableName("t", "file:///somewhere")))
        raise ConfigError("several formats")


@pytest.mark.parametrize("before", [None, b""], ids=["missing", "empty"])
def test_a_mistake_found_after_opening_leaves_no_empty_database(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "x.duckdb"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(ConfigError):
        fail_after(path, lambda _: None)
    assert list(tmp_path.iterdir()) == []


USES: dict[str, Callable[[DuckDBTable], None]] = {
    "a file": lambda table: table.begin(FILE).commit(LoadedFile(0)),
    "an entry": lambda table: table.record_failure(FILE, "gone"),
}


@pytest.mark.parametrize("use", USES)
def test_a_mistake_removes_nothing_that_is_in_use(tmp_path: Path, use: str) -> None:
    path = tmp_path / "x.duckdb"
    with pytest.raises(ConfigError):
        fail_after(path, USES[use])
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM _file_cdk_files").fetchall() == [(1,)]


def test_a_mistake_does_not_remove_a_database_of_before(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    destination = DuckDBDestination(path)
    destination.open()
    destination.close()
    with pytest.raises(ConfigError):
        fail_after(path, lambda _: None)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(10000)")
    data = bytearray(path.read_bytes())
    data[4096:12288] = os.urandom(8192)  # the headers that say where everything is
    path.write_bytes(data)
    assert "damaged" in refusal(path)


def test_a_database_of_another_process_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    code = "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nprint('open', flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert "in use by another process" in refusal(path)
        other.communicate()
    DuckDBDestination(path).open()


def test_a_database_open_in_this_process_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)):
        assert "open in this process already" in refusal(path)


OPEN = """
import sys
from file_cdk.core.errors import DestinationError
from file_cdk.destinations.duckdb.destination import DuckDBDestination
try:
    DuckDBDestination(sys.argv[1]).open()
except DestinationError as exc:
    print(exc)
"""


@pytest.mark.parametrize("exists", [True, False])
def test_a_database_that_cannot_be_written_is_refused(exists: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.duckdb"
        if exists:
            destination = DuckDBDestination(path)
            destination.open()
            destination.close()
            path.chmod(0o444)
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", OPEN, str(path)]
        if os.geteuid() == 0:  # root may write everywhere, unless it gives that up
            command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        Path(folder).chmod(0o755)
    assert f"{str(path)!r} cannot be written: no permission" in done.stdout


@pytest.mark.parametrize("table", ["_file_cdk_files", "_file_cdk_columns", "_file_cdk_rejects"])
@pytest.mark.parametrize("columns", ["stream VARCHAR", "a INTEGER"])
def test_a_ledger_of_another_shape_is_refused(tmp_path: Path, table: str, columns: str) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE {table} ({columns})")
    assert f"table {table!r}" in refusal(path)
    with duckdb.connect(str(path)) as connection:  # closed again, and nothing created beside it
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [(table,)]


def test_what_was_refused_can_be_opened_once_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    path.write_bytes(b"hello")
    destination = DuckDBDestination(path)
    with pytest.raises(DestinationError):
        destination.open()
    path.unlink()
    destination.open()
    destination.close()


def test_tables_need_an_open_destination(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="not open"):
        DuckDBDestination(tmp_path / "x.duckdb").table(TableName("t"))
    DuckDBDestination(tmp_path / "x.duckdb").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["main.duckdb", "temp.duckdb", "system.duckdb", "a b.c'\"d.duckdb", "🦆.duckdb"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    destination = DuckDBDestination(tmp_path / name)
    destination.open()
    destination.table(TableName("t"))
    destination.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
