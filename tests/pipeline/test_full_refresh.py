"""A full refresh: all files anew in place of what was there, or all as it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import ConfigError, DeletesRefusedError, DestinationError
from file_cdk.core.instants import parse_instant
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables.deletes import MaxDeletes
from file_cdk.pipeline.tables.report import SyncResult


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write("a.csv", "id,old\n1,x\n")
    write("b.csv", "id,old\n2,y\n")
    load()


def write(name: str, text: str) -> None:
    Path("in", name).write_text(text)


def load(source: str = "in", **options: Any) -> SyncResult:
    table = {} if source.endswith(".yaml") else {"stream": "t"}
    return sync(source, "x.duckdb", SyncOptions(**{"workers": 0, **table, **options}))


def refresh(source: str = "in", **options: Any) -> SyncResult:
    return load(source, full_refresh=True, **options)


def query(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def contents() -> dict[str, list[tuple[Any, ...]]]:
    """All of the database but its record of runs, and of files that failed."""
    tables = [
        name for (name,) in query("SELECT table_name FROM duckdb_tables() ORDER BY 1") if name != "_file_cdk_runs"
    ]
    found = {name: query(f'SELECT * FROM "{name}" ORDER BY rowid') for name in tables}
    found["_file_cdk_files"] = query("SELECT * FROM _file_cdk_files WHERE status = 'loaded' ORDER BY rowid")
    return found


def failed() -> list[tuple[str, str]]:
    found = query("SELECT url, error, rows, rejected FROM _file_cdk_files WHERE status = 'failed' ORDER BY url")
    assert all((rows, rejected) == (None, None) for _, _, rows, rejected in found)
    return [(url, error.partition(" (")[0]) for url, error, *_ in found]


def entries() -> list[str]:
    return [url for (url,) in query("SELECT url FROM _file_cdk_files ORDER BY url")]


def test_all_files_are_loaded_into_a_table_with_columns_and_types_of_its_own() -> None:
    write("b.csv", "id,new\nseven,2024-01-31\n")
    load()
    write("b.csv", "id,new\n7,2024-01-31\n")
    Path("in/a.csv").write_text("id,new\n1,\n")
    assert query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' AND column_name = 'id'"
    ) == [("id", "VARCHAR")]
    [result] = refresh().streams
    assert (result.files_read, result.rows, result.replaced) == (2, 2, True)
    columns = query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index")
    assert columns[:2] == [("id", "BIGINT"), ("new", "DATE")]
    assert "old" not in dict(columns)
    assert [row[0] for row in query("SELECT id FROM t ORDER BY id")] == [1, 7]
    assert load().streams[0].skipped == {"already loaded": 2}


def test_an_ordinary_sync_says_nothing_of_it() -> None:
    assert load().streams[0].replaced is None


def test_a_file_that_fails_leaves_all_as_it_was() -> None:
    write("b.csv", 'id,old\n3,"z\n')
    before = contents()
    result = refresh()
    [stream] = result.streams
    assert [error.uri for error in result.failures] == ["b.csv"]
    assert (stream.files_read, stream.files_failed, stream.rows, stream.replaced) == (0, 1, 0, False)
    assert contents() == before
    [(url, error)] = failed()
    assert (url, error) == ("b.csv", result.failures[0].message)
    write("b.csv", "id,old\n3,z\n")
    assert load().streams[0].files_read == 1
    assert failed() == []


def test_why_it_failed_is_known_until_a_refresh_succeeds() -> None:
    """Also where an ordinary sync has nothing to do with these files."""
    one_too_many = "id,old\n1,x,y\n2,z\n"
    write("a.csv", one_too_many)
    load(max_rejects=MaxRejects(1))
    before = contents()
    assert refresh().streams[0].replaced is False
    assert [url for url, _ in failed()] == ["a.csv"]
    assert "1 record rejected" in failed()[0][1]
    assert load().streams[0].skipped == {"already loaded": 2}
    assert [url for url, _ in failed()] == ["a.csv"]
    assert contents() == before, "rejected records of the version that is loaded, too"
    write("b.csv", one_too_many)
    assert refresh(max_rejects=MaxRejects(0)).streams[0].files_failed == 2
    assert [url for url, _ in failed()] == ["a.csv", "b.csv"]
    write("a.csv", "id,old\n1,x\n")
    refresh()
    assert [url for url, _ in failed()] == ["b.csv"], "the other was read"
    assert refresh(max_rejects=MaxRejects(1)).streams[0].replaced
    assert failed() == []


@pytest.mark.process
def test_why_it_failed_is_known_after_it_was_killed() -> None:
    write("a.csv", "id,old\n1,x,y\n")
    program = (
        "import os; from file_cdk import sync, SyncOptions; from file_cdk.pipeline.tables.report import StreamReport\n"
        "StreamReport.loaded = lambda *_: os.kill(os.getpid(), 9)\n"
        "sync('in', 'x.duckdb', SyncOptions(workers=0, stream='t', full_refresh=True))"
    )
    os.utime("in/a.csv", (1, 1))  # the first
    before = contents()
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    destination = DuckDBDestination("x.duckdb")
    destination.open()
    destination.close()
    assert [url for url, _ in failed()] == ["a.csv"]
    assert contents() == before


def test_rejected_records_fail_it_or_come_with_it() -> None:
    Path("in/c.jsonl").write_text('{"id": 1}\n{"id":\n')
    before = contents()
    assert refresh("in/c.jsonl").streams[0].replaced is False
    assert contents() == before
    assert refresh("in/c.jsonl", max_rejects=MaxRejects(1), max_deletes=MaxDeletes(2)).streams[0].rejected == 1
    assert query("SELECT stream, url FROM _file_cdk_rejects") == [("t", "c.jsonl")]
    assert entries() == ["c.jsonl"]


def test_a_database_that_fails_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents()

    def fails(*_: object) -> None:
        raise DestinationError("the disk is on fire")

    monkeypatch.setattr(DuckDBLedger, "take_place_of", fails)
    with pytest.raises(DestinationError, match="on fire"):
        refresh()
    assert contents() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_end_within_it_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    before = contents()

    def ends(*_: object) -> None:
        raise error

    monkeypatch.setattr("file_cdk.pipeline.tables.report.StreamReport.loaded", ends)
    with pytest.raises(error):
        refresh()
    assert contents() == before


def test_files_that_are_gone_go_with_it_up_to_the_limit() -> None:
    for number in range(12):
        write(f"{number}.csv", f"id,old\n{number},x\n")
    load()
    before = contents()
    for number in range(11):
        Path(f"in/{number}.csv").unlink()
    result = refresh()
    [error] = result.failures
    assert isinstance(error, DeletesRefusedError)
    assert str(error) == (
        "11 of 14 loaded files would not be loaded again, since they are gone or skipped; that is more than --max-deletes 20% "
        "lets go, so the table is as it was. Check the source. To let them go, refresh with --max-deletes 11"
    )
    assert (result.streams[0].replaced, result.streams[0].gone, result.streams[0].removed) == (False, 11, 0)
    assert contents() == before
    [stream] = refresh(max_deletes=MaxDeletes(11)).streams
    assert (stream.replaced, stream.gone, stream.removed) == (True, 11, 11)
    assert entries() == ["11.csv", "a.csv", "b.csv"]


def test_an_empty_source_empties_no_table() -> None:
    before = contents()
    Path("in/a.csv").unlink()
    Path("in/b.csv").unlink()
    result = refresh(max_deletes=MaxDeletes(1000))
    assert "no file would be loaded" in str(result.failures[0])
    assert contents() == before


def test_files_that_are_skipped_count_as_files_that_would_go() -> None:
    Path("x.yaml").write_text(
        "path: in\nstart_date: '2999-01-01T00:00:00Z'\nstreams: [{name: t, format: {filetype: csv}}]\n"
    )
    before = contents()
    assert "no file would be loaded" in str(refresh("x.yaml").failures[0])
    assert contents() == before


def test_what_the_patterns_leave_out_goes() -> None:
    Path("x.yaml").write_text("path: in\nstreams: [{name: t, globs: ['a*'], format: {filetype: csv}}]\n")
    assert refresh("x.yaml", max_deletes=MaxDeletes(0)).streams[0].replaced
    assert entries() == ["a.csv"]


def test_each_stream_is_replaced_alone() -> None:
    Path("two.yaml").write_text(
        "path: in\nstreams:\n"
        "  - {name: one, globs: ['a*'], format: {filetype: csv}}\n"
        "  - {name: two, globs: ['b*'], format: {filetype: csv}}\n"
    )
    load("two.yaml")
    write("a.csv", "id,other\n10,x\n")
    write("b.csv", 'id,other\n20,"x\n')
    one, two = refresh("two.yaml").streams
    assert (one.replaced, two.replaced) == (True, False)
    assert query("SELECT id, other FROM one") == [(10, "x")]
    assert query("SELECT id, old FROM two") == [(2, "y")]


def test_a_part_of_the_time_is_refused() -> None:
    then = parse_instant("2024-01-01")
    for since, until in ((then, None), (None, then)):
        with pytest.raises(ConfigError, match="would drop the rows of all other files") as caught:
            SyncOptions(full_refresh=True, since=since, until=until)
        assert "--table" in str(caught.value)
