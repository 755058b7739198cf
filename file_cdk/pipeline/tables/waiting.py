"""Opening a destination that something else may have open."""

import time
from typing import Protocol

from file_cdk.core.errors import DestinationInUseError
from file_cdk.core.ports import Destination

_FIRST_S, _LONGEST_S = 0.05, 1.0


class WaitObserver(Protocol):
    def warned(self, message: str) -> None: ...


def open_in_turn(destination: Destination, wait_s: float, observer: WaitObserver) -> None:
    """Tries for wait_s seconds, and says once for whom it waits. Raises DestinationInUseError after that; DestinationError."""
    until = time.monotonic() + wait_s
    pause_s = _FIRST_S
    said = False
    while True:
        try:
            destination.open()
        except DestinationInUseError as exc:
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise
            if not said:
                observer.warned(f"{exc.message}; waiting for up to {wait_s:g} s")
                said = True
            import random  # which few have a use for

            # Unequal pauses, so that of several that wait none always comes after another.
            time.sleep(min(pause_s * random.uniform(0.5, 1), left_s))  # noqa: S311
            pause_s = min(2 * pause_s, _LONGEST_S)
        else:
            return
