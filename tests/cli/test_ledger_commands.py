"""`status`, `explain` and `state`: what they say of a database, and how they end."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from file_cdk.cli import main, status
from file_cdk.cli.screen.wording import json_instant
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, StreamStatus
from file_cdk.core.state.cursor import Cursor


@dataclass(frozen=True)
class Ended:
    code: int
    out: list[str]
    err: list[str]

    def decisions(self) -> list[tuple[str, str, str]]:
        documents = map(json.loads, self.out)
        return [(each["uri"], each["decision"], each["why"]) for each in documents]


Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process, in a folder with `orders`, of which two files are good."""
    monkeypatch.chdir(tmp_path)
    Path("orders").mkdir()
    write("a.csv", "id\n1\n2\n", 1)
    write("b.csv", "id\n3\n", 2)

    def run(*arguments: str) -> Ended:
        code = main([*arguments])
        said = capsys.readouterr()
        return Ended(code, said.out.splitlines(), said.err.splitlines())

    return run


def write(name: str, text: str, hour: int) -> None:
    path = Path("orders", name)
    path.write_text(text)
    at = datetime(2024, 1, 1, hour, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))


def sync(command: Command, *arguments: str) -> Ended:
    return command("sync", "orders", "--to", "x.duckdb", "--workers", "0", *arguments)


def change(sql: str) -> None:
    with duckdb.connect("x.duckdb") as connection:
        connection.execute(sql)


def explained(command: Command, *arguments: str, database: str = "x.duckdb") -> Ended:
    return command("explain", "orders", "--to", database, "--json", *arguments)


def test_status_shows_tables_runs_and_failures(command: Command) -> None:
    write("c.csv", "id\n1\n2,3\n", 3)
    assert sync(command).code == 4
    ran = command("status", "x.duckdb")
    assert ran.code == 0
    assert ran.out[0].split() == [
        "table",
        "files",
        "rows",
        "rejected",
        "skipped",
        "failed",
        "newest",
        "file",
        "age",
        "last",
        "loaded",
    ]
    assert ran.out[2].split()[:8] == ["orders", "2", "3", "0", "0", "1", "2024-01-01", "02:00:00Z"]
    assert "exit code 4" in ran.out[6]
    assert ran.out[8].startswith("failed: 1 record rejected")
    document = json.loads("".join(command("status", "x.duckdb", "--json", "--table", "orders").out))
    assert [(each["files"], each["rows"], each["failed"]) for each in document["streams"]] == [(2, 3, 1)]
    assert [each["exit_code"] for each in document["runs"]] == [4]
    assert [each["url"] for each in document["failed"]] == ["c.csv"]
    assert document["mismatches"] is None


def failures(count: int) -> Iterator[LedgerEntry]:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(count):
        yield LedgerEntry("t", f"{number}\u2028", at, 1, None, None, None, "failed", "x", at, "r")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_status_as_json_is_one_document(count: int) -> None:
    stream = StreamStatus("t", None, 0, 0, 0, 0, count, 0, None, None, None)
    run = Run("r", datetime(2024, 1, 1, tzinfo=UTC), "1", "in", '{"workers": 2}')
    wrong = [Mismatch("t", None, None, 1)]
    lines = status._document([stream], [], [run], failures(count), wrong)
    whole = {
        "streams": [asdict(stream)],
        "slices": [],
        "runs": [{**asdict(run), "options": {"workers": 2}}],
        "failed": [asdict(each) for each in failures(count)],
        "mismatches": [asdict(each) for each in wrong],
    }
    assert "\n".join(lines) == json.dumps(whole, default=json_instant, indent=2)


def test_status_as_json_holds_one_failure_at_a_time() -> None:
    asked: list[str] = []

    def watched() -> Iterator[LedgerEntry]:
        for entry in failures(1_000):
            asked.append(entry.url)
            yield entry

    lines = status._document([], [], [], watched(), None)
    next(line for line in lines if '"url"' in line)
    assert len(asked) == 2, "the one that is written, and the next, on which a comma depends"
    assert sum('"url"' in line for line in lines) == 999


