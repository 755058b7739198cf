"""How many requests are under way to an origin, once it has said that there were too many.

Manifests were written for few requests at once. If each of eight threads goes on by itself after such an answer, a request may be
refused again and again while the others use up what there was room for, until it is given up.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from urllib.parse import urlsplit

import msgspec

from file_cdk.declarative.http.clock import Clock

_SUCCESSES = 8
"""How many let one more request go at once."""

_ALL = 64
"""From so many at once on, there is no limit any more."""

_FREE = nullcontext()

_LOOKS_S = 0.2
"""How often a thread that waits for another looks whether the run is being ended, in seconds."""


class Lanes:
    """To all origins of a run. After an answer of too many requests one goes at a time, all wait as long as the one that was
    refused, and those that were refused most often go first. Successes let more go at once again."""

    def __init__(self, clock: Clock, stopped: threading.Event) -> None:
        self._clock = clock
        self._stopped = stopped
        self._moved = threading.Condition()
        self._limited: dict[str, _Lane] = {}

    def taken(self, url: str, place: "Place") -> AbstractContextManager[None]:
        """While a request is under way. Begins at once when the run ends."""
        lane = self._limited.get(_origin(url)) if self._limited else None
        if lane is None:
            self.left(place)
            return _FREE
        return self._within(lane, place)

    @contextmanager
    def _within(self, lane: "_Lane", place: "Place") -> Iterator[None]:
        self._enter(lane, place)
        try:
            yield
        finally:
            with self._moved:
                lane.under_way -= 1
                self._moved.notify_all()

    def refused(self, url: str, wait_s: float, place: "Place") -> None:
        """There were too many; the request that was refused waits so long, and goes before those that were refused less often,
        whoever is there first."""
        with self._moved:
            lane = self._limited.setdefault(_origin(url), _Lane())
            lane.allowed, lane.successes = 1, 0
            lane.held_until_s = max(lane.held_until_s, self._clock.elapsed_s() + wait_s)
            place.refusals += 1
            lane.queue(place)

    def left(self, place: "Place") -> None:
        """The request is not sent again."""
        if place.lane is not None:
            with self._moved:
                place.lane.unqueue(place)
                self._moved.notify_all()

    def succeeded(self, url: str) -> None:
        lane = self._limited.get(_origin(url)) if self._limited else None
        if lane is None:
            return
        with self._moved:
            lane.successes += 1
            if lane.successes >= _SUCCESSES:
                lane.allowed, lane.successes = lane.allowed + 1, 0
                self._moved.notify_all()
            if lane.allowed >= _ALL:
                self._limited.pop(_origin(url), None)

    def _enter(self, lane: "_Lane", place: "Place") -> None:
        with self._moved:
            if place.lane is not lane:
                lane.queue(place)
        while True:
            with self._moved:
                held_s = lane.held_until_s - self._clock.elapsed_s()
                is_next = lane.first() is place and lane.under_way < lane.allowed
                if self._stopped.is_set() or (is_next and held_s <= 0):
                    lane.unqueue(place)
                    lane.under_way += 1
                    return
                if not is_next:
                    self._moved.wait(_LOOKS_S)
                    continue
            self._clock.wait(held_s, self._stopped)


class Place(msgspec.Struct, eq=False):
    """Of one request, however often it is sent. lane: where it waits. refusals: how often there were too many."""

    refusals: int = 0
    lane: "_Lane | None" = None


class _Lane:
    """allowed: at once."""

    def __init__(self) -> None:
        self.allowed = 1
        self.successes = 0
        self.under_way = 0
        self.held_until_s = 0.0
        self._waiting: list[Place] = []

    def queue(self, place: Place) -> None:
        if place.lane is not None:
            place.lane.unqueue(place)
        place.lane = self
        self._waiting.append(place)

    def unqueue(self, place: Place) -> None:
        self._waiting.remove(place)
        place.lane = None

    def first(self) -> Place:
        """That of most refusals; of those, the one that is longest here."""
        return max(self._waiting, key=lambda place: place.refusals)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
