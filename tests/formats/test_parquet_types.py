"""Casts of arrays that are parts of larger ones, as batches are: offsets, and values that lie hidden under a null."""

from typing import Any

import pyarrow as pa
import pytest

from file_cdk.formats.parquet_types import cast

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
    found = cast(part, wider)
    found.validate(full=True)
    assert found.type == wider
    assert found.to_pylist() == rows[start:5]
    assert cast(part, pa.string()).to_pylist()[max(0, 2 - start) :] == text[max(0, start - 2) :]


def test_what_lies_under_a_null_is_not_seen() -> None:
    hidden = pa.ListArray.from_arrays(
        pa.array([0, 2, 4], pa.int32()), pa.array([1, 2, 3, 4], pa.int8()), mask=pa.array([True, False])
    )
    assert cast(hidden, pa.list_(pa.int64())).to_pylist() == [None, [3, 4]]
    assert cast(hidden, pa.string()).to_pylist() == [None, "[3,4]"]


def test_a_field_is_never_dropped() -> None:
    with pytest.raises(pa.ArrowInvalid):
        cast(pa.array([{"x": 1, "y": 2}]), pa.struct([("x", pa.int64())]))
