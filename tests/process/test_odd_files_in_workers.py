"""Files that change or fail while worker processes read them ahead of their turn."""

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from file_cdk import FileCdkError, SyncOptions, sync

pytestmark = pytest.mark.process


class Writer:
    """An observer, and the thread that appends a line every few milliseconds until it was warned so often."""

    def __init__(self, path: Path, until_warnings: int) -> None:
        self.path, self.left = path, until_warnings
        self.outcomes: list[int | FileCdkError] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._append)

    def _append(self) -> None:
        with self.path.open("ab", buffering=0) as file:
            while not self.done.is_set():
                file.write(b"1,late\n")
                time.sleep(0.005)

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        self.thread.start()

    def progressed(self, *_: object) -> None: ...

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        self.outcomes.append(rows)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        self.outcomes.append(error)

    def warned(self, message: str) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


@pytest.mark.parametrize("warnings", [1, 2, 99])
def test_a_file_that_is_appended_to_has_one_outcome(tmp_path: Path, warnings: int) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "log.csv"
    path.write_text("id,v\n" + "".join(f"{number},some text that takes room\n" for number in range(600_000)))
    writer = Writer(path, warnings)
    try:
        result = sync(folder, tmp_path / "x.duckdb", SyncOptions(workers=2, stream="t"), writer).streams[0]
    finally:
        writer.done.set()
        writer.thread.join()
    with duckdb.connect(str(tmp_path / "x.duckdb"), read_only=True) as connection:
        ledger = connection.execute("SELECT status, rows FROM _file_cdk_files").fetchall()
    [outcome] = writer.outcomes
    lines = path.read_text().count("\n") - 1
    if warnings == 99:
        assert "still being written" in str(outcome)
        assert (result.files_read, result.files_failed, ledger) == (0, 1, [("failed", None)])
    else:
        assert outcome == lines
        assert (result.files_read, result.files_failed, ledger) == (1, 0, [("loaded", lines)])


def test_files_read_ahead_for_what_a_failed_file_asked_are_read_again(tmp_path: Path) -> None:
    """The first misfit and the fault lie behind what is looked at beforehand, with later files under way."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        rows = [f"{row},{row}.5,some text\n" for row in range(100_000)]
        if number == 1:
            rows[90_000] = "x,y,z\n"
            rows[95_000] = "too short\n"
        path = folder / f"{number}.csv"
        path.write_text("id,size,text\n" + "".join(rows))
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    result = sync(folder, tmp_path / "x.duckdb", SyncOptions(workers=2, stream="t")).streams[0]
    assert (result.files_read, result.files_failed) == (3, 1)
    with duckdb.connect(str(tmp_path / "x.duckdb"), read_only=True) as connection:
        kinds = connection.execute("SELECT typeof(id), typeof(size), count(*) FROM t GROUP BY ALL").fetchall()
    assert kinds == [("BIGINT", "DECIMAL(18,1)", 300_000)]
