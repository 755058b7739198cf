"""Parquet into a table: every column has the type asked for and the file's values, or the mismatch says what it needs."""

import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_builders import URI, remote, whole
from format_settings import PARQUET

from file_cdk.core.arrow_types import without_nulls
from file_cdk.core.config import ParquetConfig
from file_cdk.core.errors import MalformedFileError, TypeMismatchError
from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.parquet.format import ParquetFormat

UTC_US = pa.timestamp("us", "UTC")


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(table: pa.Table, schema: dict[str, pa.DataType], **options: Any) -> pa.Table:
    data = parquet_bytes(table, **options)
    split = whole(data)
    asked = pa.schema(list(schema.items()))
    batches = list(PARQUET.read_table(io.BytesIO(data), split, asked, SplitReport()))
    return pa.Table.from_batches(batches)


def read_column(array: pa.Array, kind: pa.DataType) -> list[Any]:
    found = read(pa.table({"a": array}), {"a": kind})
    assert found["a"].type == kind
    return list(found["a"].to_pylist())


def needed(table: pa.Table, schema: dict[str, pa.DataType]) -> dict[str, pa.DataType]:
    with pytest.raises(TypeMismatchError) as caught:
        read(table, schema)
    assert caught.value.uri == URI
    return caught.value.columns


def test_the_schema_has_the_spelling_that_tables_use() -> None:
    table = pa.table(
        {
            "i8": pa.array([1], pa.int8()),
            "u64": pa.array([1], pa.uint64()),
            "f16": pa.array([1], pa.float16()),
            "ls": pa.array(["x"], pa.large_string()),
            "cat": pa.array(["x"]).dictionary_encode(),
            "ts": pa.array([0], pa.timestamp("ms", "Europe/Paris")),
            "t32": pa.array([0], pa.time32("ms")),
            "fsb": pa.array([b"abc"], pa.binary(3)),
            "uuid": pa.array([UUID(int=5).bytes], pa.uuid()),
            "fl": pa.array([[{"x": b"y"}]], pa.list_(pa.struct([("x", pa.large_binary())]), 1)),
            "dec": pa.array([Decimal("1.5")]),
            "null": pa.array([None]),
        }
    )
    data = parquet_bytes(table)
    schema = PARQUET.infer_table_schema(io.BytesIO(data), remote(data))
    assert {f.name: f.type for f in schema} == {
        "i8": pa.int64(),
        "u64": pa.uint64(),
        "f16": pa.float64(),
        "ls": pa.string(),
        "cat": pa.string(),
        "ts": UTC_US,
        "t32": pa.time64("us"),
        "fsb": pa.binary(),
        "uuid": pa.string(),
        "fl": pa.list_(pa.struct([("x", pa.binary())])),
        "dec": pa.decimal128(2, 1),
        "null": pa.null(),
    }
    types = {f.name: without_nulls(f.type) for f in schema}
    found = read(table, types)
    assert {f.name: f.type for f in found.schema} == types
    assert found.to_pylist() == [
        {
            "i8": 1, "u64": 1, "f16": 1.0, "ls": "x", "cat": "x", "ts": datetime(1970, 1, 1, tzinfo=UTC), "t32": time(0),
            "fsb": b"abc", "uuid": str(UUID(int=5)), "fl": [{"x": b"y"}], "dec": Decimal("1.5"), "null": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([1, None], pa.int16()), pa.int64(), [1, None]),
        (pa.array([1, None], pa.int64()), pa.int16(), [1, None]),
        (pa.array([2**53, None]), pa.float64(), [float(2**53), None]),
        (pa.array([7, None]), pa.decimal128(38, 0), [Decimal(7), None]),
        (pa.array([Decimal("1.5")]), pa.decimal128(10, 4), [Decimal("1.5000")]),
        (pa.array([date(2024, 2, 29)]), pa.timestamp("us"), [datetime.fromisoformat("2024-02-29")]),
        (pa.array([5], pa.timestamp("s", "Europe/Paris")), UTC_US, [datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)]),
        (pa.array([None, None]), pa.list_(pa.int64()), [None, None]),
        (
            pa.array([[1], None, [], [2, None]], pa.list_(pa.int32())),
            pa.list_(pa.float64()),
            [[1.0], None, [], [2.0, None]],
        ),
        (pa.array([[1], None, [2]], pa.large_list(pa.int8())), pa.list_(pa.string()), [["1"], None, ["2"]]),
        (
            pa.array([{"x": 1}, None, {"x": None}]),
            pa.struct([("y", pa.bool_()), ("x", pa.float64())]),
            [{"y": None, "x": 1.0}, None, {"y": None, "x": None}],
        ),
        (
            pa.array([[{"x": [1]}], None], pa.list_(pa.struct([("x", pa.list_(pa.int8()))]))),
            pa.list_(pa.struct([("x", pa.list_(pa.int64())), ("z", pa.string())])),
            [[{"x": [1], "z": None}], None],
        ),
        (
            pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int32())),
            pa.map_(pa.string(), pa.string()),
            [[("k", "1"), ("l", None)], None, []],
        ),
    ],
)
def test_a_wider_type_holds_the_same_values(array: pa.Array, kind: pa.DataType, expected: list[Any]) -> None:
    assert read_column(array, kind) == expected


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None]), ["1", None]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([1.0, -0.0, 1.5, 1e20, float("nan"), float("-inf")]), ["1.0", "-0.0", "1.5", "1e+20", "nan", "-inf"]),
        (pa.array([1.5], pa.float16()), ["1.5"]),
        (pa.array([Decimal("-0.50")]), ["-0.50"]),
        (pa.array([Decimal("1.5")], pa.decimal256(70, 1)), ["1.5"]),
        (pa.array([date(2024, 2, 29)]), ["2024-02-29"]),
        (pa.array([time(1, 2, 3)], pa.time32("s")), ["01:02:03.000"]),
        (pa.array([5], pa.timestamp("us")), ["1970-01-01T00:00:00.000005"]),
        (pa.array([5], pa.timestamp("ns", "Europe/Paris")), ["1970-01-01T00:00:00.000000005Z"]),
        (pa.array([5], pa.duration("ms")), ["P0DT0H0M0.005S"]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array(["é"], pa.large_string()), ["é"]),
        (pa.array([b"\xc3\xa9", b"a\xff", None]), ["é", "a\\xff", None]),
        (pa.array([b"abc"], pa.binary(3)), ["abc"]),
        (pa.array([None]), [None]),
        (pa.array([[1, None], None, []]), ["[1,null]", None, "[]"]),
        (pa.array([{"x": 1.0, "y": "é"}, None]), ['{"x":1.0,"y":"é"}', None]),
        (pa.array([[(1, [True])], None], pa.map_(pa.int8(), pa.list_(pa.bool_()))), ['{"1":[true]}', None]),
        (pa.array([[{"d": date(2024, 2, 29), "n": Decimal("1.50")}]]), ['[{"d":"2024-02-29","n":"1.50"}]']),
        (pa.array([[float("nan"), float("inf"), 1.5]]), ['["nan","inf",1.5]']),
        (pa.array([{"t": 5}], pa.struct([("t", pa.timestamp("ns"))])), ['{"t":"1970-01-01T00:00:00.000000005"}']),
        (pa.array([[["a"]]], pa.list_(pa.list_(pa.dictionary(pa.int8(), pa.string())))), ['[["a"]]']),
    ],
)
def test_a_column_of_strings_takes_any_type(array: pa.Array, expected: list[Any]) -> None:
    assert read_column(array, pa.string()) == expected


