"""What a run waits for, by where its time went."""

import os
import subprocess
import sys
import time

import pytest

from file_cdk.engine.effort import WINDOW_S, Effort, Waits, busy_s


class Machine:
    """A clock, and processes that work on for their shares of the time."""

    def __init__(self, **shares: float) -> None:
        self.now, self.shares = 100.0, {int(pid[1:]): share for pid, share in shares.items()}

    def clock(self) -> float:
        return self.now

    def busy_s(self, pid: int) -> float | None:
        share = self.shares.get(pid)
        return None if share is None else share * self.now


def verdict(machine: Machine, writing: float, workers: tuple[int, ...] = (7, 8)) -> Waits | None:
    effort = Effort(lambda: [(pid, "a.csv") for pid in workers], machine.clock, machine.busy_s)
    assert effort.waits_for() is None, "nobody knows yet"
    machine.now += WINDOW_S / 2
    assert effort.waits_for() is None
    with effort.writing():
        machine.now += WINDOW_S * 2 * writing
    machine.now += WINDOW_S * 2 * (1 - writing)
    return effort.waits_for()


@pytest.mark.parametrize(
    ("busy", "writing", "expected"),
    [
        (0.9, 0.1, Waits.CPU),
        (0.05, 0.05, Waits.SOURCE),
        (0.3, 0.9, Waits.DESTINATION),
        (0.95, 0.7, Waits.CPU),
        (0.4, 0.4, None),
    ],
)
def test_what_stands_out(busy: float, writing: float, expected: Waits | None) -> None:
    assert verdict(Machine(p7=busy, p8=busy), writing) is expected


def test_without_workers_the_process_writes_in_what_it_works() -> None:
    own = {f"p{os.getpid()}": 0.9}
    assert verdict(Machine(**own), 0.7, ()) is Waits.DESTINATION
    assert verdict(Machine(**own), 0.1, ()) is Waits.CPU
    assert verdict(Machine(**{f"p{os.getpid()}": 0.1}), 0.05, ()) is Waits.SOURCE


def test_where_the_system_does_not_tell_there_is_no_verdict() -> None:
    assert verdict(Machine(), 0.9) is None


def test_how_busy_a_process_is() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as idle:
        deadline = time.monotonic() + 60
        before = busy_s(idle.pid)
        while (now := busy_s(idle.pid)) != before and time.monotonic() < deadline:
            before = now
            time.sleep(0.2)
        assert now is not None
        assert busy_s(idle.pid) == now, "it waits for its input"
        mine = busy_s(os.getpid())
        sum(range(3_000_000))
        assert (busy_s(os.getpid()) or 0) > (mine or 0)
    assert busy_s(idle.pid) is None, "it is gone"
