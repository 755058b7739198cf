"""Several syncs into one database: one after another or refused by name, each file once, and a killed one in nobody's way."""

import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import warm

sys.path.insert(0, str(Path(__file__).parent))

from commands import ledger, query, run, sync

pytestmark = pytest.mark.scenario

FILES, ROWS = 20, 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    folder.mkdir()
    for number in range(FILES):
        lines = [f"{number},{row}\n" for row in range(ROWS)]
        (folder / f"{number}.csv").write_text("file,row\n" + "".join(lines))
    return folder


def started(folder: Path, database: Path, *options: str) -> warm.Process:
    command: list[str | Path] = ["file-cdk", "sync", folder, "--to", database, "--workers", "0", *options]
    return warm.Process(*command, stdout=warm.PIPE, stderr=warm.PIPE, text=True)


@contextmanager
def stopped_run(folder: Path, database: Path) -> Iterator[warm.Process]:
    """A sync that stands still while it has the database open."""
    with started(folder, database) as first:
        try:
            deadline = time.monotonic() + 30
            while not holds_lock_of_duckdb(first.pid):
                assert first.poll() is None, first.communicate()
                assert time.monotonic() < deadline
            first.send_signal(signal.SIGSTOP)
            yield first
        finally:
            first.kill()


def holds_lock_of_duckdb(pid: int) -> bool:
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(lock[1] == "POSIX" and lock[3] == "WRITE" and lock[4] == str(pid) for lock in locks)


def assert_exact(database: Path) -> None:
    counts = query(database, "select file, count(*), count(distinct row) from orders group by 1 order by 1")
    assert counts == [(number, ROWS, ROWS) for number in range(FILES)]
    assert ledger(database) == {f"{number}.csv": "loaded" for number in range(FILES)}
    assert [entry.name for entry in database.parent.iterdir() if entry.name.startswith(database.name)] == [
        database.name
    ]


def test_syncs_that_start_at_once_take_turns(folder: Path, tmp_path: Path) -> None:
    """Also where there is no database yet."""
    database = tmp_path / "x.duckdb"
    runs = [started(folder, database, "--wait", "90") for _ in range(6)]
    ends = [(each.communicate(timeout=90)[1], each.returncode) for each in runs]
    assert [code for _, code in ends] == [0] * 6, ends
    assert sum(said.count("1,000 rows") > 0 for said, _ in ends) == 1, ends
    assert all(said.count("waiting for up to 90 s") <= 1 for said, _ in ends)
    assert_exact(database)


def test_files_that_come_while_syncs_take_turns_are_loaded_once(folder: Path, tmp_path: Path) -> None:
    database = tmp_path / "x.duckdb"
    held_back = [path.rename(tmp_path / path.name) for path in sorted(folder.iterdir())[::2]]
    runs: list[warm.Process] = []
    for path in held_back:
        if len(runs) < 5:
            runs.append(started(folder, database, "--wait", "90"))
        path.rename(folder / path.name)
        time.sleep(0.05)
    for each in runs:
        said = each.communicate(timeout=90)[1]
        assert each.returncode == 0, said
    assert sync(folder, "--to", database).returncode == 0
    assert_exact(database)


def test_who_does_not_wait_is_told_of_the_other_run(folder: Path, tmp_path: Path) -> None:
    database = tmp_path / "x.duckdb"
    assert sync(folder, "--to", database).returncode == 0
    with stopped_run(folder, database) as first:
        named = f"is in use by another run: process {first.pid} (file-cdk) on host"
        for command in (
            ("sync", folder, "--to", database),
            ("check", folder, "--to", database),
            ("ls", folder, "--to", database),
            ("rejects", database),
        ):
            done = run("file-cdk", *command)
            assert done.returncode == 3, done
            assert named in done.stderr + (done.stdout if command[0] == "check" else ""), done
        before = time.monotonic()
        waited = sync(folder, "--to", database, "--wait", "1")
        assert time.monotonic() - before >= 1
        assert waited.returncode == 3
        told = waited.stderr.splitlines()
        assert [named in line for line in told] == [True, True]
        assert told[0].endswith("; waiting for up to 1 s")
        with started(folder, database, "--wait", "60") as waiting:
            assert waiting.stderr is not None
            assert "waiting for up to 60 s" in waiting.stderr.readline()
            first.send_signal(signal.SIGCONT)
            assert first.wait(60) == 0
            assert waiting.wait(60) == 0
    assert_exact(database)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_waits_can_be_ended(folder: Path, tmp_path: Path, signum: signal.Signals) -> None:
    database = tmp_path / "x.duckdb"
    with stopped_run(folder, database), started(folder, database, "--wait", "60") as waiting:
        assert waiting.stderr is not None
        assert "waiting for up to 60 s" in waiting.stderr.readline()
        waiting.send_signal(signum)
        assert waiting.wait(10) == 128 + signum


def test_a_killed_run_holds_nobody_up(folder: Path, tmp_path: Path) -> None:
    database = tmp_path / "x.duckdb"
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for number in range(6):
        with started(folder, database) as victim:
            lock = tmp_path / "x.duckdb.lock"
            while victim.poll() is None and not lock.exists():
                pass
            time.sleep(chance.random() * 0.1)
            victim.kill()
            victim.communicate()
        after = sync(folder, "--to", database)
        assert after.returncode == 0, f"seed {seed}, kill {number}: {after.stderr}"
        assert_exact(database)
        if number % 2:
            database.unlink()
