"""Syncs into folders of tables that are killed at any moment: what readers find is whole, and rows and ledger agree."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import duckdb
import pytest
import warm

sys.path.insert(0, str(Path(__file__).parent))

from lakes import Lake

from file_cdk.core.ports import TableName
from file_cdk.testing.landing import load_whole, version

pytestmark = pytest.mark.scenario

FILES, KILLS = 40, 15

LATEST_KILL_S = {"files": 0.8, "delta": 0.8, "iceberg": 2.0}


def write(folder: Path, number: int, edition: int) -> None:
    rows = "".join(f"{number},{edition},{row}\n" for row in range(1_000 + 10 * number))
    path = folder / f"{number:02}.csv"
    path.write_text("file,edition,row\n" + rows)
    os.utime(path, (1_700_000_000 + number + 1000 * edition,) * 2)


@pytest.mark.parametrize("kind", LATEST_KILL_S)
def test_a_sync_that_is_killed_at_any_moment(tmp_path: Path, kind: str) -> None:
    seed = random.randrange(10**6)
    chances = random.Random(seed)
    folder, lake = tmp_path / "orders", Lake(kind, tmp_path / "lake")
    folder.mkdir()
    editions = dict.fromkeys(range(FILES), 0)
    for number in editions:
        write(folder, number, 0)
    command: list[str | Path] = [
        "file-cdk",
        "sync",
        folder,
        "--to",
        lake.url,
        "--table",
        "orders",
        "--workers",
        "1",
        "-q",
    ]
    for _ in range(KILLS):
        with warm.Process(*command, own_group=True) as process:
            time.sleep(chances.random() * LATEST_KILL_S[kind])
            process.send_signal_to_group(signal.SIGKILL)
        for number in chances.sample(range(FILES), 3):
            editions[number] += 1
            write(folder, number, editions[number])
        found_whole(lake, seed)
    assert warm.captured(*command).returncode == 0
    assert found_whole(lake, seed) == editions


def found_whole(lake: Lake, seed: int) -> dict[int, int]:
    """What a reader finds: one edition of each file, with all its rows, and the ledger says the same."""
    found = lake.rows("orders")
    if found is None:
        return {}
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT file, edition, count(*), count(DISTINCT row) FROM found GROUP BY ALL"
        ).fetchall()
    assert [each[2:] for each in rows] == [(1_000 + 10 * each[0],) * 2 for each in rows], seed
    editions = {each[0]: each[1] for each in rows}
    assert len(editions) == len(rows), seed
    destination = lake.destination()
    assert destination.mismatches() == [], seed
    assert sum(each.rows for each in destination.streams()) == found.num_rows, seed
    return editions


_KILLED = """
import os, signal, sys
from importlib import import_module
from file_cdk.core.ports import TableName
from file_cdk.destinations.registry import destination_for
from file_cdk.testing.landing import load_whole, version

url, commits, is_before, is_refresh = sys.argv[1], sys.argv[2], sys.argv[3] == "before", sys.argv[4] == "refresh"
module, _, name = commits.partition(":")
commits = getattr(import_module(module), name)
commit = commits.commit

def killed(self, change, number):
    if len(change.before) == 1:  # the second
        if not is_before:
            commit(self, change, number)
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self, change, number)

commits.commit = killed
destination = destination_for(url)
destination.open()
for number in range(2):
    table = destination.table(TableName("t"), anew=is_refresh and number == 1)
    load_whole(destination, table, version("a", number), [{"n": number}] * (number + 1))
    table.flush()
destination.put_in_place(TableName("t"))
"""

COMMITS = {
    "delta": "file_cdk.destinations.delta.commits:DeltaCommits",
    "iceberg": "file_cdk.destinations.iceberg.commits:IcebergCommits",
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("kind", "what"), [("delta", "replacement"), ("delta", "refresh"), ("iceberg", "replacement")])
def test_a_sync_that_is_killed_around_the_commit_of_the_table(
    tmp_path: Path, kind: str, what: str, moment: str
) -> None:
    """The manifest is written: it counts if, and only if, the table has its commit."""
    lake = Lake(kind, tmp_path)
    killed = warm.captured(warm.PYTHON, "-c", _KILLED, lake.url, COMMITS[kind], moment, what)
    assert killed.returncode == -signal.SIGKILL
    is_done = moment == "after"
    assert numbers(lake) == ([1, 1] if is_done else [0])
    destination = lake.destination()
    assert [(each.files, each.rows) for each in destination.streams()] == [(1, 2 if is_done else 1)]
    destination.open()
    assert destination.table(TableName("t")).unloaded([version("a"), version("a", 1)]) == [is_done, not is_done]
    load_whole(destination, destination.table(TableName("t")), version("a", 2), [{"n": 2}])
    destination.close()
    assert numbers(lake) == [2]
    assert destination.mismatches() == []


def numbers(lake: Lake) -> list[int]:
    found = lake.rows("t")
    assert found is not None
    return list(found["n"].to_pylist())
