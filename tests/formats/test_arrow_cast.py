"""Casts hold every value or fail, also of arrays that are parts of larger ones, as batches are: with offsets, and with values
that lie hidden under a null."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from file_cdk.formats.arrow_cast import EXACT, TypeCast

LISTS: list[Any] = [[1], [2, 3], None, [], [None, 4], [5]]
MAPS: list[Any] = [None if row is None else [(f"k{n}", value) for n, value in enumerate(row)] for row in LISTS]
STRUCTS: list[Any] = [None if row is None else {"x": len(row)} for row in LISTS]


@pytest.mark.parametrize("start", [0, 1, 3])
@pytest.mark.parametrize(
    ("rows", "kind", "wider", "text"),
    [
        (LISTS, pa.list_(pa.int8()), pa.list_(pa.int64()), [None, "[]", "[null,4]"]),
        (LISTS, pa.large_list(pa.int8()), pa.list_(pa.int64()), [None, "[]", "[null,4]"]),
        (LISTS, pa.list_view(pa.int8()), pa.list_(pa.int64()), [None, "[]", "[null,4]"]),
        (
            MAPS,
            pa.map_(pa.string(), pa.int8()),
            pa.map_(pa.string(), pa.int64()),
            [None, "{}", '{"k0":null,"k1":4}'],
        ),
        (STRUCTS, pa.struct([("x", pa.int8())]), pa.struct([("x", pa.int64())]), [None, '{"x":0}', '{"x":2}']),
    ],
    ids=lambda case: str(case) if isinstance(case, pa.DataType) else "",
)
def test_a_slice_is_cast_without_what_lies_around_it(
    rows: list[Any], kind: pa.DataType, wider: pa.DataType, text: list[Any], start: int
) -> None:
    part = pa.array(rows, kind).slice(start, 5 - start)
    found = EXACT(part, wider)
    found.validate(full=True)
    assert found.type == wider
    assert found.to_pylist() == rows[start:5]
    assert EXACT(part, pa.string()).to_pylist()[max(0, 2 - start) :] == text[max(0, start - 2) :]


def test_what_lies_under_a_null_is_not_seen() -> None:
    hidden = pa.ListArray.from_arrays(
        pa.array([0, 2, 4], pa.int32()), pa.array([1, 2, 3, 4], pa.int8()), mask=pa.array([True, False])
    )
    assert EXACT(hidden, pa.list_(pa.int64())).to_pylist() == [None, [3, 4]]
    assert EXACT(hidden, pa.string()).to_pylist() == [None, "[3,4]"]


def test_a_field_is_never_dropped() -> None:
    with pytest.raises(pa.ArrowInvalid):
        EXACT(pa.array([{"x": 1, "y": 2}]), pa.struct([("x", pa.int64())]))


LONG = Decimal("11529215046068474.88")
EXACT_DECIMALS = [Decimal("0.62"), Decimal("-0.01"), None, Decimal("9007199254740.99"), Decimal("115292150460684.75")]


@pytest.mark.parametrize("kind", [pa.decimal128(17, 2), pa.decimal128(38, 23), pa.decimal256(70, 2)], ids=str)
def test_decimals_become_the_doubles_that_have_their_text(kind: pa.DataType) -> None:
    found = EXACT(pa.array(EXACT_DECIMALS, kind), pa.float64())
    assert found.to_pylist() == [0.62, -0.01, None, 9007199254740.99, 115292150460684.75]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([LONG]), pa.float64()),
        (pa.array([LONG], pa.decimal256(70, 2)), pa.float64()),
        (pa.array([Decimal(2**53 + 1)]), pa.float64()),
        (pa.array([Decimal(1152921504606847000)]), pa.float64()),  # its double prints so, but is ...6976
        (pa.array([Decimal(1152921504606846976)]), pa.float64()),  # is its double, which prints otherwise
        (pa.array([Decimal("0.1234567890123456789")]), pa.float64()),
        (pa.array([Decimal("0.1")]), pa.float32()),
        (pa.array([0.1]), pa.float32()),
        (pa.array([1e300]), pa.float32()),
        (pa.array([0.1], pa.float32()), pa.float16()),
        (pa.array([2**53 + 1]), pa.float64()),
        (pa.array([2**53 + 1], pa.uint64()), pa.float64()),
        (pa.array([2**24 + 1]), pa.float32()),
        (pa.array([2**11 + 1], pa.int16()), pa.float16()),
        (pa.array([2**63], pa.uint64()), pa.int64()),
        (pa.array([300]), pa.int8()),
        (pa.array([Decimal("1.55")]), pa.decimal128(10, 1)),
        (pa.array([Decimal("99999.55")]), pa.decimal128(7, 4)),
        (pa.array([1], pa.timestamp("ns")), pa.timestamp("us")),
        (pa.array([datetime.fromisoformat("9999-01-01")], pa.timestamp("us")), pa.timestamp("ns")),
        (pa.array([2**62]).cast(pa.timestamp("s")), pa.timestamp("us")),
        (pa.array([date(9999, 1, 1)]), pa.timestamp("ns")),
        (pa.array([1], pa.time64("ns")), pa.time64("us")),
        (pa.array([1], pa.duration("ns")), pa.duration("us")),
    ],
)
def test_a_value_that_would_change_does_not_fit_at_any_depth(array: pa.Array, kind: pa.DataType) -> None:
    def wrapped(values: pa.Array, wanted: pa.DataType) -> list[tuple[pa.Array, pa.DataType]]:
        ends = pa.array([0, 1], pa.int32())
        return [
            (values, wanted),
            (pa.ListArray.from_arrays(ends, values), pa.list_(wanted)),
            (pa.LargeListArray.from_arrays(ends.cast(pa.int64()), values), pa.large_list(wanted)),
            (pa.StructArray.from_arrays([values], names=["x"]), pa.struct([("x", wanted)])),
            (pa.MapArray.from_arrays(ends, pa.array(["k"]), values), pa.map_(pa.string(), wanted)),
            (pa.DictionaryArray.from_arrays(pa.array([0]), values), wanted),
        ]

    for source, target in wrapped(array, kind):
        for outer, outer_target in wrapped(source, target)[:4]:
            with pytest.raises(pa.ArrowInvalid):
                EXACT(outer, outer_target)


@pytest.mark.parametrize(
    ("values", "source", "target"),
    [
        ([2**53, -(2**53), None], pa.int64(), pa.float64()),
        ([0.5, float("inf"), None, -0.0], pa.float64(), pa.float32()),
        ([2**24, None], pa.int64(), pa.float32()),
        ([Decimal("0.25"), None], pa.decimal128(5, 2), pa.float16()),
        ([Decimal(10**22), None], pa.decimal128(38, 0), pa.float64()),
        ([1, None], pa.int64(), pa.decimal128(38, 19)),
        ([], pa.decimal128(20, 2), pa.float64()),
        ([None], pa.decimal128(20, 2), pa.float64()),
    ],
)
def test_a_value_that_stays_the_same_fits(values: list[Any], source: pa.DataType, target: pa.DataType) -> None:
    found = EXACT(pa.array(values, source), target)
    assert (found.type, found.to_pylist()) == (target, values)


def test_no_number_stays_none() -> None:
    [found] = EXACT(pa.array([float("nan")]), pa.float32()).to_pylist()
    assert found != found


def test_decimals_are_rounded_where_that_is_asked_for() -> None:
    rounding = TypeCast(rounds_decimals=True)
    assert rounding(pa.array([[LONG, Decimal("0.62")]]), pa.list_(pa.float64())).to_pylist() == [[float(LONG), 0.62]]
    assert rounding(pa.array([LONG]), pa.string()).to_pylist() == [str(LONG)]
    with pytest.raises(pa.ArrowInvalid):
        rounding(pa.array([2**53 + 1]), pa.float64())


def test_a_struct_s_hidden_values_are_not_seen() -> None:
    members = [pa.array([2**60 + 1, 1])]
    hidden = pa.StructArray.from_arrays(members, names=["x"], mask=pa.array([True, False]))
    assert EXACT(hidden, pa.struct([("x", pa.float64())])).to_pylist() == [None, {"x": 1.0}]
