"""Files that are not loaded, beside files that are: the table is what it would be without them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from databases import query

from file_cdk import SyncOptions, sync
from file_cdk.destinations.duckdb.memory import MemoryBudget, NotEnoughMemory
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables import columns as table_columns
from file_cdk.pipeline.tables.report import Silence

GOOD = {"g1.csv": "id,price\n1,1.5\n2,2\n", "g2.csv": "id,price,when\n3,3.5,2024-01-01\n"}
BAD = {
    "text for numbers": "id,price\nx,y\nz\n",
    "other columns": "sep=;\nOne;Two;Three\n1,2\n",
    "a page": "<!DOCTYPE html>\n<html>\n<a,b>\n",
    "too many values": "id,price\n1,2,x\n3,4,y\n",
    "other types": "id,price,when\n2024-01-01,true,5\n1\n",
    "numbers for dates": "id,price,when\n1.5,1.5,1\n1\n",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, (name, text) in enumerate(files.items()):
        (folder / name).write_text(text)
        os.utime(folder / name, (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


def load(folder: Path, database: Path, **options: Any) -> tuple[int, int]:
    """Files read and files failed."""
    chosen = SyncOptions(**{"workers": 0, "stream": "t", "dialect": "default", **options})
    result = sync(folder, database, chosen)
    return result.streams[0].files_read, result.streams[0].files_failed


def columns(database: Path) -> list[tuple[str, str]]:
    sql = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index"
    return [(name, kind) for name, kind in query(database, sql)]


def table(database: Path) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    found = query(database, "SELECT * FROM t ORDER BY rowid")
    names = [name for name, _ in columns(database)]
    at = names.index("_file_modified_at")
    return columns(database), [row[:at] + row[at + 1 :] for row in found]


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_fails_alone_leaves_no_table(tmp_path: Path, bad: str) -> None:
    folder = write(tmp_path / "in", {"a.csv": BAD[bad]})
    assert load(folder, tmp_path / "x.duckdb") == (0, 1)
    assert columns(tmp_path / "x.duckdb") == []
    assert query(tmp_path / "x.duckdb", "SELECT url, status FROM _file_cdk_files") == [("a.csv", "failed")]
    write(folder, {"a.csv": "id,bid\n1,2\n"})
    assert load(folder, tmp_path / "x.duckdb") == (1, 0)
    assert columns(tmp_path / "x.duckdb")[:2] == [("id", "BIGINT"), ("bid", "BIGINT")]
    assert query(tmp_path / "x.duckdb", "SELECT url, status FROM _file_cdk_files") == [("a.csv", "loaded")]


# Of the files that are looked at, one at least has to be good, or small enough to be tried.
@pytest.mark.parametrize(
    ("sampled", "tried_bytes"),
    [(10, table_columns.TRIED_BYTES), (10, 0), (1, table_columns.TRIED_BYTES)],
    ids=["all sampled", "too large to be tried", "one sampled"],
)
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_fails_beside_others_marks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bad: str, at: int, sampled: int, tried_bytes: int
) -> None:
    monkeypatch.setattr(table_columns, "TRIED_BYTES", tried_bytes)
    monkeypatch.setattr("file_cdk.engine.sampling.SAMPLE_FILES", sampled)
    files = list(GOOD.items())
    files.insert(at, ("bad.csv", BAD[bad]))
    assert load(write(tmp_path / "in", dict(files)), tmp_path / "x.duckdb") == (2, 1)
    assert load(write(tmp_path / "good", GOOD), tmp_path / "good.duckdb") == (2, 0)
    assert table(tmp_path / "x.duckdb") == table(tmp_path / "good.duckdb")


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_fails_later_marks_no_table_that_is_there(tmp_path: Path, bad: str) -> None:
    folder = write(tmp_path / "in", GOOD)
    load(folder, tmp_path / "x.duckdb")
    before = table(tmp_path / "x.duckdb")
    write(folder, {**GOOD, "bad1.csv": BAD[bad], "bad2.csv": BAD[bad]})
    assert load(folder, tmp_path / "x.duckdb") == (0, 2)
    assert table(tmp_path / "x.duckdb") == before


def test_a_column_that_only_failed_files_of_the_latest_have_gets_no_type_of_them(tmp_path: Path) -> None:
    older = {"a.csv": "id,price\n1,1.5\n"}
    latest = {f"{n}.csv": f"id\n{n}\n" for n in range(9)} | {"bad.csv": "id,price\n1,none\n2\n"}
    assert load(write(tmp_path / "in", older | latest), tmp_path / "x.duckdb") == (10, 1)
    assert ("price", "DECIMAL(18,1)") in columns(tmp_path / "x.duckdb")


def test_files_that_are_loaded_have_their_say_all_the_same(tmp_path: Path) -> None:
    """Text that looks like numbers in one file and not in another stays as it is written."""
    files = {"a.csv": "id,price\n1,1.50\n", "b.csv": "id,price\n2,none\n", "bad.csv": "id,price\nx,1\ny\n"}
    assert load(write(tmp_path / "in", files), tmp_path / "x.duckdb") == (2, 1)
    assert query(tmp_path / "x.duckdb", "SELECT id, price FROM t") == [(1, "1.50"), (2, "none")]


def test_a_file_too_large_to_be_tried_widens_the_table_when_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(table_columns, "TRIED_BYTES", 0)
    files = {"a.csv": "id,n\n1,1\n", "b.csv": "id,n\n2,none\n", "c.csv": "id,n\n3,3\n"}
    assert load(write(tmp_path / "in", files), tmp_path / "x.duckdb") == (3, 0)
    assert query(tmp_path / "x.duckdb", "SELECT id, n FROM t") == [(1, "1"), (2, "none"), (3, "3")]


@pytest.mark.parametrize(
    ("limit", "expected"), [("0", "BIGINT"), ("1", "VARCHAR"), ("40%", "BIGINT"), ("60%", "VARCHAR")]
)
def test_rejects_decide_who_has_a_say(tmp_path: Path, limit: str, expected: str) -> None:
    files = {"a.csv": "id\n1\n", "b.csv": "id\nx\ny,z\n", "c.csv": "id\n2\n"}
    read, _ = load(write(tmp_path / "in", files), tmp_path / "x.duckdb", max_rejects=MaxRejects.parse(limit))
    assert columns(tmp_path / "x.duckdb")[0] == ("id", expected)
    assert read == (3 if expected == "VARCHAR" else 2)


def test_a_table_that_was_dropped_is_in_no_ledger_though_nothing_is_loaded_after(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.csv": "id\n1\n"})
    load(folder, tmp_path / "x.duckdb")
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute("DROP TABLE t")
    write(folder, {"a.csv": "id\n1,2\n"})
    assert load(folder, tmp_path / "x.duckdb") == (0, 1)
    assert query(tmp_path / "x.duckdb", "SELECT url, status FROM _file_cdk_files") == [("a.csv", "failed")]


def test_lines_of_json_that_fail_leave_no_column(tmp_path: Path) -> None:
    files = {"a.jsonl": '{"a":1}\n', "b.jsonl": '{"a":"x","b":[1]}\n{"a":\n', "c.jsonl": '{"a":2}\n'}
    assert load(write(tmp_path / "in", files), tmp_path / "x.duckdb") == (2, 1)
    assert columns(tmp_path / "x.duckdb")[:2] == [("a", "BIGINT"), ("_file_url", "VARCHAR")]


def test_a_file_that_the_destination_refuses_when_it_is_written_leaves_no_column_and_no_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It was read to its end and waited for others to share a transaction."""
    admit = MemoryBudget.admit

    def refuse(self: MemoryBudget, table: str, batches: Iterable[tuple[pa.RecordBatch, int]]) -> None:
        batches = list(batches)
        if any("huge" in batch.column("name").to_pylist() for batch, _ in batches if "name" in batch.schema.names):
            raise NotEnoughMemory(1 << 40, 1 << 20)
        admit(self, table, batches)

    monkeypatch.setattr(MemoryBudget, "admit", refuse)
    monkeypatch.setattr("file_cdk.engine.sampling.SAMPLE_FILES", 1)
    files = {"a.csv": "id\n1\n", "b.csv": "id,name\n1.5,huge\n", "c.csv": "id\n2\n"}
    warned: list[str] = []

    class Observer(Silence):
        def warned(self, message: str) -> None:
            warned.append(message)

    options = SyncOptions(workers=0, stream="t", dialect="default")
    folder = write(tmp_path / "in", files)
    [result] = sync(folder, tmp_path / "x.duckdb", options, Observer()).streams
    assert (result.files_read, result.files_failed, result.rows) == (2, 1, 2)
    assert columns(tmp_path / "x.duckdb")[:2] == [("id", "BIGINT"), ("_file_url", "VARCHAR")]
    assert query(tmp_path / "x.duckdb", "SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert warned == []


def test_a_file_gone_since_it_was_sampled_leaves_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.csv": "id\n1\n", "b.csv": "id,more\nx,1\n", "c.csv": "id\n2\n"})

    class Observer(Silence):
        def file_loaded(self, stream: str, uri: str, rows: int) -> None:
            (folder / "b.csv").unlink(missing_ok=True)

    options = SyncOptions(workers=0, stream="t", dialect="default")
    assert sync(folder, tmp_path / "x.duckdb", options, Observer()).streams[0].files_failed == 1
    names = [name for name, _ in columns(tmp_path / "x.duckdb")]
    assert names == ["id", "_file_url", "_file_modified_at", "_file_row"]


def test_a_file_of_names_alone_gives_the_table_its_columns(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.csv": "id,name\n"})
    assert load(folder, tmp_path / "x.duckdb") == (1, 0)
    assert table(tmp_path / "x.duckdb")[1] == []
    assert [name for name, _ in columns(tmp_path / "x.duckdb")][:3] == ["id", "name", "_file_url"]


@pytest.mark.process
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_sync_that_is_ended_leaves_the_columns_of_what_is_loaded(tmp_path: Path, signum: signal.Signals) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        extra = ",".join(f"c{number}_{k}" for k in range(3))
        rows = "".join(f"{row},1,2,3\n" for row in range(150_000))
        (folder / f"{number}.csv").write_text(f"id,{extra}\n{rows}" + ("short\n" if number % 2 == 0 else ""))
        os.utime(folder / f"{number}.csv", (1_700_000_000 + number, 1_700_000_000 + number))
    database = tmp_path / "x.duckdb"
    command = [sys.executable, "-c", "from file_cdk.cli import main; main()"]
    command += ["sync", str(folder), "--to", str(database), "--table", "t"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 60
        while not database.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.7)
        running.send_signal(signum)
        running.wait(60)
    if not database.exists():
        return  # ended before anything was there
    loaded = query(database, "SELECT url FROM _file_cdk_files WHERE status = 'loaded'")
    names = {name for name, _ in columns(database)} - {"id", "_file_url", "_file_modified_at", "_file_row"}
    assert names == {f"c{url[0]}_{k}" for (url,) in loaded for k in range(3)}
    assert load(folder, database) == (3 - len(loaded), 3)
    assert {name for name, _ in columns(database)} >= {"c1_0", "c3_0", "c5_2"}
    assert not any(name.startswith(("c0", "c2", "c4")) for name, _ in columns(database))
