"""Rejected records on the command line: limits, exit codes, what is said, and the listing."""

import base64
import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from in_process import Ran, Run, command_with

from file_cdk.cli import main
from file_cdk.cli.rejects import hint
from file_cdk.core.files import RemoteFile
from file_cdk.core.formats import BUILT_IN
from file_cdk.core.ports import MAX_REJECTS_KEPT, Reject, Rejects, TableName
from file_cdk.destinations.duckdb.destination import DuckDBDestination


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, in a folder with `numbers`; files of lines are read as StrictNumbers does."""
    monkeypatch.setitem(BUILT_IN, "jsonl", replace(BUILT_IN["jsonl"], place="strict_numbers:StrictNumbers"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers" / "clean.jsonl").write_text("1\n2\n")
    (tmp_path / "numbers" / "dirty.jsonl").write_bytes(b"3\nfour\n5\nf\xfcnf\n")
    return command_with(capsys)


def sync(run: Run, *arguments: str) -> Ran:
    return run("sync", "numbers", "--to", "x.duckdb", "--workers", "0", *arguments)


def numbers() -> list[int]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY 1").fetchall()]


def test_by_default_a_file_with_a_rejected_record_is_not_loaded(run: Run) -> None:
    ran = sync(run, "--report", "outcome.json")
    assert ran.code == 4
    assert numbers() == [1, 2]
    assert ran.err[-1] == "see: file-cdk rejects x.duckdb"
    assert ran.err[-2].startswith("error: 2 records rejected: not a number (2: row 2 at byte 2, row 4 at byte 9)")
    outcome = json.loads(Path("outcome.json").read_text())
    assert (outcome["exit_code"], outcome["rejected"], outcome["streams"][0]["rejected"]) == (4, 0, 0)
    [failure] = outcome["failures"]
    assert (failure["kind"], failure["uri"], failure["rejected"]) == ("TooManyRejectsError", "dirty.jsonl", 2)

    quiet = sync(run, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (4, [], [ran.err[-2]])


@pytest.mark.parametrize("limit", ["2", "50%"])
def test_up_to_the_limit_the_rest_of_the_file_is_loaded(run: Run, limit: str) -> None:
    ran = sync(run, "--max-rejects", limit, "--report", "-")
    assert ran.code == 0
    assert numbers() == [1, 2, 3, 5]
    assert [line.partition(" in ")[0] for line in ran.err if not line.startswith("numbers: 2 files to read")] == [
        "warning: file 'dirty.jsonl': 2 records rejected: not a number (2: row 2 at byte 2, row 4 at byte 9)",
        "numbers: 2 files read, 4 rows, 2 records rejected, 18 bytes",
        "done: 4 rows, 2 records rejected, 18 bytes",
        "see: file-cdk rejects x.duckdb",
    ]
    outcome = json.loads("\n".join(ran.out))
    assert (outcome["rejected"], outcome["streams"][0]["rejected"], outcome["failures"]) == (2, 2, [])

    again = sync(run, "--max-rejects", limit)
    assert again.code == 0
    assert "see: file-cdk rejects x.duckdb" not in again.err


@pytest.mark.parametrize("limit", ["1", "49.9%"])
def test_over_the_limit_nothing_of_the_file_is_loaded(run: Run, limit: str) -> None:
    assert sync(run, "--max-rejects", limit).code == 4
    assert numbers() == [1, 2]


def test_any_other_failure_counts_more(run: Run) -> None:
    Path("numbers/broken.jsonl").write_text("1\n!broken\n")
    ran = sync(run)
    assert ran.code == 5
    assert "see: file-cdk rejects x.duckdb" in ran.err
    Path("numbers/dirty.jsonl").write_text("3\n")
    ran = sync(run)
    assert ran.code == 5
    assert "see: file-cdk rejects x.duckdb" not in ran.err


def test_files_with_rejects_are_read_again_when_asked_or_modified(run: Run) -> None:
    assert sync(run, "--max-rejects", "2").code == 0
    assert "numbers: 0 files to read, 0 bytes; skipped: 2 already loaded" in sync(run).err
    again = sync(run, "--retry-rejects", "--max-rejects", "2")
    assert again.err[0] == "numbers: 1 file to read, 14 bytes; skipped: 1 already loaded"
    assert numbers() == [1, 2, 3, 5]
    assert sync(run, "--retry-rejects").code == 4  # the version that is loaded stays
    assert numbers() == [1, 2, 3, 5]
    Path("numbers/dirty.jsonl").write_text("3\n4\n5\n")
    assert sync(run).code == 0
    assert numbers() == [1, 2, 3, 4, 5]
    assert run("rejects", "x.duckdb").out == ["no rejected records"]


@pytest.mark.parametrize("limit", ["many", "-1", "101%", ""])
def test_what_is_no_limit_is_a_mistake(run: Run, limit: str) -> None:
    ran = sync(run, "--max-rejects", limit)
    assert (ran.code, ran.out) == (2, [])
    assert ran.err[0].startswith("error: the limit of rejected records must be")
    assert not Path("x.duckdb").exists()


def test_a_dialect_is_one_of_two(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        sync(run, "--dialect", "excel")
    assert left.value.code == 2
    assert sync(run, "--dialect", "default", "--max-rejects", "100%").code == 0


def test_the_table_of_rejected_records(run: Run) -> None:
    sync(run)
    ran = run("rejects", "x.duckdb")
    assert (ran.code, ran.err) == (0, [])
    assert ran.out == [
        "stream   url          row  byte  reason        raw",
        "-------  -----------  ---  ----  ------------  -------",
        "numbers  dirty.jsonl    2     2  not a number  four",
        r"numbers  dirty.jsonl    4     9  not a number  f\xfcnf",
    ]
    limited = run("rejects", "duckdb:x.duckdb", "--table", "Numbers", "--limit", "1")
    assert limited.out[2:] == ["numbers  dirty.jsonl    2     2  not a number  four", "2 rejected records in all"]


def test_json_lines_have_the_records_whole(run: Run) -> None:
    long = "x" * 1000 + "\t\x1b[31m é"
    Path("numbers/dirty.jsonl").write_bytes(long.encode() + b"\n1\n\xff\n")
    sync(run)
    ran = run("rejects", "x.duckdb", "--json")
    assert (ran.code, ran.err) == (0, [])
    documents: list[dict[str, Any]] = [json.loads(line) for line in ran.out]
    assert [(d["stream"], d["url"], d["row"], d["byte"], d["reason"]) for d in documents] == [
        ("numbers", "dirty.jsonl", 1, 0, "not a number"),
        ("numbers", "dirty.jsonl", 3, len(long.encode()) + 3, "not a number"),
    ]
    assert [(d["raw"], d["raw_base64"]) for d in documents] == [
        (long, None),
        (None, base64.b64encode(b"\xff").decode()),
    ]
    modified_at = datetime.fromisoformat(documents[0]["modified_at"])
    assert abs(modified_at.timestamp() - Path("numbers/dirty.jsonl").stat().st_mtime) < 1e-5
    assert abs((datetime.now(UTC) - datetime.fromisoformat(documents[0]["rejected_at"])).total_seconds()) < 60


def test_nothing_in_a_record_acts_on_the_terminal(run: Run) -> None:
    Path("numbers/dirty.jsonl").write_bytes("1\n\x1b[2J\tx\r\u202ey\u2028\0\n".encode() + b"y" * 61 + b"\n" + b"z" * 60)
    sync(run)
    text = run("rejects", "x.duckdb").out
    assert text[2].endswith(r"  not a number  \x1b[2J\tx\r\u202ey\u2028\x00")
    assert text[3].endswith("  " + "y" * 59 + "…")
    assert text[4].endswith("  " + "z" * 60)


def test_without_rejected_records_it_says_so(run: Run) -> None:
    Path("numbers/dirty.jsonl").unlink()
    sync(run)
    for arguments in ([], ["--table", "numbers"], ["--limit", "0"]):
        assert run("rejects", "x.duckdb", *arguments) == Ran(0, ["no rejected records"], [])
    assert run("rejects", "x.duckdb", "--json") == Ran(0, [], [])


def test_what_cannot_be_listed(run: Run) -> None:
    sync(run)
    Path("x.txt").write_text("no database")
    for arguments, code, complaint in (
        (["missing.duckdb"], 3, "error: there is no DuckDB database 'missing.duckdb'"),
        (["duckdb:x.txt"], 3, "error: 'x.txt' is not a DuckDB database"),
        (["x.txt"], 2, "error: 'x.txt' is no destination"),
        (["x.duckdb", "--table", "other"], 2, "error: no sync loaded a table 'other'"),
    ):
        ran = run("rejects", *arguments)
        assert (ran.code, ran.out) == (code, [])
        assert ran.err[0].startswith(complaint)
    assert not Path("missing.duckdb").exists()
    with duckdb.connect("x.duckdb"):
        assert run("rejects", "x.duckdb").code == 3


def test_more_than_were_kept_and_more_than_are_measured(run: Run) -> None:
    found = Rejects()
    for row in range(MAX_REJECTS_KEPT + 5):
        found.add(Reject(row, None, "bad"))
    destination = DuckDBDestination("x.duckdb")
    destination.open()
    destination.table(TableName("t")).record_failure(
        RemoteFile("a", 1, datetime(2024, 1, 1, tzinfo=UTC)), "too many", found
    )
    destination.close()
    lines = run("rejects", "x.duckdb").out
    assert len(lines) == MAX_REJECTS_KEPT + 3
    assert lines[-2].split() == ["t", "a", str(MAX_REJECTS_KEPT - 1), "bad"]
    assert lines[-1] == "10,005 rejected records in all"


PROGRAM = "import sys; from file_cdk.cli import main; sys.exit(main())"


def test_a_reader_that_has_seen_enough(run: Run) -> None:
    Path("numbers/dirty.jsonl").write_text("1\n" + "bad\n" * 9000)
    sync(run)
    command = [sys.executable, "-c", PROGRAM, "rejects", "x.duckdb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("stream")
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=20)) == ("", 0)


def test_a_terminal_of_few_characters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("numbers/dirty.jsonl").write_text("1\nfünf\n", encoding="utf-8")
    sync(run)
    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding="ascii") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["rejects", "x.duckdb"]) == 0
        assert written.getvalue().splitlines()[-1].endswith(rb"  f\xfcnf")


def test_hints_are_commands_to_copy() -> None:
    assert hint("x.duckdb") == "see: file-cdk rejects x.duckdb"
    assert hint("my shop.duckdb") == "see: file-cdk rejects 'my shop.duckdb'"
    assert hint("nowhere://x") is None


def test_listing_imports_no_pipeline() -> None:
    program = (
        "import sys\nfrom file_cdk.cli import main\n"
        "main(['rejects', 'missing.duckdb'])\n"
        "print([m for m in ('rich', 'multiprocessing', 'file_cdk.pipeline.tables.sync') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"
