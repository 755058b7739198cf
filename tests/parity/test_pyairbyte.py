"""PyAirbyte reads our source-s3 into its DuckDB cache, and `file-cdk sync` the same configuration into DuckDB: the same rows.

FILE_CDK_PYAIRBYTE names the interpreter of an environment that has the package `airbyte`.
"""

import json
import os
import subprocess
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk.testing.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.scenario

FIXTURES = Path(__file__).parents[2] / "fixtures"
READ = """
import json, sys
from pathlib import Path
import airbyte
from airbyte.caches import DuckDBCache
source_s3, config, database = sys.argv[1:]
source = airbyte.get_source(
    "source-s3", config=json.loads(Path(config).read_text()), local_executable=Path(source_s3), streams="*"
)
source.check()
print(source.read(cache=DuckDBCache(db_path=database)).processed_records)
"""
STREAMS = {
    "orders": ("csv", b"id,name,price\n1,Ann,2.5\n2,B\xc3\xb3b,3\n3,,\n"),
    "events": (
        "jsonl",
        b'{"id": 1, "tags": ["a"], "at": {"x": 1.5}}\n{"id": 2, "note": null, "big": 9007199254740993}\n',
    ),
}


def test_pyairbyte_keeps_the_rows_that_a_sync_keeps(tmp_path: Path) -> None:
    python = os.environ.get("FILE_CDK_PYAIRBYTE")
    assert python, "FILE_CDK_PYAIRBYTE must name the interpreter of PyAirbyte's environment; `tox -e parity` makes it"
    [planes] = sorted(FIXTURES.glob("planes/*.parquet"))[:1]
    with SeaweedFS() as server:
        server.create_bucket("parity")
        for name, (filetype, content) in STREAMS.items():
            server.put("parity", f"{name}/a.{filetype}", content)
            server.put("parity", f"{name}/b.{filetype}", content)
        server.put("parity", "planes/a.parquet", planes.read_bytes())
        config = tmp_path / "config.json"
        config.write_text(json.dumps(_config(server)))
        ours = str(Path(sys.executable).with_name("source-s3"))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
            "AIRBYTE_OFFLINE_MODE": "1",
            "DO_NOT_TRACK": "1",
        }
        done = _run([python, "-c", READ, ours, str(config), "theirs.duckdb"], tmp_path, environment)
        _run(
            [str(Path(ours).with_name("file-cdk")), "sync", str(config), "--connector", "s3", "--to", "ours.duckdb"],
            tmp_path,
        )
    counts = {name: _same_rows(tmp_path, name) for name in ("orders", "events", "planes")}
    assert counts["orders"] == 6
    assert counts["events"] == 4
    assert sum(counts.values()) == int(done.split()[-1])


def _same_rows(folder: Path, table: str) -> int:
    with duckdb.connect(str(folder / "theirs.duckdb"), read_only=True) as cache:
        rows = cache.sql(f"SELECT * EXCLUDE (_airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta) FROM main.{table}")
        columns = ", ".join(f'"{name}"' for name in rows.columns if not name.startswith("_ab_"))
        theirs = [_plain(row) for row in rows.project(columns).fetchall()]
    with duckdb.connect(str(folder / "ours.duckdb"), read_only=True) as own:
        ours = [_plain(row) for row in own.sql(f"SELECT {columns} FROM {table}").fetchall()]
    assert sorted(ours) == sorted(theirs)
    return len(ours)


def _plain(row: tuple[Any, ...]) -> list[str]:
    """The cache has JSON text for what is nested; through the protocol a CSV file has texts alone, empty without a value."""
    return [str(_plain_value(value)) for value in row]


def _plain_value(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("[", "{", '"')):
        return json.loads(value)
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation:
        return value or None


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _config(server: SeaweedFS) -> dict[str, Any]:
    formats = {name: filetype for name, (filetype, _) in STREAMS.items()} | {"planes": "parquet"}
    return {
        "bucket": "parity",
        "endpoint": server.endpoint,
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "streams": [
            {"name": name, "globs": [f"{name}/*"], "format": {"filetype": filetype}}
            for name, filetype in formats.items()
        ],
    }
