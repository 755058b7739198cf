"""Keys of maps that come twice, in any part of an array."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.formats.arrow_layout import has_key_twice, last_of_each_key

Rows = list[list[tuple[int, int]] | None]

MAPS = st.integers(2, 200).flatmap(
    lambda keys: st.lists(
        st.none() | st.lists(st.tuples(st.integers(0, keys), st.integers(0, 9)), max_size=70), min_size=1, max_size=6
    )
)


@given(MAPS, st.integers(0, 5))
@settings(max_examples=300)
def test_each_map_has_a_key_once(rows: Rows, start: int) -> None:
    maps = pa.array(rows, pa.map_(pa.int32(), pa.int64())).slice(start)
    expected = [None if row is None else dict(row) for row in rows[start:]]
    assert has_key_twice(maps) == any(row and len(dict(row)) < len(row) for row in rows[start:])
    once = last_of_each_key(maps)
    once.validate(full=True)
    assert [None if row is None else dict(row) for row in once.to_pylist()] == expected
    assert not has_key_twice(once)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (pa.string(), "k"),
        (pa.binary_view(), b"\xff"),
        (pa.float64(), 0.5),
        (pa.bool_(), True),
        (pa.decimal256(50, 2), 7),
        (pa.dictionary(pa.int8(), pa.string()), "k"),
        (pa.timestamp("us", "UTC"), 5),
    ],
)
def test_keys_of_any_type(kind: pa.DataType, key: Any) -> None:
    keys = pa.array([key, key], kind)
    for offsets, twice in (([0, 2], True), ([0, 1, 2], False)):
        maps = pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, pa.array([1, 2]))
        assert has_key_twice(maps) is twice
        assert [len(row) for row in last_of_each_key(maps).to_pylist()] == [1] * len(maps)
