"""Disks that fill up, and processes that are killed: nothing partial is left, and the ledger agrees with the rows."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from file_cdk.core.errors import DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Reject, Rejects, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination

BLOCK_ROWS = 20_000


def file(uri: str) -> RemoteFile:
    return RemoteFile(uri, 10, datetime(2024, 1, 1, tzinfo=UTC))


def noise(seed: int) -> bytes:
    """About 1.3 MB that do not compress."""
    text = random.Random(seed).randbytes(BLOCK_ROWS * 32).hex()
    values = pa.array([text[at : at + 64] for at in range(0, len(text), 64)])
    return bytes(ArrowIpcEncoder().encode(pa.record_batch({"secret": values}), file("x"), 1, 0))


def some_rejects() -> Rejects:
    found = Rejects()
    for row in range(3):
        found.add(Reject(row, None, "bad", b"x"))
    return found


def fill(table: StreamTable, blocks: int) -> None:
    for number in range(blocks):
        load = table.begin(file(f"f{number}"))
        load.write(noise(number), 0)
        load.commit(LoadedFile(BLOCK_ROWS, some_rejects()))


def fill_with_one(table: StreamTable, blocks: int) -> None:
    load = table.begin(file("large"))
    try:
        for number in range(blocks):
            load.write(noise(number), number * BLOCK_ROWS)
        load.commit(LoadedFile(blocks * BLOCK_ROWS, some_rejects()))
    finally:
        load.abort()


def check_agreement(path: Path) -> set[str]:
    """Every file is there in whole, in the ledger and with its rejects, or in none of them. Answers which are there."""
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            "SELECT _file_url, count(*), min(_file_row), max(_file_row), count(DISTINCT _file_row) FROM t GROUP BY 1"
        ).fetchall()
        entries = connection.execute(
            'SELECT url, "rows", 1, "rows", "rows" FROM _file_cdk_files WHERE stream = \'t\' AND status = \'loaded\''
        ).fetchall()
        rejects = connection.execute(
            "SELECT url, count(*) FROM _file_cdk_rejects WHERE stream = 't' GROUP BY 1"
        ).fetchall()
    assert sorted(rows) == sorted(entries)
    assert sorted(rejects) == sorted((uri, 3) for uri, *_ in entries)
    return {uri for uri, *_ in entries}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MB."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.fail(f"this test has to mount a small disk and cannot: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("large", [False, True], ids=["many files", "one large file"])
def test_a_full_disk_is_an_error_that_loses_nothing(small_disk: Path, large: bool) -> None:
    path = small_disk / "x.duckdb"
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    table.widen(pa.schema([("secret", pa.string())]))
    fill(table, 3)
    table.flush()
    with pytest.raises(DestinationError) as caught:
        (fill_with_one if large else fill)(table, 100)
    message = str(caught.value)
    assert str(path) in message
    assert "Free some space" in message
    destination.close()

    before = check_agreement(path)
    assert before >= {"f0", "f1", "f2"}
    assert "large" not in before
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    files = [file(f"f{number}") for number in range(30)]
    assert {each.uri for each, wanted in zip(files, table.unloaded(files), strict=True) if not wanted} == before
    fill(table, 30)
    destination.close()
    assert check_agreement(path) == {each.uri for each in files}


def test_a_disk_that_is_full_within_a_full_refresh_leaves_the_old_table(small_disk: Path) -> None:
    path = small_disk / "x.duckdb"
    name = TableName("t")
    destination = DuckDBDestination(path)
    destination.open()
    destination.table(name).widen(pa.schema([("secret", pa.string())]))
    fill(destination.table(name), 3)
    destination.close()

    destination = DuckDBDestination(path)
    destination.open()
    new = destination.table(name, anew=True)
    new.widen(pa.schema([("secret", pa.string())]))
    with pytest.raises(DestinationError, match="Free some space"):
        fill(new, 100)
    destination.close()
    assert check_agreement(path) == {"f0", "f1", "f2"}

    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    destination = DuckDBDestination(path)
    destination.open()
    new = destination.table(name, anew=True)
    new.widen(pa.schema([("secret", pa.string())]))
    fill(new, 2)
    new.flush()
    destination.put_in_place(name)
    destination.close()
    assert check_agreement(path) == {"f0", "f1"}
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT DISTINCT stream FROM _file_cdk_files").fetchall() == [("t",)]


LOADING = """
import sys
sys.path.insert(0, sys.argv[2])
from test_duckdb_disk import BLOCK_ROWS, file, noise, some_rejects
import pyarrow as pa
from file_cdk.core.ports import LoadedFile, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination
destination = DuckDBDestination(sys.argv[1])
destination.open()
table = destination.table(TableName("t"))
table.widen(pa.schema([("secret", pa.string())]))
print("open", flush=True)
for number in range(1000):
    load = table.begin(file(f"f{number}"))
    blocks = 40 if number % 2 else 1
    block = noise(number)
    for part in range(blocks):
        load.write(block, part * BLOCK_ROWS)
        print("block", flush=True)
    load.commit(LoadedFile(blocks * BLOCK_ROWS, some_rejects()))
    print("file", flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("after_blocks", [1, 30, 55])
@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_a_killed_process_leaves_whole_files_only(tmp_path: Path, after_blocks: int, pause_s: float) -> None:
    """Killed while a group waits, within a large file's transaction, and after its commit, give or take."""
    path = tmp_path / "x.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", LOADING, str(path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    ) as loading:
        assert loading.stdout is not None
        blocks = 0
        for line in loading.stdout:
            blocks += line == "block\n"
            if blocks == after_blocks:
                break
        time.sleep(pause_s)
        os.kill(loading.pid, signal.SIGKILL)
    assert loading.returncode == -signal.SIGKILL
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    files = [file(f"f{number}") for number in range(10)]
    unloaded = table.unloaded(files)
    table.widen(pa.schema([("secret", pa.string())]))  # killed before its first file was there, it has no table
    load = table.begin(files[9])
    load.write(noise(9), 0)
    load.commit(LoadedFile(BLOCK_ROWS, some_rejects()))
    destination.close()
    there = check_agreement(path)
    assert there == {each.uri for each, wanted in zip(files, unloaded, strict=True) if not wanted} | {"f9"}
    if after_blocks == 55:
        assert {"f0", "f1"} <= there
