"""How many requests may be under way for all streams of a run together."""

import threading


class Room:
    """Each stream that is read may always have one request under way, without which nothing of it could be given out; what is
    left goes to whoever comes first. Nobody waits for it: a stream asks again with each answer to a request of its own.

    most: requests. streams: that are read at once. Where these are more, each has its one all the same.
    """

    def __init__(self, most: int, streams: int = 1) -> None:
        self._lock = threading.Lock()
        self._left = most - streams

    def take(self) -> bool:
        """Whether a stream may have one more request under way than it has."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            return True

    def give_back(self) -> None:
        """One that a stream took, or, where there is one stream less, its own."""
        with self._lock:
            self._left += 1
