"""The types found column by column are those found of the same rows read one by one, part by part."""

import io
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from file_builders import remote
from hypothesis import example, given, settings
from hypothesis import strategies as st

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import FileCdkError
from file_cdk.core.files import FileCache, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv import rows as by_rows
from file_cdk.formats.csv import sampling
from file_cdk.formats.csv.header import KnownHeader
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.shape import FaultPolicy
from file_cdk.formats.csv.split import CsvSplit, Reading
from file_cdk.formats.csv.table import table_nulls

VALUES = st.one_of(
    st.sampled_from(["", '""', "1", "-2.50", "007", "true", "2024-01-02", "2024-01-02 03:04:05.5", "x", " ", '"1"']),
    st.sampled_from(['"a\nb"', '"a\r\nb"', '"a,b"', '"say ""hi"""', '5" pipe', "NA", "0.1234567890123456", "1e5", "é"]),
    st.integers(-(10**20), 10**20).map(str),
)
RECORDS = st.lists(VALUES, min_size=1, max_size=4).map(",".join)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\r"])
REGULAR = st.tuples(st.integers(1, 3), st.sampled_from(["\n", "\r\n", "\r", "\n\n"])).flatmap(
    lambda drawn: st.lists(st.lists(VALUES, min_size=drawn[0], max_size=drawn[0]).map(",".join), max_size=40).map(
        lambda records: drawn[1].join([",".join("abc"[: drawn[0]]), *records])
    )
)
IRREGULAR = st.lists(st.tuples(RECORDS, ENDS).map("".join), max_size=25).map(lambda lines: "a,b\n" + "".join(lines))


def types_of(
    split: CsvSplit, size_bytes: int, config: CsvConfig, *, one_by_one: bool
) -> list[Sequence[pa.DataType]] | str:
    try:
        if one_by_one:
            return list(sampling.types_by_rows(len(split.header.names), split.sample(size_bytes), config))
        return list(split.sample_types(size_bytes))
    except FileCdkError as exc:
        return str(exc)


def opened(data: bytes, config: CsvConfig) -> CsvSplit:
    policy, file = FaultPolicy.of(config, of_table=True), remote(data)
    reading = Reading(config, policy, table_nulls(config), 1 << 20, 0, FileCache(1), KnownHeader())
    return CsvSplit(reading, ForwardReader(io.BytesIO(data)), Split(file, 0, 0, len(data)), SplitReport())


def check(data: bytes, size_bytes: int, chunk_bytes: int, chunk_rows: int, **options: Any) -> bool:
    """Whether all was read by columns."""
    config = CsvConfig(**options)
    left: list[int] = []

    def noting(split: CsvSplit, start: int, end: int) -> object:
        left.append(end - start)
        return row_chunks(split, start, end)

    row_chunks = CsvSplit._row_chunks
    with (
        patch.multiple(by_rows, CHUNK_BYTES=chunk_bytes, CHUNK_ROWS=chunk_rows),
        patch.multiple(sampling, CHUNK_BYTES=chunk_bytes, CHUNK_ROWS=chunk_rows),
    ):
        expected = types_of(opened(data, config), size_bytes, config, one_by_one=True)
        with patch.object(CsvSplit, "_row_chunks", noting):
            found = types_of(opened(data, config), size_bytes, config, one_by_one=False)
    assert found == expected
    return max(left, default=0) <= 0


@settings(max_examples=200)
@given(st.one_of(REGULAR, IRREGULAR), st.integers(1, 400), st.integers(1, 120), st.integers(1, 12), st.booleans())
@example("a,b\n1,2\n\n\n3,x\n", 20, 4, 10, False)
@example("a,b\n1,2\n\n3,x\n4,5", 20, 4, 2, False)
@example('a,b\n1,"x\ny\nz"\n3,4\n', 20, 5, 10, False)
@example('a,b\n1,5" x\n2,6" y\n3,4\n', 20, 5, 10, True)
def test_types_by_columns_are_types_by_rows(
    text: str, size_bytes: int, chunk_bytes: int, chunk_rows: int, ends_with_line: bool
) -> None:
    data = (text + "\n" * ends_with_line).encode()
    check(data, size_bytes, chunk_bytes, chunk_rows)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("options", [{}, {"encoding": "latin-1"}, {"quote_char": "'"}, {"decimal_mark": ","}])
def test_regular_files_are_read_by_columns_alone(line_end: str, options: dict[str, str]) -> None:
    rows = [f'{number},"text, {number}",{number / 7:.3f},' for number in range(500)]
    if options.get("quote_char"):
        rows = [row.replace('"', "'") for row in rows]
    data = line_end.join(["a,b,c,d", *rows]).encode()
    assert check(data, len(data), 1000, 10_000, **options)
    assert check(data, len(data) // 2, 100_000, 7, **options)


def test_a_value_over_several_lines_where_a_part_ends_is_read_by_columns() -> None:
    record = '1,"first\nsecond\nthird"\n'
    assert check(("a,b\n" + record * 50).encode(), 800, 100, 10_000)
