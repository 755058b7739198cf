"""Columns of Arrow as rows of Postgres's binary COPY, without a Python object for each value.

The format: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT. A row is the number of its fields, and
for each the number of its bytes, or -1, and the bytes. Kernels of Arrow join them; numbers have their bytes in the other order.
"""

import struct
import sys
from array import array
from collections.abc import Sequence

import pyarrow as pa

from file_cdk.core.arrow_kernels import called, pc
from file_cdk.core.dataclass import dataclass

BEGIN, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
"""What is before the first row, and after the last."""

_BYTES = pa.large_binary()
_NO_BYTES_OF_NULL = ("JoinOptions", {"null_handling": "replace", "null_replacement": ""})
_NULL = struct.pack(">i", -1)
_NEGATIVE = 0x4000
_GROUP = 10**4
"""Of one digit of NUMERIC."""
_WHOLE_DIGITS = 18
"""Each integer of so many digits is an int64."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One column. parts: what of each row is joined; arrays are large_binary, and null for no bytes."""

    parts: Sequence[pa.Array | bytes]


def joined(columns: Sequence[Fields], more: int, count: int) -> pa.Array:
    """So many rows, whose last columns, so many more, are missing."""
    joined: list[pa.Array | bytes] = [struct.pack(">h", len(columns) + more)]
    for part in (part for column in columns for part in column.parts):
        last = joined[-1]
        if isinstance(part, bytes) and isinstance(last, bytes):
            joined[-1] = last + part
        else:
            joined.append(part)
    if len(joined) == 1:
        return pa.repeat(pa.scalar(joined[0], _BYTES), count)
    return _joined([pa.scalar(part, _BYTES) if isinstance(part, bytes) else part for part in joined])


def numbered(rows: pa.Array, first: int) -> memoryview:
    """Whole rows, of which the last column counts from `first`."""
    count = array("q", range(first, first + len(rows)))
    if sys.byteorder == "little":
        count.byteswap()
    size = pa.scalar(struct.pack(">i", count.itemsize), _BYTES)
    return values_of(_joined([rows, size, _bytes_of(count, len(rows))]))


def _joined(parts: Sequence[pa.Array | pa.Scalar]) -> pa.Array:
    return called("binary_join_element_wise", [*parts, pa.scalar(b"", _BYTES)], _NO_BYTES_OF_NULL)


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
    groups = next(many for many in (2, 4, 8) if largest < _GROUP**many or many == 8)
    head = struct.pack(">hhHh", groups, groups - fractions - 1, 0, scale)
    below = struct.pack(">hhHh", groups, groups - fractions - 1, _NEGATIVE, scale)
    heads = pc.if_else(pc.less(values, 0), pa.scalar(below, _BYTES), pa.scalar(head, _BYTES))
    return _fixed([heads, *map(_swapped, _grouped(magnitudes, groups))], values, 8 + 2 * groups)


def _grouped(values: pa.Array, groups: int) -> list[pa.Array]:
    """So many groups of four decimal digits, in 16 bits each."""
    if groups == 1:
        return [values]
    high = pc.divide(values, _GROUP ** (groups // 2))
    low = pc.subtract(values, pc.multiply(high, _GROUP ** (groups // 2)))
    if groups == 8:
        return [*_grouped(high, 4), *_grouped(low, 4)]
    [first], [second] = _grouped(high, groups // 2), _grouped(low, groups // 2)
    packed = pc.add(pc.shift_left(first, 8 * groups), second)
    return [packed.cast(pa.int32()) if groups == 2 else packed]


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
    return _bytes_of(data, len(values))


def _bytes_of(numbers: "array[int]", count: int) -> pa.Array:
    return pa.Array.from_buffers(_BYTES, count, [None, _offsets(numbers.itemsize, count), pa.py_buffer(numbers)])


_places: dict[int, pa.Buffer] = {}
"""By width, in bytes: where values of that width begin that follow one another."""


def _offsets(width: int, count: int) -> pa.Buffer:
    """Kept from one batch to the next: to make them costs as much as to join the values."""
    found = _places.get(width)
    if found is None or len(found) < 8 * (count + 1):
        found = _places[width] = pa.py_buffer(array("q", range(0, width * (2 * count + 1), width)))
    return found.slice(0, 8 * (count + 1))
