"""Where the time of a sync goes, so that a slow one can say what it waits for: measured without a look at any record.

The parent's time in the destination is taken around each block it hands over; what the workers do is what the system says of
their threads, asked only when somebody watches.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import FileLoad, LoadedFile

WINDOW_S = 2.0
"""Time that a verdict is about, in seconds; what came before is not what a sync waits for now."""

_MUCH = 0.5
"""Share of a window from which on something is what the others wait for."""


class Waits(StrEnum):
    SOURCE = "the source"
    CPU = "the CPU"
    DESTINATION = "the destination"


@dataclass(slots=True)
class Effort:
    """workers: their processes, with what each is at. clock, busy_s: seconds; the latter how long threads of a process have run
    or waited for a processor, None where the system does not tell."""

    workers: Callable[[], Sequence[tuple[int, str]]] = tuple
    clock: Callable[[], float] = time.monotonic
    busy_s: Callable[[int], float | None] = field(default_factory=lambda: busy_s)
    destination_s: float = 0
    _began_at: float | None = None
    _destination_s: float = 0
    _busy_s: dict[int, float] = field(default_factory=dict)
    _verdict: Waits | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While the destination is at work."""
        started = self.clock()
        try:
            yield
        finally:
            self.destination_s += self.clock() - started

    def timing(self, load: FileLoad) -> FileLoad:
        return _TimedLoad(load, self)

    def waits_for(self) -> Waits | None:
        """Over the last full window; None where nothing stands out, or nobody knows yet."""
        now = self.clock()
        if self._began_at is None or now - self._began_at >= WINDOW_S:
            ids = [pid for pid, _ in self.workers()] or [os.getpid()]
            busy = {pid: found for pid in ids if (found := self.busy_s(pid)) is not None}
            if self._began_at is not None:
                self._verdict = self._judged(now - self._began_at, busy)
            self._began_at, self._destination_s, self._busy_s = now, self.destination_s, busy
        return self._verdict

    def _judged(self, window_s: float, busy: dict[int, float]) -> Waits | None:
        writing = (self.destination_s - self._destination_s) / window_s
        shares = [(busy[pid] - before) / window_s for pid, before in self._busy_s.items() if pid in busy]
        if not shares:
            return None
        working = sum(shares) / len(shares)
        if os.getpid() in busy:  # which decodes and writes in turn
            working = max(0.0, working - writing)
        if writing >= _MUCH and writing >= working:
            return Waits.DESTINATION
        if working >= _MUCH:
            return Waits.CPU
        return Waits.SOURCE if writing + working < _MUCH else None


class _TimedLoad:
    """A FileLoad."""

    __slots__ = ("_effort", "_load")

    def __init__(self, load: FileLoad, effort: Effort) -> None:
        self._load, self._effort = load, effort

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:
        started = self._effort.clock()  # by hand: a block may hold a row
        try:
            self._load.write(block, rows_before)
        finally:
            self._effort.destination_s += self._effort.clock() - started

    def commit(self, loaded: LoadedFile) -> None:
        with self._effort.writing():
            self._load.commit(loaded)

    def abort(self) -> None:
        self._load.abort()


def busy_s(pid: int) -> float | None:
    """How long the threads of a process that are there have run, or could have run had there been a processor for them."""
    total_ns = 0
    with suppress(OSError, ValueError, IndexError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            ran_ns, waited_ns = (thread / "schedstat").read_text(encoding="ascii").split()[:2]
            total_ns += int(ran_ns) + int(waited_ns)
        return total_ns / 1e9
    return None
