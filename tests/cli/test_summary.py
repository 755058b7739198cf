import json
from pathlib import Path

import pytest

from file_cdk.cli.report import RunReport
from file_cdk.cli.summary import (
    failure_lines,
    files_failed,
    forget_old_report,
    has_rejects,
    summary_lines,
    write_report,
)
from file_cdk.core.errors import (
    ConfigError,
    DeletesRefusedError,
    DestinationError,
    FileCdkError,
    MalformedRecordError,
    TooManyRejectsError,
)
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.version import VERSION
from file_cdk.pipeline.tables.report import StreamResult, SyncResult


def reported(code: ExitCode, result: SyncResult | None, error: str | None) -> str:
    return RunReport("https://secret@x/in", "x.duckdb", {"workers": 2}).text(code, result, error)


def result_with(failed: int) -> SyncResult:
    flights = StreamResult("flights", 36, failed, {"already loaded": 1200, "empty": 0}, 1_000_000, 107_000_000)
    notes = StreamResult("notes", 1, 0, {}, 1, 10)
    errors = tuple(
        MalformedRecordError("2 fields, not 3", uri=f"{n}.csv", row=n, column="x") for n in range(1, failed + 1)
    )
    return SyncResult((flights, notes), 2.0, errors[:1000])


def test_lines_for_a_person() -> None:
    assert list(summary_lines(result_with(2))) == [
        "flights: 36 files read, 1,200 skipped (1,200 already loaded), 2 failed, 1,000,000 rows, 107 MB",
        "notes: 1 file read, 1 row, 10 bytes",
        "done, but not all: 1,000,001 rows, 107 MB in 2.00 s (500,000 rows/s)",
        "error: flights: 2 fields, not 3 (file '1.csv', row 1, column 'x')",
        "error: flights: 2 fields, not 3 (file '2.csv', row 2, column 'x')",
    ]


def test_several_streams_are_a_table_without_the_columns_that_say_nothing() -> None:
    assert list(summary_lines(result_with(2), as_table=True))[:5] == [
        "stream   files read  skipped  failed       rows      size",
        "-------  ----------  -------  ------  ---------  --------",
        "flights          36    1,200       2  1,000,000    107 MB",
        "notes             1                           1  10 bytes",
        "done, but not all: 1,000,001 rows, 107 MB in 2.00 s (500,000 rows/s)",
    ]
    gone = StreamResult("gone", 0, 0, {}, 0, 0, rejected=0, gone=3, removed=3, shown=7, replaced=None)
    refreshed = StreamResult("new", 2, 0, {}, 9, 90, rejected=2, gone=1, replaced=True)
    assert list(summary_lines(SyncResult((gone, refreshed), 2.0, ()), as_table=True))[:4] == [
        "stream  files read  rows  rows shown  rejected  files gone  files removed      size  table",
        "------  ----------  ----  ----------  --------  ----------  -------------  --------  --------",
        "gone             0     0           7                                    3   0 bytes",
        "new              2     9                     2           1                 90 bytes  replaced",
    ]


def test_one_stream_is_a_line() -> None:
    one = SyncResult((StreamResult("notes", 1, 0, {}, 1, 10),), 2.0, ())
    assert list(summary_lines(one, as_table=True)) == list(summary_lines(one))


def test_the_speed_is_of_what_this_run_read() -> None:
    large = StreamResult("large", 1, 0, {}, 1_000, 9_000, rows_resumed=900)
    assert list(summary_lines(SyncResult((large,), 10.0, ())))[-1] == "done: 1,000 rows, 9.00 kB in 10.0 s (10 rows/s)"


def test_failures_belong_to_the_streams_in_turn() -> None:
    one, other = MalformedRecordError("x", uri="1"), MalformedRecordError("y", uri="2")
    streams = [StreamResult(name, 0, failed, {}, 0, 0) for name, failed in (("a", 1), ("b", 0), ("c", 2))]
    result = SyncResult(tuple(streams), 1.0, (one, other, one))
    lines = ["error: a: x (file '1')", "error: c: y (file '2')", "error: c: x (file '1')"]
    assert list(failure_lines(result)) == lines
    document = json.loads(reported(ExitCode.FILES_FAILED, result, None))
    assert [failure["stream"] for failure in document["failures"]] == ["a", "c", "c"]
    alone = SyncResult((streams[0],), 1.0, (one,))
    assert list(failure_lines(alone)) == ["error: x (file '1')"]


def test_rejected_records_are_counted() -> None:
    orders = StreamResult("orders", 2, 1, {}, 8, 90, rejected=1200)
    error = TooManyRejectsError("3 records rejected", uri="a", rejected=3)
    result = SyncResult((orders, StreamResult("notes", 1, 0, {}, 1, 10, rejected=1)), 2.0, (error,))
    assert list(summary_lines(result)) == [
        "orders: 2 files read, 1 failed, 8 rows, 1,200 records rejected, 90 bytes",
        "notes: 1 file read, 1 row, 1 record rejected, 10 bytes",
        "done, but not all: 9 rows, 1,201 records rejected, 100 bytes in 2.00 s (4 rows/s)",
        "error: orders: 3 records rejected (file 'a')",
    ]
    document = json.loads(reported(ExitCode.REJECTS, result, None))
    assert (document["exit_code"], document["rejected"]) == (4, 1201)
    assert [stream["rejected"] for stream in document["streams"]] == [1200, 1]
    assert [(each["kind"], each["rejected"]) for each in document["failures"]] == [("TooManyRejectsError", 3)]


