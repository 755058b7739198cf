"""Law: however a Parquet file is cut, its splits hold its rows in order, each once, and the cuts leave no byte out."""

import io
import itertools
from datetime import UTC, datetime
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.config import ParquetConfig
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.parquet import ParquetFormat

PARQUET = ParquetFormat(ParquetConfig(decimal_as_float=False))
ROWS = 1000


@cache
def parquet_file(row_group_rows: int) -> tuple[RemoteFile, bytes]:
    sink = io.BytesIO()
    table = pa.table({"n": pa.array(range(ROWS)), "s": [f"{n % 9}" for n in range(ROWS)]})
    pq.write_table(table, sink, row_group_size=row_group_rows)
    data = sink.getvalue()
    return RemoteFile(f"{row_group_rows}.parquet", len(data), datetime(2024, 1, 1, tzinfo=UTC)), data


def check(row_group_rows: int, inner_cuts: set[int]) -> None:
    file, data = parquet_file(row_group_rows)
    found: list[int] = []
    expected_start = 0
    for ordinal, (start, end) in enumerate(itertools.pairwise(sorted(inner_cuts | {0, len(data)}))):
        report = SplitReport()
        for batch in PARQUET.read_records(io.BytesIO(data), Split(file, ordinal, start, end), None, report):
            found += batch["n"].to_pylist()
        assert report.start == expected_start
        assert report.end >= report.start
        expected_start = report.end
    assert expected_start == len(data)
    assert found == list(range(ROWS))


@given(st.sampled_from([1000, 333, 50]), st.data())
@settings(deadline=None, max_examples=50)
def test_any_cut_gives_the_rows_of_the_file(row_group_rows: int, data: st.DataObject) -> None:
    size = parquet_file(row_group_rows)[0].size_bytes
    check(row_group_rows, data.draw(st.sets(st.integers(1, size - 1), max_size=20)))


@pytest.mark.parametrize("first", [0, 1, 2])
def test_hundreds_of_cuts_give_the_rows_of_the_file(first: int) -> None:
    size = parquet_file(100)[0].size_bytes
    check(100, set(range(1 + first, size, max(1, size // 300))))
