import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.arrow_types import merge, merge_schemas, normal, without_nulls

scalars = st.sampled_from(
    [
        pa.null(),
        pa.bool_(),
        pa.int8(),
        pa.int64(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.decimal128(12, 3),
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.date32(),
        pa.time32("s"),
        pa.time64("ns"),
        pa.timestamp("s"),
        pa.timestamp("ns"),
        pa.timestamp("us", "UTC"),
        pa.dictionary(pa.int32(), pa.string()),
    ]
)
types = st.recursive(
    scalars,
    lambda inner: st.one_of(
        inner.map(pa.list_),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda fields: pa.struct(list(fields.items()))),
        inner.map(lambda item: pa.map_(pa.string(), item)),
    ),
    max_leaves=4,
)


@given(types, types)
def test_merging_loses_nothing_and_has_no_order(left: pa.DataType, right: pa.DataType) -> None:
    merged = merge(left, right)
    assert _sorted(merged).equals(_sorted(merge(right, left)))
    assert merge(merged, left).equals(merged)
    assert merge(merged, right).equals(merged)


def _sorted(kind: pa.DataType) -> pa.DataType:
    """Field order follows first appearance and is not part of the law."""
    if pa.types.is_struct(kind):
        return pa.struct(sorted(((f.name, _sorted(f.type)) for f in kind), key=lambda item: item[0]))
    if pa.types.is_list(kind):
        return pa.list_(_sorted(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_sorted(kind.key_type), _sorted(kind.item_type))
    return kind


@given(types)
def test_normal_types_stay_as_they_are(kind: pa.DataType) -> None:
    assert normal(normal(kind)).equals(normal(kind))
    assert merge(kind, kind).equals(normal(kind))
    assert merge(kind, pa.null()).equals(normal(kind))
    assert merge(kind, pa.string()).equals(normal(kind) if pa.types.is_string(normal(kind)) else pa.string())


@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [
        (pa.int32(), pa.float32(), pa.float64()),
        (pa.int64(), pa.uint64(), pa.decimal128(20, 0)),
        (pa.int64(), pa.decimal128(5, 2), pa.decimal128(21, 2)),
        (pa.uint64(), pa.decimal128(38, 18), pa.decimal128(38, 18)),
        (pa.int64(), pa.decimal128(38, 30), pa.string()),
        (pa.decimal128(38, 30), pa.decimal128(20, 12), pa.decimal128(38, 30)),
        (pa.decimal128(38, 10), pa.decimal128(18, 12), pa.string()),
        (pa.decimal128(38, 0), pa.decimal128(18, 2), pa.string()),
        (pa.decimal128(5, 2), pa.float64(), pa.float64()),
        (pa.bool_(), pa.int64(), pa.string()),
        (pa.date32(), pa.timestamp("us"), pa.timestamp("us")),
        (pa.date32(), pa.timestamp("us", "UTC"), pa.string()),
        (pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.list_(pa.int64()), pa.list_(pa.null()), pa.list_(pa.int64())),
        (pa.list_(pa.int64()), pa.int64(), pa.string()),
        (
            pa.struct([("a", pa.int64())]),
            pa.struct([("b", pa.bool_())]),
            pa.struct([("a", pa.int64()), ("b", pa.bool_())]),
        ),
    ],
)
def test_examples(left: pa.DataType, right: pa.DataType, merged: pa.DataType) -> None:
    assert merge(left, right).equals(merged)


def test_schemas_merge_by_name_in_order_of_first_appearance() -> None:
    merged = merge_schemas(
        [pa.schema([("b", pa.int8()), ("a", pa.null())]), pa.schema([("c", pa.string()), ("a", pa.bool_())])]
    )
    assert merged.equals(pa.schema([("b", pa.int64()), ("a", pa.bool_()), ("c", pa.string())]))


def test_a_column_without_values_becomes_text() -> None:
    assert without_nulls(pa.null()).equals(pa.string())
    assert without_nulls(pa.list_(pa.struct([("a", pa.null())]))).equals(pa.list_(pa.struct([("a", pa.string())])))
    assert without_nulls(pa.struct([])).equals(pa.string())
