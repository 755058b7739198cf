"""Worker processes start while a connector is imported, unless there will be nothing for them to do."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk.cli.command import main
from file_cdk.cli.entry import run_connector
from file_cdk.core.errors import ConfigError
from file_cdk.engine.workers.forkserver import PRELOAD, ForkServer
from file_cdk.pipeline.early import EVERY_JOB, modules_for_records

_CSV = ["file_cdk.engine.workers.arrow_compute", "file_cdk.protocol.record_encoding", "file_cdk.formats.csv"]


def test_json_lines_are_read_without_arrow() -> None:
    imports = "".join(f"import {module}\n" for module in (*PRELOAD, *EVERY_JOB, *modules_for_records("jsonl")))
    subprocess.run([sys.executable, "-c", f"{imports}import sys\nassert 'pyarrow' not in sys.modules"], check=True)


@pytest.mark.parametrize(
    ("method", "started"),
    [
        (None, [_CSV]),
        ({"delivery_type": "use_records_transfer"}, [_CSV]),
        ("use_file_transfer", [_CSV]),  # refused, once it is validated
        ({"delivery_type": "use_file_transfer"}, []),
    ],
)
def test_only_where_records_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Any, started: list[list[str]]
) -> None:
    asked: list[list[str]] = []

    def start_early(modules: Iterable[str], _: int | None) -> None:
        asked.append(list(modules))

    monkeypatch.setattr("file_cdk.pipeline.early.start_early", start_early)
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(tmp_path))
    config: dict[str, Any] = {"path": str(tmp_path), "streams": [{"name": "s", "format": {"filetype": "csv"}}]}
    if method is not None:
        config["delivery_method"] = method
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text('{"streams": []}')
    with pytest.raises(SystemExit):
        run_connector(
            connector, ["read", "--config", f"{tmp_path}/config.json", "--catalog", f"{tmp_path}/catalog.json"]
        )
    assert asked == started


@pytest.mark.parametrize(
    ("source", "rows", "arguments", "loaded", "started"),
    [
        ("files", 1_200_000, [], False, True),
        ("files/a.csv", 1_200_000, [], False, True),
        ("files/*.csv", 1_200_000, [], False, True),
        ("files", 10, [], False, False),
        ("files/a.csv", 10, [], False, False),
        ("files", 1_200_000, [], True, False),
        ("files", 1_200_000, ["--full-refresh"], True, True),
        ("nowhere", 0, [], False, False),
        ("nonesuch://bucket/a.csv", 0, [], False, True),
    ],
)
def test_a_sync_starts_them_where_much_is_new(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    rows: int,
    arguments: list[str],
    loaded: bool,
    started: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("file_cdk.pipeline.execution.cpu_count", lambda: 2)
    servers: list[ForkServer] = []
    monkeypatch.setattr(ForkServer, "preload", lambda self, _: servers.append(self))
    Path("files").mkdir()
    Path("files/a.csv").write_text("id\n")
    if loaded:
        assert main(["sync", "files", "--to", "x.duckdb", "-q"]) == 0
    Path("files/a.csv").write_text("id\n" + "".join(f"{row}\n" for row in range(rows)))

    def sync(*_: Any) -> None:
        assert all(server.lives for server in servers)
        raise ConfigError("enough")

    monkeypatch.setattr("file_cdk.pipeline.tables.sync.sync", sync)
    assert main(["sync", source, "--to", "x.duckdb", "-q", *arguments]) == 2
    assert bool(servers) == started
    assert not any(server.lives for server in servers)


def test_the_parent_of_workers_imports_no_arrow() -> None:
    program = (
        "import sys; import file_cdk.pipeline.read, file_cdk.formats.csv\n"
        "print([m for m in ('pyarrow', 'msgspec', 'airbyte_protocol_dataclasses', 'multiprocessing') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"


def test_nothing_large_is_imported_before_them() -> None:
    program = (
        "import sys; import file_cdk.cli.connector, file_cdk.pipeline.early\n"
        "large = 'pyarrow', 'wcmatch', 'email', 'importlib.metadata', 'tempfile', 'file_cdk.core.ports'\n"
        "print([m for m in large if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"


@pytest.mark.parametrize(("rows", "pooled"), [(10, False), (1_200_000, True)])
def test_it_is_ended_where_there_is_little_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, pooled: bool
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.csv").write_text("id\n" + "".join(f"{row}\n" for row in range(rows)))
    config = {"path": str(tmp_path / "files"), "streams": [{"name": "s", "format": {"filetype": "csv"}}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    stream = {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [chosen]}))
    monkeypatch.setattr("file_cdk.pipeline.early.cpu_count", lambda: 2)
    started: list[ForkServer] = []
    living: list[bool] = []
    monkeypatch.setattr(ForkServer, "preload", lambda self, _: started.append(self))

    def emit(self: Any, ordered: Any) -> bool:
        living.append(started[0].lives)
        return True

    monkeypatch.setattr("file_cdk.pipeline.read._StreamRead._emit", emit)
    with pytest.raises(SystemExit):
        run_connector(
            connector, ["read", "--config", f"{tmp_path}/config.json", "--catalog", f"{tmp_path}/catalog.json"]
        )
    assert living == [pooled]
    assert not started[0].lives
