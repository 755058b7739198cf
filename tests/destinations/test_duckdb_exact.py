"""Which numbers and times a wider type holds: compared with Python's floats, and with cases written out."""

import random
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from file_cdk.destinations.duckdb.types import converted, exact_type, sql_type

F = pa.float64()
D = pa.decimal128


def exact(values: pa.Array, target: pa.DataType) -> pa.DataType:
    """The type for a table's column of these values."""
    with duckdb.connect() as connection:
        _values = pa.table({"c": values})
        connection.execute(f"CREATE TABLE t (c {sql_type(values.type)})")
        connection.execute("INSERT INTO t SELECT c FROM _values")
        return exact_type(lambda sql: connection.execute(sql).fetchall(), "t", "c", values.type, target)


@pytest.mark.parametrize(
    ("kind", "values", "holds"),
    [
        (pa.int64(), [], True),
        (pa.int64(), [None], True),
        (pa.int64(), [0, None, 2**53, -(2**53)], True),
        (pa.int64(), [1, 2**53 + 1], False),
        (pa.int64(), [-(2**53) - 1], False),
        (pa.int64(), [10**18], True),
        (pa.int64(), [2**62], False),  # a double, but as text its digits are 4.611686018427388e+18
        (pa.int64(), [2**63 - 1], False),
        (pa.uint64(), [2**53], True),
        (pa.uint64(), [2**64 - 1], False),
        (D(38, 0), [Decimal(10**20)], True),
        (D(38, 0), [Decimal(10**38 - 1)], False),
        (D(5, 2), [Decimal("0.10"), Decimal("-999.99")], True),
        (D(18, 17), [Decimal("0.1").quantize(Decimal("1e-17"))], True),
        (D(38, 38), [Decimal("1e-38")], True),
        (D(17, 1), [Decimal("9007199254740993.0")], False),
        (D(16, 1), [Decimal("900719925474099.3")], False),
        (D(20, 2), [Decimal("11529215046068474.88")], False),  # which DuckDB's own cast there and back does not change
    ],
    ids=str,
)
def test_numbers_become_doubles_when_all_of_them_are_kept(kind: pa.DataType, values: list[Any], holds: bool) -> None:
    assert exact(pa.array(values, kind), F) == (F if holds else pa.string())


@pytest.mark.parametrize("kind", [D(19, 0), D(38, 0), D(20, 2), D(18, 10), D(17, 16), D(38, 10), D(25, 24)], ids=str)
def test_a_decimal_is_kept_by_a_double_of_the_same_digits(kind: pa.DataType) -> None:
    numbers = list(_numbers(kind, random.Random(str(kind))))
    with duckdb.connect() as connection, localcontext(prec=80):
        _values = pa.table({"c": pa.array(numbers, kind)})
        doubles = connection.execute(f"SELECT {converted('c', kind, F)} FROM _values").fetchall()
        assert doubles == [(float(number),) for number in numbers]
        for number in numbers:
            double = float(number)
            kept = Decimal(repr(double)) == number and (abs(number) <= 2**53 or Decimal(double) == number)
            one = f"(SELECT CAST('{number:f}' AS {sql_type(kind)}) AS c)"
            found = exact_type(lambda sql: connection.execute(sql).fetchall(), one, "c", kind, F)
            assert (number, found) == (number, F if kept else pa.string())


def _numbers(kind: pa.DataType, chance: random.Random) -> Sequence[Decimal]:
    """Of any number of digits, mostly about as many as a double has, and near powers of two."""
    with localcontext(prec=80):
        units = [0, 1, *(int(Decimal(2**power) * 10**kind.scale) + near for power in (53, 60) for near in (-1, 0, 1))]
        for digits in [*range(1, kind.precision + 1), *[14, 15, 16, 17] * 8]:
            unit = chance.randrange(10 ** (digits - 1), 10**digits)
            units += [unit, -unit * 10 ** chance.randrange(kind.precision - min(digits, kind.precision) + 1)]
        return [Decimal(unit).scaleb(-kind.scale) for unit in units if abs(unit) < 10**kind.precision]


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        (pa.array(["9999-12-31", None]).cast(pa.date32()), pa.timestamp("us"), pa.timestamp("us")),
        (pa.array(["9999-12-31", None]).cast(pa.date32()), pa.timestamp("ns"), pa.string()),
        (pa.array(["2262-01-01", None]).cast(pa.date32()), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.array(["1600-01-01T00:00:00"]).cast(pa.timestamp("us")), pa.timestamp("ns"), pa.string()),
        (pa.array(["1700-01-01T00:00:00"]).cast(pa.timestamp("us")), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.array([86_399_999_999], pa.time64("us")), pa.time64("ns"), pa.time64("ns")),
        (pa.array([2**64 - 1], pa.uint64()), D(38, 18), D(38, 18)),
        (pa.array([-(2**63)], pa.int64()), D(38, 19), D(38, 19)),
        (pa.array([Decimal("9" * 28)], D(28, 0)), D(38, 10), D(38, 10)),
        (pa.array([2**63 - 1], pa.int64()), pa.string(), pa.string()),
        (pa.array([1e300, float("nan")], F), F, F),
    ],
    ids=str,
)
def test_times_and_exact_numbers(values: pa.Array, target: pa.DataType, expected: pa.DataType) -> None:
    assert exact(values, target) == expected


BIG = 2**53 + 1


@pytest.mark.parametrize(
    ("kind", "values", "target", "expected"),
    [
        (
            pa.struct([("x", pa.int64()), ("y", pa.int64())]),
            [{"x": BIG, "y": 1}, None],
            pa.struct([("y", F), ("z", F), ("x", F)]),
            pa.struct([("y", F), ("z", F), ("x", pa.string())]),
        ),
        (pa.list_(pa.int64()), [[1, None], None, []], pa.list_(F), pa.list_(F)),
        (pa.list_(pa.int64()), [[1], [2, None, BIG]], pa.list_(F), pa.list_(pa.string())),
        (
            pa.map_(pa.int64(), pa.list_(D(20, 2))),
            [[(1, [Decimal("11529215046068474.88")])], None],
            pa.map_(F, pa.list_(F)),
            pa.map_(F, pa.list_(pa.string())),
        ),
        (pa.map_(pa.int64(), pa.int64()), [[(BIG, 1)]], pa.map_(F, F), pa.map_(pa.string(), F)),
        (
            pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.uint64()))])),
            [[None, {"m": [("k", None), ("l", BIG)]}]],
            pa.list_(pa.struct([("m", pa.map_(pa.string(), F))])),
            pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.string()))])),
        ),
        (pa.struct([("x", pa.int64())]), [{"x": BIG}], pa.string(), pa.string()),
    ],
    ids=str,
)
def test_only_the_part_of_a_nested_value_that_needs_it_becomes_text(
    kind: pa.DataType, values: list[Any], target: pa.DataType, expected: pa.DataType
) -> None:
    assert exact(pa.array(values, kind), target) == expected


def test_nothing_is_read_where_the_types_leave_no_doubt() -> None:
    def query(sql: str) -> list[tuple[Any, ...]]:
        raise AssertionError(sql)

    pairs = [
        (pa.int64(), pa.string()),
        (pa.int64(), D(20, 0)),
        (D(15, 3), F),
        (pa.float32(), F),
        (pa.int32(), pa.int64()),
    ]
    for source, target in pairs:
        assert exact_type(query, "t", "c", source, target) == target