def test_status_counts_skipped_records_or_says_that_nobody_did(command: Command) -> None:
    Path("c.yaml").write_text(
        "path: orders\nstreams: [{name: orders, globs: ['*.csv'], format: {filetype: csv, comment_char: '#'}}]\n"
    )
    write("a.csv", "id\n1\n# one\n2\n", 1)
    command("sync", "c.yaml", "--to", "x.duckdb", "--workers", "0")
    assert command("status", "x.duckdb").out[2].split()[:6] == ["orders", "2", "3", "0", "1", "0"]
    entry, _ = map(json.loads, command("state", "show", "x.duckdb", "--json").out)
    assert (entry["url"], entry["rows"], entry["rejected"], entry["skipped"]) == ("a.csv", 2, 0, 1)
    change("ALTER TABLE _file_cdk_files DROP COLUMN skipped")
    assert command("status", "x.duckdb").out[2].split()[:6] == ["orders", "2", "3", "0", "unknown", "0"]
    write("c.csv", "id\n# two\n5\n", 3)
    command("sync", "c.yaml", "--to", "x.duckdb", "--workers", "0")
    ran = command("status", "x.duckdb", "--verify")
    assert ran.code == 0
    assert ran.out[2].split()[:6] == ["orders", "3", "4", "0", "1", "0"]
    assert ran.out[3] == "orders: skipped records were not counted in 2 files that an earlier version loaded"


def test_status_verifies_and_repairs(command: Command) -> None:
    sync(command)
    ran = command("status", "x.duckdb", "--verify")
    assert (ran.code, ran.out[-1]) == (0, "verified: the rows of 2 files are there, and no others")
    change("DELETE FROM orders WHERE id = 1")
    change("INSERT INTO orders SELECT id, 'stranger', _file_modified_at, _file_row FROM orders WHERE id = 3")
    ran = command("status", "x.duckdb", "--verify")
    assert ran.code == 5
    assert ran.out[-3:] == [
        "orders: a.csv: 1 row, where 2 were loaded",
        "orders: stranger: 1 row of a file that the ledger does not have as loaded",
        "see to it with --repair, and sync again",
    ]
    ran = command("status", "x.duckdb", "--repair")
    assert ran.code == 0
    assert ran.out[-1] == (
        "repaired: the next sync loads 1 file again; removed: rows of 1 file that the ledger does not have"
    )
    assert "orders: the next sync loads 1 file again" in command("status", "x.duckdb").out
    assert sync(command).code == 0
    assert command("status", "x.duckdb", "--verify").code == 0
    change("INSERT INTO orders (id) VALUES (9)")
    ran = command("status", "x.duckdb", "--verify")
    assert (ran.code, ran.out[-1]) == (5, "orders: 1 row of no file, which stay until somebody deletes them")


def test_status_of_what_is_no_database_of_ours(command: Command) -> None:
    assert command("status", "nowhere.duckdb").code == 3
    assert not Path("nowhere.duckdb").exists()
    sync(command)
    ran = command("status", "x.duckdb", "--table", "users")
    assert (ran.code, ran.out) == (2, [])
    assert "Loaded are: 'orders'" in ran.err[-1]


def test_explain_tells_why_of_each_file(command: Command) -> None:
    assert explained(command, database="new.duckdb").decisions() == [("a.csv", "read", "new"), ("b.csv", "read", "new")]
    assert not Path("new.duckdb").exists()
    write("bad.csv", "id\n1\n2,3\n", 3)
    sync(command)
    write("b.csv", "id\n3\n4\n", 4)
    write("c.csv", "id\n5\n", 5)
    Path("orders", "notes.txt").write_text("")
    os.utime("orders/notes.txt", (1, 1))
    Path("orders", "a.csv").rename("orders/d.csv")
    before = Path("x.duckdb").read_bytes()
    ran = explained(command)
    assert ran.decisions() == [
        ("notes.txt", "skip", "unknown extension"),
        ("d.csv", "read", "new"),
        ("bad.csv", "read", "failed before"),
        ("b.csv", "replace", "another version is loaded"),
        ("c.csv", "read", "new"),
        ("a.csv", "keep", "gone from the source"),
    ]
    assert ran.err == ["orders: 1 to skip, 3 to read, 1 to replace, 1 to keep"]
    assert explained(command, "--on-delete", "remove").decisions()[-1] == ("a.csv", "remove", "gone from the source")
    refused = explained(command, "--on-delete", "remove", "--max-deletes", "0")
    assert refused.decisions()[-1] == ("a.csv", "keep", "gone from the source")
    assert "1 of 2 loaded files are gone from the source" in refused.err[-1]
    assert Path("x.duckdb").read_bytes() == before


def test_explain_agrees_with_the_sync_that_follows(command: Command) -> None:
    sync(command)
    write("a.csv", "id\n7\n", 3)
    write("c.csv", "id\n8\n", 4)
    Path("orders", "b.csv").unlink()
    decisions = explained(command, "--on-delete", "remove").decisions()
    read = sorted(uri for uri, decision, _ in decisions if decision in ("read", "replace"))
    removed = [uri for uri, decision, _ in decisions if decision == "remove"]
    sync(command, "--on-delete", "remove", "--report", "s.json")
    [stream] = json.loads(Path("s.json").read_text())["streams"]
    assert (read, removed) == (["a.csv", "c.csv"], ["b.csv"])
    assert (stream["files_read"], stream["files_removed"]) == (2, 1)