def test_parts_of_a_batch_keep_their_place() -> None:
    """Arrow arrays may be slices of larger ones: nested values must come from the slice."""
    rows: list[Any] = [None if n % 7 == 0 else [{"n": n, "m": {"k": [n] * (n % 3)}}] * (n % 4) for n in range(2000)]
    table = pa.table({"a": pa.array(rows)})
    texts = read(table, {"a": pa.string()}, row_group_size=900)["a"].to_pylist()
    assert [None if text is None else json.loads(text) for text in texts] == rows
    kind = pa.list_(pa.struct([("n", pa.float64()), ("m", pa.struct([("k", pa.list_(pa.string()))]))]))
    expected = [
        None if row is None else [{"n": float(x["n"]), "m": {"k": list(map(str, x["m"]["k"]))}} for x in row]
        for row in rows
    ]
    assert read(table, {"a": kind}, row_group_size=900)["a"].to_pylist() == expected


@pytest.mark.parametrize(
    ("array", "kind", "asks"),
    [
        (pa.array(["1"]), pa.int64(), pa.string()),
        (pa.array([1.0]), pa.int64(), pa.float64()),
        (pa.array([1], pa.uint64()), pa.int64(), pa.decimal128(20, 0)),
        (pa.array([True]), pa.int64(), pa.string()),
        (pa.array([2**53 + 1]), pa.float64(), pa.string()),
        (pa.array([Decimal("11529215046068474.88")]), pa.float64(), pa.string()),
        (pa.array([[{"x": Decimal("11529215046068474.88")}]]), pa.list_(pa.struct([("x", pa.float64())])), pa.string()),
        (
            pa.array([[("k", 2**53 + 1)]], pa.map_(pa.string(), pa.int64())),
            pa.map_(pa.string(), pa.float64()),
            pa.string(),
        ),
        (pa.array([0.1]), pa.float32(), pa.float64()),
        (pa.array([300]), pa.int8(), pa.int64()),
        (pa.array([Decimal("1.25")]), pa.decimal128(10, 1), pa.decimal128(11, 2)),
        (pa.array([datetime.fromisoformat("9999-01-01")], pa.timestamp("us")), pa.timestamp("ns"), pa.string()),
        (pa.array([0], pa.timestamp("us")), pa.date32(), pa.timestamp("us")),
        (pa.array([0], pa.timestamp("us", "UTC")), pa.timestamp("us"), pa.string()),
        (
            pa.array([{"x": 1, "y": 2}]),
            pa.struct([("x", pa.int64())]),
            pa.struct([("x", pa.int64()), ("y", pa.int64())]),
        ),
        (pa.array([[1]]), pa.int64(), pa.string()),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), pa.struct([("k", pa.int64())]), pa.string()),
    ],
)
def test_a_type_or_value_that_does_not_fit_asks_for_a_wider_type(
    array: pa.Array, kind: pa.DataType, asks: pa.DataType
) -> None:
    table = pa.table({"a": array})
    assert needed(table, {"a": kind}) == {"a": asks}
    assert read(table, {"a": asks}).num_rows == 1


