"""How column types widen when files of one table disagree: a lattice over Arrow types with `string` at its top.

`merge(a, b)` is commutative and idempotent, and holds what both hold; where nothing narrower does, the answer is string
(nested values become JSON text). Null is the bottom: a column in which no value was seen yet.

Two answers go by what columns of these types mostly hold, and whoever converts values has to look whether it is so: a
double has 53 bits for integers and decimals, and nanoseconds span the years 1677 to 2262 alone. Since exact numbers that fit
no decimal together are string, and a double takes either of them, what three types become may depend on their order.
"""

from collections.abc import Iterable

import pyarrow as pa


def merge(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """The narrowest type of the lattice that holds both."""
    left, right = normal(left), normal(right)
    if left.equals(right):
        return left
    if pa.types.is_null(left):
        return right
    if pa.types.is_null(right):
        return left
    for rule in (_numbers, _times, _nested):
        if (merged := rule(left, right)) is not None:
            return merged
    if pa.types.is_binary(left) and pa.types.is_binary(right):
        return left
    return pa.string()


def normal(kind: pa.DataType) -> pa.DataType:
    """The one spelling that tables use of types that differ in layout alone, so that merging sees few cases.

    Integers become int64 (uint64 stays, being wider), floats double, large and view strings string, timestamps micro- or
    nanoseconds, times microseconds (nanoseconds stay), durations microseconds, dictionaries and runs their values, decimals of
    38 digits or fewer decimal128 without a negative scale, extension types what they stand for.
    """
    t = pa.types
    if t.is_dictionary(kind) or t.is_run_end_encoded(kind):
        return normal(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(kind)
    if t.is_decimal(kind):
        digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
        return pa.decimal128(digits, scale) if digits <= 38 else kind
    if t.is_integer(kind):
        return kind if kind.equals(pa.uint64()) else pa.int64()
    if t.is_floating(kind):
        return pa.float64()
    if t.is_large_string(kind) or t.is_string_view(kind):
        return pa.string()
    if t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return pa.binary()
    if t.is_timestamp(kind):
        return pa.timestamp("ns" if kind.unit == "ns" else "us", "UTC" if kind.tz else None)
    if t.is_time(kind):
        return pa.time64("ns" if kind.unit == "ns" else "us")
    if t.is_date(kind):
        return pa.date32()
    if t.is_duration(kind):
        return pa.duration("us")
    return _normal_nested(kind)


def _of_extension(kind: pa.BaseExtensionType) -> pa.DataType:
    if isinstance(kind, pa.UuidType):
        return pa.string()
    return pa.bool_() if isinstance(kind, pa.Bool8Type) else normal(kind.storage_type)


def _normal_nested(kind: pa.DataType) -> pa.DataType:
    t = pa.types
    if t.is_struct(kind):
        return pa.struct([pa.field(f.name, normal(f.type)) for f in kind])
    if t.is_map(kind):
        return pa.map_(normal(kind.key_type), normal(kind.item_type))
    if is_list(kind):
        return pa.list_(normal(kind.value_type))
    return kind


def is_list(kind: pa.DataType) -> bool:
    """Of any layout."""
    t = pa.types
    is_one = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
    return bool(is_one or t.is_list_view(kind) or t.is_large_list_view(kind))


def _numbers(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    t = pa.types
    if not all(t.is_integer(k) or t.is_floating(k) or t.is_decimal(k) for k in (left, right)):
        return None
    if t.is_floating(left) or t.is_floating(right):
        return pa.float64()
    # Integers and decimals are exact: so is their union, as a decimal wide enough for both.
    (left_digits, left_scale), (right_digits, right_scale) = _digits(left), _digits(right)
    scale = max(left_scale, right_scale)
    precision = max(left_digits, right_digits) + scale
    return pa.decimal128(precision, scale) if precision <= 38 else pa.string()


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """Digits before and after the point."""
    if pa.types.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    return (20 if kind.equals(pa.uint64()) else 19), 0


def _times(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    t = pa.types
    if t.is_time(left) and t.is_time(right):
        return pa.time64("ns")
    if t.is_date(left) or t.is_date(right):
        other = right if t.is_date(left) else left
        return other if t.is_timestamp(other) and other.tz is None else None
    if t.is_timestamp(left) and t.is_timestamp(right) and left.tz == right.tz:
        return pa.timestamp("ns", left.tz)
    return None


def _nested(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    t = pa.types
    if t.is_list(left) and t.is_list(right):
        return pa.list_(merge(left.value_type, right.value_type))
    if t.is_map(left) and t.is_map(right):
        return pa.map_(merge(left.key_type, right.key_type), merge(left.item_type, right.item_type))
    if t.is_struct(left) and t.is_struct(right):
        return pa.struct(list(merge_schemas([pa.schema(list(left)), pa.schema(list(right))])))
    return None


def merge_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Union of the columns, in order of first appearance, each of the merged type."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            known = types.get(field.name)
            types[field.name] = normal(field.type) if known is None else merge(known, field.type)
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def without_nulls(kind: pa.DataType) -> pa.DataType:
    """The type a table column gets: where no value was seen, text, which holds whatever comes."""
    t = pa.types
    if t.is_null(kind):
        return pa.string()
    if t.is_list(kind):
        return pa.list_(without_nulls(kind.value_type))
    if t.is_map(kind):
        return pa.map_(without_nulls(kind.key_type), without_nulls(kind.item_type))
    if t.is_struct(kind):
        fields = [pa.field(f.name, without_nulls(f.type)) for f in kind]
        return pa.struct(fields) if fields else pa.string()
    return kind
