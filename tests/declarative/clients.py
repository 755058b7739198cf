"""Clients whose waits take no time, or little, and what they did."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from file_cdk.declarative.http import Client, Pause, Surroundings, opened
from file_cdk.declarative.http.clock import SystemClock


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


@contextmanager
def hurried(times: int = 50) -> Iterator[None]:
    """Whoever waits, waits so many times shorter; time-outs of the network stay as they are."""

    def wait(_: SystemClock, seconds: float, stopped: threading.Event) -> None:
        stopped.wait(seconds / times)

    def elapsed_s(_: SystemClock) -> float:
        return time.monotonic() * times

    with patch.object(SystemClock, "wait", wait), patch.object(SystemClock, "elapsed_s", elapsed_s):
        yield
