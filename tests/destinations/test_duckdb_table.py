"""Loading into a table: rows, their order, versions, the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from databases import AT, T0, change, query, version

from file_cdk.core.errors import DestinationError, InternalError, RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Destination, LoadedFile, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits

SOON = WriteLimits(rows=4, size_bytes=1 << 20, files=3, seconds=3600)
"""Files of four rows and more are written while they come; up to three smaller ones wait for each other."""


def load(table: StreamTable, file: RemoteFile, *batches: pa.RecordBatch, splits: int = 1) -> None:
    """Each batch one block; with several splits, one batch per split."""
    writer = table.begin(file)
    rows = 0
    for batch in batches:
        first, before = (1, rows) if splits > 1 else (rows + 1, 0)
        writer.write(ArrowIpcEncoder().encode(batch, file, first, 0), before)
        rows += batch.num_rows
    writer.commit(LoadedFile(rows))


def ints(*values: int | None) -> pa.RecordBatch:
    return pa.record_batch({"a": pa.array(values, pa.int64())})


LEDGER = 'SELECT url, etag, modified_at, "rows", rejected, status, error, run FROM _file_cdk_files ORDER BY rowid'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.duckdb"


@pytest.fixture
def opened(path: Path) -> Iterator[DuckDBDestination]:
    destination = DuckDBDestination(path, run="r1", limits=SOON)
    destination.open()
    yield destination
    destination.close()


def reopened(path: Path, run: str = "r2") -> DuckDBDestination:
    destination = DuckDBDestination(path, run=run, limits=SOON)
    destination.open()
    return destination


@pytest.mark.parametrize("splits", [1, 2])
@pytest.mark.parametrize("limits", [SOON, WriteLimits()], ids=["streamed", "grouped"])
def test_rows_lie_in_the_order_they_came_and_know_their_file(path: Path, limits: WriteLimits, splits: int) -> None:
    destination: Destination = DuckDBDestination(path, run="r1", limits=limits)
    destination.open()
    table: StreamTable = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("b.csv"), ints(9, 8, 7), ints(6, 5), ints(4, 3), splits=splits)
    load(table, version("a.csv", 1, etag=None), ints(1, None))
    destination.close()
    assert query(path, "SELECT * FROM t") == [
        *((value, "b.csv", AT, 10 - value) for value in (9, 8, 7, 6, 5, 4, 3)),
        (1, "a.csv", AT + timedelta(hours=1), 1),
        (None, "a.csv", AT + timedelta(hours=1), 2),
    ]
    assert query(path, LEDGER) == [
        ("b.csv", "e0", AT, 7, 0, "loaded", None, "r1"),
        ("a.csv", None, AT + timedelta(hours=1), 2, 0, "loaded", None, "r1"),
    ]
    [(stream, size_bytes, loaded_at)] = query(path, "SELECT stream, size_bytes, loaded_at FROM _file_cdk_files LIMIT 1")
    assert (stream, size_bytes) == ("t", 10)
    assert abs(datetime.now(UTC).replace(tzinfo=None) - loaded_at) < timedelta(minutes=5)


def test_order_holds_over_many_row_groups_and_threads(path: Path) -> None:
    destination = DuckDBDestination(path)
    destination.open()
    table = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    at = 0
    for number, rows in enumerate((300_000, 10, 250_000, 1, 0, 130_000)):
        pieces = [ints(*range(at + start, at + min(start + 40_000, rows))) for start in range(0, rows, 40_000)]
        load(table, version(f"{number}"), *pieces)
        at += rows
    destination.close()
    assert query(path, "SELECT count(*), count(*) FILTER (a <> rowid) FROM t") == [(at, 0)]
    assert query(path, "SELECT list(_file_url ORDER BY r) FROM (SELECT _file_url, min(rowid) r FROM t GROUP BY 1)") == [
        (["0", "1", "2", "3", "5"],)
    ]
    assert query(path, "SELECT a FROM t LIMIT 3 OFFSET 300008") == [(300008,), (300009,), (300010,)]


@pytest.mark.parametrize("rows", [2, 5], ids=["grouped", "streamed"])
def test_a_new_version_replaces_the_rows_of_the_old_one_only(path: Path, rows: int) -> None:
    destination = reopened(path, "r1")
    table = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(*range(rows)))
    load(table, version("b"), ints(*range(10, 10 + rows)))
    destination.close()
    destination = reopened(path)
    table = destination.table(TableName("t"))
    assert table.unloaded([version("a", 1), version("b")]) == [True, False]
    load(table, version("a", 1), ints(*range(20, 20 + rows)))
    assert table.unloaded([version("a", 1)]) == [rows < 4]  # a small file waits for company
    table.flush()
    assert table.unloaded([version("a", 1), version("a")]) == [False, True]
    destination.close()
    assert query(path, "SELECT a, _file_url, _file_modified_at FROM t") == [
        *((value, "b", AT) for value in range(10, 10 + rows)),
        *((value, "a", AT + timedelta(hours=1)) for value in range(20, 20 + rows)),
    ]
    assert query(path, LEDGER) == [
        ("b", "e0", AT, rows, 0, "loaded", None, "r1"),
        ("a", "e1", AT + timedelta(hours=1), rows, 0, "loaded", None, "r2"),
    ]


def test_versions_of_one_file_in_one_group_leave_the_last(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1))
    load(table, version("a", 1), ints(2))
    opened.close()
    assert query(path, "SELECT a FROM t") == [(2,)]
    assert query(path, "SELECT etag FROM _file_cdk_files") == [("e1",)]


@pytest.mark.parametrize("rows", [2, 9], ids=["held", "streamed"])
def test_an_aborted_load_leaves_nothing(opened: DuckDBDestination, path: Path, rows: int) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1, 2, 3))
    table.flush()
    writer = table.begin(version("a", 1))
    writer.write(ArrowIpcEncoder().encode(ints(*range(rows)), version("a", 1), 1, 0), 0)
    writer.abort()
    writer.abort()
    assert table.unloaded([version("a"), version("a", 1)]) == [False, True]
    load(table, version("b"), ints(4))
    opened.close()
    assert query(path, "SELECT a FROM t") == [(1,), (2,), (3,), (4,)]


def test_a_failure_stands_beside_the_version_that_is_loaded(path: Path) -> None:
    destination = reopened(path, "r1")
    table = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1))
    table.record_failure(version("a", 1), "bad quote (file 'a', row 3)")
    table.record_failure(version("new"), "gone")
    destination.close()
    failed = [
        ("a", "e1", AT + timedelta(hours=1), None, None, "failed", "bad quote (file 'a', row 3)", "r1"),
        ("new", "e0", AT, None, None, "failed", "gone", "r1"),
    ]
    assert query(path, LEDGER) == [("a", "e0", AT, 1, 0, "loaded", None, "r1"), *failed]
    assert query(path, "SELECT a FROM t") == [(1,)]

    destination = reopened(path, "r2")
    table = destination.table(TableName("t"))
    assert table.unloaded([version("a"), version("a", 1), version("new")]) == [False, True, True]
    table.record_failure(version("a", 2), "still bad")
    destination.close()
    assert query(path, "SELECT etag, status, run FROM _file_cdk_files WHERE url = 'a' ORDER BY etag") == [
        ("e0", "loaded", "r1"),
        ("e2", "failed", "r2"),
    ]

    destination = reopened(path, "r3")
    table = destination.table(TableName("t"))
    load(table, version("a", 2), ints(5))
    destination.close()
    assert query(path, "SELECT a FROM t") == [(5,)]
    assert query(path, "SELECT etag, status, error FROM _file_cdk_files WHERE url = 'a'") == [("e2", "loaded", None)]


def test_a_failure_can_be_noted_while_another_file_is_being_written(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    writer = table.begin(version("big"))
    writer.write(ArrowIpcEncoder().encode(ints(*range(6)), version("big"), 1, 0), 0)
    table.record_failure(version("other"), "gone")
    writer.commit(LoadedFile(6))
    opened.close()
    assert query(path, "SELECT url, status FROM _file_cdk_files ORDER BY url") == [
        ("big", "loaded"),
        ("other", "failed"),
    ]


def test_unloaded_compares_time_size_and_etag_and_keeps_order(opened: DuckDBDestination) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    for file in (version("a"), version("b", etag=None), version("c", 3)):
        load(table, file, ints(1))
    table.flush()
    asked = {
        version("z"): True,
        version("c", 3): False,
        version("b", etag=None): False,
        version("b", etag="e0"): True,
        version("a", etag=None): True,
        version("a", size_bytes=11): True,
        version("a"): False,
        RemoteFile("a", 10, T0 + timedelta(microseconds=1), "e0"): True,
        version("A"): True,
    }
    assert table.unloaded(list(asked)) == list(asked.values())
    assert table.unloaded([]) == []
    many = [version(f"f{i}") if i % 7 else version("a") for i in range(10_000)]
    assert table.unloaded(many) == [bool(i % 7) for i in range(10_000)]
    assert opened.table(TableName("other")).unloaded([version("a")]) == [True]


def test_committed_files_wait_until_the_group_is_full(opened: DuckDBDestination) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    files = [version(str(i)) for i in range(4)]
    seen = []
    for file in files:
        load(table, file, ints(1))
        seen.append(table.unloaded(files))
    assert seen == [[True] * 4, [True] * 4, [False, False, False, True], [False, False, False, True]]
    load(table, version("x"), ints(1))
    load(opened.table(TableName("u")), version("u"), *())  # files of one table at most are kept waiting
    assert table.unloaded([files[3], version("x")]) == [False, False]


def test_a_group_is_written_when_it_is_old(path: Path) -> None:
    destination = DuckDBDestination(path, limits=WriteLimits(seconds=0))
    destination.open()
    table = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1))
    assert table.unloaded([version("a")]) == [False]
    destination.close()


def test_close_writes_what_waits_and_drops_what_is_open(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1))
    writer = table.begin(version("b"))
    writer.write(ArrowIpcEncoder().encode(ints(*range(8)), version("b"), 1, 0), 0)
    opened.close()
    opened.close()
    assert query(path, "SELECT a FROM t") == [(1,)]
    assert query(path, "SELECT url FROM _file_cdk_files") == [("a",)]


def test_a_refused_file_does_not_take_its_neighbours_along(path: Path) -> None:
    destination = reopened(path)
    destination.table(TableName("t")).widen(ints(1).schema)
    load(destination.table(TableName("t")), version("one"), ints(1))
    destination.close()
    change(path, "ALTER TABLE t ALTER a SET NOT NULL")
    destination = reopened(path)
    table = destination.table(TableName("t"))
    load(table, version("one", 1), ints(1))
    load(table, version("two"), ints(73519, None))
    load(table, version("three"), ints(3))
    [refused] = table.flush(keep_waiting=True)
    assert (refused.file.uri, refused.loaded.rows) == ("two", 2)
    assert refused.error.uri == "two"
    assert str(path) in str(refused.error)
    assert "73519" not in str(refused.error)
    assert not table.flush(keep_waiting=True)
    load(table, version("four"), ints(4))
    destination.close()
    assert query(path, "SELECT a, _file_url FROM t") == [(1, "one"), (3, "three"), (4, "four")]
    assert query(path, "SELECT url, status FROM _file_cdk_files ORDER BY url") == [
        ("four", "loaded"),
        ("one", "loaded"),
        ("three", "loaded"),
        ("two", "failed"),
    ]


def test_a_refused_large_file_is_named_and_the_rest_goes_on(path: Path) -> None:
    destination = reopened(path)
    destination.table(TableName("t")).widen(ints(1).schema)
    load(destination.table(TableName("t")), version("small"), ints(1))
    destination.close()
    change(path, "ALTER TABLE t ALTER a TYPE TINYINT")
    destination = reopened(path)
    table = destination.table(TableName("t"))
    load(table, version("small", 1), ints(1))
    writer = table.begin(version("large"))
    with pytest.raises(RowsRefusedError) as caught:
        writer.write(ArrowIpcEncoder().encode(ints(2, 3, 4, 73519), version("large"), 1, 0), 0)
    assert caught.value.uri == "large"
    assert "73519" not in str(caught.value)
    writer.abort()
    load(table, version("last"), ints(5))
    destination.close()
    assert query(path, "SELECT a FROM t") == [(1,), (5,)]


def test_rows_written_and_rows_announced_must_agree(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    writer = table.begin(version("a"))
    writer.write(ArrowIpcEncoder().encode(ints(1, 2), version("a"), 1, 0), 0)
    with pytest.raises(InternalError, match="2 rows were written and 3 announced"):
        writer.commit(LoadedFile(3))
    with pytest.raises(InternalError):
        writer.write(b"", 0)
    with pytest.raises(InternalError):
        writer.commit(LoadedFile(2))
    opened.close()
    assert query(path, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 't'") == [(0,)]


def test_one_load_at_a_time(opened: DuckDBDestination) -> None:
    table = opened.table(TableName("t"))
    writer = table.begin(version("a"))
    with pytest.raises(InternalError):
        table.begin(version("b"))
    writer.abort()
    table.begin(version("b")).abort()


@pytest.mark.parametrize("kind", [pa.float64(), pa.string()], ids=str)
def test_a_block_wider_than_the_table_is_refused(opened: DuckDBDestination, kind: pa.DataType) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    wide = pa.record_batch({"a": pa.array([1], pa.int64()).cast(kind)})
    with pytest.raises(InternalError) as caught:
        load(table, version("x"), wide)
    assert (caught.value.uri, caught.value.column) == ("x", "a")


def test_a_block_with_an_unknown_column_is_refused(opened: DuckDBDestination) -> None:
    table = opened.table(TableName("t"))
    table.widen(ints(1).schema)
    with pytest.raises(InternalError) as caught:
        load(table, version("x"), pa.record_batch({"a": [1], "b": [2]}))
    assert caught.value.column == "b"


def test_blocks_may_lack_columns_and_have_them_in_any_order(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.float64())]))
    load(
        table,
        version("x"),
        pa.record_batch({"b": ["b1"], "a": pa.array([1], pa.int64())}),
        pa.record_batch({"c": [2.5]}),
        pa.record_batch({"c": [3.5]}),
        pa.record_batch({"b": ["b4"], "a": pa.array([4], pa.int64())}),
    )
    opened.close()
    assert query(path, "SELECT a, b, c, _file_row FROM t") == [
        (1, "b1", None, 1),
        (None, None, 2.5, 2),
        (None, None, 3.5, 3),
        (4, "b4", None, 4),
    ]


def test_files_without_rows_or_columns_are_loaded_too(path: Path) -> None:
    destination = reopened(path)
    table = destination.table(TableName("t"))
    load(table, version("empty"))
    load(table, version("rows only"), pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([]))))
    destination.close()
    assert query(path, "SELECT * FROM t") == [("rows only", AT, 1), ("rows only", AT, 2)]
    table = reopened(path).table(TableName("t"))
    assert table.unloaded([version("empty"), version("rows only")]) == [False, False]


def test_without_rows_there_is_no_table(path: Path) -> None:
    destination = reopened(path)
    table = destination.table(TableName("t"))
    table.widen(pa.schema([]))
    assert table.schema == pa.schema([])
    destination.close()
    assert query(path, "SELECT table_name FROM duckdb_tables() ORDER BY 1") == [
        ("_file_cdk_columns",),
        ("_file_cdk_files",),
        ("_file_cdk_parts",),
        ("_file_cdk_rejects",),
        ("_file_cdk_runs",),
        ("_file_cdk_streams",),
    ]


def test_a_dropped_table_is_loaded_anew(path: Path) -> None:
    destination = reopened(path)
    table = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1))
    load(table, version("empty"))
    table.record_failure(version("bad"), "gone")
    destination.close()
    change(path, "DROP TABLE t")
    destination = reopened(path)
    table = destination.table(TableName("t"))
    assert table.schema == pa.schema([])
    assert table.unloaded([version("a"), version("empty")]) == [True, False]
    table.widen(ints(1).schema)
    assert table.unloaded([version("a"), version("empty")]) == [True, False]
    load(table, version("b"), ints(2))
    destination.close()
    assert query(path, "SELECT url, status FROM _file_cdk_files ORDER BY url") == [
        ("b", "loaded"),
        ("bad", "failed"),
        ("empty", "loaded"),
    ]


def test_rows_the_ledger_does_not_know_are_not_doubled(path: Path) -> None:
    destination = reopened(path)
    table = destination.table(TableName("t"))
    table.widen(ints(1).schema)
    load(table, version("a"), ints(1))
    destination.close()
    change(path, "DELETE FROM _file_cdk_files")
    destination = reopened(path)
    with pytest.raises(DestinationError, match="the ledger knows none"):
        destination.table(TableName("t"))
    destination.close()
    assert query(path, "SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(
    "made_by_hand",
    [
        "CREATE TABLE T (a BIGINT)",
        "CREATE TABLE t (a BIGINT, _file_url VARCHAR, _file_modified_at TIMESTAMP, _file_row VARCHAR)",
        "CREATE VIEW t AS SELECT 1 AS a, 'u' AS _file_url, TIMESTAMP '2020-01-01' AS _file_modified_at, 1::BIGINT AS _file_row",
    ],
)
def test_what_others_made_is_left_alone(path: Path, made_by_hand: str) -> None:
    change(path, made_by_hand)
    before = query(path, "SELECT sql FROM duckdb_tables() UNION ALL SELECT sql FROM duckdb_views() WHERE NOT internal")
    destination = reopened(path)
    with pytest.raises(DestinationError, match="another name") as caught:
        destination.table(TableName("t"))
    assert str(path) in str(caught.value)
    load(destination.table(TableName("u")), version("a"))
    destination.close()
    after = query(path, "SELECT sql FROM duckdb_tables() UNION ALL SELECT sql FROM duckdb_views() WHERE NOT internal")
    assert set(before) <= set(after)


@pytest.mark.parametrize("stream", ["_file_cdk_files", "_FILE_CDK_input", "", "a\0b"])
def test_some_names_are_not_for_streams(opened: DuckDBDestination, stream: str) -> None:
    with pytest.raises(DestinationError, match="another name"):
        opened.table(TableName(stream))


def test_two_streams_do_not_share_a_table(path: Path) -> None:
    destination = reopened(path)
    load(destination.table(TableName("Orders")), version("a"))
    with pytest.raises(DestinationError, match="case makes no difference"):
        destination.table(TableName("orders"))
    destination.close()
    destination = reopened(path)
    with pytest.raises(DestinationError, match="case makes no difference"):
        destination.table(TableName("ORDERS"))
    destination.close()


NAMES = [
    'a"b',
    "a.b.c",
    "with space",
    "sélect ☃",
    "select",
    "order by 1; DROP TABLE x",
    "'; --",
    "main",
    "information_schema",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_will_do_for_streams_and_columns(path: Path, name: str) -> None:
    kind = pa.struct([(name, pa.int64())])
    batch = pa.record_batch({name: pa.array([1, 2], pa.int64()), name + "!": pa.array([{name: 5}, None], kind)})
    destination = reopened(path)
    table = destination.table(TableName(name))
    table.widen(batch.schema)
    load(table, version(name), batch)
    table.widen(pa.schema([(name, pa.float64()), (name + "!", pa.string())]))
    load(table, version(name + name), pa.record_batch({name: pa.array([3.0]), name + "!": ["x"]}))
    destination.close()
    destination = reopened(path)
    assert destination.table(TableName(name)).schema == pa.schema([(name, pa.float64()), (name + "!", pa.string())])
    assert destination.table(TableName(name)).unloaded([version(name)]) == [False]
    destination.close()
    identifier = '"' + name.replace('"', '""') + '"'
    [(first, second, url, _, row), (_, none, _, _, _), (_, _, _, _, _)] = query(path, f"SELECT * FROM {identifier}")
    assert (first, url, row, none) == (1.0, name, 1, None)
    escaped = name.replace('"', '\\"')
    assert second == f'{{"{escaped}":5}}'


def test_columns_duckdb_cannot_tell_apart_are_both_kept(path: Path) -> None:
    batch = pa.record_batch(
        {"Name": ["N"], "name": ["n"], "_file_row": pa.array([77], pa.int64()), "_FILE_URL": ["u"], "": ["empty"]}
    )
    destination = reopened(path)
    table = destination.table(TableName("t"))
    table.widen(batch.schema)
    load(table, version("a"), batch)
    destination.close()
    destination = reopened(path)
    table = destination.table(TableName("t"))
    assert table.schema == batch.schema
    table.widen(pa.schema([("name", pa.string()), ("NAME", pa.string()), ("name_2", pa.int64())]))
    load(table, version("b"), pa.record_batch({"NAME": ["x"], "name": ["y"], "name_2": pa.array([2], pa.int64())}))
    destination.close()
    assert query(
        path,
        'SELECT "Name", name_2, "_file_row_2", "_FILE_URL_2", "column", "NAME_3", "name_2_2", _file_url, _file_row FROM t',
    ) == [
        ("N", "n", 77, "u", "empty", None, None, "a", 1),
        (None, "y", None, None, None, "x", 2, "b", 1),
    ]
    assert query(path, "SELECT name, column_name FROM _file_cdk_columns WHERE stream = 't' ORDER BY name") == [
        ("", "column"),
        ("NAME", "NAME_3"),
        ("_FILE_URL", "_FILE_URL_2"),
        ("_file_row", "_file_row_2"),
        ("name", "name_2"),
        ("name_2", "name_2_2"),
    ]


def test_streams_take_turns(path: Path) -> None:
    destination = DuckDBDestination(path)
    destination.open()
    for number in range(4):
        for stream in ("t", "u"):
            table = destination.table(TableName(stream))
            table.widen(ints(1).schema)
            load(table, version(f"{stream}{number}"), ints(number))
    destination.close()
    assert query(path, "SELECT a, _file_url FROM t") == [(i, f"t{i}") for i in range(4)]
    assert query(path, "SELECT a, _file_url FROM u") == [(i, f"u{i}") for i in range(4)]
    assert query(path, "SELECT stream, count(*) FROM _file_cdk_files GROUP BY 1 ORDER BY 1") == [("t", 4), ("u", 4)]


def test_a_run_names_itself(path: Path) -> None:
    first, second = DuckDBDestination(path), DuckDBDestination(path)
    assert first.run != second.run
    assert first.run.startswith(f"{datetime.now(UTC):%Y-}")
