"""`file-cdk sync` on real folders and databases."""

import json
import os
import pty
import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest
import warm

from file_cdk.cli import main

PROGRAM = "import sys; from file_cdk.cli import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "people"
    files.mkdir()
    (files / "a.csv").write_text("id,name\n1,ada\n2,grace\n")
    (files / "b.csv").write_text("id,name\n3,joan\n")
    (files / "notes.txt").write_text("not for loading")
    return tmp_path


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


class Sync(Protocol):
    def __call__(self, *arguments: str, source: str = "people") -> Ran: ...


@pytest.fixture
def sync(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sync:
    """The command, run in this process from within the folder: starting one each time takes longer than the load."""
    monkeypatch.chdir(folder)

    def run(*arguments: str, source: str = "people") -> Ran:
        code = main(["sync", source, "--to", "out.duckdb", *arguments])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


def rows(folder: Path, query: str) -> list[Any]:
    with duckdb.connect(str(folder / "out.duckdb"), read_only=True) as database:
        return database.sql(query).fetchall()


def without_speed(text: str) -> list[str]:
    return re.sub(r" in \d.*", "", text).splitlines()


def test_a_load_and_what_it_says(folder: Path, sync: Sync) -> None:
    ran = sync()
    assert (ran.returncode, ran.stdout) == (0, "")
    assert without_speed(ran.stderr) == [
        "people: 2 files to read, 37 bytes; skipped: 1 unknown extension",
        "people: 2 files read, 1 skipped (1 unknown extension), 3 rows, 37 bytes",
        "done: 3 rows, 37 bytes",
    ]
    assert rows(folder, "select id, name from people order by _file_url, _file_row") == [
        (1, "ada"),
        (2, "grace"),
        (3, "joan"),
    ]


def test_a_second_load_has_nothing_to_do(folder: Path, sync: Sync) -> None:
    sync()
    ran = sync()
    assert ran.returncode == 0
    assert "people: 0 files read, 3 skipped" in ran.stderr
    assert rows(folder, "select count(*) from people") == [(3,)]


def test_quiet_says_nothing(folder: Path, sync: Sync) -> None:
    ran = sync("--quiet")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_options_reach_the_pipeline(folder: Path, sync: Sync) -> None:
    ran = sync("--table", "folk", "--all-text", "--format", "csv", "--workers", "0", source="people/*.csv")
    assert ran.returncode == 0, ran.stderr
    assert rows(folder, "select id, name from folk order by id") == [("1", "ada"), ("2", "grace"), ("3", "joan")]


def test_failed_files_exit_5_and_are_named(folder: Path, sync: Sync) -> None:
    (folder / "people" / "broken.csv").write_text(",,\n1,x\n")
    ran = sync("--report", "outcome.json")
    assert ran.returncode == 5
    (complaint,) = [line for line in ran.stderr.splitlines() if line.startswith("error:")]
    assert "file 'broken.csv'" in complaint
    assert rows(folder, "select count(*) from people") == [(3,)]
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["exit_code"] == 5
    assert [(failure["uri"], failure["row"]) for failure in outcome["failures"]] == [("broken.csv", None)]

    quiet = sync("--quiet")
    assert (quiet.returncode, quiet.stderr) == (5, complaint + "\n")


@pytest.mark.parametrize(
    ("arguments", "source", "code", "complaint"),
    [
        ([], "missing", 3, "error: no such file or folder: missing"),
        ([], "nowhere://bucket", 2, "error: no connector is installed for nowhere:"),
        (["--format", "docx"], "people", 2, "error: format 'docx' is not supported"),
        (["--to", "out.txt"], "people", 2, "error: "),
        (["--to", "missing/out.duckdb"], "people", 3, "error: "),
        (["--to", "people"], "people", 2, "error: "),
    ],
)
def test_what_cannot_begin(
    folder: Path, sync: Sync, arguments: list[str], source: str, code: int, complaint: str
) -> None:
    ran = sync(*arguments, source=source)
    assert ran.returncode == code, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.splitlines()[-1].startswith(complaint)
    assert "Traceback" not in ran.stderr
    verbose = sync(*arguments, "--verbose", source=source)
    assert "Traceback" in verbose.stderr


def test_a_summary_without_a_folder_stops_before_anything(folder: Path, sync: Sync) -> None:
    ran = sync("--report", "missing/outcome.json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: no folder for the report 'missing/outcome.json'")
    assert not (folder / "out.duckdb").exists()


def test_json_on_stdout_is_all_there_is(folder: Path, sync: Sync) -> None:
    outcome = json.loads(sync("--report", "-").stdout)
    assert (outcome["rows"], outcome["streams"][0]["files_read"]) == (3, 2)
    failed = json.loads(sync("--report", "-", source="missing").stdout)
    assert (failed["exit_code"], failed["error"]) == (3, "no such file or folder: missing")


def test_json_for_nobody(folder: Path) -> None:
    command = ["file-cdk", "sync", "people", "--to", "out.duckdb", "--report", "-"]
    with warm.Process(*command, cwd=folder, stdout=warm.PIPE, stderr=warm.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().splitlines()
        assert process.wait(timeout=20) == 3
    assert said[-1] == "error: cannot write the report to stdout: Broken pipe"


def test_nobody_reading_stderr_does_not_stop_the_load(folder: Path) -> None:
    command = ["file-cdk", "sync", "people", "--to", "out.duckdb"]
    with warm.Process(*command, cwd=folder, stderr=warm.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.wait(timeout=20) == 0
    assert rows(folder, "select count(*) from people") == [(3,)]


def test_a_bug_is_an_internal_error(folder: Path, sync: Sync) -> None:
    program = (
        "import sys, file_cdk.pipeline.tables.sync as pipeline\n"
        "def sync(*arguments): raise ZeroDivisionError('hunter2')\n"
        "pipeline.sync = sync\n" + PROGRAM.replace("; ", "\n")
    )
    ran = warm.captured(warm.PYTHON, "-c", program, "sync", "people", "--to", "out.duckdb", cwd=folder)
    assert ran.returncode == 1
    assert ran.stderr.startswith("internal error: unexpected ZeroDivisionError at <string>:2. This is a bug")
    assert "hunter2" not in ran.stderr


def test_on_a_terminal_there_is_a_bar(folder: Path) -> None:
    screen, program = pty.openpty()
    sent: list[bytes] = []

    def watch() -> None:
        while True:
            try:
                sent.append(os.read(screen, 65536))
            except OSError:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}
    command = ["file-cdk", "sync", "people", "--to", "out.duckdb"]
    with warm.Process(*command, cwd=folder, env=environment, stdout=warm.PIPE, stderr=program) as ran:
        out, _ = ran.communicate(timeout=60)
    os.close(program)
    watcher.join(timeout=10)
    os.close(screen)
    shown = b"".join(sent).decode()
    assert (ran.returncode, out) == (0, b"")
    assert "━" in shown
    assert "\x1b[?25h" in shown, "the cursor is shown again"
    assert "done: 3 rows" in shown.splitlines()[-1]


def large(folder: Path, files: int) -> None:
    text = "id,name\n" + "".join(f"{n},somebody\n" for n in range(10_000))
    for number in range(files):
        (folder / "people" / f"large-{number:03}.csv").write_text(text)


@pytest.mark.process
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_whole_files_only(
    folder: Path, sync: Sync, signum: signal.Signals, code: int, workers: str
) -> None:
    large(folder, 60)
    command = ["file-cdk", "sync", "people", "--to", "out.duckdb", "--workers", workers, "-v"]
    with warm.Process(*command, cwd=folder, stderr=warm.PIPE, text=True) as process:
        assert process.stderr is not None
        loaded = 0
        while loaded < 4:
            line = process.stderr.readline()
            assert line, "it ended too soon"
            loaded += "loaded 'large-" in line
        process.send_signal(signum)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == code, rest
    assert "interrupted: what is committed stays, and the next run goes on with the rest" in rest.splitlines()

    in_ledger = rows(folder, "select count(*) from _file_cdk_files where status = 'loaded' and url like 'large%'")
    per_file = rows(folder, "select count(*) from people where _file_url like 'large%' group by _file_url")
    assert 0 < len(per_file) < 60
    assert set(per_file) == {(10_000,)}
    assert in_ledger == [(len(per_file),)]

    assert sync("--quiet").returncode == 0
    assert rows(folder, "select count(*), count(distinct (_file_url, _file_row)) from people") == [
        (60 * 10_000 + 3, 60 * 10_000 + 3)
    ]


@pytest.mark.process
def test_an_interrupted_sync_leaves_no_process_behind(folder: Path) -> None:
    large(folder, 30)
    command = ["file-cdk", "sync", "people", "--to", "out.duckdb", "--workers", "2", "-v"]
    with warm.Process(*command, cwd=folder, stderr=warm.PIPE, text=True, own_group=True) as process:
        assert process.stderr is not None
        while "loaded 'large-" not in process.stderr.readline():
            pass
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        process.communicate(timeout=30)
    assert process.returncode == 130
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("processes of the group are still there")
