import threading
from pathlib import Path

import pytest

from file_cdk.core.errors import ConfigError, DestinationError, DestinationInUseError
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.run_lock import RunLock
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import Silence
from file_cdk.pipeline.tables.waiting import open_in_turn


class Told(Silence):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warned(self, text: str) -> None:
        self.lines.append(text)


def test_it_opens_once_the_other_run_has_ended_and_says_once_for_whom_it_waits(tmp_path: Path) -> None:
    path, told = tmp_path / "x.duckdb", Told()
    threading.Timer(0.3, RunLock.hold(str(path), "nightly").close).start()
    destination = DuckDBDestination(path)
    open_in_turn(destination, 30, told)
    destination.close()
    [line] = told.lines
    assert "(run nightly); waiting for up to 30 s" in line


@pytest.mark.parametrize(("wait_s", "lines"), [(0, 0), (0.1, 1)])
def test_it_gives_up(tmp_path: Path, wait_s: float, lines: int) -> None:
    path, told = tmp_path / "x.duckdb", Told()
    held = RunLock.hold(str(path), "nightly")
    with pytest.raises(DestinationInUseError):
        open_in_turn(DuckDBDestination(path), wait_s, told)
    held.close()
    assert len(told.lines) == lines


def test_for_what_does_not_pass_it_does_not_wait(tmp_path: Path) -> None:
    told = Told()
    with pytest.raises(DestinationError, match="there is no folder"):
        open_in_turn(DuckDBDestination(tmp_path / "no" / "x.duckdb"), 30, told)
    assert told.lines == []


@pytest.mark.parametrize("wait_s", [-1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(wait_s: float) -> None:
    with pytest.raises(ConfigError, match="wait_s"):
        SyncOptions(wait_s=wait_s)