def test_explain_as_a_table(command: Command) -> None:
    sync(command)
    ran = command("explain", "orders", "--to", "x.duckdb")
    assert ran.out[0].split() == ["modified", "size", "decision", "why", "uri"]
    assert ran.out[2].split() == ["2024-01-01", "01:00:00Z", "7", "bytes", "skip", "already", "loaded", "a.csv"]


def test_state_shows_entries(command: Command) -> None:
    sync(command)
    ran = command("state", "show", "x.duckdb")
    assert [line.split()[:2] for line in ran.out] == [
        ["table", "url"],
        ["------", "-----"],
        ["orders", "a.csv"],
        ["orders", "b.csv"],
    ]
    [line] = command("state", "show", "x.duckdb", "--file", "b.csv", "--json").out
    entry = json.loads(line)
    assert (entry["url"], entry["rows"], entry["modified_at"]) == ("b.csv", 1, "2024-01-01T02:00:00.000000Z")
    assert command("state", "show", "x.duckdb", "--failed").out == ["no entries"]
    assert len(command("state", "show", "x.duckdb", "--limit", "1", "--json").out) == 1


def test_state_reset_has_files_loaded_again(command: Command) -> None:
    sync(command)
    ran = command("state", "reset", "x.duckdb", "--file", "a.csv")
    assert (ran.code, ran.err) == (0, ["orders: the next sync loads 1 file again"])
    assert ("a.csv", "replace", "to be loaded again") in explained(command).decisions()
    change("UPDATE orders SET id = 99 WHERE id = 1")
    assert sync(command).err[-2].startswith("orders: 1 file read, 1 skipped (1 already loaded), 2 rows")
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT id FROM orders ORDER BY id").fetchall() == [(1,), (2,), (3,)]
    assert command("state", "reset", "x.duckdb", "--stream", "orders").err == [
        "orders: the next sync loads 2 files again"
    ]
    ran = command("state", "reset", "x.duckdb", "--file", "nowhere.csv")
    assert (ran.code, ran.out) == (2, [])
    assert "has no file 'nowhere.csv'" in ran.err[0]


def test_state_goes_to_a_connector_and_back(command: Command) -> None:
    sync(command)
    ran = command("state", "export", "x.duckdb")
    [message] = json.loads(ran.out[0])
    assert message["stream"]["stream_descriptor"] == {"name": "orders"}
    state = message["stream"]["stream_state"]
    assert list(state["history"]) == ["a.csv", "b.csv"]
    cursor = Cursor(state, now=datetime.now(UTC))
    known = RemoteFile("b.csv", 5, datetime(2024, 1, 1, 2, tzinfo=UTC))
    assert cursor.decide(known) is not None
    assert cursor.decide(RemoteFile("b.csv", 5, datetime(2024, 1, 1, 3, tzinfo=UTC))) is None

    Path("state.json").write_text(ran.out[0])
    write("b.csv", "id\n4\n", 9)
    write("c.csv", "id\n5\n", 5)
    ran = command("state", "import", "state.json", "orders", "--to", "y.duckdb")
    assert (ran.code, ran.err) == (0, ["orders: 1 file taken as loaded, 2 left to load"])
    assert explained(command, database="y.duckdb").decisions() == [
        ("a.csv", "skip", "already loaded"),
        ("c.csv", "read", "new"),
        ("b.csv", "read", "new"),
    ]
    command("sync", "orders", "--to", "y.duckdb", "--workers", "0")
    with duckdb.connect("y.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT id FROM orders ORDER BY id").fetchall() == [(4,), (5,)]
    assert command("status", "y.duckdb", "--verify").code == 0
    ran = command("state", "import", "state.json", "orders", "--to", "y.duckdb")
    assert (ran.code, ran.out) == (2, [])
    assert "has files in the ledger already" in ran.err[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "is not JSON"), ('[{"type": "STATE"}]', "invalid state"), ("[]", "the state has no stream 'orders'")],
)
def test_a_state_that_cannot_be_used_is_refused(command: Command, text: str, said: str) -> None:
    Path("state.json").write_text(text)
    ran = command("state", "import", "state.json", "orders", "--to", "x.duckdb")
    assert ran.code == 2
    assert said in ran.err[0]
    assert not Path("x.duckdb").exists()


def test_a_state_file_that_is_not_there(command: Command) -> None:
    ran = command("state", "import", "nowhere.json", "orders", "--to", "x.duckdb")
    assert (ran.code, ran.err[0]) == (2, "error: the state 'nowhere.json' cannot be read: No such file or directory")
