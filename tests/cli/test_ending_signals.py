import os
import signal
import subprocess
import sys
import time

import pytest

from file_cdk.cli.ending import Interruption


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_raises_and_is_remembered(signum: signal.Signals, code: int) -> None:
    interruption = Interruption()
    before = signal.signal(signum, signal.default_int_handler)  # nohup, for one, has SIGHUP ignored
    try:
        with interruption, pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signum)
    finally:
        signal.signal(signum, before)
    assert interruption.received is signum
    assert interruption.exit_code == code


def test_a_signal_during_a_destructor_ends_the_work_all_the_same() -> None:
    class Closing:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        Closing()
        time.sleep(5)

    interruption = Interruption()
    with interruption, pytest.raises(KeyboardInterrupt):
        work()
    assert interruption.exit_code == 143


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with Interruption() as interruption:
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert interruption.exit_code is None


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        assert interruption.received is None
    finally:
        signal.signal(signal.SIGINT, before)


_SECOND_SIGNAL = """
import os, signal, time
from file_cdk.cli.ending import Interruption
with Interruption():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
"""

_FORKED_CHILD = """
import os, signal, time
from file_cdk.cli.ending import Interruption
with Interruption() as interruption:
    child = os.fork()
    if child == 0:
        try:
            time.sleep(30)
        finally:
            os._exit(99)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM, status
    assert interruption.received is None
"""


def test_a_second_signal_ends_the_process() -> None:
    assert subprocess.run([sys.executable, "-c", _SECOND_SIGNAL], check=False).returncode == -signal.SIGTERM


def test_a_forked_child_dies_of_the_signal_as_by_default() -> None:
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", _FORKED_CHILD], check=False).returncode == 0


def test_a_signal_waits_until_a_module_in_c_is_loaded() -> None:
    """One that calls Python while it begins, as DuckDB's does."""

    class ExtensionFileLoader:
        def exec_module(self, began: list[str]) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            began.append("whole")

    def load() -> None:
        ExtensionFileLoader().exec_module(began)
        time.sleep(10)

    began: list[str] = []
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        load()
    assert began == ["whole"]
    assert interruption.received is signal.SIGINT