@pytest.mark.parametrize(
    ("rejected", "errors", "answer"),
    [
        (0, (), False),
        (1, (), True),
        (0, (MalformedRecordError("x", uri="a"), TooManyRejectsError("x", uri="a")), True),
        (0, (MalformedRecordError("x", uri="a"),), False),
    ],
)
def test_whether_there_is_something_to_see(rejected: int, errors: tuple[FileCdkError, ...], answer: bool) -> None:
    stream = StreamResult("t", 1, len(errors), {}, 1, 1, rejected)
    assert has_rejects(SyncResult((stream,), 1.0, errors)) is answer


def test_a_full_refresh_says_what_became_of_the_table() -> None:
    error = TooManyRejectsError("3 records rejected", uri="a", rejected=3)
    refused = DeletesRefusedError("too many would go", gone=3)
    streams = (
        StreamResult("one", 2, 0, {}, 8, 90, replaced=True),
        StreamResult("two", 0, 1, {}, 0, 0, replaced=False),
        StreamResult("three", 0, 1, {}, 0, 0, replaced=False),
    )
    result = SyncResult(streams, 2.0, (error, refused))
    assert list(summary_lines(result)) == [
        "one: 2 files read, table replaced, 8 rows, 90 bytes",
        "two: 0 files read, 1 failed, table not replaced, 0 rows, 0 bytes",
        "three: 0 files read, 1 failed, table not replaced, 0 rows, 0 bytes",
        "done, but not all: 8 rows, 90 bytes in 2.00 s (4 rows/s)",
        "error: two: 3 records rejected (file 'a')",
        "error: three: too many would go",
        "error: two: the table is as it was: a full refresh replaces it when every file is loaded. Correct what failed, or leave "
        "it out with a glob, and run it again",
    ]
    assert not has_rejects(result)
    document = json.loads(reported(ExitCode.FILES_FAILED, result, None))
    assert [stream["replaced"] for stream in document["streams"]] == [True, False, False]


def test_nothing_to_do() -> None:
    nothing = SyncResult((StreamResult("flights", 0, 0, {"already loaded": 3}, 0, 0),), 0.04, ())
    assert list(summary_lines(nothing)) == [
        "flights: 0 files read, 3 skipped (3 already loaded), 0 rows, 0 bytes",
        "done: 0 rows, 0 bytes in 0.04 s",
    ]


@pytest.mark.parametrize(("failed", "last"), [(20, "20.csv"), (21, "and 1 more file"), (1500, "and 1,480 more files")])
def test_the_first_twenty_failures_are_named(failed: int, last: str) -> None:
    result = result_with(failed)
    lines = list(failure_lines(result))
    assert len(lines) == min(21, failed)
    assert last in lines[-1]
    assert files_failed(result) == failed


def test_json_for_a_scheduler() -> None:
    document = json.loads(reported(ExitCode.FILES_FAILED, result_with(1), None))
    facts = {
        "exit_code": 5,
        "error": None,
        "seconds": 2.0,
        "rows": 1_000_001,
        "rejected": 0,
        "size_bytes": 107_000_010,
        "streams": [
            {
                "stream": "flights",
                "files_read": 36,
                "files_failed": 1,
                "files_skipped": {"already loaded": 1200, "empty": 0},
                "rows": 1_000_000,
                "rejected": 0,
                "size_bytes": 107_000_000,
                "files_gone": 0,
                "files_removed": 0,
                "replaced": None,
                "rows_shown": None,
            },
            {
                "stream": "notes",
                "files_read": 1,
                "files_failed": 0,
                "files_skipped": {},
                "rows": 1,
                "rejected": 0,
                "size_bytes": 10,
                "files_gone": 0,
                "files_removed": 0,
                "replaced": None,
                "rows_shown": None,
            },
        ],
        "failures": [
            {
                "stream": "flights",
                "kind": "MalformedRecordError",
                "message": "2 fields, not 3 (file '1.csv', row 1, column 'x')",
                "uri": "1.csv",
                "row": 1,
                "byte": None,
                "column": "x",
            }
        ],
    }
    assert document == {**document, **facts}
    assert (document["version"], document["source"], document["options"]) == (
        VERSION,
        "https://***@x/in",
        {"workers": 2},
    )
    assert document["started_at"] <= document["ended_at"]


def test_json_without_a_result() -> None:
    document = json.loads(reported(ExitCode.ACCESS, None, "no such folder"))
    assert (document["exit_code"], document["error"], document["streams"]) == (3, "no such folder", [])


def test_a_summary_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "sync.json"
    path.write_text("old")
    forget_old_report(str(path))
    assert not path.exists()
    write_report(str(path), "new")
    assert [p.name for p in tmp_path.iterdir()] == ["sync.json"]
    assert path.read_text() == "new"


def test_a_summary_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        forget_old_report(str(tmp_path / "missing" / "sync.json"))
    with pytest.raises(ConfigError, match="cannot replace"):
        forget_old_report(str(tmp_path))
    with pytest.raises(DestinationError, match="cannot write"):
        write_report(str(tmp_path / "missing" / "sync.json"), "x")
