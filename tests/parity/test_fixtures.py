"""The same configuration and catalog through airbyte-cdk and through source-local: the same schema and the same records.

Runs in an environment of its own (`tox -e parity`), where airbyte-cdk[file-based] is installed beside this package.
"""

import json
import math
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import warm

ROOT = Path(__file__).parents[2]
OURS = partial(warm.captured, "source-local")
PEER = partial(
    warm.captured,
    "airbyte_folder:main",
    by=warm.Forks(imported=("airbyte_folder", "pandas", "pyarrow.parquet"), folder=ROOT / "benchmarks" / "contenders"),
)
STREAMS = {"flights": "csv", "weather": "jsonl", "planes": "parquet", "observations": "parquet"}

DIRTY = {
    "quotes.csv": 'id,text\n1,"a ""quoted"" word"\n2,"two\nlines"\n3,stray " quote\n4,"tail"ed\n',
    "spaces.csv": "id,name,x\n 1 , a ,\n2,,\n",
    "crlf.csv": "id,name\r\n1,a\r\n\r\n2,b\r\n",
    "unicode.csv": "id,name\n1,h\u00f4tel \u65e5\u672c \U0001f600\n",
    "blank-tail.csv": "id,name,,\n1,a,,\n2,b,,\n",
}


def messages(side: "partial[CompletedProcess[str]]", *arguments: str | Path) -> list[dict[str, Any]]:
    done = side(*arguments, timeout_s=300)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def catalog_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    (message,) = (item for item in found if item["type"] == "CATALOG")
    return dict(message["catalog"])


def records_of(found: list[dict[str, Any]]) -> list[str]:
    """Each record as canonical JSON without nulls, sorted: files of one modification time have no common order."""
    records = (item["record"] for item in found if item["type"] == "RECORD")
    return sorted(json.dumps([r["stream"], without_nulls(r["data"])], sort_keys=True) for r in records)


def without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None and not _is_nan(value)}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def compare(config: dict[str, Any], folder: Path, sync_mode: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Messages of both reads, after their catalogs were found equal."""
    (folder / "config.json").write_text(json.dumps(config))
    found = [catalog_of(messages(side, "discover", "--config", folder / "config.json")) for side in (OURS, PEER)]
    assert found[0] == found[1]
    streams = [
        {"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": "append"} for stream in found[1]["streams"]
    ]
    (folder / "catalog.json").write_text(json.dumps({"streams": streams}))
    arguments = ("read", "--config", folder / "config.json", "--catalog", folder / "catalog.json")
    return messages(OURS, *arguments), messages(PEER, *arguments)


def final_states(found: list[dict[str, Any]]) -> dict[str, Any]:
    states = (item["state"]["stream"] for item in found if item["type"] == "STATE")
    return {state["stream_descriptor"]["name"]: state["stream_state"] for state in states}


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
def test_fixtures(tmp_path: Path, sync_mode: str) -> None:
    config = {
        "path": str(ROOT / "fixtures"),
        "streams": [
            {"name": name, "globs": [f"{name}/*"], "format": {"filetype": filetype}}
            for name, filetype in STREAMS.items()
        ],
    }
    ours, theirs = compare(config, tmp_path, sync_mode)
    assert len(records_of(ours)) == 2699 + 576 + 3322 + 742
    assert records_of(ours) == records_of(theirs)
    if sync_mode == "incremental":
        assert final_states(ours) == final_states(theirs)


@pytest.mark.parametrize("inference", ["None", "Primitive Types Only"])
def test_dirty_csv(tmp_path: Path, inference: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in DIRTY.items():
        (folder / name).write_bytes(text.encode())
    config = {
        "path": str(folder),
        "streams": [
            {"name": name, "globs": [name], "format": {"filetype": "csv", "inference_type": inference}}
            for name in DIRTY
        ],
    }
    ours, theirs = compare(config, tmp_path, "full_refresh")
    assert len(records_of(ours)) == 4 + 2 + 2 + 1 + 2
    assert records_of(ours) == records_of(theirs)
