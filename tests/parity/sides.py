"""Both sides in this process: a configuration goes in, a catalog or records and states come out."""

import itertools
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from source_local.source import connector

from file_cdk.core.errors import FileCdkError
from file_cdk.engine.workers.forkserver import start_fork_server
from file_cdk.pipeline.discovery import discover
from file_cdk.pipeline.early import modules_for_records
from file_cdk.pipeline.read import read_streams

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "contenders"))

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_folder import (  # type: ignore[import-not-found, unused-ignore]
        AirbyteEntrypoint,
        AirbyteStateMessageSerializer,
        ConfiguredAirbyteCatalogSerializer,
        DefaultFileBasedCursor,
        FolderConfig,
        FolderReader,
        FolderSource,
    )

Json = dict[str, Any]

# Once for all workers in place of once for each of some hundreds. The peer brings pandas, and pyarrow imports it into each
# process that makes Python's values of a column.
start_fork_server(
    ["pandas", *(module for name in ("avro", "excel", "parquet") for module in modules_for_records(name))]
)

_seconds = itertools.count(1_700_000_000)


@dataclass(slots=True)
class Outcome:
    """records: url -> its records in order, without nulls. failed: the side said that something could not be read."""

    records: dict[str, list[Json]] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    log: list[str] = field(default_factory=list)


class FailedError(Exception):
    """The side gave no catalog."""


def our_catalog(config: Json) -> Json:
    try:
        return _catalog_of([json.loads(line) for line in discover(connector, config)])
    except FileCdkError as exc:
        raise FailedError(str(exc)) from exc


def our_read(config: Json, catalog: Json, state: Any = None) -> Outcome:
    with tempfile.TemporaryFile() as out:
        try:
            code = read_streams(connector, config, catalog, state, out.fileno(), 0)
        except FileCdkError as exc:
            return Outcome(failed=True, log=[str(exc)])
        out.seek(0)
        outcome = _outcome([json.loads(line) for line in out])
    outcome.failed |= code != 0
    return outcome


def peer_catalog(config: Json) -> Json:
    return _catalog_of(_peer("discover", config))


def peer_read(config: Json, catalog: Json, state: Any = None) -> Outcome:
    return _outcome(_peer("read", config, catalog, state))


def configured(catalog: Json, sync_mode: str = "full_refresh") -> Json:
    streams = [
        {"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append"} for stream in catalog["streams"]
    ]
    return {"streams": streams}


def _peer(command: str, config: Json, catalog: Json | None = None, state: Any = None) -> list[Json]:
    with tempfile.TemporaryDirectory() as folder, patch("sys.stdout", StringIO()) as printed:
        arguments = [command]
        for name, value in (("config", config), ("catalog", catalog), ("state", state)):
            if value is not None:
                path = Path(folder, f"{name}.json")
                path.write_text(json.dumps(value))
                arguments += [f"--{name}", str(path)]
        logging.disable()  # what it logs besides its messages
        try:
            source = FolderSource(
                stream_reader=FolderReader(),
                spec_class=FolderConfig,
                catalog=None if catalog is None else ConfiguredAirbyteCatalogSerializer.load(catalog),
                config=config,
                state=None if state is None else [AirbyteStateMessageSerializer.load(message) for message in state],
                cursor_cls=DefaultFileBasedCursor,
            )
            lines = list(AirbyteEntrypoint(source).run(AirbyteEntrypoint.parse_args(arguments)))
        except Exception as exc:  # noqa: BLE001 - whatever it raises, it failed
            lines = [json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": repr(exc)}}})]
        finally:
            logging.disable(logging.NOTSET)
        lines += printed.getvalue().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _catalog_of(messages: list[Json]) -> Json:
    for message in messages:
        if message["type"] == "CATALOG":
            return dict(message["catalog"])
    raise FailedError(json.dumps(messages)[:2000])


def _outcome(messages: list[Json]) -> Outcome:
    outcome = Outcome()
    for message in messages:
        match message["type"]:
            case "RECORD":
                data = message["record"]["data"]
                outcome.records.setdefault(data["_ab_source_file_url"], []).append(_without_nulls(data))
            case "STATE":
                state = message["state"]["stream"]
                outcome.states[state["stream_descriptor"]["name"]] = state["stream_state"]
            case "TRACE" if message["trace"]["type"] == "ERROR":
                outcome.failed = True
                outcome.log.append(str(message["trace"]["error"]))
            case "LOG":
                outcome.failed |= message["log"]["level"] in ("ERROR", "FATAL")
                outcome.log.append(message["log"]["message"])
    return outcome


def _without_nulls(data: Mapping[str, Any]) -> Json:
    return {key: value for key, value in data.items() if value is not None and value == value}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Each older than the next, so that both sides read them in the same order."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        seconds = next(_seconds)
        os.utime(path, (seconds, seconds))
