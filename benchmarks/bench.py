"""Where workloads get their data, commands and servers from."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.generate import Data
from benchmarks.measuring import Command
from benchmarks.peers import FAST, Peers
from benchmarks.workload import Contender
from file_cdk.testing.servers.seaweedfs import SeaweedFS

CONTENDERS = Path(__file__).with_name("contenders")
_PROVENANCE = ("_ab_source_file_last_modified", "_ab_source_file_url")


@dataclass(frozen=True, slots=True)
class Sizes:
    rows: int = 1_000_000
    many_rows: int = 10_000_000
    sheet_rows: int = 200_000
    wide_rows: int = 10_000
    nested_rows: int = 400_000
    long_rows: int = 2_000
    small_files: int = 20_000
    keys: int = 100_000
    object_bytes: int = 500_000_000
    memory_bytes: tuple[int, int] = (500_000_000, 5_000_000_000)
    grown: tuple[int, ...] = (1, 2, 4)
    api_records: tuple[int, ...] = (10_000, 100_000, 1_000_000)


QUICK = Sizes(
    rows=4_000,
    many_rows=8_000,
    sheet_rows=200,
    wide_rows=20,
    nested_rows=200,
    long_rows=10,
    small_files=40,
    keys=40,
    object_bytes=300_000,
    memory_bytes=(300_000, 600_000),
    api_records=(200, 2_000),
)


@dataclass(slots=True)
class Bench:
    """scratch: a folder that goes when the workload has been run; servers: stop then."""

    data: Data
    peers: Peers
    sizes: Sizes
    scratch: Path
    servers: ExitStack
    _store: SeaweedFS | None = field(default=None, init=False)

    def store(self) -> SeaweedFS:
        if self._store is None:
            self._store = self.servers.enter_context(SeaweedFS())
        return self._store

    def bucket(self, name: str, files: Iterable[tuple[str, Path]]) -> dict[str, Any]:
        """The configuration of source-s3 for a bucket that holds these files under these keys."""
        store = self.store()
        store.create_bucket(name)
        store.put_many(name, ((key, path.read_bytes()) for key, path in files))
        return self.s3_config(name)

    def s3_config(self, bucket: str) -> dict[str, Any]:
        store = self.store()
        return {
            "bucket": bucket,
            "endpoint": store.endpoint,
            "region_name": store.region,
            "aws_access_key_id": store.access_key,
            "aws_secret_access_key": store.secret_key,
        }

    def peer(self, name: str, peer: str, script: str, *arguments: str, **more: Any) -> list[Contender]:
        """None or one, as it can be installed or not."""
        python = self.peers.python(peer)
        return [] if python is None else [self._of_peer(name, peer, [python, *contender(script, *arguments)], more)]

    def peer_command(self, name: str, peer: str, command: str, *arguments: str, **more: Any) -> list[Contender]:
        path = self.peers.command(peer, command)
        return [] if path is None else [self._of_peer(name, peer, [path, *arguments], more)]

    def _of_peer(self, name: str, peer: str, command: Command, more: dict[str, Any]) -> Contender:
        return Contender(name, command, environment=self.peers.environment(), peer=peer, slow=peer not in FAST, **more)


def protocol_files(
    into: Path,
    name: str,
    config: Mapping[str, Any],
    filetype: str,
    columns: Mapping[str, str],
    sync_mode: str = "full_refresh",
) -> list[str]:
    """`--config` and `--catalog` for one stream, called t, of every file there is."""
    given = {**config, "streams": [stream(filetype)]}
    properties: dict[str, Any] = {
        column: {"type": ["null", "string" if filetype == "csv" else kind]} for column, kind in columns.items()
    }
    properties |= {column: {"type": "string"} for column in _PROVENANCE}
    found = {
        "name": "t",
        "json_schema": {"type": "object", "properties": properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [_PROVENANCE[0]],
    }
    catalog = {"streams": [{"stream": found, "sync_mode": sync_mode, "destination_sync_mode": "append"}]}
    paths = [into / f"{name}.json", into / f"{name}.catalog.json"]
    for path, content in zip(paths, (given, catalog), strict=True):
        path.write_text(json.dumps(content))
    return ["--config", str(paths[0]), "--catalog", str(paths[1])]


def stream(filetype: str) -> dict[str, Any]:
    return {"name": "t", "globs": ["**"], "format": {"filetype": filetype}}


def ours(command: str, *arguments: str) -> list[str]:
    """One of the installed commands."""
    return [str(Path(sys.executable).with_name(command)), *arguments]


def contender(script: str, *arguments: str) -> list[str]:
    """The path and the arguments of a script of benchmarks/contenders, for an interpreter."""
    return [str(CONTENDERS / script), *arguments]


def script(name: str, *arguments: str) -> list[str]:
    """The same, run in this environment."""
    return [sys.executable, *contender(name, *arguments)]


def with_environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def files_of(folder: Path, prefix: str = "") -> Iterable[tuple[str, Path]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield prefix + path.relative_to(folder).as_posix(), path
