"""Scenarios: files with contents and times, a configuration, and what has to come of them.

first = Scenario(
    files={"a.csv": GivenFile("id\n1\n", "2024-01-01")},
    streams=[{"name": "orders", "format": {"filetype": "csv"}}],
    records=[{"id": "1"}],
)
first.then(files={"b.csv": GivenFile("id\n2\n", "2024-01-02")}, records=[{"id": "2"}]).check()
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from file_cdk.core.connector import Connector
from file_cdk.testing.checks import require
from file_cdk.testing.scenarios.memory import Files, as_files, memory_source
from file_cdk.testing.scenarios.runs import Json, SourceRun, run_source


@dataclass(frozen=True)
class Scenario:
    """One run of a source; what is None is not looked at.

    schema: column -> JSON type or types, null left out. records: in their order. history: uris that the state names. said: a
    part of each warning and error, in their order. A scenario with several streams says `stream`.
    """

    files: Files
    streams: Sequence[Json]
    stream: str | None = None
    schema: Mapping[str, Any] | None = None
    records: Sequence[Json] | None = None
    history: Sequence[str] | None = None
    said: Sequence[str] | None = None
    earlier: "Scenario | None" = field(default=None, repr=False)

    def then(self, files: Files, **expected: Any) -> "Scenario":
        """What a run after this one gives, from its state. files: those that come, or change; all others stay."""
        after = Scenario({**self.files, **files}, self.streams, self.stream, earlier=self)
        return replace(after, **expected)

    def check(self, workers: int = 0) -> SourceRun:
        """Runs it and those before it, and fails the test where one gives something else."""
        states = [] if self.earlier is None else self.earlier.check(workers).states
        run = run_source(self._source(), {"streams": list(self.streams)}, states, workers=workers)
        name = self.stream or self.streams[0]["name"]
        _compare("schema", self.schema, {column: _type(kind) for column, kind in run.schema(name).items()})
        _compare("records", self.records, run.records(name))
        if self.history is not None:
            _compare("history", sorted(self.history), sorted(run.state(name).get("history", {})))
        if self.said is not None:
            heard = run.said
            fits = len(heard) == len(self.said) and all(
                part in text for part, text in zip(self.said, heard, strict=True)
            )
            require(fits, f"said: {heard} instead of {list(self.said)}")
        return run

    def _source(self) -> Connector:
        return memory_source(as_files(self.files))


def _type(kind: Json) -> Any:
    types = kind["type"] if isinstance(kind["type"], list) else [kind["type"]]
    told = [each for each in types if each != "null"]
    return told[0] if len(told) == 1 else told


def _compare(what: str, expected: Any, found: Any) -> None:
    if expected is not None:
        expected = list(expected) if isinstance(found, list) else dict(expected)
        require(found == expected, f"{what}: {found} instead of {expected}")
