"""Arrow values made in ways of our own, for any room.

Built by hand where pyarrow would convert Python values: it imports pandas for that, where it is installed, 0.2 s a process.
"""

import sys
from array import array
from functools import lru_cache

import pyarrow as pa

from file_cdk.core.arrow_kernels import pc

_INT64 = pa.int64()


def repeated_text(text: str, rows: int) -> pa.StringArray:
    encoded = text.encode()
    size = len(encoded)
    offsets = array("i", range(0, size * rows + 1, size)) if size else array("i", [0]) * (rows + 1)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(encoded * rows))


def repeated_number(number: int, rows: int) -> pa.Int64Array:
    return pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(array("q", [number]) * rows)])


@lru_cache(maxsize=32)
def scalar_of(number: int, kind: pa.DataType = _INT64) -> pa.Scalar:
    """kind: of 64 bits."""
    data = number.to_bytes(8, sys.byteorder, signed=number < 0)
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(data)])[0]


def null_mask(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None


def are_within(numbers: pa.Array, first: int, last: int) -> bool:
    """Whether all that are not null lie between the two, or are one of them."""
    ends = pc.min_max(numbers)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is None or first <= low <= high <= last


def utf8_text(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Bytes as text; those that are not UTF-8 as `\\xNN`."""
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        values = array.cast(pa.large_binary()).to_pylist()
        return pa.array([None if v is None else v.decode("utf-8", "backslashreplace") for v in values], kind)
