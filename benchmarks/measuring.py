"""Runs commands as a user would, and measures their time, output, CPU and memory. Linux only.

Hazard: a command's helpers may end after it, and be nobody's children then. Their CPU counts all the same, because this process
adopts them (PR_SET_CHILD_SUBREAPER). For the same reason one command is measured at a time.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Command = Sequence[str]

COUNT: Command = ("wc", "-lc")
"""Costs about as much as `cat >/dev/null`."""
_PR_SET_CHILD_SUBREAPER = 36
_HELPERS_END_WITHIN_S = 20.0


class CommandError(Exception):
    """A measured command failed, or left processes behind."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run to its end.

    seconds: from exec to the end of output, interpreter start included. cpu_seconds: of the command and of everything that it
    started, itself or through others. said: what the reader of its output printed.
    rss: the sum of each process's own greatest resident size, so pages they share count once for each of them, and processes
    that were never alive together are added all the same: an upper bound. Processes seen in one sample only are left out: a child
    between fork and exec has its parent's size. pss: the greatest sum, at one time, of the resident sizes with shared pages
    divided among those that share them. Both are bytes, and 0 where memory was not sampled.
    """

    seconds: float
    cpu_seconds: float
    said: bytes
    rss: int = 0
    pss: int = 0


def measure(
    command: Command,
    *,
    environment: Mapping[str, str] | None = None,
    reader: Command = COUNT,
    memory_every_s: float | None = None,
) -> Run:
    """The command's output goes through a pipe into `reader`. Raises CommandError unless both exit with 0."""
    _become_subreaper()
    spared = _children()
    memory = _Memory()
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=_without_traps(environment))
        reading = subprocess.Popen(reader, stdin=process.stdout, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert reading.stdout is not None
        try:
            process.stdout.close()
            if memory_every_s is not None:
                while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    memory.sample(process.pid)
                    time.sleep(memory_every_s)
            said = reading.stdout.read()
            cpu_seconds = _wait(process)
            seconds = time.perf_counter() - started
            _wait(reading)
        finally:
            for child in (process, reading):
                if child.returncode is None:
                    child.kill()
                    child.wait()
            reading.stdout.close()
        cpu_seconds += _reap_helpers(spared, command)
        if process.returncode or reading.returncode:
            raise CommandError(f"{' '.join(command)} exited {process.returncode}: {_last(errors)}")
    return Run(seconds, cpu_seconds, said, memory.rss, memory.pss)


class _Memory:
    def __init__(self) -> None:
        self.pss = 0
        self._rss: dict[int, int] = {}
        self._earlier: set[int] = set()
        self._samples = 0

    @property
    def rss(self) -> int:
        return sum(self._rss.values())

    def sample(self, root: int) -> None:
        tree = set(_tree(root))
        for pid in tree & (self._earlier | {root}):
            self._rss[pid] = max(self._rss.get(pid, 0), _bytes(f"/proc/{pid}/status", "VmHWM:"))
        if self._samples % 5 == 0:  # costs the process more than reading its status
            self.pss = max(self.pss, sum(_bytes(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in tree))
        self._earlier = tree
        self._samples += 1


def _without_traps(environment: Mapping[str, str] | None) -> dict[str, str]:
    """Where PYTHONDONTWRITEBYTECODE is set, every start compiles."""
    given = os.environ if environment is None else environment
    return {name: value for name, value in given.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _become_subreaper() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "processes that a command leaves cannot be adopted")


def _wait(process: subprocess.Popen[bytes]) -> float:
    """The CPU seconds of it and of all its descendants that were waited for."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _reap_helpers(spared: set[int], command: Command) -> float:
    cpu_seconds = 0.0
    deadline = time.monotonic() + _HELPERS_END_WITHIN_S
    while left := _children() - spared:
        for pid in left:
            ended, _, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                cpu_seconds += usage.ru_utime + usage.ru_stime
        if time.monotonic() > deadline:
            raise CommandError(f"{' '.join(command)} left processes behind: {sorted(left)}")
        time.sleep(0.002)
    return cpu_seconds


def _children() -> set[int]:
    return {pid for pid in _tree(os.getpid(), deep=False) if pid != os.getpid()}


def _tree(pid: int, *, deep: bool = True) -> Iterable[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if deep:
                    yield from _tree(child)
                else:
                    yield child
    except (FileNotFoundError, ProcessLookupError):
        return  # ended meanwhile


def _bytes(path: str, key: str) -> int:
    """0 for a process that has ended."""
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def _last(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read()[-2000:].decode(errors="replace")


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
