"""The law of casts: a number becomes one with the same value, or the same text, or does not fit."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.formats.arrow_cast import EXACT, TypeCast

ROUNDING = TypeCast(rounds_decimals=True)


@st.composite
def decimal_columns(draw: st.DrawFn) -> tuple[list[Decimal | None], pa.DataType]:
    wide = draw(st.booleans())
    scale = draw(st.integers(0, 38))
    digits = st.integers(1, 38).flatmap(lambda count: st.integers(-(10**count) + 1, 10**count - 1))
    near = st.builds(lambda power, off: 2**power + off, st.integers(48, 70), st.integers(-2, 2))
    values = draw(st.lists(st.none() | st.one_of(digits, near).map(lambda whole: _scaled(whole, scale)), max_size=3))
    return values, pa.decimal256(60, scale) if wide else pa.decimal128(38, scale)


def _scaled(whole: int, scale: int) -> Decimal:
    return Decimal((int(whole < 0), tuple(map(int, str(abs(whole)))), -scale))


def has_a_double(value: Decimal) -> bool:
    double = float(value)
    return Decimal(repr(double)) == value and (abs(double) <= 2**53 or Decimal(double) == value)


@given(decimal_columns(), st.integers(0, 2))
def test_decimals_as_doubles(column: tuple[list[Decimal | None], pa.DataType], before: int) -> None:
    values, kind = column
    array = pa.array([None] * before + values, kind).slice(before)
    nearest = [None if value is None else float(value) for value in values]
    assert ROUNDING(array, pa.float64()).to_pylist() == nearest
    if all(value is None or has_a_double(value) for value in values):
        assert EXACT(array, pa.float64()).to_pylist() == nearest
    else:
        with pytest.raises(pa.ArrowInvalid):
            EXACT(array, pa.float64())


NUMBERS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**13), 2**13),
    pa.uint64(): st.integers(0, 2**64 - 1) | st.integers(0, 2**13),
    pa.float64(): st.floats(allow_nan=False),
    pa.float32(): st.floats(allow_nan=False, width=32),
}


@given(
    st.data(), st.sampled_from(list(NUMBERS)), st.sampled_from([pa.float64(), pa.float32(), pa.float16(), pa.int16()])
)
def test_numbers_as_other_numbers(data: st.DataObject, source: pa.DataType, target: pa.DataType) -> None:
    values = data.draw(st.lists(st.none() | NUMBERS[source], max_size=3))
    array = pa.array(values, source)
    try:
        found = EXACT(pa.array([values], pa.list_(source)), pa.list_(target))
    except pa.ArrowInvalid:
        return
    assert found.type.value_type == target
    assert [None if value is None else Decimal(value) for value in found.to_pylist()[0]] == [
        None if value is None else Decimal(value) for value in array.to_pylist()
    ]
