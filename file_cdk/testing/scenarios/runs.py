"""A source run in the process of a test: what it said, taken apart."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from file_cdk.core.connector import Connector
from file_cdk.core.files import FILE_COLUMNS
from file_cdk.pipeline.discovery import discover
from file_cdk.pipeline.read import read_streams

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A `discover` and a `read` of all streams.

    messages: those of `read`, in their order. exit_code: of `read`, 0 where all of it was read.
    """

    catalog: Json
    messages: Sequence[Json]
    exit_code: int

    def records(self, stream: str | None = None, *, file_columns: bool = False) -> list[dict[str, Any]]:
        """In their order. file_columns: with the two that say which file a record is from."""
        return [
            {name: value for name, value in record["data"].items() if file_columns or name not in FILE_COLUMNS}
            for record in self._of("record")
            if stream in (None, record["stream"])
        ]

    def schema(self, stream: str) -> dict[str, Any]:
        """Column -> its JSON schema, without the two that all files have."""
        (found,) = [each for each in self.catalog["streams"] if each["name"] == stream]
        properties = found["json_schema"]["properties"]
        return {name: kind for name, kind in properties.items() if name not in FILE_COLUMNS}

    @property
    def states(self) -> list[Json]:
        """What the next run goes on from: the last state message of each stream."""
        last = {state["stream"]["stream_descriptor"]["name"]: state for state in self._of("state")}
        return [{"type": "STATE", "state": state} for state in last.values()]

    def state(self, stream: str) -> dict[str, Any]:
        """The last one of that stream."""
        (found,) = [
            message["state"]["stream"]["stream_state"]
            for message in self.states
            if message["state"]["stream"]["stream_descriptor"]["name"] == stream
        ]
        return dict(found)

    @property
    def said(self) -> list[str]:
        """Warnings and errors, in their order, for a person."""
        logs = (log["message"] for log in self._of("log") if log["level"] in ("WARN", "ERROR", "FATAL"))
        errors = (trace["error"]["message"] for trace in self._of("trace") if trace["type"] == "ERROR")
        return [*logs, *errors]

    def _of(self, kind: str) -> Iterator[Any]:
        return (message[kind] for message in self.messages if message["type"] == kind.upper())


def run_source(
    connector: Connector, config: Json, states: Sequence[Json] = (), *, incremental: bool = True, workers: int = 0
) -> SourceRun:
    """states: of an earlier run. workers: processes; by default everything is in this one, where a debugger sees it.

    Raises what is wrong with the configuration or the root.
    """
    catalog = _catalog(connector, config)
    mode = "incremental" if incremental else "full_refresh"
    choice = {"sync_mode": mode, "destination_sync_mode": "append"}
    configured = {"streams": [{"stream": stream, **choice} for stream in catalog["streams"]]}
    with tempfile.TemporaryFile() as out:
        code = read_streams(connector, config, configured, list(states), out.fileno(), workers)
        out.seek(0)
        return SourceRun(catalog, [json.loads(line) for line in out], code)


def _catalog(connector: Connector, config: Json) -> Json:
    messages = [json.loads(line) for line in discover(connector, config)]
    (catalog,) = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
    found: Json = catalog
    return found
