"""Full refreshes killed and interrupted at random moments: the old table whole or the new one, and nothing beside it."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import BIN, query

pytestmark = pytest.mark.scenario

FILES, ROWS = 6, 20_000
NAMES = [f"{number}.csv" for number in range(FILES)]
LEDGER = ("_file_cdk_files", "_file_cdk_rejects", "_file_cdk_columns", "_file_cdk_streams", "_file_cdk_parts")
BESIDE = "_file_cdk_refresh_orders"


def write(folder: Path, column: str, value: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        with (folder / name).open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["row", column])
            writer.writerows([row, f"{value}{row}"] for row in range(1, ROWS + 1))


def start(folder: Path, database: Path, *options: str) -> "subprocess.Popen[str]":
    command: list[str | Path] = [BIN / "file-cdk", "sync", folder, "--to", database, "--workers", "2", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(run: "subprocess.Popen[str]") -> None:
    _, messages = run.communicate(timeout=120)
    assert run.returncode == 0, messages


def has_exactly(database: Path, column: str, value: str) -> bool:
    """Whether the table is of these files and of nothing else, ledger and all."""
    columns = query(
        database, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'orders' ORDER BY column_index"
    )
    if [name for (name,) in columns] != ["row", column, "_file_url", "_file_modified_at", "_file_row"]:
        return False
    rows = query(
        database,
        "SELECT _file_url, count(*), count(DISTINCT row), min(row), max(row), bool_and(_file_row = row), "
        f"bool_and({column} = '{value}' || row) FROM orders GROUP BY 1 ORDER BY 1",
    )
    entries = query(database, "SELECT url, rows, status FROM _file_cdk_files WHERE stream = 'orders' ORDER BY url")
    return rows == [(name, ROWS, ROWS, 1, ROWS, True, True) for name in NAMES] and entries == [
        (name, ROWS, "loaded") for name in NAMES
    ]


def has_nothing_beside(database: Path) -> bool:
    tables = {name for (name,) in query(database, "SELECT table_name FROM duckdb_tables()")}
    streams = " UNION ".join(f"SELECT stream FROM {name}" for name in sorted(LEDGER))
    return tables == {"orders", "_file_cdk_runs", *LEDGER} and query(database, streams) == [("orders",)]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a table of earlier versions of the files, which have another column; the files are beside it."""
    folder = tmp_path_factory.mktemp("refresh") / "orders"
    database = folder.with_name("old.duckdb")
    write(folder, "note", "old ")
    finish(start(folder, database))
    assert has_exactly(database, "note", "old ")
    write(folder, "remark", "new ")
    return database


def test_killed_at_twenty_random_moments(old: Path, tmp_path: Path) -> None:
    folder = old.with_name("orders")
    finish(start(folder, Path(shutil.copy(old, tmp_path / "first.duckdb")), "--full-refresh"))  # reads all from disk
    whole = Path(shutil.copy(old, tmp_path / "whole.duckdb"))
    started = time.monotonic()
    finish(start(folder, whole, "--full-refresh"))
    duration = time.monotonic() - started
    assert has_exactly(whole, "remark", "new ")
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    left_beside = killed = 0
    for number in range(20):
        where = f"kill {number} of seed {seed}"
        database = Path(shutil.copy(old, tmp_path / f"{number}.duckdb"))
        victim = start(folder, database, "--full-refresh")
        time.sleep(moments.uniform(0.3, 1.05) * duration)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.communicate()
        killed += victim.returncode == -signal.SIGKILL
        assert has_exactly(database, "note", "old ") or has_exactly(database, "remark", "new "), where
        left_beside += not has_nothing_beside(database)
        if number % 2:
            finish(start(folder, database, "--full-refresh"))
            assert has_exactly(database, "remark", "new "), where
        else:
            finish(start(folder, database))
            assert query(database, "SELECT count(*), count(remark) FROM orders") == [(FILES * ROWS, FILES * ROWS)], (
                where
            )
        assert has_nothing_beside(database), where
        database.unlink()
    assert killed >= 10, f"seed {seed}: most kills came after the end"
    assert left_beside >= 1, f"seed {seed}: no kill came while there were two tables"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_the_old_table_and_nothing_beside(
    old: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    database = Path(shutil.copy(old, tmp_path / "x.duckdb"))
    victim = start(old.with_name("orders"), database, "--full-refresh", "--verbose")
    assert victim.stderr is not None
    while "0.csv" not in (line := victim.stderr.readline()):
        assert line, "it ended before its first file did"
    os.kill(victim.pid, number)
    _, messages = victim.communicate(timeout=60)
    assert victim.returncode == code, messages
    assert "interrupted: tables that are not replaced yet are as they were" in messages
    assert has_exactly(database, "note", "old ")
    assert has_nothing_beside(database)
