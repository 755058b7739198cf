"""Every type below every nested one, in each layout that pyarrow writes: records and tables have the values of the array."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import inf, nan
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_faces import rendered

from file_cdk.core.arrow_types import normal
from file_cdk.core.config import ParquetConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder, decode
from file_cdk.formats.parquet.format import ParquetFormat
from file_cdk.protocol.record_encoding import RecordEncoder

PARQUET = ParquetFormat(ParquetConfig())

WORDS = ["b", None, 'é"\n', "", "b"]
BYTES = [b"x", None, b"\xff", b"", b"x"]
INSTANTS = [
    text and datetime.fromisoformat(text)
    for text in ["2024-02-29T01:02:03.004", None, "0001-01-01", "9999-12-31T23:59:59", "1970-01-01"]
]
TIMES = [time(1, 2, 3, 4000), None, time(0), time(23, 59, 59), time(12)]
LEAVES: dict[str, pa.Array] = {
    "null": pa.nulls(5),
    "boolean": pa.array([True, None, False, True, False]),
    "int8": pa.array([1, None, -128, 127, 0], pa.int8()),
    "uint16": pa.array([1, None, 2**16 - 1, 0, 7], pa.uint16()),
    "int64": pa.array([1, None, -(2**63), 2**63 - 1, 0]),
    "uint64": pa.array([1, None, 2**64 - 1, 0, 7], pa.uint64()),
    "float16": pa.array([1.5, None, -0.0, inf, nan], pa.float16()),
    "float": pa.array([0.1, None, -0.0, inf, nan], pa.float32()),
    "double": pa.array([0.1, None, -0.0, -inf, nan]),
    "decimal": pa.array([Decimal("1.50"), None, Decimal("-999.99"), Decimal("0.00"), Decimal("0.01")], pa.decimal128(5, 2)),
    "wide decimal": pa.array([Decimal(10**70), None, Decimal(-1), Decimal(0), Decimal(7)], pa.decimal256(76, 0)),
    "string": pa.array(WORDS),
    "large string": pa.array(WORDS, pa.large_string()),
    "string view": pa.array(WORDS, pa.string_view()),
    "binary": pa.array(BYTES),
    "large binary": pa.array(BYTES, pa.large_binary()),
    "binary view": pa.array(BYTES, pa.binary_view()),
    "fixed": pa.array([b"ab", None, b"\xff\x00", b"zz", b"ab"], pa.binary(2)),
    "date32": pa.array([date(2024, 2, 29), None, date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)]),
    "date64": pa.array([date(2024, 2, 29), None, date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1)], pa.date64()),
    "time ms": pa.array(TIMES, pa.time32("ms")),
    "time us": pa.array(TIMES, pa.time64("us")),
    "time ns": pa.array(TIMES, pa.time64("ns")),
    "timestamp ms": pa.array(INSTANTS, pa.timestamp("ms")),
    "timestamp us": pa.array(INSTANTS, pa.timestamp("us", "UTC")),
    "timestamp ns": pa.array([1000, None, 5000, 0, -1000], pa.timestamp("ns")),
    "duration": pa.array([timedelta(seconds=1), None, timedelta(-1), timedelta(0), timedelta(9)], pa.duration("ms")),
    "dictionary": pa.array(WORDS).dictionary_encode(),
    "large dictionary": pa.array(WORDS, pa.large_string()).dictionary_encode(),
    "dictionary of bytes": pa.array(BYTES).dictionary_encode(),
    "dictionary of numbers": pa.array([5, None, 7, 5, 7]).dictionary_encode(),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), None, *[bytes(range(16))] * 3], pa.binary(16))),
    "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None, "1", "null", "[]"])),
}  # fmt: skip

OFFSETS = [0, 2, 2, 5]
HOLLOW = pa.array([False, True, False])


def nestings(leaf: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    offsets, large = pa.array(OFFSETS, pa.int32()), pa.array(OFFSETS, pa.int64())
    lists = pa.ListArray.from_arrays(offsets, leaf, mask=HOLLOW)
    yield "list", lists
    yield "large list", pa.LargeListArray.from_arrays(large, leaf, mask=HOLLOW)
    yield "fixed list", pa.FixedSizeListArray.from_arrays(leaf.slice(0, 4), 2)
    yield (
        "list view",
        pa.ListViewArray.from_arrays(pa.array([0, 2, 2], pa.int32()), pa.array([2, 0, 3], pa.int32()), leaf),
    )
    yield (
        "struct",
        pa.StructArray.from_arrays([leaf, leaf], names=["a", "b.c"], mask=pa.array([False, False, True, False, False])),
    )
    yield "map", pa.MapArray.from_arrays(offsets, pa.array(["a", "b", "c", "d", "e"]), leaf, mask=HOLLOW)
    yield (
        "list of structs",
        pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([leaf], names=["x"]), mask=HOLLOW),
    )
    yield "struct of lists", pa.StructArray.from_arrays([lists], names=["l"], mask=pa.array([False, False, True]))
    yield "list of lists", pa.ListArray.from_arrays(pa.array([0, 2, 3], pa.int32()), lists)


def written(array: pa.Array, **options: Any) -> tuple[RemoteFile, bytes]:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": range(len(array)), "x": array}), sink, **options)
    data = sink.getvalue()
    return RemoteFile("a.parquet", len(data), datetime(2024, 1, 1, tzinfo=UTC), etag=str(hash(data))), data


def records(file: RemoteFile, data: bytes) -> list[dict[str, Any]]:
    lines: list[bytes] = []
    for batch in PARQUET.read_records(io.BytesIO(data), Split(file, 0, 0, len(data)), None, SplitReport()):
        lines += RecordEncoder("s").encode(batch, file, 1, 0).splitlines()
    return [json.loads(line)["record"]["data"] for line in lines]


def table(file: RemoteFile, data: bytes) -> pa.Table:
    schema = PARQUET.infer_table_schema(io.BytesIO(data), file)
    batches = PARQUET.read_table(io.BytesIO(data), Split(file, 0, 0, len(data)), schema, SplitReport())
    sent = [found for batch in batches for found in decode(ArrowIpcEncoder().encode(batch, file, 1, 0))]
    found = pa.Table.from_batches(sent).select(["n", "x"])
    found.validate(full=True)
    return found


CASES = [
    pytest.param(array, id=f"{layout} of {name}")
    for name, leaf in LEAVES.items()
    for layout, array in [("column", leaf), *nestings(leaf)]
]


@pytest.mark.parametrize("array", CASES)
def test_records_and_tables_have_the_values(array: pa.Array) -> None:
    try:
        file, data = written(array)
    except pa.ArrowNotImplementedError:
        pytest.skip("pyarrow does not write it")
    got = table(file, data)["x"]
    expected = [rendered(value, array.type) for value in array.to_pylist()]
    assert repr([row.get("x") for row in records(file, data)]) == repr(expected)  # 0.0 is not -0.0
    assert repr([rendered(value, got.type) for value in got.to_pylist()]) == repr(expected)
    assert got.type.equals(normal(got.type))
