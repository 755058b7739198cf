"""Tables that grow: new columns, wider types, and blocks decoded before the table grew."""

# ruff: noqa: DTZ001 - times without a zone are a type of their own here

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from databases import query

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import FileLoad, LoadedFile, StreamTable, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits

FILE = RemoteFile("a", 10, datetime(2024, 1, 1, tzinfo=UTC))
S = pa.struct([("x", pa.int64())])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.duckdb"


@pytest.fixture
def opened(path: Path) -> Iterator[DuckDBDestination]:
    destination = DuckDBDestination(path, limits=WriteLimits(rows=4))
    destination.open()
    yield destination
    destination.close()


def write(load: FileLoad, values: pa.Array) -> None:
    load.write(ArrowIpcEncoder().encode(pa.record_batch({"c": values}), FILE, 1, 0), 0)


def grow(table: StreamTable, schema: pa.Schema) -> None:
    """A table gets columns with files that have them, be it without rows."""
    table.widen(schema)
    kinds = pa.schema([table.schema.field(name) for name in schema.names])
    load = table.begin(RemoteFile("grown", 1, FILE.modified_at))
    load.write(ArrowIpcEncoder().encode(pa.RecordBatch.from_pylist([], kinds), FILE, 1, 0), 0)
    load.commit(LoadedFile(0))
    table.flush()


MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123000)
CASES: list[tuple[pa.DataType, list[Any], pa.DataType, pa.DataType | None, list[Any]]] = [
    (pa.int64(), [2**62, -1], pa.uint64(), pa.decimal128(20, 0), [Decimal(2**62), Decimal(-1)]),
    (pa.int64(), [5], pa.decimal128(10, 2), pa.decimal128(21, 2), [Decimal("5.00")]),
    (pa.decimal128(10, 2), [Decimal("1.25")], pa.decimal128(12, 5), pa.decimal128(13, 5), [Decimal("1.25000")]),
    (pa.int64(), [5, -7], pa.float64(), pa.float64(), [5.0, -7.0]),
    (pa.int64(), [2**62, -1], pa.string(), pa.string(), [str(2**62), "-1"]),
    (pa.float64(), [1.5, 1e300], pa.string(), pa.string(), ["1.5", "1e+300"]),
    (pa.decimal128(10, 2), [Decimal("1.25")], pa.string(), pa.string(), ["1.25"]),
    (pa.bool_(), [True, False], pa.int64(), pa.string(), ["true", "false"]),
    (pa.date32(), [date(2024, 2, 29)], pa.timestamp("us"), pa.timestamp("us"), [datetime(2024, 2, 29)]),
    (pa.date32(), [date(2024, 2, 29)], pa.int64(), pa.string(), ["2024-02-29"]),
    (pa.timestamp("us"), [MOMENT], pa.string(), pa.string(), ["2024-05-06 07:08:09.123"]),
    (pa.timestamp("us", "UTC"), [MOMENT], pa.string(), pa.string(), ["2024-05-06 07:08:09.123+00"]),
    (pa.timestamp("us"), [MOMENT], pa.timestamp("ns"), pa.timestamp("ns"), [MOMENT]),
    (pa.time64("us"), [time(1, 2, 3, 4)], pa.string(), pa.string(), ["01:02:03.000004"]),
    (pa.binary(), [b"\x00ab\xff"], pa.string(), pa.string(), ["\\x00ab\\xFF"]),
    (S, [{"x": 1}], pa.struct([("x", pa.float64()), ("y", pa.string())]), None, [{"x": 1.0, "y": None}]),
    (pa.list_(pa.int64()), [[1, None], []], pa.list_(pa.string()), pa.list_(pa.string()), [["1", None], []]),
    (
        pa.map_(pa.string(), pa.int64()),
        [[("k", 1)]],
        pa.map_(pa.string(), pa.float64()),
        pa.map_(pa.string(), pa.float64()),
        [{"k": 1.0}],
    ),
    (
        pa.list_(S),
        [[{"x": 1}, None]],
        pa.list_(pa.struct([("x", S)])),
        pa.list_(pa.struct([("x", pa.string())])),
        [[{"x": "1"}, None]],
    ),
    (
        pa.struct([("x", S)]),
        [{"x": {"x": 1}}],
        pa.struct([("x", pa.int64())]),
        pa.struct([("x", pa.string())]),
        [{"x": '{"x":1}'}],
    ),
]


