"""The installed commands, killed without warning: nothing partial stays, nothing is lost, no process is left behind."""

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psutil
import pytest
import warm
from commands import MARK, processes_of

pytestmark = pytest.mark.process

FILES, ROWS = 8, 30_000
ROWS_OF_A_KILL = 10_000
"""Fewer, since each of these tests is two syncs of all of them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 12 MB of CSV."""
    return write(tmp_path_factory.mktemp("read") / "orders", ROWS)


@pytest.fixture(scope="module")
def to_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("kill") / "orders", ROWS_OF_A_KILL)


def write(folder: Path, rows: int) -> Path:
    """With a value per row that names the row."""
    folder.mkdir()
    for number in range(FILES):
        with (folder / f"{number}.csv").open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["file", "row", "note"])
            writer.writerows([number, row, f'row {row}, "quoted"\nand broken over lines'] for row in range(1, rows + 1))
    return folder


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """An environment whose processes can be found; none may be left when the test ends."""
    mark = uuid.uuid4().hex
    yield {**os.environ, MARK: mark}
    deadline = time.monotonic() + 10
    while (left := processes_of(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"left behind: {left}"


def sync(folder: Path, database: Path, environment: dict[str, str]) -> warm.Process:
    command: list[str | Path] = ["file-cdk", "sync", folder, "--to", database, "--workers", "2"]
    return warm.Process(*command, env=environment, stderr=warm.PIPE, text=True)


def assert_exactly_loaded(database: Path, run: warm.Process) -> None:
    _, messages = run.communicate(timeout=120)
    assert run.returncode == 0, messages
    with duckdb.connect(str(database), read_only=True) as connection:
        loaded = connection.execute(
            "select file, count(*), count(distinct row), min(row), max(row), bool_and(_file_row = row) "
            "from orders group by 1 order by 1"
        ).fetchall()
        ledger = connection.execute("select url, rows, status from _file_cdk_files order by url").fetchall()
    rows = ROWS_OF_A_KILL
    assert loaded == [(number, rows, rows, 1, rows, True) for number in range(FILES)]
    assert ledger == [(f"{number}.csv", rows, "loaded") for number in range(FILES)]


@pytest.fixture(scope="module")
def duration_s(to_load: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Of a sync that nobody kills."""
    database = tmp_path_factory.mktemp("whole") / "whole.duckdb"
    started = time.monotonic()
    assert_exactly_loaded(database, sync(to_load, database, dict(os.environ)))
    return time.monotonic() - started


@pytest.mark.parametrize("twentieth", range(20))
def test_parent_killed_at_a_random_moment(
    to_load: Path, duration_s: float, environment: dict[str, str], tmp_path: Path, twentieth: int
) -> None:
    share = 0.2 + 0.75 * (twentieth + random.random()) / 20
    database = tmp_path / "orders.duckdb"
    for _ in range(10):
        started = time.monotonic()
        victim = sync(to_load, database, environment)
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.wait(share * duration_s)
        victim.kill()
        victim.communicate()
        if victim.returncode == -signal.SIGKILL:
            break
        duration_s = time.monotonic() - started  # the machine was busier before
        database.unlink()
    else:
        pytest.fail(f"every kill at {share:.3f} of the time came after the end")
    deadline = time.monotonic() + 10
    while processes_of(environment[MARK]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not processes_of(environment[MARK]), f"orphans after the kill at {share:.3f} of the time"
    assert_exactly_loaded(database, sync(to_load, database, environment))


def read_command(folder: Path, scratch: Path, workers: str) -> list[str | Path]:
    config = {"path": str(folder), "streams": [{"name": "orders", "format": {"filetype": "csv"}}]}
    columns = {name: {"type": ["null", "string"]} for name in ("file", "row", "note")}
    stream = {"name": "orders", "json_schema": {"properties": columns}, "supported_sync_modes": ["full_refresh"]}
    configured = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    (scratch / "config.json").write_text(json.dumps(config))
    (scratch / "catalog.json").write_text(json.dumps({"streams": [configured]}))
    files: list[str | Path] = ["--config", scratch / "config.json", "--catalog", scratch / "catalog.json"]
    return ["source-local", "read", "--workers", workers, *files]


def test_worker_killed_while_records_are_read(folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    rows: list[tuple[str, str]] = []
    killed = 0
    command = read_command(folder, tmp_path, "2")
    with warm.Process(*command, env=environment, stdout=warm.PIPE) as reading:
        assert reading.stdout is not None
        for line in reading.stdout:
            message = json.loads(line)
            if message["type"] != "RECORD":
                continue
            rows.append((message["record"]["data"]["file"], message["record"]["data"]["row"]))
            # Two different moments; the pipe is full of what the killed worker may be half through.
            if len(rows) in (5_000, 100_000):
                workers = [p for p in psutil.Process(reading.pid).children(recursive=True) if not p.children()]
                max(workers, key=lambda process: process.cpu_times().user).kill()
                killed += 1
    assert reading.returncode == 0
    assert killed == 2
    assert rows == [(str(number), str(row)) for number in range(FILES) for row in range(1, ROWS + 1)]


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_half_line(
    folder: Path, environment: dict[str, str], tmp_path: Path, workers: str, number: signal.Signals, code: int
) -> None:
    command = read_command(folder, tmp_path, workers)
    with warm.Process(*command, env=environment, stdout=warm.PIPE, stderr=warm.DEVNULL) as reading:
        assert reading.stdout is not None
        output = reading.stdout.read(300_000)
        time.sleep(0.5)  # the pipe is full, and the command in the middle of a block
        reading.send_signal(number)
        time.sleep(0.5)
        output += reading.stdout.read()
    assert reading.returncode == code
    assert output.endswith(b"\n")
    assert all(json.loads(line)["type"] for line in output.splitlines())
    assert output.count(b'"RECORD"') < FILES * ROWS
