"""Events of the input by a thread of their own, so that states need not wait for a source that is silent."""

import queue
import threading
from collections.abc import Iterator

from file_cdk.protocol.receiving.events import Event

_MAX_EVENTS = 4
"""Maximum number of events that wait; each has a few MB of records at most."""


def events_or_silence(events: Iterator[Event], patience_s: float) -> Iterator[Event | None]:
    """The events, and None each time that there was none for so long. Raises what they raise."""
    waiting: queue.Queue[Event | BaseException | None] = queue.Queue(_MAX_EVENTS)

    def read() -> None:
        try:
            for event in events:
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
        yield event