MISFITS: list[tuple[pa.DataType, list[Any], pa.DataType, list[Any]]] = [
    (pa.timestamp("us"), [datetime(9999, 1, 1)], pa.timestamp("ns"), ["9999-01-01 00:00:00"]),
    (pa.date32(), [date(9999, 1, 1), date(2024, 1, 1)], pa.timestamp("ns"), ["9999-01-01", "2024-01-01"]),
    (pa.int64(), [2**63 - 1, 5], pa.float64(), [str(2**63 - 1), "5"]),
    (pa.uint64(), [2**64 - 1, 5], pa.float64(), [str(2**64 - 1), "5"]),
    (
        pa.decimal128(20, 2),
        [Decimal("11529215046068474.88"), Decimal("1.50")],
        pa.float64(),
        ["11529215046068474.88", "1.50"],
    ),
]


@pytest.mark.parametrize("late", [False, True], ids=["stored before", "decoded before"])
@pytest.mark.parametrize("nested", [False, True], ids=["", "nested"])
@pytest.mark.parametrize(("first", "values", "then", "expected"), MISFITS, ids=lambda value: str(value)[:40])
def test_what_the_wider_type_would_change_becomes_text(
    opened: DuckDBDestination,
    path: Path,
    late: bool,
    nested: bool,
    first: pa.DataType,
    values: list[Any],
    then: pa.DataType,
    expected: list[Any],
) -> None:
    text: pa.DataType = pa.string()
    if nested:
        first, then, text = (pa.list_(pa.struct([("x", kind)])) for kind in (first, then, text))
        values, expected = ([[{"x": one}] for one in side] for side in (values, expected))
    table = opened.table(TableName("t"))
    grow(table, pa.schema([("c", first)]))
    if late:
        grow(table, pa.schema([("c", then)]))
        assert table.schema == pa.schema([("c", then)])
    load = table.begin(FILE)
    write(load, pa.array([*values, None], first))
    load.commit(LoadedFile(len(values) + 1))
    table.flush()
    grow(table, pa.schema([("c", then)]))
    assert table.schema == pa.schema([("c", text)])
    opened.close()
    assert query(path, "SELECT c FROM t") == [*((value,) for value in expected), (None,)]


@pytest.mark.parametrize(
    ("late", "first", "values", "then", "result", "expected"),
    [(late, *case) for case in CASES for late in (False, True)],
    ids=lambda value: str(value)[:40],
)
def test_values_survive_a_wider_type(
    opened: DuckDBDestination,
    path: Path,
    late: bool,
    first: pa.DataType,
    values: list[Any],
    then: pa.DataType,
    result: pa.DataType | None,
    expected: list[Any],
) -> None:
    """Whether the rows are in the table when it grows, or in blocks that were decoded before and are written after."""
    table = opened.table(TableName("t"))
    grow(table, pa.schema([("c", first)]))
    if not late:
        load = table.begin(FILE)
        write(load, pa.array([*values, None], first))
        load.commit(LoadedFile(len(values) + 1))
        table.flush()
    grow(table, pa.schema([("c", then)]))
    if late:
        load = table.begin(FILE)
        write(load, pa.array([*values, None], first))
        load.commit(LoadedFile(len(values) + 1))
    wanted = then if result is None else result
    assert table.schema == pa.schema([("c", wanted)])
    opened.close()
    assert query(path, "SELECT c FROM t") == [*((value,) for value in expected), (None,)]
    opened.open()
    assert opened.table(TableName("t")).schema == pa.schema([("c", wanted)])


