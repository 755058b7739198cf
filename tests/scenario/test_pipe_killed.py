"""`file-cdk pipe` killed at random moments: after one more run each record is there once, in a table that is appended to."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import warm
from test_pipe import Pipe, upto

pytestmark = pytest.mark.scenario

KILLS = int(os.environ.get("FILE_CDK_KILLS", "10"))
PER_RUN, WAIT_S = 3_000, 60.0


@pytest.mark.parametrize("states", ["STREAM", "GLOBAL"])
def test_each_record_is_there_once(tmp_path: Path, states: str) -> None:
    pipe = Pipe(tmp_path, streams={}, states=states, every=70, pause_s=0.02, width=400, pids=str(tmp_path / "pids"))
    chance, kills, last = random.Random(states), 0, 0
    for name in ("begun", "pids"):
        (tmp_path / name).touch()
    while kills < KILLS:
        last += PER_RUN
        pipe.config["streams"] = {"numbers": last, "others": 500}
        runs = len(pipe.begun)
        with warm.Process(*pipe.arguments, stderr=warm.DEVNULL) as process:
            until = time.monotonic() + WAIT_S
            while len(pipe.begun) == runs and process.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 2.5))
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        wait_for_ends(tmp_path / "pids")
    pipe.run()
    assert (pipe.ids("numbers"), pipe.ids("others")) == (upto(last), upto(500))


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_source_ends_with_us(tmp_path: Path, how: signal.Signals, code: int) -> None:
    pipe = Pipe(tmp_path, streams={"numbers": 10**6}, every=10, pause_s=0.05, pids=str(tmp_path / "pids"))
    for name in ("begun", "pids"):
        (tmp_path / name).touch()
    with warm.Process(*pipe.arguments, stderr=warm.PIPE, text=True) as process:
        until = time.monotonic() + WAIT_S
        while not pipe.begun and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(how)
        assert process.stderr is not None
        assert "interrupted" in process.stderr.read()
    assert process.returncode == code
    wait_for_ends(tmp_path / "pids")


def wait_for_ends(pids: Path) -> None:
    """Of all processes that the source was."""
    until = time.monotonic() + WAIT_S
    while any(map(lives, pids.read_text().split())):
        assert time.monotonic() < until, "a source lives on"
        time.sleep(0.02)


def lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
