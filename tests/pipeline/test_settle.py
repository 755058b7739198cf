"""Files that changed a moment ago are left for the next sync, where that is asked for."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from file_cdk import SyncOptions, sync
from file_cdk.cli import main
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.pipeline.report import StreamResult
from file_cdk.pipeline.stream import NOT_SETTLED, settled


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


def load(settle_s: float = 0) -> StreamResult:
    return sync("in", "x.duckdb", SyncOptions(workers=0, settle_s=settle_s)).streams[0]


def test_they_are_loaded_when_they_have_settled() -> None:
    first = load(60)
    assert (first.files_read, first.skipped) == (1, {NOT_SETTLED: 1})
    write("new.csv", 61)
    assert (load(60).files_read, load(60).skipped) == (1, {"already loaded": 2})


def test_by_default_every_file_is_loaded() -> None:
    write("newest.csv", 0)
    write("tomorrow.csv", -86_400)
    assert load().files_read == 4


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
