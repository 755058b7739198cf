"""A request in, an answer out: finds the stream that asks, checks credentials, cuts the page, fails now and then."""

import json
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from zlib import crc32

from file_cdk.testing.mirror.asked import Asked
from file_cdk.testing.mirror.doors import Door
from file_cdk.testing.mirror.options import Faults
from file_cdk.testing.mirror.paging import NoSuchPageError
from file_cdk.testing.mirror.shapes import Shape, plain_path
from file_cdk.testing.mirror.streams import MirroredStream, Slot

_CACHE_BYTES = 64 << 20
_STATUS_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}

RESET = 0
"""The status of an answer that is a reset of the connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """stream, partition, page, records: what it is a page of, and how many it has; empty, empty, -1 and 0 for anything
    else. is_fault: a failure on purpose."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: str = ""
    partition: str = ""
    page: int = -1
    records: int = 0
    is_fault: bool = False

    @property
    def words(self) -> str:
        return _STATUS_WORDS.get(self.status, "Error")


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """number: in the order of the answers, from 0. headers: names in lower case, without those of the connection."""

    number: int
    asked: Asked
    answer: Answer

    @property
    def headers(self) -> dict[str, str]:
        return {name: value for name, value in self.asked.headers.items() if name not in _OF_CONNECTIONS}


_OF_CONNECTIONS = {
    "host",
    "connection",
    "content-length",
    "accept-encoding",
    "user-agent",
    "transfer-encoding",
    "proxy-connection",
}

Route = tuple[MirroredStream, Slot, Shape]
_Key = tuple[str, str, bytes, tuple[tuple[str, str], ...]]


def _key(asked: Asked) -> _Key:
    """What tells a request from others. Not credentials: a token may be another each time."""
    without = {*_OF_CONNECTIONS, "authorization"}
    headers = (pair for pair in asked.headers.items() if pair[0] not in without and "mirror-session" not in pair[1])
    return asked.method, asked.url, asked.body, tuple(sorted(headers))


def _meant(asked: Asked) -> tuple[object, ...]:
    """The same for requests that are only written in another way."""
    body = sorted(asked.leaves.items()) or asked.body
    return asked.method, asked.host, unquote(asked.path), sorted(asked.parameters), body


class Answers:
    """Any number of threads may ask at once."""

    def __init__(self, streams: Sequence[MirroredStream], doors: Sequence[Door], faults: Faults) -> None:
        self._doors = tuple(doors)
        self._faults = faults
        self._routes: dict[tuple[str, str], dict[str, list[Route]]] = {}
        self._open_routes: dict[tuple[str, str], list[Route]] = {}
        for stream in streams:
            for slot, shape in stream.slots:
                self._add((stream, slot, shape))
        self._lock = threading.Lock()
        self._attempts: Counter[_Key] = Counter()
        self._cache: dict[_Key, Answer] = {}
        self._cached_bytes = 0
        self.seen: list[SeenRequest] = []

    def _add(self, route: Route) -> None:
        shape = route[2]
        place = (shape.method, shape.host)
        for path in shape.paths.texts:
            self._routes.setdefault(place, {}).setdefault(path, []).append(route)
        if shape.paths.patterns:
            self._open_routes.setdefault(place, []).append(route)

    def forget(self) -> None:
        """Begin to count, and to fail, anew."""
        with self._lock:
            self.seen = []
            self._attempts.clear()

    def answer(self, asked: Asked) -> Answer:
        answer = self._fault(asked) or self._answer(asked)
        with self._lock:
            self.seen.append(SeenRequest(len(self.seen), asked, answer))
        return answer

    def _fault(self, asked: Asked) -> Answer | None:
        """Depends on the request and on how often it has come: after `in_a_row` failures at most it is answered."""
        faults = self._faults
        if not faults.rate:
            return None
        key = _key(asked)
        with self._lock:
            attempt = self._attempts[key]
            self._attempts[key] += 1
        dice = random.Random(f"{faults.seed}:{crc32(repr(_meant(asked)).encode())}")  # noqa: S311  reproducible by design
        if dice.random() >= faults.rate or attempt > dice.randrange(faults.in_a_row):
            return None
        kind = dice.choices(faults.kinds, k=attempt + 1)[-1]
        if kind == "reset":
            return Answer(RESET, b"", is_fault=True)
        headers = {"Retry-After": str(faults.retry_after_s)} if kind == "429" else {}
        return Answer(int(kind), b'{"error": "a fault on purpose"}', headers, is_fault=True)

    def _answer(self, asked: Asked) -> Answer:
        for door in self._doors:
            if door.is_for(asked):
                status, body = door.answer(asked)
                return _json(status, body)
        routes = self._routes_of(asked)
        if not routes:
            return _json(404, {"error": "no stream of the manifest asks for this"})
        route, holes, wrong = _closest(routes, asked)
        if wrong:
            return _json(400, {"error": f"not as the manifest asks: {', '.join(wrong)}"})
        refused = route[0].check(asked)
        if refused is not None:
            return _json(401, {"error": f"not as expected: {refused}"})
        return self._page(route, asked, holes)

    def _routes_of(self, asked: Asked) -> list[Route]:
        place = (asked.method, asked.host)
        path = plain_path(asked.path)
        exact = self._routes.get(place, {}).get(path, [])
        opened = self._open_routes.get(place, [])
        return [*exact, *(route for route in opened if route[2].paths.holes(path) is not None)]

    def _page(self, route: Route, asked: Asked, holes: Mapping[str, str]) -> Answer:
        key = _key(asked)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        stream, slot, shape = route
        holes = {**(shape.paths.holes(plain_path(asked.path)) or {}), **holes}
        try:
            cut = stream.page(slot, asked, holes)
        except (NoSuchPageError, ValueError) as exc:
            return _json(400, {"error": str(exc)})
        body = json.dumps(cut.body, ensure_ascii=False).encode()
        answer = Answer(200, body, cut.headers, stream.name, slot.name, cut.number, len(cut.records))
        with self._lock:
            self._cached_bytes += len(body)
            if self._cached_bytes > _CACHE_BYTES:
                self._cache.clear()
                self._cached_bytes = len(body)
            self._cache[key] = answer
        return answer


def _closest(routes: Sequence[Route], asked: Asked) -> tuple[Route, dict[str, str], list[str]]:
    """The route with the fewest parts that are wrong; of those the one that expects most."""
    compared = [(route, *route[2].compared(asked)) for route in routes]
    return min(compared, key=lambda one: (len(one[2]), -_expects(one[0][2])))


def _expects(shape: Shape) -> int:
    return len(shape.parameters) + len(shape.headers) + len(shape.leaves)


def _json(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body).encode())
