"""Folders of tables that are read all the time while they are written: each commit is seen whole, or not at all."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lakes import Lake

from file_cdk.core.ports import TableName
from file_cdk.testing.landing import load_whole, version

pytestmark = pytest.mark.scenario

COMMITS = {"files": 100, "delta": 12, "iceberg": 8}
ROWS = 40


def write(lake: Lake, commits: int, begun: threading.Event) -> None:
    """Each commit has another version of both files."""
    destination = lake.destination()
    destination.open()
    table = destination.table(TableName("t"))
    for number in range(commits):
        for uri in "ab":
            load_whole(destination, table, version(uri, number), [{"edition": number}] * ROWS)
        table.flush()
        begun.set()
    destination.close()


def editions(lake: Lake) -> int:
    """How many commits a reader finds."""
    found = lake.rows("t")
    assert found is not None
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT _file_url, edition, count(*) FROM found GROUP BY ALL ORDER BY 1").fetchall()
    newest = max(edition for _, edition, _ in rows)
    assert rows == [(uri, newest, ROWS) for uri in "ab"]
    return int(newest) + 1


def found_while(thread: threading.Thread, lake: Lake) -> Iterator[int]:
    while thread.is_alive():
        yield editions(lake)
    yield editions(lake)


@pytest.mark.parametrize("kind", COMMITS)
def test_a_reader_in_a_loop_finds_whole_commits(tmp_path: Path, kind: str) -> None:
    lake = Lake(kind, tmp_path / "lake")
    begun = threading.Event()
    writer = threading.Thread(target=write, args=(lake, COMMITS[kind], begun))
    writer.start()
    assert begun.wait(60)
    seen = list(found_while(writer, lake))
    writer.join()
    assert seen == sorted(seen)
    assert seen[-1] == COMMITS[kind]
    assert len(set(seen)) > 3, "the reader was too slow to see anything"
