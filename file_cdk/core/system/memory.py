"""How much memory a run may take, and what each part of it gets of that."""

import re
from collections.abc import Mapping
from typing import Self

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.system.variables import MEMORY_VARIABLE

_MB = 1_000_000
_MIB = 1 << 20

_COMMAND_BYTES = 20 * _MB
_TABLES_BYTES = 94 * _MB
_SERVER_BYTES = 36 * _MB
_WORKER_BYTES = 48 * _MB
"""What the command takes by itself, what it takes more with a database and Arrow, what the process takes that workers are
forked from, and what a worker takes with the piece at work. Measured as PSS, rounded up."""

_ALONE_BYTES = 139 * _MB
"""What the command takes with a database, Arrow and the piece at work where there is no process but it, and allocators give
back what is freed."""

_OUTBOX_BYTES = 32 * _MIB
_AHEAD_BYTES = 52 * _MIB
_SPLIT_BYTES = 16 * _MIB
_QUEUE_BYTES = 2 * _MIB
_HELD_BYTES = 64 * _MIB
_MIN_HELD_BYTES = 20 * _MIB
"""Of a dozen columns, what DuckDB compresses and writes at once. Of less, each row is written twice, at 1.3 times the CPU."""
_DATABASE_BYTES = 128 * _MIB
_MIN_DATABASE_BYTES = 48 * _MIB

_OUTBOX_TIMES = 1.75
"""Blocks that have left are gaps in a heap that is told to give nothing back, since that takes time."""

_HELD_TIMES = 3
"""Rows are held as they came, once more as what is inserted, and in the database's hands. Where there is one process, these are
within what the database may take, and as many are made ready meanwhile."""

_MIN_SCALE = 1 / 10

