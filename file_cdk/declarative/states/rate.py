"""How often a state is worth writing."""

from collections.abc import Callable

_INTERVAL_S = 1.0
_BYTES_PER_S = 20_000


class StateRate:
    """States that grow with what was read would be quadratic in it if each slice were followed by one. After a state, the next is
    due when a second has passed, and one for each 20 kB of it; so states take that much a second, however many slices end.
    clock: in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = clock()

    def is_due(self) -> bool:
        return self._clock() >= self._next

    def wrote(self, size_bytes: int) -> None:
        self._next = self._clock() + max(_INTERVAL_S, size_bytes / _BYTES_PER_S)
