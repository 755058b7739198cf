"""Syncs into an Iceberg table that are killed at any moment: what readers find is whole, and rows and ledger agree at the end."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError

sys.path.insert(0, str(Path(__file__).parent))

from commands import BIN

from file_cdk.core.ports import TableName
from file_cdk.destinations.iceberg import IcebergDestination
from file_cdk.testing.landing import load_whole, version

pytestmark = pytest.mark.scenario

FILES, KILLS = 40, 15

_FOUND = "SELECT file, edition, count(*), count(DISTINCT row) FROM found GROUP BY ALL ORDER BY ALL"


def write(folder: Path, number: int, edition: int) -> None:
    rows = "".join(f"{number},{edition},{row}\n" for row in range(1_000 + 10 * number))
    path = folder / f"{number:02}.csv"
    path.write_text("file,edition,row\n" + rows)
    os.utime(path, (1_700_000_000 + number + 1000 * edition,) * 2)


def read(lake: Path, table: str) -> pa.Table | None:
    if not (lake / "catalog.sqlite").exists():
        return None
    with closing(SqlCatalog("default", uri=f"sqlite:///{lake}/catalog.sqlite")) as catalog:
        try:
            return catalog.load_table(("default", table)).scan().to_arrow()
        except NoSuchTableError:
            return None


def test_a_sync_that_is_killed_at_any_moment(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chances = random.Random(seed)
    folder, lake = tmp_path / "orders", tmp_path / "lake"
    folder.mkdir()
    editions = dict.fromkeys(range(FILES), 0)
    for number in editions:
        write(folder, number, 0)
    to = f"iceberg:{lake}/"
    command = [str(BIN / "file-cdk"), "sync", str(folder), "--to", to, "--table", "orders", "--workers", "1", "-q"]
    for _ in range(KILLS):
        with subprocess.Popen(command, start_new_session=True) as process:
            time.sleep(chances.random() * 2.0)
            os.killpg(process.pid, signal.SIGKILL)
        for number in chances.sample(range(FILES), 3):
            editions[number] += 1
            write(folder, number, editions[number])
        check_whole(lake, seed)
    subprocess.run(command, check=True, timeout=60)
    found = read(lake, "orders")
    assert found is not None
    assert duckdb.connect().execute(_FOUND).fetchall() == [
        (number, edition, 1_000 + 10 * number, 1_000 + 10 * number) for number, edition in editions.items()
    ], seed
    assert IcebergDestination(to).mismatches() == []


def check_whole(lake: Path, seed: int) -> None:
    """What a reader finds right after a kill: one edition of each file, with all its rows, and the ledger says the same."""
    found = read(lake, "orders")
    if found is None:
        return
    rows = duckdb.connect().execute(_FOUND).fetchall()
    assert [each[2:] for each in rows] == [(1_000 + 10 * each[0],) * 2 for each in rows], seed
    assert len({each[0] for each in rows}) == len(rows), seed
    destination = IcebergDestination(f"iceberg:{lake}/")
    assert destination.mismatches() == [], seed
    assert sum(each.rows for each in destination.streams()) == found.num_rows, seed


_KILLED = """
import os, signal, sys
from file_cdk.core.ports import TableName
from file_cdk.destinations.iceberg import IcebergDestination
from file_cdk.destinations.iceberg.commits import IcebergCommits
from file_cdk.testing.landing import load_whole, version

lake, is_before = sys.argv[1], sys.argv[2] == "before"
commit = IcebergCommits.commit

def killed(self, change, number):
    if len(change.before) == 1:  # the second
        if not is_before:
            commit(self, change, number)
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self, change, number)

IcebergCommits.commit = killed
destination = IcebergDestination(f"iceberg:{lake}/")
destination.open()
table = destination.table(TableName("t"))
for number in range(2):
    load_whole(destination, table, version("a", number), [{"n": number}] * (number + 1))
    table.flush()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_sync_that_is_killed_around_the_commit_of_the_table(tmp_path: Path, moment: str) -> None:
    """The manifest is written: it counts if, and only if, the table has its commit."""
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), moment], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    is_done = moment == "after"
    assert numbers(tmp_path) == ([1, 1] if is_done else [0])
    destination = IcebergDestination(f"iceberg:{tmp_path}/")
    assert [(each.files, each.rows) for each in destination.streams()] == [(1, 2 if is_done else 1)]
    destination.open()
    assert destination.table(TableName("t")).unloaded([version("a"), version("a", 1)]) == [is_done, not is_done]
    load_whole(destination, destination.table(TableName("t")), version("a", 2), [{"n": 2}])
    destination.close()
    assert numbers(tmp_path) == [2]
    assert destination.mismatches() == []


def numbers(lake: Path) -> list[int]:
    found = read(lake, "t")
    assert found is not None
    return list(found["n"].to_pylist())
