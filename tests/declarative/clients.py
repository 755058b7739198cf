"""Clients whose waits take no time, and what they did."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from file_cdk.declarative.http import Client, Pause, Surroundings, opened


@dataclass
class FakeClock:
    """Goes on by waits alone. waits: all of them, in seconds."""

    at_s: float = 1_700_000_000.0
    waits: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now_s(self) -> float:
        return self.at_s

    def elapsed_s(self) -> float:
        return self.at_s

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        with self.lock:
            self.waits.append(round(seconds, 3))
            self.at_s += seconds


@dataclass
class Watched:
    clock: FakeClock = field(default_factory=FakeClock)
    pauses: list[Pause] = field(default_factory=list)
    configs: list[Mapping[str, Any]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def around(self) -> Surroundings:
        return Surroundings(self.stopped, self.pauses.append, self.configs.append, self.clock, lambda: 0.0)


@contextmanager
def client(config: Mapping[str, Any] | None = None, watched: Watched | None = None, **options: Any) -> Iterator[Client]:
    """Every text of the configuration whose name begins with `secret` is marked as one."""
    config = config or {}
    schema = {"properties": {name: {"airbyte_secret": True} for name in config if name.startswith("secret")}}
    opened_client = opened(config, schema, around=(watched or Watched()).around(), **options)
    try:
        yield opened_client
    finally:
        opened_client.close()
