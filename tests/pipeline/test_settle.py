"""Files that changed a moment ago: left for the next sync where that is asked for, else waited for where that has a point."""

import json
import os
import threading
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import duckdb
import pytest

from file_cdk import LocalReader, SyncOptions, sync
from file_cdk.cli import main
from file_cdk.core.errors import ConfigError, FileChangedError
from file_cdk.core.files import RemoteFile
from file_cdk.pipeline.run import StreamRun
from file_cdk.pipeline.stream import NOT_SETTLED, settled
from file_cdk.pipeline.tables.report import StreamResult


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write("old.csv", 120)
    write("new.csv", 10)


def write(name: str, age_s: float) -> None:
    path = Path("in", name)
    path.write_text("id\n1\n")
    at = time.time() - age_s
    os.utime(path, (at, at))


def load(settle_s: float | None = None) -> StreamResult:
    return sync("in", "x.duckdb", SyncOptions(workers=0, settle_s=settle_s)).streams[0]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The default, of which no other test knows. What is slept is noted, and not slept."""
    monkeypatch.delenv("FILE_CDK_SETTLE")
    seconds: list[float] = []
    monkeypatch.setattr("file_cdk.pipeline.run.time.sleep", seconds.append)
    return seconds


def test_they_are_loaded_when_they_have_settled() -> None:
    first = load(60)
    assert (first.files_read, first.skipped) == (1, {NOT_SETTLED: 1})
    write("new.csv", 61)
    assert (load(60).files_read, load(60).skipped) == (1, {"already loaded": 2})


def test_without_it_every_file_is_loaded() -> None:
    write("newest.csv", 0)
    write("tomorrow.csv", -86_400)
    assert load().files_read == 4


def test_the_youngest_of_a_folder_is_to_be_a_second_old(slept: list[float]) -> None:
    assert load().files_read == 2
    assert slept == []
    write("newest.csv", 0.4)
    assert load().files_read == 1
    assert len(slept) == 1
    assert 0 < slept[0] <= 0.6


def test_a_store_whose_clock_is_ahead_is_waited_for_no_longer(slept: list[float]) -> None:
    write("tomorrow.csv", -86_400)
    assert load().files_read == 3
    assert slept == [1]


def test_nothing_is_waited_for_that_is_not_read(slept: list[float]) -> None:
    write("newest.csv", 0)
    load()
    slept.clear()
    write("notes.txt", 0)
    assert load().skipped == {"already loaded": 3, "unknown extension": 1}
    assert slept == []


def test_nothing_is_waited_for_where_a_time_is_asked_for(slept: list[float]) -> None:
    write("newest.csv", 0)
    assert load(0).files_read == 3
    assert load(60).files_read == 0
    assert slept == []


def test_the_environment_says_otherwise(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    write("newest.csv", 0)
    monkeypatch.setenv("FILE_CDK_SETTLE", "0")
    assert load().files_read == 3
    assert slept == []
    write("newest.csv", 0)
    monkeypatch.setenv("FILE_CDK_SETTLE", "7.5")
    assert load().files_read == 1
    assert 5 < slept[0] <= 7.5
    for wrong in ("-1", "1e3", "soon", "99999"):
        monkeypatch.setenv("FILE_CDK_SETTLE", wrong)
        with pytest.raises(ConfigError, match="FILE_CDK_SETTLE must be a number of seconds"):
            load()


@pytest.mark.parametrize(
    ("connector", "settle_s"),
    [
        ("local", 1),
        ("sftp", 1),
        ("s3", 0),
        ("gcs", 0),
        ("azure_blob_storage", 0),
        ("http", 0),
        ("smart_open", 0),
    ],
)
def test_only_where_files_can_be_seen_while_they_are_written(connector: str, settle_s: float) -> None:
    assert import_module(f"source_{connector}.source").connector.settle_s == settle_s


def append(rows: int, pause_s: float, first: threading.Event) -> None:
    """A writer who takes their time."""
    with Path("in/slow.csv").open("w", buffering=1) as out:
        out.write("id\n")
        for row in range(rows):
            out.write(f"{row}\n")
            first.set()
            time.sleep(pause_s)


@pytest.mark.parametrize("rows", [5, 40], ids=["done soon", "goes on"])
def test_a_file_that_is_written_meanwhile_is_loaded_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.delenv("FILE_CDK_SETTLE")
    first = threading.Event()
    writer = threading.Thread(target=append, args=(rows, 0.1, first))
    writer.start()
    first.wait(10)
    result = load()
    is_done = rows == 5
    assert (result.files_read, result.files_failed) == ((3, 0) if is_done else (2, 1))
    writer.join()
    assert load(0).files_read == (0 if is_done else 1)
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        sql = """SELECT count(*), max(id) FROM "in" WHERE _file_url = 'slow.csv'"""
        assert connection.execute(sql).fetchall() == [(rows, rows - 1)]


def test_one_that_changes_after_a_longer_time_is_left() -> None:
    reader = LocalReader("in")
    [file] = reader.list_files("new.csv")
    write("new.csv", 0)
    changed = FileChangedError("changed", uri=file.uri)
    assert isinstance(StreamRun(reader, print).newer_version(file, changed), RemoteFile)
    left = StreamRun(reader, print, settle_s=60).newer_version(file, changed)
    assert isinstance(left, FileChangedError)
    assert "still being written" in str(left)


def test_one_that_is_loaded_counts_as_loaded_and_not_as_gone() -> None:
    load()
    again = load(60)
    assert (again.skipped, again.gone) == ({"already loaded": 2}, 0)
    write("new.csv", 5)
    later = load(60)
    assert (later.files_read, later.skipped, later.gone) == (0, {"already loaded": 1, NOT_SETTLED: 1}, 0)


def test_times_ahead_of_this_machines_are_not_settled() -> None:
    write("tomorrow.csv", -86_400)
    assert load(60).skipped == {NOT_SETTLED: 2}


def test_the_time_counts_from_the_beginning_of_the_listing() -> None:
    began = datetime.now(UTC)
    rule = settled(0.05)
    time.sleep(0.1)
    assert rule([RemoteFile("a", 1, began)]) == [NOT_SETTLED]


def test_a_listing_says_which_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "in", "--json", "--settle", "60"]) == 0
    output = capsys.readouterr()
    found = {line["uri"]: line["reason"] for line in map(json.loads, output.out.splitlines())}
    assert found == {"old.csv": None, "new.csv": "modified less than --settle ago"}
    assert "skipped: 1 modified less than --settle ago" in output.err


def test_the_summary_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync", "in", "--to", "x.duckdb", "--workers", "0", "--settle", "60.5"]) == 0
    assert "1 file read, 1 skipped (1 modified less than --settle ago)" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "soon", "1e3", "nan", "", "١"])
def test_what_is_no_duration_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ls", "in", f"--settle={text}"])
    assert "is not a number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("settle_s", [-1, float("nan"), float("inf"), 1e12])
def test_what_cannot_be_waited_for_is_refused(settle_s: float) -> None:
    with pytest.raises(ConfigError, match="number of seconds"):
        SyncOptions(settle_s=settle_s)


def test_a_full_refresh_leaves_nothing_for_later() -> None:
    with pytest.raises(ConfigError, match="leaves no file for the next sync"):
        SyncOptions(full_refresh=True, settle_s=1)
