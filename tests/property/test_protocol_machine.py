"""The law of the protocol's state: whatever happens to files, to syncs and to the platform that reads them, no record is lost,
and none comes twice but for a reason.

The platform takes what is written up to some line and keeps the last state in it. What the protocol allows: a file whose
records it took, and of which it took no state that came after them, is read again from its beginning; so is one that could
not be read to its end. Every other version comes once. A version no later than one of the same name that a kept state has
is none to read.
"""

import contextlib
import json
import shutil
import tempfile
from collections import Counter
from functools import partial
from itertools import groupby
from typing import Any

import pytest
from file_worlds import Crash, FilesMachine, Moments, Version, names, split_into, watched_connector
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from file_cdk.core.state.cursor import StateThrottle
from file_cdk.pipeline import output
from file_cdk.pipeline.history import History
from file_cdk.pipeline.read import read_streams

Key = tuple[str, int]
"""A version: the name of its file, and the number of the write."""


class ProtocolMachine(FilesMachine):
    always = (True,)  # a record at least, which tells that the file was read

    def __init__(self) -> None:
        super().__init__()
        self.state: list[Any] | None = None
        self.synced: dict[str, int] = {}
        """Of each file the time of the version that the state kept last has."""
        self.came: Counter[Key] = Counter()
        """How often all records of a version came."""
        self.interrupted: Counter[Key] = Counter()
        """How often some came, and no state that has the version."""

    def teardown(self) -> None:
        try:
            self.sync(frozenset(), 0)
            self.sync(frozenset(), 0)
            for name, version in self.world.files.items():
                assert self.came[name, version.number] or version.cut or version.time_s <= self.synced[name]
            for key, times_came in self.came.items():
                assert times_came <= 1 + self.interrupted[key], key
        finally:
            shutil.rmtree(self.scratch)

    @initialize(history_limit=st.integers(1, 5), split_bytes=st.integers(8, 60))
    def begin(self, history_limit: int, split_bytes: int) -> None:
        self.history_limit, self.split_bytes = history_limit, split_bytes

    @rule(closed=st.frozensets(names, max_size=1), interval_s=st.sampled_from([0, 10]))
    def sync(self, closed: frozenset[str], interval_s: int) -> None:
        due = self.due()
        failing = {name for name, version in due if version.cut or name in closed}
        code, written = self.read(closed, interval_s, Moments())
        assert code == bool(failing)
        synced = self.take(written, due, failing)
        assert synced == {name for name, _ in due} - failing

    @rule(
        closed=st.frozensets(names, max_size=1),
        interval_s=st.sampled_from([0, 0, 0, 10]),
        at=st.integers(1, 50),
    )
    def sync_crashes(self, closed: frozenset[str], interval_s: int, at: int) -> None:
        def end() -> None:
            raise Crash

        due = self.due()
        _, written = self.read(closed, interval_s, Moments(at, end))
        self.take(written, due, {name for name, version in due if version.cut or name in closed})

    @rule(
        closed=st.frozensets(names, max_size=1),
        interval_s=st.sampled_from([0, 0, 0, 10]),
        taken=st.integers(0, 30),
    )
    def platform_crashes(self, closed: frozenset[str], interval_s: int, taken: int) -> None:
        """After it took so many lines. The sync does not notice, as all it wrote is in the pipe."""
        due = self.due()
        _, written = self.read(closed, interval_s, Moments())
        self.take(written[:taken], due, {name for name, version in due if version.cut or name in closed})

    def due(self) -> list[tuple[str, Version]]:
        """What a sync has to read, in order."""
        return [
            (name, version)
            for name, version in self.world.in_order()
            if name not in self.synced or version.time_s > self.synced[name]
        ]

    def read(self, closed: frozenset[str], interval_s: int, moments: Moments) -> tuple[int | None, list[bytes]]:
        """Exit code, None after a crash, and whole lines."""
        stream = {
            "name": "t",
            "globs": ["**"],
            "format": {"filetype": "jsonl"},
            "history_limit": self.history_limit,
        }
        raw = {"path": str(self.world.folder), "streams": [stream]}
        with tempfile.TemporaryFile() as out, pytest.MonkeyPatch.context() as patch:
            split_into(patch, self.split_bytes)
            patch.setattr("file_cdk.pipeline.read.StateThrottle", partial(StateThrottle, interval_s=interval_s))
            for port, method in ((output.Output, "line"), (output.Output, "copy"), (History, "add")):
                watch(patch, port, method, moments)
            connector = watched_connector(moments, closed)
            code = None
            with contextlib.suppress(Crash):
                code = read_streams(connector, raw, CATALOG, self.state, out.fileno(), 0)
            out.seek(0)
            return code, [line for line in out if line.endswith(b"\n")]

    def take(self, written: list[bytes], due: list[tuple[str, Version]], failing: set[str]) -> set[str]:
        """What the platform does with lines that came: files that the last state among them has."""
        messages = [json.loads(line) for line in written]
        values: list[tuple[str, str]] = []
        covered = counted = 0
        for message in messages:
            if message["type"] == "RECORD":
                data = message["record"]["data"]
                values.append((data["_ab_source_file_url"], data["v"]))
            elif message["type"] == "STATE":
                self.state = [message]
                assert message["state"]["sourceStats"]["recordCount"] == len(values) - counted
                covered = counted = len(values)
        return self.compare(values, covered, due, failing)

    def compare(
        self, values: list[tuple[str, str]], covered: int, due: list[tuple[str, Version]], failing: set[str]
    ) -> set[str]:
        """values: file and value of each record. covered: so many of them are before the last state."""
        by_name = [
            (name, [value for _, value in of_file]) for name, of_file in groupby(values, key=lambda each: each[0])
        ]
        synced: set[str] = set()
        remaining = iter(due)
        until = 0
        for at, (name, found) in enumerate(by_name):
            passed_over, version = next_of(remaining, name)
            assert passed_over <= failing  # each of the others has a record
            assert found == version.values[: len(found)]
            is_last = at == len(by_name) - 1
            assert found == version.values or name in failing or is_last
            until += len(found)
            key = name, version.number
            if found == version.values:
                self.came[key] += 1
            if name not in failing and found == version.values and until <= covered:
                self.synced[name] = version.time_s
                synced.add(name)
            else:
                self.interrupted[key] += 1
        return synced


def next_of(due: Any, name: str) -> tuple[set[str], Version]:
    """The version of the file, and the names of those before it. Fails where it is none of them, or came before."""
    passed_over: set[str] = set()
    for other, version in due:
        if other == name:
            return passed_over, version
        passed_over.add(other)
    raise AssertionError(f"{name} was not to be read, or not now")


def watch(patch: pytest.MonkeyPatch, port: type, method: str, moments: Moments) -> None:
    original = getattr(port, method)

    def watched(*arguments: Any) -> Any:
        moments.come()
        result = original(*arguments)
        moments.come()
        return result

    patch.setattr(port, method, watched)


CATALOG = {
    "streams": [
        {
            "stream": {"name": "t", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": "append",
        }
    ]
}

TestProtocol = ProtocolMachine.TestCase
TestProtocol.settings = settings(max_examples=150, stateful_step_count=20, suppress_health_check=list(HealthCheck))
