"""Law: however a Parquet file is cut, its splits hold its rows in order, each once, and the cuts leave no byte out."""

import io
import itertools
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_settings import PARQUET
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport

ROWS = 1000
NESTED = [None if n % 11 == 0 else [{"k": n, "m": [("x", [n] * (n % 3)), ("y", None)]}] * (n % 4) for n in range(ROWS)]
NESTED_TYPE = pa.list_(pa.struct([("k", pa.int64()), ("m", pa.map_(pa.string(), pa.list_(pa.int64())))]))
TABLE = pa.table(
    {
        "n": pa.array(range(ROWS)),
        "s": [f"{n % 9}" for n in range(ROWS)],
        "nested": pa.array(NESTED, NESTED_TYPE),
        "day": pa.array(range(ROWS), pa.date32()),
    }
)
RECORDS = TABLE.to_pylist()


@cache
def parquet_file(row_group_rows: int) -> tuple[RemoteFile, bytes]:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, row_group_size=row_group_rows)
    data = sink.getvalue()
    return RemoteFile(f"{row_group_rows}.parquet", len(data), datetime(2024, 1, 1, tzinfo=UTC)), data


def check(row_group_rows: int, inner_cuts: Iterable[int]) -> None:
    file, data = parquet_file(row_group_rows)
    found: list[dict[str, Any]] = []
    expected_start = 0
    for ordinal, (start, end) in enumerate(itertools.pairwise(sorted({*inner_cuts, 0, len(data)}))):
        report = SplitReport()
        for batch in PARQUET.read_records(io.BytesIO(data), Split(file, ordinal, start, end), None, report):
            found += batch.to_pylist()
        assert report.start == expected_start
        assert report.end >= report.start
        expected_start = report.end
    assert expected_start == len(data)
    assert found == RECORDS


@given(st.sampled_from([1000, 333, 50]), st.data())
@settings(max_examples=25)
def test_any_cut_gives_the_rows_of_the_file(row_group_rows: int, data: st.DataObject) -> None:
    size = parquet_file(row_group_rows)[0].size_bytes
    check(row_group_rows, data.draw(st.sets(st.integers(1, size - 1), max_size=20)))


@pytest.mark.parametrize("split_bytes", [1, 7, 64 * 1024])
def test_splits_of_one_size_give_the_rows_of_the_file(split_bytes: int) -> None:
    size = parquet_file(100)[0].size_bytes
    check(100, range(split_bytes, size, split_bytes))
