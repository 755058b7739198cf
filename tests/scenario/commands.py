"""Running the installed commands as a person does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import psutil
import warm

BIN = Path(sys.executable).parent
FIXTURES = Path(__file__).parents[2] / "fixtures"

MARK = "FILE_CDK_TEST_RUN"
"""Of the environment of processes that `processes_of` is to find."""


def run(
    command: str, *arguments: str | Path, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Of the command as it is installed, but that it need not start; see warm.py."""
    return warm.completed(command, *arguments, cwd=cwd, env={**os.environ, **environment})


def start(
    command: str, *arguments: str | Path, cwd: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """The same, from exec on, for what depends on how it starts."""
    return subprocess.run(
        [BIN / command, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def sync(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return run("file-cdk", "sync", *arguments, cwd=cwd)


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def ledger(database: Path) -> dict[str, str]:
    """Status of every file by url; `loaded` and `failed` together when a newer version failed."""
    rows = query(database, "select url, string_agg(status, '+' order by status) from _file_cdk_files group by url")
    return dict(rows)


def write_json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def local_config(folder: Path, **streams: str) -> dict[str, Any]:
    """Config of source-local: stream name -> filetype, each over the folder of its name."""
    return {
        "path": str(folder),
        "streams": [
            {"name": name, "globs": [f"{name}/**"], "format": {"filetype": filetype}}
            for name, filetype in streams.items()
        ],
    }


def configured(catalog: dict[str, Any], sync_mode: str = "full_refresh") -> dict[str, Any]:
    return {
        "streams": [
            {"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append"}
            for stream in catalog["streams"]
        ]
    }


def processes_of(mark: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