@pytest.mark.parametrize("late", [False, True], ids=["stored before", "decoded before"])
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (S, {"x": 1}, {"x": 1}),
        (
            pa.struct([("a", pa.float64()), ("b", pa.list_(S))]),
            {"a": float("nan"), "b": [{"x": 2}]},
            {"a": "nan", "b": [{"x": 2}]},
        ),
        (pa.list_(pa.string()), ['q"', None], ['q"', None]),
        (pa.map_(pa.string(), pa.int64()), [("k", 1)], {"k": 1}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_nested_values_become_json_text(
    opened: DuckDBDestination, path: Path, kind: pa.DataType, value: object, expected: object, late: bool
) -> None:
    table = opened.table(TableName("t"))
    grow(table, pa.schema([("c", kind)]))
    if late:
        grow(table, pa.schema([("c", pa.string())]))
    load = table.begin(FILE)
    write(load, pa.array([value, None], kind))
    load.commit(LoadedFile(2))
    table.flush()
    grow(table, pa.schema([("c", pa.string())]))
    opened.close()
    [(text,), (none,)] = query(path, "SELECT c FROM t")
    assert json.loads(text) == expected
    assert none is None


def test_nothing_ever_narrows(opened: DuckDBDestination) -> None:
    table = opened.table(TableName("t"))
    wide = pa.schema(
        [("a", pa.string()), ("b", pa.float64()), ("c", pa.struct([("x", pa.float64()), ("y", pa.int64())]))]
    )
    table.widen(wide)
    table.widen(pa.schema([("c", pa.struct([("y", pa.null())])), ("b", pa.int64())]))
    table.widen(pa.schema([("a", pa.null())]))
    table.widen(pa.schema([]))
    assert table.schema == wide


def test_columns_stand_in_order_of_appearance_and_metadata_after_the_first(
    opened: DuckDBDestination, path: Path
) -> None:
    table = opened.table(TableName("t"))
    grow(table, pa.schema([("b", pa.int8()), ("a", pa.null())]))
    grow(table, pa.schema([("c", pa.date32()), ("a", pa.int64())]))
    assert table.schema == pa.schema([("b", pa.int64()), ("a", pa.string()), ("c", pa.date32())])
    opened.close()
    assert query(path, "SELECT column_name, column_type FROM (DESCRIBE t)") == [
        ("b", "BIGINT"),
        ("a", "VARCHAR"),
        ("_file_url", "VARCHAR"),
        ("_file_modified_at", "TIMESTAMP"),
        ("_file_row", "BIGINT"),
        ("c", "DATE"),
    ]


@pytest.mark.parametrize("end", ["commit", "abort"])
def test_a_table_can_grow_while_a_large_file_is_being_written(opened: DuckDBDestination, path: Path, end: str) -> None:
    """By what the file has, if it is loaded; otherwise the table is as it was."""
    table = opened.table(TableName("t"))
    grow(table, pa.schema([("c", S)]))
    load = table.begin(FILE)
    write(load, pa.array([{"x": i} for i in range(5)], S))
    table.widen(pa.schema([("c", pa.string()), ("d", pa.int64()), ("e", pa.int64())]))
    write(load, pa.array([{"x": i} for i in range(5, 9)], S))
    batch = pa.record_batch({"c": ["text"], "d": [7]})
    load.write(ArrowIpcEncoder().encode(batch, FILE, 10, 0), 0)
    if end == "commit":
        load.commit(LoadedFile(10))
    else:
        load.abort()
    assert table.schema == pa.schema([("c", pa.string()), ("d", pa.int64()), ("e", pa.int64())])
    opened.close()
    found = query(path, "SELECT * EXCLUDE (_file_url, _file_modified_at, _file_row) FROM t")
    assert found == ([*((f'{{"x":{i}}}', None) for i in range(9)), ("text", 7)] if end == "commit" else [])
    columns = query(path, "SELECT column_name, column_type FROM (DESCRIBE t) WHERE column_name[1] <> '_'")
    assert columns == ([("c", "VARCHAR"), ("d", "BIGINT")] if end == "commit" else [("c", "STRUCT(x BIGINT)")])


def test_files_that_wait_were_decoded_before_the_table_grew(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(pa.schema([("c", pa.int64())]))
    for kind, value in ((pa.int64(), 1), (pa.float64(), 2.5), (pa.string(), "x")):
        table.widen(pa.schema([("c", kind)]))
        load = table.begin(RemoteFile(str(value), 1, FILE.modified_at))
        write(load, pa.array([value], kind))
        load.commit(LoadedFile(1))
    opened.close()
    assert query(path, "SELECT c, _file_url FROM t") == [("1.0", "1"), ("2.5", "2.5"), ("x", "x")]


BIG = 2**53 + 1


def test_whoever_widens_a_table_sees_what_files_that_wait_make_of_it(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(pa.schema([("c", pa.int64()), ("d", pa.int64())]))
    load = table.begin(FILE)
    load.write(ArrowIpcEncoder().encode(pa.record_batch({"c": [BIG, 5], "d": [1, 5]}), FILE, 1, 0), 0)
    load.commit(LoadedFile(2))
    grow(table, pa.schema([("c", pa.float64()), ("d", pa.float64())]))
    assert table.schema == pa.schema([("c", pa.string()), ("d", pa.float64())])
    opened.close()
    assert query(path, "SELECT c, d FROM t") == [(str(BIG), 1.0), ("5", 5.0)]


@pytest.mark.parametrize("rows", [1, 9], ids=["waits", "is written at once"])
def test_rows_decoded_before_make_a_column_text_when_they_are_written(
    opened: DuckDBDestination, path: Path, rows: int
) -> None:
    """In the transaction that removes what is there of the file's older version."""
    table = opened.table(TableName("t"))
    for modified_at, values in ((FILE.modified_at, [1, 2]), (datetime(2025, 1, 1, tzinfo=UTC), [BIG] * rows)):
        grow(table, pa.schema([("c", pa.int64())]))
        grow(table, pa.schema([("c", pa.float64())]))
        load = table.begin(RemoteFile("a", 10, modified_at))
        write(load, pa.array(values, pa.int64()))
        load.commit(LoadedFile(len(values)))
        table.flush()
    assert table.schema == pa.schema([("c", pa.string())])
    opened.close()
    assert query(path, "SELECT c FROM t") == [(str(BIG),)] * rows


def test_an_aborted_load_leaves_the_column_as_it_was(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    grow(table, pa.schema([("c", pa.float64())]))
    load = table.begin(RemoteFile("b", 1, FILE.modified_at))
    write(load, pa.array([BIG] * 9, pa.int64()))
    load.abort()
    assert table.schema == pa.schema([("c", pa.float64())])
    opened.close()
    assert query(path, "SELECT column_type FROM (DESCRIBE t) WHERE column_name = 'c'") == [("DOUBLE",)]


@pytest.mark.parametrize("rows", [1, 9], ids=["waits", "is written at once"])
@pytest.mark.parametrize("there", [False, True], ids=["no table", "a table"])
def test_what_is_promised_and_needed_by_no_loaded_file_changes_nothing(
    opened: DuckDBDestination, path: Path, rows: int, there: bool
) -> None:
    table = opened.table(TableName("t"))
    if there:
        grow(table, pa.schema([("c", pa.int64())]))
    before = table.schema
    table.widen(pa.schema([("c", pa.string()), ("sep=", pa.string())]))
    load = table.begin(FILE)
    load.write(ArrowIpcEncoder().encode(pa.record_batch({"c": ["x"] * rows, "sep=": ["y"] * rows}), FILE, 1, 0), 0)
    load.abort()
    table.record_failure(FILE, "bad")
    assert table.schema == pa.schema([("c", pa.string()), ("sep=", pa.string())])
    table.widen(before, anew=True)
    assert table.schema == before
    opened.close()
    columns = query(path, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' LIMIT 2")
    assert columns == ([("c", "BIGINT"), ("_file_url", "VARCHAR")] if there else [])
    assert query(path, "SELECT url, status FROM _file_cdk_files WHERE url = 'a'") == [("a", "failed")]


def test_a_withdrawal_leaves_what_files_need_that_wait(opened: DuckDBDestination, path: Path) -> None:
    table = opened.table(TableName("t"))
    table.widen(pa.schema([("c", pa.int64())]))
    accepted = table.schema
    table.widen(pa.schema([("c", pa.float64()), ("d", pa.int64())]))
    load = table.begin(FILE)
    write(load, pa.array([1.5]))
    load.commit(LoadedFile(1))
    table.widen(accepted, anew=True)
    assert table.schema == pa.schema([("c", pa.float64())])
    opened.close()
    assert query(path, "SELECT c, _file_row FROM t") == [(1.5, 1)]


@pytest.mark.parametrize("together", [False, True])
def test_the_order_of_columns_depends_on_the_files_alone(opened: DuckDBDestination, path: Path, together: bool) -> None:
    table = opened.table(TableName("t"))
    table.widen(pa.schema([(name, pa.int64()) for name in "dcba"]))
    for number, columns in enumerate(("ba", "ac", "d")):
        file = RemoteFile(columns, 1, FILE.modified_at)
        load = table.begin(file)
        load.write(ArrowIpcEncoder().encode(pa.record_batch({name: [number] for name in columns}), file, 1, 0), 0)
        load.commit(LoadedFile(1))
        if not together:
            table.flush()
    opened.close()
    names = [name for (name,) in query(path, "SELECT column_name FROM (DESCRIBE t)")]
    assert names == ["b", "a", "_file_url", "_file_modified_at", "_file_row", "c", "d"]
    assert query(path, "SELECT a, b, c, d FROM t") == [(0, 0, None, None), (1, None, 1, None), (None, None, None, 2)]


def test_many_rows_are_converted_in_little_memory(path: Path) -> None:
    destination = DuckDBDestination(path, memory_limit_bytes=64 << 20)
    destination.open()
    table = destination.table(TableName("t"))
    table.widen(pa.schema([("c", pa.int64())]))
    load = table.begin(FILE)
    for start in range(0, 1_000_000, 50_000):
        write(load, pa.array(range(start, start + 50_000), pa.int64()))
    load.commit(LoadedFile(1_000_000))
    table.widen(pa.schema([("c", pa.string())]))
    destination.close()
    assert query(path, "SELECT count(*), count(*) FILTER (c <> CAST(rowid AS VARCHAR)) FROM t") == [(1_000_000, 0)]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
