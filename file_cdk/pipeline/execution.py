"""Which executor a piece of work gets."""

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.core.memory_ports import FetchesAhead
from file_cdk.core.ports import Format, StreamReader
from file_cdk.core.system.memory import DEFAULT_MEMORY, MemoryShares
from file_cdk.core.system.run_folder import remove_abandoned
from file_cdk.engine.effort import Effort
from file_cdk.pipeline.early import EVERY_JOB, INLINE_BYTES, cpu_count, stop_early

if TYPE_CHECKING:
    from file_cdk.engine.executor import Executor, InlineExecutor
    from file_cdk.engine.workers.pool import ProcessPool


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
    effort: Effort = field(init=False)
    """Where the time goes."""
    _inline: "InlineExecutor | None" = None
    _pool: "ProcessPool | None" = None

    def __post_init__(self) -> None:
        self.effort = Effort(self._at_work)

    def announce(self, pending_bytes: int, *modules: str | None) -> None:
        """Starts what so much work will need, so that its imports overlap with the caller's own."""
        if not self._inline_is_enough(pending_bytes):
            self._started_pool(modules)

    def for_work(self, pending_bytes: int, file_format: Format) -> "Executor":
        """The executor for so many bytes of files of one format."""
        if self._has_none or (self._inline_is_enough(pending_bytes) and not file_format.facts.may_crash):
            if self._pool is None:
                stop_early()
            return self._in_this_process()
        return self._started_pool(())

    def _in_this_process(self) -> "InlineExecutor":
        if self._inline is None:
            from file_cdk.engine.executor import InlineExecutor  # a run that finds nothing to read does without

            has_thread = self.memory.workers == 0 and self.workers != 0
            self._inline = InlineExecutor(self.memory.outbox_bytes if has_thread else None)
        return self._inline

    def _inline_is_enough(self, pending_bytes: int) -> bool:
        return self._has_none or (self.workers is None and pending_bytes < INLINE_BYTES)

    @property
    def _has_none(self) -> bool:
        return self.workers == 0 or self.memory.workers == 0

    def _started_pool(self, modules: Iterable[str | None]) -> "ProcessPool":
        if self._pool is None:
            from file_cdk.engine.workers.pool import ProcessPool  # little work does without

            known = tuple(module for module in modules if module)
            self._pool = ProcessPool(self._processes(), (*known, *EVERY_JOB), self.memory)
            self._pool.prestart()
        return self._pool

    def _processes(self) -> int:
        wanted = self.workers or cpu_count()
        return wanted if self.memory.workers is None else min(wanted, self.memory.workers)

    def _at_work(self) -> list[tuple[int, str]]:
        """The workers' processes, each with the uri of the file that it is at; empty for none."""
        return [] if self._pool is None else self._pool.at_work()

    def close(self) -> None:
        if self._inline is not None:
            self._inline.close()
        if self._pool is not None:
            self._pool.close()
        else:
            remove_abandoned()  # a run that needs no folder of its own removes what a killed one left, too
        stop_early()
