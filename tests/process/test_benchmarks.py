"""The benchmarks still run, and still compare what is alike: on small data, without the tools that have to be installed."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from file_cdk.testing.servers.postgres import PostgresServer

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
WORKLOADS = [
    "startup",
    "csv",
    "parquet",
    "avro",
    "excel",
    "s3-small",
    "sync-jsonl",
    "sync-sqlite",
    "sync-files",
    "destination-write",
    "api-substreams",
    "memory-sync",
]
"""One of each kind: each costs seconds of starting processes."""


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)


def benchmarks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return python("-m", "benchmarks", *arguments)


def test_a_quick_run_compares_what_is_alike(tmp_path: Path) -> None:
    cache, out, again = (tmp_path / name for name in ("cache", "out", "again"))
    done = benchmarks("--quick", "--only", ",".join(WORKLOADS), "--cache", cache, "--out", out)
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "benchmarks.json").read_text())
    assert [workload["name"] for workload in results["workloads"]] == WORKLOADS
    assert results["machine"]["cores"] == len(os.sched_getaffinity(0))
    for workload in results["workloads"]:
        for contender in workload["contenders"]:
            assert len(contender["seconds"]) == 1
            assert contender["cpu_seconds"][0] > 0
    again.mkdir()
    assert benchmarks("chart", out / "benchmarks.json", "--out", again).returncode == 0
    for name in ("benchmarks.md", "benchmarks.svg"):
        assert (again / name).read_text() == (out / name).read_text()
    titles = [element.text for element in xml.etree.ElementTree.parse(again / "benchmarks.svg").iter() if element.text]
    assert "CSV, 1M rows, to protocol" in titles


def test_a_server_of_a_database_is_started(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """postgres_server: skips where none is installed; the benchmark has one of its own."""
    done = benchmarks("--quick", "--only", "sync-postgres", "--cache", tmp_path, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "psql" in (tmp_path / "benchmarks.md").read_text()


def test_different_data_is_told() -> None:
    say = "import json; print(json.dumps({'type': 'RECORD', 'record': {'data': {'id': %s}}}))"
    script = f"""
import sys
from benchmarks.equality import DifferentDataError, check_equality
from benchmarks.workload import Contender
same = [Contender(name, [sys.executable, "-c", {say % 1!r}]) for name in ("one", "other")]
check_equality(same)
try:
    check_equality([*same, Contender("different", [sys.executable, "-c", {say % 2!r}])])
except DifferentDataError as error:
    assert "different" in str(error)
else:
    raise SystemExit("not told")
"""
    done = python("-c", script)
    assert done.returncode == 0, done.stderr


def test_cpu_of_helpers_that_outlive_a_command_counts() -> None:
    burning = "import time\nwhile time.process_time() < 0.3: pass"
    leaving = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burning!r}], stdout=subprocess.DEVNULL)"
    )
    script = f"""
import sys
from benchmarks.measuring import measure
run = measure([sys.executable, "-c", {leaving!r}])
assert run.cpu_seconds >= 0.3, run
"""
    done = python("-c", script)
    assert done.returncode == 0, done.stderr


def test_an_unknown_workload_is_refused() -> None:
    done = benchmarks("--only", "csv,nothing")
    assert (done.returncode, done.stderr) == (2, "no such workload: nothing; --list names them\n")
