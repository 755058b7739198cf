"""Columns of Arrow as rows of Postgres's binary COPY, without a Python object for each value.

The format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT. A row is the number of its fields, and
for each the number of its bytes, or -1, and the bytes. Kernels of Arrow join them; numbers have their bytes in the other order.
"""

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_BEGIN, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_BYTES = pa.large_binary()
_NULL = struct.pack(">i", -1)
_NEGATIVE = 0x4000
_GROUP, _GROUPS = 10**4, 10**16
"""Of one digit of NUMERIC, and of four."""
_WHOLE_DIGITS = 18
"""Each integer of so many digits is an int64."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One column. parts: what of each row is joined; arrays are large_binary, and null for no bytes."""

    parts: Sequence[pa.Array | bytes]


def rows(columns: Sequence[Fields]) -> bytes:
    """All that COPY takes. One column at least has an array."""
    joined: list[pa.Array | bytes] = [struct.pack(">h", len(columns))]
    for part in (part for column in columns for part in column.parts):
        last = joined[-1]
        if isinstance(part, bytes) and isinstance(last, bytes):
            joined[-1] = last + part
        else:
            joined.append(part)
    pieces = [pa.scalar(part, _BYTES) if isinstance(part, bytes) else part for part in joined]
    data = pc.binary_join_element_wise(*pieces, pa.scalar(b"", _BYTES), null_handling="replace", null_replacement="")
    return b"".join((_BEGIN, values_of(data), _END))


def values_of(texts: pa.Array) -> memoryview:
    """The bytes of a large_binary array's values, one after the other."""
    if not len(texts):
        return memoryview(b"")
    offsets = memoryview(texts.buffers()[1]).cast("q")
    data = texts.buffers()[2]
    return memoryview(data or b"")[offsets[texts.offset] : offsets[texts.offset + len(texts)]]


def constant(value: bytes | None) -> Fields:
    """The same in each row."""
    if value is None:
        return Fields([_NULL])
    return Fields([struct.pack(">i", len(value)) + value])


def texts(values: pa.Array) -> Fields:
    """Of strings or bytes."""
    values = values.cast(_BYTES)
    lengths = pc.fill_null(pc.binary_length(values), -1).cast(pa.int32())
    return Fields([_swapped(lengths), values])


def numbers(values: pa.Array) -> Fields:
    """Of int32, int64, float64 and uint8, by their own bytes."""
    return _fixed([_swapped(values)], values, values.type.bit_width // 8)


def numerics(values: pa.Array, scale: int) -> Fields | None:
    """Of decimals of this scale by their digits as int64. None where one has too many."""
    padding = -scale % 4
    try:
        magnitudes = pc.multiply_checked(pc.abs_checked(values), 10**padding)
    except pa.ArrowInvalid:
        return None
    largest = pc.max(magnitudes).as_py() or 0
    if largest >= 10**_WHOLE_DIGITS:
        return None
    fractions = (scale + padding) // 4
    groups = 4 if largest < _GROUPS else 8
    head = struct.pack(">hhHh", groups, groups - fractions - 1, 0, scale)
    below = struct.pack(">hhHh", groups, groups - fractions - 1, _NEGATIVE, scale)
    heads = pc.if_else(pc.less(values, 0), pa.scalar(below, _BYTES), pa.scalar(head, _BYTES))
    high = pc.divide(magnitudes, _GROUPS)
    low = pc.subtract(magnitudes, pc.multiply(high, _GROUPS))
    digits = [low] if groups == 4 else [high, low]
    return _fixed([heads, *(_swapped(_grouped(each)) for each in digits)], values, 8 + 2 * groups)


def _grouped(values: pa.Array) -> pa.Array:
    """The four groups of four decimal digits, in 16 bits each."""
    upper = pc.divide(values, _GROUP**2)
    packed = None
    for half in (upper, pc.subtract(values, pc.multiply(upper, _GROUP**2))):
        first = pc.divide(half, _GROUP)
        for group in (first, pc.subtract(half, pc.multiply(first, _GROUP))):
            packed = group if packed is None else pc.add(pc.shift_left(packed, 16), group)
    return packed


def _fixed(parts: Sequence[pa.Array], values: pa.Array, size_bytes: int) -> Fields:
    """parts: of so many bytes together, whatever they are where there is no value."""
    size = struct.pack(">i", size_bytes)
    if not values.null_count:
        return Fields([size, *parts])
    valid = values.is_valid()
    lengths = pc.if_else(valid, pa.scalar(size, _BYTES), pa.scalar(_NULL, _BYTES))
    return Fields([lengths, *(pc.if_else(valid, part, pa.scalar(None, _BYTES)) for part in parts)])


def _swapped(values: pa.Array) -> pa.Array:
    """The bytes of numbers, the highest first; anything where there is none."""
    width = values.type.bit_width // 8
    data = array({1: "B", 4: "i", 8: "q"}[width])
    buffer = values.buffers()[1]
    data.frombytes(memoryview(buffer or b"")[values.offset * width : (values.offset + len(values)) * width])
    if sys.byteorder == "little":
        data.byteswap()
    fixed = pa.Array.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(data)])
    return fixed.cast(_BYTES)
