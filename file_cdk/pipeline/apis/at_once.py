"""Streams of a run that are read at once, each in a thread: what is of one comes out in its order, between whole messages of the
others."""

import threading
from collections.abc import Callable, Collection, Sequence

_Read = Callable[[], bool]
"""Reads a stream; whether all of it could be read."""


class AtOnce:
    """reads: by the name of the stream, in the order in which they begin. apart: streams of which no two are read at once."""

    def __init__(self, reads: Sequence[tuple[str, _Read]], apart: Collection[Collection[str]]) -> None:
        self._waiting = list(reads)
        self._apart = apart
        self._reading: set[str] = set()
        self._changed = threading.Condition()
        self._is_complete = True
        self._error: BaseException | None = None

    def run(self, threads: int, ended: Callable[[], None]) -> bool:
        """Whether all of each stream could be read. ended: called when there is one stream less that is read. Raises the first
        error that a read did; others may go on then."""
        for number in range(threads):
            # Daemons, as those that ask for pages.
            thread = threading.Thread(target=self._work, args=(ended,), name=f"stream-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more
                if not number:
                    raise
                ended()
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not (self._waiting or self._reading))
        if self._error is not None:
            raise self._error
        return self._is_complete

    def _work(self, ended: Callable[[], None]) -> None:
        while (taken := self._next()) is not None:
            name, read = taken
            try:
                is_complete = read()
            except BaseException as error:  # noqa: BLE001 raised again by whoever waits for the streams
                self._end(name, error=error)
            else:
                self._end(name, is_complete=is_complete)
        ended()

    def _next(self) -> tuple[str, _Read] | None:
        """Waits where all that are left have to. None: there are no more."""
        with self._changed:
            while self._waiting and self._error is None:
                for place, (name, _) in enumerate(self._waiting):
                    if not any(name in group and self._reading & set(group) for group in self._apart):
                        self._reading.add(name)
                        return self._waiting.pop(place)
                self._changed.wait()
        return None

    def _end(self, name: str, *, is_complete: bool = False, error: BaseException | None = None) -> None:
        with self._changed:
            self._reading.discard(name)
            self._is_complete &= is_complete
            self._error = self._error or error
            self._changed.notify_all()