_UNITS = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]{0,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class MemoryShares:
    """What each part of a run may take, in bytes; without a budget, what is best for speed.

    outbox_bytes: output that a worker, or a thread in its place, keeps in memory. queue_bytes: files queued with a worker.
    ahead_bytes: what a worker has fetched ahead. max_split_bytes: of a file, read in one piece of work. held_bytes: rows that
    wait to be written into a database. database_bytes: the database's own memory; None where it may take what wide tables and
    long values need. workers: maximum number of worker processes; None as many as asked for.

    Of a budget, the least that a run takes goes off first:

        least = 20 MB + 36 MB + workers × 48 MB + a tenth of the buffers [+ 94 MB + 48 MiB + 3 × 20 MiB with a database]
        buffers = workers × (1.75 × 32 MiB of outbox [+ 52 MiB ahead + 17 MiB of the range at work, of a store])

    The rest is shared out among what takes more without a budget: nine tenths of the buffers, 80 MiB of the database and
    3 × 44 MiB of held rows. The sizes of splits and queues follow from the share that buffers get.

    There are as many workers as there is the least for. Where that is none, a database is loaded by this process alone, whose
    thread has as much output ready as there are rows held:

        least = 139 MB + 48 MiB + 3 × 20 MiB [+ a tenth of 52 MiB ahead and 17 MiB of the range at work, of a store]

    What is over when all have what they take without a budget still goes to the database.
    """

    outbox_bytes: int = _OUTBOX_BYTES
    queue_bytes: int = _QUEUE_BYTES
    ahead_bytes: int = _AHEAD_BYTES
    max_split_bytes: int = _SPLIT_BYTES
    held_bytes: int = _HELD_BYTES
    database_bytes: int | None = None
    workers: int | None = None

    @classmethod
    def of(cls, budget_bytes: int | None, workers: int, *, fetches: bool, database: bool) -> Self:
        """workers: how many there would be without a budget; 0 for none but the command itself. fetches: files of a store.
        Raises ConfigError, which names the minimum."""
        if budget_bytes is None:
            return cls()
        fewest = 0 if database else min(workers, 1)
        for count in range(workers, fewest - 1, -1):
            demand = _Demand(count, fetches=fetches, database=database)
            if budget_bytes >= demand.least_bytes:
                return cls._scaled(demand, budget_bytes)
        least_mb = -(-demand.least_bytes // _MB)
        raise ConfigError(
            f"a memory budget of {budget_bytes:,} bytes is too small: at least {least_mb} MB are needed here",
            remedy=f"Give --memory {least_mb}MB or more (or {MEMORY_VARIABLE}), or leave it out",
        )

    @classmethod
    def _scaled(cls, demand: "_Demand", budget_bytes: int) -> Self:
        left_bytes = budget_bytes - demand.least_bytes
        more = min(left_bytes / demand.more_bytes, 1.0)
        scale = _MIN_SCALE + (1 - _MIN_SCALE) * more
        over_bytes = max(left_bytes - demand.more_bytes, 0)
        database_bytes = _MIN_DATABASE_BYTES + int((_DATABASE_BYTES - _MIN_DATABASE_BYTES) * more) + over_bytes
        held_bytes = _MIN_HELD_BYTES + int((_HELD_BYTES - _MIN_HELD_BYTES) * more)
        return cls(
            outbox_bytes=int(_OUTBOX_BYTES * scale) if demand.workers else min(held_bytes, _OUTBOX_BYTES),
            queue_bytes=int(_QUEUE_BYTES * scale),
            ahead_bytes=int(_AHEAD_BYTES * scale),
            max_split_bytes=int(_SPLIT_BYTES * scale),
            held_bytes=held_bytes,
            database_bytes=database_bytes if demand.database else None,
            workers=demand.workers,
        )


DEFAULT_MEMORY = MemoryShares()
"""Without a budget."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """What a run takes: by itself, and at most besides."""

    workers: int
    fetches: bool
    database: bool

    @property
    def least_bytes(self) -> int:
        loading_bytes = (_MIN_DATABASE_BYTES + _HELD_TIMES * _MIN_HELD_BYTES) * self.database
        return self._processes_bytes + int(self._buffers_bytes * _MIN_SCALE) + loading_bytes

    @property
    def more_bytes(self) -> int:
        more_held_bytes = _HELD_TIMES * (_HELD_BYTES - _MIN_HELD_BYTES)
        loading_bytes = (_DATABASE_BYTES - _MIN_DATABASE_BYTES + more_held_bytes) * self.database
        return int(self._buffers_bytes * (1 - _MIN_SCALE)) + loading_bytes or _MIB

    @property
    def _processes_bytes(self) -> int:
        if not self.workers:
            return _ALONE_BYTES if self.database else _COMMAND_BYTES + _WORKER_BYTES
        return _COMMAND_BYTES + _TABLES_BYTES * self.database + _SERVER_BYTES + self.workers * _WORKER_BYTES

    @property
    def _buffers_bytes(self) -> int:
        outbox_bytes = int(_OUTBOX_TIMES * _OUTBOX_BYTES) * bool(self.workers)
        fetched_bytes = (_AHEAD_BYTES + _SPLIT_BYTES + _MIB) * self.fetches
        return max(self.workers, 1) * (outbox_bytes + fetched_bytes)


def parse_size(text: str) -> int:
    """Bytes of `512MB` (512,000,000), `1GiB`, `1.5 GB` or `300000000`. Raises ValueError, whose text says what is wrong."""
    found = _SIZE.fullmatch(text.strip())
    unit = found and _UNITS.get(found[2].upper())
    if not found or not unit:
        raise ValueError(f"{text!r} is not a size, such as 512MB, 1GiB or 300000000")
    whole, _, fraction = found[1].partition(".")
    size = int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
    if not size:
        raise ValueError("must be more than nothing")
    return size


def budget_of(environment: Mapping[str, str]) -> int | None:
    """The budget that the environment gives, in bytes. Raises ConfigError."""
    text = environment.get(MEMORY_VARIABLE)
    if not text:
        return None
    try:
        return parse_size(text)
    except ValueError as exc:
        raise ConfigError(f"environment variable {MEMORY_VARIABLE}: {exc}") from None
