"""Events of the input by a thread of their own, so that states need not wait for a source that is silent, and so that the process
which decodes records goes on while others are written."""

import queue
import threading
from collections.abc import Iterator

from file_cdk.pipeline.receiving.columns import DecodedRecords
from file_cdk.pipeline.receiving.worker import DecodedEvent

_AHEAD_BYTES = 32 << 20
"""How much may wait, in bytes, for more events to be asked for: about what is decoded while a unit is written."""

_EVENT_BYTES = 1 << 10
"""What an event counts besides its records, in bytes."""


class _Room:
    """For what waits. The last that finds room may be larger."""

    def __init__(self, size_bytes: int) -> None:
        self._left_bytes = size_bytes
        self._changed = threading.Condition()

    def take(self, size_bytes: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._left_bytes > 0)
            self._left_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        with self._changed:
            self._left_bytes += size_bytes
            self._changed.notify()


def events_or_silence(events: Iterator[DecodedEvent], patience_s: float) -> Iterator[DecodedEvent | None]:
    """The events, and None each time that there was none for so long. Raises what they raise."""
    waiting: queue.SimpleQueue[DecodedEvent | BaseException | None] = queue.SimpleQueue()
    room = _Room(_AHEAD_BYTES)

    def read() -> None:
        try:
            for event in events:
                room.take(_size_bytes(event))
                waiting.put(event)
            waiting.put(None)
        except BaseException as exc:  # noqa: BLE001 - raised below
            waiting.put(exc)

    # A daemon, since nothing ends its wait for a source that is silent.
    threading.Thread(target=read, name="file_cdk-input", daemon=True).start()
    while True:
        try:
            event = waiting.get(timeout=patience_s)
        except queue.Empty:
            yield None
            continue
        if event is None:
            return
        if isinstance(event, BaseException):
            raise event
        room.give_back(_size_bytes(event))
        yield event


def _size_bytes(event: DecodedEvent) -> int:
    return _EVENT_BYTES + (event.size_bytes if isinstance(event, DecodedRecords) else len(getattr(event, "raw", b"")))
