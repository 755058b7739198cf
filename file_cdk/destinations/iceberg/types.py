"""Arrow types as columns of Iceberg tables of format version 2.

Iceberg has neither nanoseconds, durations and intervals, unsigned integers of 64 bits, nor decimals of more than 38 digits: those
become text, which the formats write as they do for any column of text, and so do nested values that have one of them in it, as
JSON.
"""

import pyarrow as pa

from file_cdk.destinations.files import types

_HELD = frozenset(
    (
        *(pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.date32(), pa.time64("us"), pa.null()),
        *(pa.timestamp("us"), pa.timestamp("us", "UTC")),
    )
)


def table_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column for values of type `kind`: null, where there are none."""
    return _held_or_text(types.table_type(kind))


def wider(stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
    """The type of a column of type `stored` once it holds values of `kind` too."""
    if stored.equals(kind):
        return stored  # as nearly always
    return _held_or_text(types.wider(stored, kind))


def is_promoted(stored: pa.DataType, target: pa.DataType) -> bool:
    """Whether Iceberg lets a column of one type have the other one, and keep its id."""
    if pa.types.is_decimal128(stored) and pa.types.is_decimal128(target):
        return bool(stored.scale == target.scale and stored.precision <= target.precision)
    return bool(stored.equals(target))


def _held_or_text(kind: pa.DataType) -> pa.DataType:
    return kind if _is_held(kind) else pa.string()


def _is_held(kind: pa.DataType) -> bool:
    t = pa.types
    if t.is_struct(kind):
        return kind.num_fields > 0 and all(_is_held(field.type) for field in kind)
    if t.is_list(kind):
        return _is_held(kind.value_type)
    if t.is_map(kind):
        return _is_held(kind.key_type) and _is_held(kind.item_type)
    return kind in _HELD or (t.is_decimal128(kind) and kind.scale <= kind.precision)
