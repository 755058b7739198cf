"""Syncs into a folder of Parquet files that are killed at any moment: nothing half written counts, and the last run is exact."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import BIN

from file_cdk.destinations.files import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest

pytestmark = pytest.mark.scenario

FILES, KILLS = 40, 15


def write(folder: Path, number: int, edition: int) -> None:
    rows = "".join(f"{number},{edition},{row}\n" for row in range(1_000 + 10 * number))
    path = folder / f"{number:02}.csv"
    path.write_text("file,edition,row\n" + rows)
    os.utime(path, (1_700_000_000 + number + 1000 * edition,) * 2)


def test_a_sync_that_is_killed_at_any_moment(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chances = random.Random(seed)
    folder, lake = tmp_path / "orders", tmp_path / "lake"
    folder.mkdir()
    editions = dict.fromkeys(range(FILES), 0)
    for number in editions:
        write(folder, number, 0)
    command = [
        str(BIN / "file-cdk"),
        "sync",
        str(folder),
        "--to",
        f"{lake}/",
        "--table",
        "orders",
        "--workers",
        "1",
        "-q",
    ]
    for _ in range(KILLS):
        with subprocess.Popen(command, start_new_session=True) as process:
            time.sleep(chances.random() * 0.8)
            os.killpg(process.pid, signal.SIGKILL)
        for number in chances.sample(range(FILES), 3):
            editions[number] += 1
            write(folder, number, editions[number])
    subprocess.run(command, check=True, timeout=60)
    paths = [str(lake / file.path) for file in latest(Folder(str(lake))).tables["orders"]]
    found = duckdb.connect().execute(
        "SELECT file, edition, count(*), count(DISTINCT row) FROM read_parquet(?) GROUP BY ALL ORDER BY ALL", [paths]
    )
    assert found.fetchall() == [
        (number, edition, 1_000 + 10 * number, 1_000 + 10 * number) for number, edition in editions.items()
    ], seed
    assert FilesDestination(lake).mismatches() == []
