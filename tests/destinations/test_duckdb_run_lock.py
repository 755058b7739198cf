"""Who has a database open: named to the next, and nobody once its process is gone."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.file import give_back
from file_cdk.destinations.run_lock import Holder, RunLock

FILE = RemoteFile("a", 1, datetime(2024, 1, 1, tzinfo=UTC))

_HOLDS = """
import sys
from file_cdk.destinations.duckdb.destination import DuckDBDestination
destination = DuckDBDestination(sys.argv[1], run="nightly")
destination.open()
print("open", flush=True)
sys.stdin.read()
destination.close()
"""

_CONNECTS = "import duckdb, sys\nconnection = duckdb.connect(sys.argv[1])"


@contextmanager
def other_run(path: Path) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        try:
            yield other
        finally:
            other.kill()


@contextmanager
def opened(path: Path) -> Iterator[DuckDBDestination]:
    destination = DuckDBDestination(path)
    destination.open()
    with closing(destination):
        yield destination


def is_locked_by_duckdb(path: Path) -> bool:
    """As another process finds it."""
    done = subprocess.run([sys.executable, "-c", _CONNECTS, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "lock on file" in done.stderr
    return done.returncode != 0


def test_a_run_of_another_process_is_named_by_whatever_path_and_a_killed_one_is_nobody(tmp_path: Path) -> None:
    path, link = tmp_path / "x.duckdb", tmp_path / "link.duckdb"
    link.symlink_to("x.duckdb")
    with other_run(path) as other:
        expected = rf"another run: process {other.pid} \(.*\) on host '{socket.gethostname()}', since \d{{4}}-.*Z \(run nightly\)"
        for opening in (DuckDBDestination(path).open, DuckDBDestination(link).open, DuckDBDestination(path).check):
            with pytest.raises(DestinationInUseError, match=expected):
                opening()
        with pytest.raises(DestinationInUseError, match=expected):
            list(DuckDBDestination(path).rejects())
        with pytest.raises(DestinationInUseError, match=expected), DuckDBDestination(path).known(TableName("t")):
            pass
        other.kill()
        other.wait()
        assert (tmp_path / "x.duckdb.lock").exists()
        with opened(link):
            assert json.loads((tmp_path / "x.duckdb.lock").read_text())["pid"] == os.getpid()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.duckdb", "x.duckdb"]


def test_two_threads(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    said: list[str] = []

    def second() -> None:
        for opening in (DuckDBDestination(path).open, DuckDBDestination(path).check, DuckDBDestination(path).rejected):
            try:
                opening()
            except DestinationInUseError as exc:
                said.append(exc.message)

    with opened(path) as first:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
        assert ["in this process" in each for each in said] == [True] * 3
        assert is_locked_by_duckdb(path)  # closing a file takes the locks that the process has on it
        first.table(TableName("t")).record_failure(FILE, "gone")
    with opened(path):
        pass


def test_a_connection_of_ones_own_keeps_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)):
        for opening in (DuckDBDestination(path).open, DuckDBDestination(path).check, DuckDBDestination(path).rejected):
            with pytest.raises(DestinationInUseError, match="open in this process already"):
                opening()
        assert is_locked_by_duckdb(path)


def test_giving_room_back_keeps_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
        give_back(connection, str(path))
        assert is_locked_by_duckdb(path)


def test_a_shell_is_named_by_its_process(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    code = f"{_CONNECTS}\nprint('open', flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "open\n"
        for opening in (DuckDBDestination(path).open, DuckDBDestination(path).rejected):
            with pytest.raises(DestinationInUseError, match=rf"in use by another process: {shell.pid} \(python"):
                opening()
        shell.communicate()
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.duckdb"]


@pytest.mark.parametrize("notice", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff" * 9000])
def test_what_is_no_notice(tmp_path: Path, notice: bytes) -> None:
    path = tmp_path / "x.duckdb"
    held = RunLock.hold(str(path), "first")
    held.path.write_bytes(notice)
    with pytest.raises(DestinationInUseError, match="in use by another process"):
        RunLock.hold(str(path), "second")
    held.close()
    (tmp_path / "x.duckdb.lock").write_bytes(notice)
    with opened(path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.duckdb"]


def test_of_many_threads_one_at_a_time_has_it(tmp_path: Path) -> None:
    """Each removes the file when it lets go: nobody may hold one that is not there any more."""
    path = str(tmp_path / "x.duckdb")
    inside, most, turns = 0, 0, 0

    def take_turns() -> None:
        nonlocal inside, most, turns
        for _ in range(200):
            try:
                held = RunLock.hold(path, "r")
            except DestinationError:
                continue
            inside += 1
            most = max(most, inside)
            turns += 1
            inside -= 1
            held.close()

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1
    assert turns > 200
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_that_outlives_its_parent_holds_nothing(tmp_path: Path) -> None:
    code = """
import os, sys, time
from file_cdk.destinations.run_lock import RunLock
held = RunLock.hold(sys.argv[1], "r")
if os.fork() == 0:
    print("forked", flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""
    path = str(tmp_path / "x.duckdb")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, path], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "forked\n"
        with pytest.raises(DestinationInUseError):
            RunLock.hold(path, "next")
        parent.kill()
        parent.wait()
        RunLock.hold(path, "next").close()
        os.killpg(parent.pid, 9)


def test_a_folder_that_takes_no_file_is_for_duckdb_to_refuse(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="there is no folder"):
        DuckDBDestination(tmp_path / "no" / "x.duckdb").open()
    (tmp_path / "x.duckdb.lock").mkdir()
    with opened(tmp_path / "x.duckdb"):
        pass
    (tmp_path / "x.duckdb.lock").rmdir()
    (tmp_path / "x.duckdb.lock").symlink_to(tmp_path / "precious")
    with opened(tmp_path / "x.duckdb"):
        pass
    assert not (tmp_path / "precious").exists()


def test_an_interruption_while_the_lock_is_taken_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Holder, "this", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RunLock.hold(str(tmp_path / "x.duckdb"), "r")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    RunLock.hold(str(tmp_path / "x.duckdb"), "next").close()
