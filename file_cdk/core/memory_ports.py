"""What readers and destinations may do besides: keep to their shares of a budget of memory."""

from typing import Protocol, runtime_checkable

from file_cdk.core.ports import Prefetching, StreamReader
from file_cdk.core.system.memory import MemoryShares


@runtime_checkable
class FetchesAhead(Prefetching, Protocol):
    """Of a StreamReader that can fetch ahead."""

    def fetching_ahead(self, max_bytes: int) -> StreamReader:
        """The same reader, of which no process holds more than `max_bytes` that it fetched and was not asked for yet."""


@runtime_checkable
class MemoryLimited(Protocol):
    """Of a Destination."""

    def limit_memory(self, memory: MemoryShares) -> None:
        """Before `open`: rows that wait take about `held_bytes`, and its own memory `database_bytes` at most."""


@runtime_checkable
class TakesAsItComes(Protocol):
    """Of a Destination that takes rows on the processors that workers make them on."""

    @property
    def outbox_bytes(self) -> int:
        """Maximum output that a worker is to keep in memory, however much it may: far ahead, it only takes the time that the
        destination needs."""
