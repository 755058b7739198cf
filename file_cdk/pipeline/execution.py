"""Which executor a piece of work gets."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from file_cdk.core.memory_ports import FetchesAhead
from file_cdk.core.ports import Format, StreamReader
from file_cdk.core.system.memory import DEFAULT_MEMORY, MemoryShares
from file_cdk.core.system.run_folder import remove_abandoned
from file_cdk.engine.executor import Executor, InlineExecutor
from file_cdk.engine.workers.forkserver import stop_fork_server
from file_cdk.engine.workers.pool import ProcessPool
from file_cdk.engine.workers.start import start_fork_server
from file_cdk.formats.registry import module_of

INLINE_BYTES = 8 << 20
"""Below this, starting processes (about 0.3 s) costs more than they save."""

RECORD_ENCODING = "file_cdk.protocol.record_encoding"
TABLE_ENCODING = "file_cdk.destinations.arrow_ipc"
"""Modules that turn what was decoded into bytes, for worker processes to import ahead."""


_EVERY_JOB = ("file_cdk.formats.unpacking", "file_cdk.compression.plain", "file_cdk.readers.archives.reader")


_started_early = False


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_early(filetypes: Iterable[str], workers: int | None) -> None:
    """Starts the process that workers are forked from, before the caller's own imports and listing.

    Both take about as long, on two cores at the same time. Should the work turn out to be little (see `Executors.for_work`),
    a moment of the other core was wasted; so it is not done where there is none.
    """
    global _started_early
    if workers != 0 and cpu_count() > 1:
        _started_early = True
        modules = (module for filetype in filetypes if (module := module_of(filetype)))
        start_fork_server((RECORD_ENCODING, *_EVERY_JOB, *modules))


def shares_of(
    budget_bytes: int | None, workers: int | None, readers: Iterable[StreamReader], *, database: bool
) -> MemoryShares:
    """workers: as of Executors. readers: the connectors' own. Raises ConfigError."""
    wanted = cpu_count() if workers is None else workers
    fetches = any(isinstance(reader, FetchesAhead) for reader in readers)
    return MemoryShares.of(budget_bytes, wanted, fetches=fetches, database=database)


@dataclass(slots=True)
class Executors:
    """Executors of one run: inline for little work, and one pool, started when first needed, for all streams.

    workers: processes; 0 means none, None one per core for work that is worth it. memory: what they may take.
    """

    workers: int | None
    memory: MemoryShares = DEFAULT_MEMORY
    _inline: InlineExecutor = field(default_factory=InlineExecutor)
    _pool: ProcessPool | None = None

    def announce(self, pending_bytes: int, *modules: str | None) -> None:
        """Starts what so much work will need, so that its imports overlap with the caller's own."""
        if not self._inline_is_enough(pending_bytes):
            self._started_pool(modules)

    def for_work(self, pending_bytes: int, file_format: Format) -> Executor:
        """The executor for so many bytes of files of one format."""
        if self.workers == 0 or (self._inline_is_enough(pending_bytes) and not file_format.facts.may_crash):
            if self._pool is None:
                _stop_early()
            return self._inline
        return self._started_pool(())

    def _inline_is_enough(self, pending_bytes: int) -> bool:
        return self.workers == 0 or (self.workers is None and pending_bytes < INLINE_BYTES)

    def _started_pool(self, modules: Iterable[str | None]) -> ProcessPool:
        if self._pool is None:
            known = tuple(module for module in modules if module)
            self._pool = ProcessPool(self._processes(), (*known, *_EVERY_JOB), self.memory)
            self._pool.prestart()
        return self._pool

    def _processes(self) -> int:
        wanted = self.workers or cpu_count()
        return wanted if self.memory.workers is None else min(wanted, self.memory.workers)

    def close(self) -> None:
        self._inline.close()
        if self._pool is not None:
            self._pool.close()
        else:
            remove_abandoned()  # a run that needs no folder of its own removes what a killed one left, too
        _stop_early()


def _stop_early() -> None:
    """Ends what `start_early` started: at once, also while it imports."""
    global _started_early
    if _started_early:
        _started_early = False
        stop_fork_server()
