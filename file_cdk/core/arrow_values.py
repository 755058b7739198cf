"""Arrow values built by hand: to convert Python's, pyarrow imports pandas where it is installed, 0.2 s in every process."""

from array import array
from functools import lru_cache

import pyarrow as pa


def repeated_text(text: str, rows: int) -> pa.StringArray:
    encoded = text.encode()
    size = len(encoded)
    offsets = array("i", range(0, size * rows + 1, size)) if size else array("i", [0]) * (rows + 1)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(encoded * rows))


def repeated_number(number: int, rows: int) -> pa.Int64Array:
    return pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(array("q", [number]) * rows)])


@lru_cache(maxsize=16)
def int64(number: int) -> pa.Int64Scalar:
    return repeated_number(number, 1)[0]
