"""What becomes of each record of a file is counted in the ledger; a sync whose counts disagree ends, and names the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from file_cdk import SyncOptions, sync
from file_cdk.core.errors import InternalError
from file_cdk.core.ledger import LedgerEntry
from file_cdk.destinations.duckdb import insert
from file_cdk.destinations.duckdb.destination import KEEP_AFTER_VARIABLE, DuckDBDestination
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.tables.report import SyncResult

MANIFEST = """\
path: in
streams:
  - name: t
    globs: ["*.csv"]
    format: {filetype: csv, comment_char: "#", ignore_errors_on_fields_mismatch: %s}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()


def write(name: str, *lines: str) -> None:
    Path("in", name).write_text("".join(line + "\n" for line in ("id,note", *lines)))


def load(source: str = "in", **options: Any) -> SyncResult:
    return sync(source, "x.duckdb", SyncOptions(workers=0, stream=None if source.endswith(".yaml") else "t", **options))


def entries() -> list[LedgerEntry]:
    return list(DuckDBDestination("x.duckdb").entries())


def query(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("leaves_out", ["true", "false"])
def test_each_record_is_loaded_rejected_or_skipped(leaves_out: str) -> None:
    records = ["1,a", "2,b,c", "# a comment", "3", "4,d", "5,e", "# another"]
    write("a.csv", *records)
    write("b.csv", "6,f")
    Path("s.yaml").write_text(MANIFEST % leaves_out)
    assert load("s.yaml", max_rejects=MaxRejects(9)).exit_code == 0
    a, b = entries()
    assert (a.rows, a.rejected, a.skipped) == ((3, 0, 4) if leaves_out == "true" else (3, 2, 2))
    assert sum(filter(None, (a.rows, a.rejected, a.skipped))) == len(records)
    assert (b.rows, b.rejected, b.skipped) == (1, 0, 0)
    [stream] = DuckDBDestination("x.duckdb").streams()
    assert (stream.skipped, stream.uncounted) == (a.skipped, 0)


def test_skipped_records_of_a_load_that_goes_on_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEP_AFTER_VARIABLE, "0")
    write("a.csv", *(line for n in range(6_000) for line in (f"{n},{'n' * 2_000}", "# left out")))
    Path("s.yaml").write_text(MANIFEST % "false")
    kept: list[int] = []
    progressed = "file_cdk.pipeline.tables.report.StreamReport.progressed"

    def interrupt(*_: object) -> None:
        kept.append(1)
        if len(kept) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(progressed, interrupt)
        with pytest.raises(KeyboardInterrupt):
            load("s.yaml")
    assert query("SELECT count(*) FROM _file_cdk_parts") == [(1,)]
    load("s.yaml")
    assert [(entry.rows, entry.skipped) for entry in entries()] == [(6_000, 6_000)]


def test_a_ledger_of_an_earlier_version_has_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be asked as it is, and gets the column with the next sync."""
    write("a.csv", "1,a")
    load()
    with duckdb.connect("x.duckdb") as connection:
        connection.execute("ALTER TABLE _file_cdk_files DROP COLUMN skipped")
    before = Path("x.duckdb").read_bytes()
    destination = DuckDBDestination("x.duckdb")
    assert [(entry.url, entry.rows, entry.skipped) for entry in entries()] == [("a.csv", 1, None)]
    assert [(stream.skipped, stream.uncounted) for stream in destination.streams()] == [(0, 1)]
    assert destination.mismatches() == []
    assert destination.check()
    assert Path("x.duckdb").read_bytes() == before
    write("b.csv", "2,b")
    assert load().streams[0].files_read == 1
    assert [(entry.url, entry.skipped) for entry in entries()] == [("a.csv", None), ("b.csv", 0)]
    assert [(stream.skipped, stream.uncounted) for stream in destination.streams()] == [(0, 1)]
    assert load().streams[0].skipped == {"already loaded": 2}


def test_files_that_a_state_has_as_read_were_not_counted() -> None:
    from file_cdk.pipeline.tables.states import exported, import_state

    write("a.csv", "1,a")
    load()
    [message] = exported(DuckDBDestination("x.duckdb"), "t")
    Path("x.duckdb").unlink()
    import_state([{"type": "STATE", "state": message["state"]}], "in", "x.duckdb", "t", None)
    assert [(entry.rows, entry.skipped) for entry in entries()] == [(0, None)]


def loses_a_row_of(uri: str, statement: Callable[..., str]) -> Callable[..., str]:
    def faulty(*arguments: Any) -> str:
        return f"{statement(*arguments)} WHERE NOT (url = '{uri}' AND row_in_split = 2)"

    return faulty


@pytest.mark.parametrize("rows", [3, 300_000], ids=["together", "as they come"])
def test_a_database_that_loses_a_row_ends_the_sync(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    write("z.csv", "1,x")
    load()
    for name in ("a.csv", "b.csv", "c.csv"):
        write(name, *(f"{number},x" for number in range(rows if name == "b.csv" else 3)))
    with monkeypatch.context() as patched:
        patched.setattr(insert, "_statement", loses_a_row_of("b.csv", insert._statement))
        with pytest.raises(InternalError, match=rf"{rows} rows were read and {rows - 1} are in the table") as raised:
            load()
    assert raised.value.uri == "b.csv"
    assert not [entry for entry in entries() if entry.url == "b.csv"]
    run = DuckDBDestination("x.duckdb").runs(1)[0]
    assert run.exit_code == 1
    assert "'b.csv'" in (run.error or "")
    assert load().exit_code == 0
    assert query("SELECT _file_url, count(*) FROM t GROUP BY 1 ORDER BY 1") == [
        ("a.csv", 3),
        ("b.csv", rows),
        ("c.csv", 3),
        ("z.csv", 1),
    ]
    assert DuckDBDestination("x.duckdb").mismatches() == []


@pytest.mark.parametrize("has_table", [False, True])
def test_a_part_that_lost_rows_ends_the_sync(monkeypatch: pytest.MonkeyPatch, has_table: bool) -> None:
    """Its rows are counted when they become those of the stream's table."""
    monkeypatch.setenv(KEEP_AFTER_VARIABLE, "0")
    if has_table:
        write("small.csv", "0,x")
        load()
    write("large.csv", *(f"{number},{'n' * 2_000}" for number in range(6_000)))
    with monkeypatch.context() as patched:
        patched.setattr(insert, "_statement", loses_a_row_of("large.csv", insert._statement))
        with pytest.raises(InternalError, match="6000 rows were read and 5997 are in the table"):
            load()
    assert [entry.url for entry in entries()] == (["small.csv"] if has_table else [])
