"""What is said of each fault of a database's file, as the fault itself has DuckDB or the system say it."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination

HEADERS_BYTES, BLOCK_BYTES = 3 * 4096, 256 << 10
COLUMNS = pa.schema([("secret", pa.string())])
BLOCK_ROWS = 20_000


def file(uri: str) -> RemoteFile:
    return RemoteFile(uri, 10, datetime(2024, 1, 1, tzinfo=UTC))


def fill_with_one(table: StreamTable, blocks: int) -> None:
    """A file of about 1.3 MB for each block, which do not compress."""
    load = table.begin(file("large"))
    try:
        for number in range(blocks):
            text = random.Random(number).randbytes(BLOCK_ROWS * 32).hex()
            rows = pa.record_batch({"secret": [text[at : at + 64] for at in range(0, len(text), 64)]})
            load.write(ArrowIpcEncoder().encode(rows, file("large"), 1, 0), number * BLOCK_ROWS)
        load.commit(LoadedFile(blocks * BLOCK_ROWS))
    finally:
        load.abort()


def load(path: Path, uri: str, blocks: int = 1) -> None:
    destination = DuckDBDestination(path)
    destination.open()
    try:
        table = destination.table(TableName("t"))
        table.widen(COLUMNS)
        if blocks > 1:
            fill_with_one(table, blocks)
        rows = pa.record_batch({"secret": [uri]})
        one = table.begin(file(uri))
        one.write(destination.encoder.encode(rows, file(uri), 1, 0), 0)
        one.commit(LoadedFile(1))
        table.flush()
    finally:
        destination.close()


def said_of(path: Path) -> str:
    with pytest.raises(DestinationError) as caught:
        load(path, "x", 2)
    return str(caught.value)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "x.duckdb"
    load(path, "first")
    return path


@pytest.mark.parametrize("at", [0, 20, 4096, 8192, 12_300])
def test_a_damaged_file_is_called_damaged(database: Path, at: int) -> None:
    whole = bytearray(database.read_bytes())
    part = slice(at, at + 8 if at < 12_288 else at + 4096)
    whole[part] = bytes(byte ^ 0x5A for byte in whole[part])
    database.write_bytes(whole)
    assert "damaged or cut off. Restore it" in said_of(database)


@pytest.mark.parametrize("size_bytes", [20, 4096, 12_288, 300_000])
def test_a_file_that_was_cut_off_is_called_so(database: Path, size_bytes: int) -> None:
    os.truncate(database, size_bytes)
    assert "damaged or cut off. Restore it" in said_of(database)


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").symlink_to(tmp_path / "x.duckdb")
    assert "Too many levels of symbolic links" in said_of(tmp_path / "x.duckdb")


def test_a_column_that_was_dropped_by_hand_while_a_sync_ran(database: Path) -> None:
    destination = DuckDBDestination(database)
    destination.open()
    table = destination.table(TableName("t"))
    session = destination._session
    assert session is not None
    session.connection.execute("ALTER TABLE t RENAME secret TO other")
    with pytest.raises(Exception, match="altered by hand"):
        fill_with_one(table, 40)
    destination.close()


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000))
from pathlib import Path
from test_duckdb_faults import load
from file_cdk.core.errors import DestinationError
path = Path(sys.argv[1])
try:
    load(path, "after", 100)
except DestinationError as exc:
    print(exc)
load(path, "small")
print("loaded")
"""


def test_a_limit_on_the_size_of_files(database: Path) -> None:
    """And what fits is loaded afterwards, under the same limit."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(database), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    refused, loaded = done.stdout.splitlines()
    assert "its file would become larger than the limit on files (ulimit -f)" in refused
    assert loaded == "loaded"
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT secret FROM t ORDER BY 1").fetchall() == [("first",), ("small",)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """12 MB."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.fail(f"this test has to mount a small disk and cannot: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_after_a_full_disk_a_smaller_load_finds_room(small_disk: Path) -> None:
    path = small_disk / "x.duckdb"
    load(path, "first")
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    table.widen(COLUMNS)
    with pytest.raises(DestinationError, match="the disk is full"):
        fill_with_one(table, 100)
    destination.close()
    load(path, "small")
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT secret FROM t WHERE length(secret) < 10 ORDER BY 1").fetchall() == [
            ("first",),
            ("small",),
        ]


def test_after_a_full_disk_there_is_room_also_where_the_last_block_is_whole(small_disk: Path) -> None:
    """As when two threads write, and the earlier of their blocks is the one that did not fit."""
    path = small_disk / "x.duckdb"
    load(path, "first")
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    table.widen(COLUMNS)
    with pytest.raises(DestinationError, match="the disk is full"):
        fill_with_one(table, 100)
    os.truncate(path, path.stat().st_size - (path.stat().st_size - HEADERS_BYTES) % BLOCK_BYTES)
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    destination.close()
    load(path, "small")
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT secret FROM t WHERE length(secret) < 10 ORDER BY 1").fetchall() == [
            ("first",),
            ("small",),
        ]


@pytest.mark.parametrize("name", ["x.duckdb", "new.duckdb", "empty.duckdb"])
def test_a_file_system_that_is_read_only(small_disk: Path, name: str) -> None:
    load(small_disk / "x.duckdb", "first")
    (small_disk / "empty.duckdb").touch()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "on a file system that is mounted to be read only" in said_of(small_disk / name)
