"""How the command ends when it is told to end, or when the system refuses what it needs: by the codes that are documented."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import psutil
import pytest

pytestmark = pytest.mark.process

KILLS = 100
COMMAND = [sys.executable, "-c", "import sys; from file_cdk.cli import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends") / "files"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.csv").write_text("i,t\n" + "".join(f"{row},x{row}\n" for row in range(20_000)))
    return folder


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="ends-", dir="/tmp") as folder:
        yield Path(folder)


def started(folder: Path, place: Path, *options: str, limit: str = "") -> subprocess.Popen[str]:
    """limit: of `ulimit`, set for the command. Temporary files are in place/tmp."""
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    command = [*COMMAND, "sync", str(folder), "--to", str(place / "x.duckdb"), *options]
    if limit:
        command = ["bash", "-c", f'ulimit {limit}; exec "$@"', "-", *command]
    environment = {**os.environ, "TMPDIR": str(place / "tmp")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Until it has handlers: before, the interpreter is starting, and ends as any program does."""
    wanted = 1 << (signal.SIGTERM - 1)
    for _ in range(2000):
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        if int(caught, 16) & wanted:
            return
        time.sleep(0.002)
    pytest.fail("it never set a handler")


def test_a_signal_at_any_moment_ends_by_its_code_or_not_at_all(folder: Path, short: Path) -> None:
    def end(number: int) -> tuple[int, int, str]:
        chance = random.Random(number)
        signum = chance.choice([signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
        with started(folder, short / str(number), "--workers", chance.choice("001")) as process:
            wait_until_it_listens(process)
            time.sleep(chance.random() * chance.choice([0.1, 0.4, 1.5]))
            process.send_signal(signum)
            _, errors = process.communicate(timeout=60)
        return process.returncode, 128 + signum, errors

    with ThreadPoolExecutor(4) as threads:
        ends = list(threads.map(end, range(KILLS)))
    assert [(code, errors) for code, expected, errors in ends if code not in (0, expected)] == []
    assert [errors for _, _, errors in ends if "Traceback" in errors] == []
    assert sum(code != 0 for code, _, _ in ends) > KILLS / 4
    left = [entry.name for number in range(KILLS) for entry in (short / str(number) / "tmp").iterdir()]
    assert left == []


def test_a_hang_up_that_is_ignored_stays_ignored(folder: Path, tmp_path: Path) -> None:
    with started(folder, tmp_path, "--workers", "0", limit="-c 0; trap '' HUP") as process:
        wait_until_it_listens(process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_killed_run_leaves_no_temporary_file_with_a_name(folder: Path, short: Path) -> None:
    with started(folder, short, "--workers", "1") as killed:
        deadline = time.monotonic() + 20
        while len(psutil.Process(killed.pid).children(recursive=True)) < 2 and time.monotonic() < deadline:
            time.sleep(0.002)
        found = len(psutil.Process(killed.pid).children(recursive=True))
        killed.kill()
        killed.communicate(timeout=20)
    assert found == 2, "the fork server and its worker"
    assert list((short / "tmp").iterdir()) == []


def test_a_long_path_of_temporary_files_is_no_obstacle(folder: Path, tmp_path: Path) -> None:
    with started(folder, tmp_path / ("long" * 20), "--workers", "1") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        # With more, libraries find none for their threads, and some end the process then without a word.
        *((f"-v {kib}", "memory") for kib in (200_000, 250_000)),
        *((f"-n {count}", "too many files are open at once; the limit (ulimit -n) is") for count in (8, 12, 16)),
    ],
)
def test_a_limit_of_the_system_is_no_bug(folder: Path, tmp_path: Path, limit: str, said: str) -> None:
    with started(folder, tmp_path, "--workers", "1", limit=limit) as process:
        _, errors = process.communicate(timeout=60)
    # Where the limit is met within its own work for a new thread, the C library ends the process, as it does any other.
    is_of_the_library = process.returncode == 127 and "memory for thread-local data: ABORT" in errors
    assert is_of_the_library or process.returncode in (3, 5), errors
    assert said in errors
    assert "bug" not in errors


def test_without_a_folder_to_work_in(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "-", str(gone), *COMMAND, "sync", str(folder), "--to", "x.duckdb"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "the folder in which the program was started is gone" in done.stderr


def test_a_folder_for_temporary_files_is_not_needed(folder: Path, tmp_path: Path) -> None:
    """Where none can be written to, also none of those that tempfile falls back to."""
    code = (
        "import sys, tempfile\n"
        "tempfile._candidate_tempdir_list = lambda: ['/nowhere']\n"
        "from file_cdk.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "sync", str(folder), "--to", str(tmp_path / "x.duckdb"), "--workers", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_get_nothing_of_a_database(folder: Path, tmp_path: Path, closed: str) -> None:
    database = tmp_path / "x.duckdb"
    command = [*COMMAND, "sync", str(folder), "--to", str(database), "--workers", "0"]
    done = subprocess.run(["bash", "-c", f'exec "$@" {closed}', "-", *command], check=False, timeout=60)
    assert done.returncode == 0
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchall() == [(60_000,)]