def test_decimals_that_are_to_be_doubles_may_be_rounded() -> None:
    """To the nearest double, as Python has it; a table's text still has all their digits."""
    amounts = [Decimal("11529215046068474.88"), Decimal("0.62"), None]
    data = parquet_bytes(pa.table({"a": amounts, "t": amounts, "n": [[amount] for amount in amounts]}))
    as_doubles = ParquetFormat(ParquetConfig(decimal_as_float=True))
    asked = pa.schema([("a", pa.float64()), ("t", pa.string()), ("n", pa.list_(pa.float64()))])
    split = whole(data)
    [batch] = as_doubles.read_table(io.BytesIO(data), split, asked, SplitReport())
    doubles = [1.1529215046068474e16, 0.62, None]
    assert batch.to_pydict() == {
        "a": doubles,
        "t": ["11529215046068474.88", "0.62", None],
        "n": [[double] for double in doubles],
    }
    [records] = as_doubles.read_records(io.BytesIO(data), split, None, SplitReport())
    assert records["a"].to_pylist() == doubles


def test_a_mismatch_by_type_names_all_columns_before_any_row() -> None:
    table = pa.table({"a": ["x"], "b": [1], "c": [None], "new": [[1]]})
    assert needed(table, {"a": pa.int64(), "b": pa.bool_()}) == {
        "a": pa.string(),
        "b": pa.string(),
        "new": pa.list_(pa.int64()),
    }


def test_a_mismatch_by_value_names_its_batch() -> None:
    data = parquet_bytes(pa.table({"a": [1, 2, 2**60 + 1], "b": [1, 2, 3]}), row_group_size=2)
    asked = pa.schema([("a", pa.float64()), ("b", pa.int64())])
    batches = PARQUET.read_table(io.BytesIO(data), whole(data), asked, SplitReport())
    assert next(batches).to_pydict() == {"a": [1.0, 2.0], "b": [1, 2]}
    with pytest.raises(TypeMismatchError) as caught:
        next(batches)
    assert (caught.value.columns, caught.value.row) == ({"a": pa.string()}, 3)


def test_columns_that_the_file_lacks_are_absent() -> None:
    found = read(pa.table({"b": [1]}), {"a": pa.string(), "b": pa.int64()})
    assert found.to_pydict() == {"b": [1]}


def test_rows_count_though_no_column_of_theirs_is_in_the_table() -> None:
    data = parquet_bytes(pa.table({"n": pa.nulls(3)}))
    report = SplitReport()
    split = whole(data)
    batches = list(PARQUET.read_table(io.BytesIO(data), split, pa.schema([("a", pa.int64())]), report))
    assert [(batch.num_rows, batch.num_columns) for batch in batches] == [(3, 0)]
    assert report.rows == 3


def test_damage_is_found_on_this_path_too() -> None:
    data = parquet_bytes(pa.table({"a": [1]}))[:-1]
    with pytest.raises(MalformedFileError):
        list(PARQUET.read_table(io.BytesIO(data), Split(remote(data), 0, 0, 1), pa.schema([]), SplitReport()))
