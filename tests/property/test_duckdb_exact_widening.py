"""The law of widening: whatever numbers are loaded into one column, in whatever order, each of them stays what it was."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import FileLoad, LoadedFile, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.duckdb.destination import DuckDBDestination
from file_cdk.destinations.duckdb.limits import WriteLimits
from file_cdk.destinations.duckdb.types import fits

T0 = datetime(2024, 1, 1, tzinfo=UTC)
NEAR = st.builds(
    lambda power, sign, off: sign * 2**power + off, st.integers(50, 63), st.sampled_from([1, -1]), st.integers(-2, 2)
)


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(-9, 9), NEAR, st.integers(low, high)).filter(lambda number: low <= number <= high)


def decimals(precision: int, scale: int) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    limit = 10**precision - 1
    units = st.one_of(whole(-limit, limit), NEAR.map(lambda number: number * 10**scale)).filter(
        lambda n: abs(n) <= limit
    )
    digits = units.map(lambda unit: Decimal((unit < 0, tuple(map(int, str(abs(unit)))), -scale)))
    return pa.decimal128(precision, scale), digits


KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), whole(-(2**63), 2**63 - 1)),
    (pa.uint64(), whole(0, 2**64 - 1)),
    (pa.float64(), st.one_of(st.sampled_from([1.5, 2.0**60]), st.floats(allow_nan=False, allow_infinity=False))),
    decimals(10, 2),
    decimals(18, 17),
    decimals(20, 2),
    decimals(38, 0),
    decimals(38, 18),
]


@dataclass(frozen=True)
class Load:
    """The rows of one version of a file. late: they were decoded before the column grew for the load that comes next."""

    kind: pa.DataType
    values: list[Any]
    uri: str
    late: bool


LOADS = st.sampled_from(KINDS).flatmap(
    lambda of: st.builds(
        Load, st.just(of[0]), st.lists(of[1], min_size=1, max_size=4), st.sampled_from("abcde"), st.booleans()
    )
)


@dataclass(frozen=True)
class Shape:
    """Where in the column's values the numbers stand."""

    kind: Callable[[pa.DataType], pa.DataType]
    wrap: Callable[[Any], Any]
    unwrap: Callable[[Any], Any]


SHAPES = {
    "number": Shape(lambda kind: kind, lambda value: value, lambda value: value),
    "struct": Shape(
        lambda kind: pa.struct([("x", kind), ("y", pa.int64())]), lambda value: {"x": value}, lambda found: found["x"]
    ),
    "list": Shape(pa.list_, lambda value: [None, value], lambda found: found[1]),
    "map": Shape(lambda kind: pa.map_(pa.string(), kind), lambda value: [("k", value)], lambda found: found["k"]),
    "key": Shape(lambda kind: pa.map_(kind, pa.int64()), lambda value: [(value, 1)], lambda found: next(iter(found))),
}


@settings(max_examples=60)
@given(st.lists(LOADS, min_size=1, max_size=5), st.sampled_from(list(SHAPES)), st.sampled_from([1, 3, 1000]))
def test_every_number_stays_what_it_was(loads: list[Load], name: str, rows_held: int) -> None:
    """Also when a newer version of a file takes the place of an older one, and when rows come that were decoded before."""
    shape = SHAPES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.duckdb"
        destination = DuckDBDestination(path, limits=WriteLimits(rows=rows_held, seconds=3600))
        destination.open()
        table = destination.table(TableName("t"))
        for number, load in enumerate(loads):
            table.widen(pa.schema([("c", shape.kind(load.kind))]))
            if load.late and number + 1 < len(loads):
                table.widen(pa.schema([("c", shape.kind(loads[number + 1].kind))]))
            array = pa.array([shape.wrap(value) for value in load.values], shape.kind(load.kind))
            write(table.begin(RemoteFile(load.uri, 5, T0 + timedelta(seconds=number))), array)
        table.flush()
        schema = table.schema
        destination.close()
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute("SELECT _file_url, _file_row, c FROM t").fetchall()
        destination.open()
        again = destination.table(TableName("t")).schema.field("c").type
        assert fits(again, schema.field("c").type)  # not equal where rows are gone that it was widened for
        destination.close()
    last = {load.uri: number for number, load in enumerate(loads)}
    kept = [load for number, load in enumerate(loads) if last[load.uri] == number]
    assert [row[:2] for row in rows] == [(load.uri, at) for load in kept for at, _ in enumerate(load.values, 1)]
    found = [shape.unwrap(row[2]) for row in rows]
    loaded = [value for load in kept for value in load.values]
    assert [one for one in zip(loaded, found, strict=True) if not is_same(*one)] == []


def write(load: FileLoad, array: pa.Array) -> None:
    file = RemoteFile("unused", 5, T0)
    load.write(ArrowIpcEncoder().encode(pa.record_batch({"c": array}), file, 1, 0), 0)
    load.commit(LoadedFile(len(array)))


def is_same(loaded: int | float | Decimal, found: int | float | Decimal | str) -> bool:
    """A fraction is the same as the double that is written with its digits."""
    if isinstance(loaded, float):
        return float(found) == loaded
    if isinstance(loaded, int) and isinstance(found, float):
        return found == loaded
    return Decimal(repr(found) if isinstance(found, float) else found) == loaded
