"""Python values as Arrow columns for statements.

Built by hand: where pandas is installed, pyarrow imports it to convert Python values, which takes a sync 0.2 s.
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate

import pyarrow as pa


def reader(columns: Mapping[str, pa.Array]) -> pa.RecordBatchReader:
    """The columns as what Session.run takes."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def texts(values: Sequence[str | None]) -> pa.Array:
    """String column. What UTF-8 cannot hold (half a surrogate pair, as in a file name of other bytes) is escaped."""
    encoded = [None if value is None else value.encode("utf-8", "backslashreplace") for value in values]
    return blobs(encoded, pa.string())


def blobs(values: Sequence[bytes | None], kind: pa.DataType | None = None) -> pa.Array:
    """Binary column, or string if they are UTF-8. Less than 2 GB together."""
    present = [value or b"" for value in values]
    offsets = array("i", accumulate(map(len, present), initial=0))
    buffers = [_validity(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(present))]
    return pa.Array.from_buffers(kind or pa.binary(), len(values), buffers)


def integers(values: Sequence[int | None], kind: pa.DataType | None = None) -> pa.Array:
    """int64, or another type of 64 bits, such as timestamps."""
    numbers = array("q", [value or 0 for value in values])
    return pa.Array.from_buffers(kind or pa.int64(), len(values), [_validity(values), pa.py_buffer(numbers)])


def repeated(values: pa.Array, times: Sequence[int]) -> pa.Array:
    """Run-end encoded column: each value so many times, at least once."""
    ends = array("i", accumulate(times))
    return pa.Array.from_buffers(
        pa.run_end_encoded(pa.int32(), values.type),
        ends[-1] if ends else 0,
        [None],
        children=[pa.Array.from_buffers(pa.int32(), len(ends), [None, pa.py_buffer(ends)]), values],
    )


def _validity(values: Sequence[object]) -> pa.Buffer | None:
    if None not in values:
        return None
    bits = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        if value is not None:
            bits[at >> 3] |= 1 << (at & 7)
    return pa.py_buffer(bits)
