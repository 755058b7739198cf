"""Parquet files of several writers in many shapes: records and tables against pyarrow's reader and DuckDB's."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_faces import records_of, rendered_rows, table_of, without_nulls

ROWS = 240
_random = Random(7)


def column(kind: pa.DataType, value: Callable[[int], Any]) -> pa.Array:
    """Runs and repetitions, and a null now and then."""
    return pa.array([None if n % 11 == 3 else value(n if n % 5 else n // 20) for n in range(ROWS)], kind)


def instant(n: int) -> datetime:
    return datetime(2024, 2, 29, tzinfo=UTC).replace(tzinfo=None) + timedelta(
        days=n * 331 - 40_000, microseconds=n * 1001
    )


NUMBERS = {
    "boolean": column(pa.bool_(), lambda n: n % 3 == 0),
    "int8": column(pa.int8(), lambda n: n - 120),
    "int16": column(pa.int16(), lambda n: n * 99 - 20_000),
    "int32": column(pa.int32(), lambda n: (n - 9) * 8_000_000),
    "int64": column(pa.int64(), lambda n: (n - 120) * 2**55),
    "uint8": column(pa.uint8(), lambda n: n),
    "uint16": column(pa.uint16(), lambda n: n * 270),
    "uint32": column(pa.uint32(), lambda n: n * 17_000_000),
    "uint64": column(pa.uint64(), lambda n: n * 2**56),
    "float": column(pa.float32(), lambda n: n / 7),
    "double": column(pa.float64(), lambda n: [n / 7, -0.0, inf, -inf, 5e-324][n % 5]),
    "small": column(pa.decimal128(9, 2), lambda n: Decimal(n - 99).scaleb(-2)),
    "middle": column(pa.decimal128(18, 0), lambda n: Decimal(n - 99) * 10**15),
    "wide": column(pa.decimal128(38, 10), lambda n: Decimal((n - 99) * 10**35).scaleb(-10)),
}
TEXTS = {
    "text": column(pa.string(), lambda n: ["", 'é "\n', "x" * n, f"k{n % 4}"][n % 4]),
    "bytes": column(pa.binary(), lambda n: bytes([n % 256, 255]) * (n % 3)),
    "fixed": column(pa.binary(3), lambda n: bytes([n % 256, 0, 255])),
    "repeated": column(pa.string(), lambda n: f"k{n % 4}").dictionary_encode(),
}
TIMES = {
    "date": column(pa.date32(), lambda n: date(1, 1, 1) + timedelta(days=n * 15_000)),
    "time": column(pa.time64("us"), lambda n: time(n % 24, n % 60, 59, n * 7)),
    "time_ms": column(pa.time32("ms"), lambda n: time(n % 24, n % 60, 59, n * 1000)),
    "instant": column(pa.timestamp("us"), instant),
    "instant_ms": column(pa.timestamp("ms"), lambda n: instant(n).replace(microsecond=n * 1000)),
    "instant_ns": column(pa.timestamp("ns"), lambda n: instant(n % 100 + 100)),
    "utc": column(pa.timestamp("us", "UTC"), instant),
}
NESTED = {
    "list": column(pa.list_(pa.int32()), lambda n: [n, None, -n][: n % 4]),
    "struct": column(
        pa.struct([("a", pa.int64()), ("b", pa.string())]), lambda n: {"a": n, "b": None if n % 2 else "x"}
    ),
    "map": column(pa.map_(pa.string(), pa.int32()), lambda n: [(f"k{at}", at or None) for at in range(n % 4)]),
    "deep": column(
        pa.list_(pa.struct([("x", pa.list_(pa.string())), ("y", pa.decimal128(5, 1))])),
        lambda n: [None, {"x": [None, "", f"{n}"], "y": Decimal("1.5")}, {"x": None, "y": None}][: n % 4],
    ),
}
TABLE = pa.table({"n": range(ROWS), **NUMBERS, **TEXTS, **TIMES, **NESTED})
DELTAS = {
    **dict.fromkeys(("n", "int32", "int64", "date", "instant", "utc", "uint64"), "DELTA_BINARY_PACKED"),
    "text": "DELTA_BYTE_ARRAY",
    "bytes": "DELTA_LENGTH_BYTE_ARRAY",
    **dict.fromkeys(("float", "double"), "BYTE_STREAM_SPLIT"),
    "boolean": "RLE",
}


def by_pyarrow(**options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pq.write_table(TABLE, path, **options)

    return write


def by_duckdb(options: str, left_out: str = "") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with duckdb.connect() as connection:
            connection.register("rows", TABLE)
            connection.execute(f"COPY (SELECT * {left_out} FROM rows) TO '{path}' (FORMAT parquet, {options})")

    return write


def by_polars(**options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        table = TABLE.drop_columns(["map"]).set_column(
            TABLE.schema.get_field_index("fixed"), "fixed", TABLE["fixed"].cast(pa.binary())
        )
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        frame.write_parquet(path, **options)

    return write


FILES = {
    "plain": by_pyarrow(compression="none", use_dictionary=False),
    "dictionaries": by_pyarrow(compression="snappy", row_group_size=100),
    "second pages": by_pyarrow(compression="zstd", data_page_version="2.0", row_group_size=50),
    "small pages": by_pyarrow(compression="gzip", data_page_size=64, write_batch_size=8),
    "deltas": by_pyarrow(compression="brotli", use_dictionary=False, column_encoding=DELTAS, data_page_version="2.0"),
    "lz4": by_pyarrow(compression="lz4", row_group_size=7, write_page_index=True),
    "first version": by_pyarrow(version="1.0", coerce_timestamps="us", allow_truncated_timestamps=True),
    "int96": by_pyarrow(use_deprecated_int96_timestamps=True),
    "without arrow's schema": by_pyarrow(store_schema=False, write_statistics=False),
    "checksums": by_pyarrow(write_page_checksum=True, store_decimal_as_integer=True, use_compliant_nested_type=False),
    "duckdb": by_duckdb("COMPRESSION snappy"),
    # Differences of 32-bit numbers that take more than 32 bits, as DuckDB writes them, are an end of the stream to pyarrow.
    "duckdb second": by_duckdb("COMPRESSION zstd, PARQUET_VERSION v2", left_out="EXCLUDE (uint32)"),
    "polars lz4": by_polars(compression="lz4", statistics=False, row_group_size=70),
    "polars gzip": by_polars(compression="gzip", data_page_size=100),
}


def of_duckdb(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM read_parquet('{path}')").fetchall()


@pytest.mark.parametrize("write", FILES.values(), ids=FILES)
def test_every_cell_is_what_two_other_readers_say(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path)
    expected = pq.read_table(path, partitioning=None)
    assert expected.num_rows == ROWS
    assert repr(records_of(path, "parquet")) == repr(without_nulls(rendered_rows(expected)))
    loaded = table_of(path, tmp_path)
    assert (loaded.rejects, loaded.failures) == ({}, [])
    assert loaded.columns == expected.column_names
    assert repr(loaded.rows) == repr(of_duckdb(path))


@pytest.mark.parametrize("decimals", [39, 76])
def test_decimals_that_duckdb_rounds_are_exact(decimals: int, tmp_path: Path) -> None:
    values = [Decimal(10 ** (decimals - 1) + 1).scaleb(-5, Context(prec=80)), None, Decimal("-1.5")]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"d": pa.array(values, pa.decimal256(decimals, 5))}), path)
    texts = [None if value is None else f"{value:.5f}" for value in values]
    assert records_of(path, "parquet") == without_nulls([{"d": text} for text in texts])
    assert table_of(path, tmp_path).rows == [(text,) for text in texts]
