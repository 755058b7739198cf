"""file_cdk.read from scripts: without a guard, from threads, stopped, interrupted, forked, and at the end of the interpreter."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.process

ROWS, FILES = 150_000, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than is held until the schema is known, and more than is read without workers."""
    made = tmp_path_factory.mktemp("rows")
    for number in range(FILES):
        first = number * ROWS
        text = "".join(f'{{"id": {row}, "text": "{"x" * 120}"}}\n' for row in range(first, first + ROWS))
        path = made / f"{number}.jsonl"
        path.write_text(text)
        os.utime(path, (number, number))
    return made


def begun(folder: Path, script: str) -> "subprocess.Popen[str]":
    """The script in a session of its own, by the processes of which what is left of it can be told."""
    program = f"import file_cdk\nreading = file_cdk.read({str(folder)!r}, workers=2)\n{script}"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ran(folder: Path, script: str) -> str:
    process = begun(folder, script)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert_gone(process.pid)
    return out


def of_session(session: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


def assert_gone(session: int) -> None:
    deadline = time.monotonic() + 20
    while left := list(of_session(session)):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_a_script_without_a_guard_reads_in_order(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import file_cdk\nprint(sum(1 for _ in [0]))\ntable = file_cdk.read({str(folder)!r}, workers=2).to_arrow()\n"
        f"assert table['id'].to_pylist() == list(range({ROWS * FILES}))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")  # and once only


def test_threads_read_at_the_same_time(folder: Path) -> None:
    said = ran(
        folder,
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def rows(at):\n"
        "    return reading.to_arrow().num_rows if at else sum(batch.num_rows for batch in reading)\n"
        "print(*ThreadPoolExecutor(3).map(rows, range(3)))",
    )
    assert said == f"{ROWS * FILES} {ROWS * FILES} {ROWS * FILES}\n"


def test_an_iteration_that_is_left_stops_its_workers_and_another_begins(folder: Path) -> None:
    said = ran(
        folder,
        "import psutil\n"
        "def workers():\n"
        "    return [each for each in psutil.Process().children(recursive=True) if not each.children() and each.ppid() != 1]\n"
        "batches = iter(reading); next(batches)\n"
        "before = len(workers())\n"
        "batches.close()\n"
        "[server] = psutil.Process().children()\n"
        "psutil.wait_procs(server.children(), 10)\n"
        "print(before, len(server.children()), reading.to_arrow().num_rows)",
    )
    assert said == f"2 0 {ROWS * FILES}\n"


def test_nothing_is_left_of_a_program_that_ends_in_the_middle(folder: Path) -> None:
    assert ran(folder, "batches = iter(reading)\nprint(next(batches).num_columns)") == "2\n"


def test_ctrl_c_ends_an_iteration(folder: Path) -> None:
    process = begun(folder, "import time\nfor batch in reading:\n    print('.', flush=True)\n    time.sleep(0.2)")
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert_gone(process.pid)


def test_a_forked_child_reads_for_itself(folder: Path) -> None:
    said = ran(
        folder,
        "import os\nbatches = iter(reading); next(batches)\n"
        "if not (child := os.fork()):\n"
        f"    print(file_cdk.read({str(folder)!r}, workers=2).to_arrow().num_rows, flush=True)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0",
    )
    assert said == f"{ROWS * FILES}\n"
