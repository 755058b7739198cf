"""Python values as Arrow columns, made by hand: where pandas is installed, pyarrow imports it to convert them (0.2 s)."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa


def reader(columns: Mapping[str, pa.Array]) -> pa.RecordBatchReader:
    """The columns as what Session.run takes."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def texts(values: Sequence[str | None]) -> pa.Array:
    """String column. What UTF-8 cannot hold (half a surrogate pair, as in a file name of other bytes) is escaped."""
    present = [value or "" for value in values]
    joined = "".join(present)
    if joined.isascii():  # as nearly all are
        return _packed(values, map(len, present), joined.encode(), pa.string())
    encoded = [None if value is None else value.encode("utf-8", "backslashreplace") for value in values]
    return blobs(encoded, pa.string())


def blobs(values: Sequence[bytes | None], kind: pa.DataType | None = None) -> pa.Array:
    """Binary column, or string if they are UTF-8. Less than 2 GB together."""
    present = [value or b"" for value in values]
    return _packed(values, map(len, present), b"".join(present), kind or pa.binary())


def _packed(values: Sequence[object], lengths: Iterable[int], joined: bytes, kind: pa.DataType) -> pa.Array:
    """values: None where there is none."""
    offsets = array("i", accumulate(lengths, initial=0))
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(offsets), pa.py_buffer(joined)])


def integers(values: Sequence[int | None], kind: pa.DataType | None = None) -> pa.Array:
    """int64, or another type of 64 bits, such as timestamps."""
    numbers = array("q", [value or 0 for value in values])
    return pa.Array.from_buffers(kind or pa.int64(), len(values), [_validity(values), pa.py_buffer(numbers)])


def repeated(values: pa.Array, times: Sequence[int]) -> pa.Array:
    """Run-end encoded column. times: how often each value comes, at least once."""
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


def column_of(values: Sequence[Any]) -> pa.Array:
    """Of texts, integers or bytes; None where there is none."""
    kind = next((type(value) for value in values if value is not None), None)
    if kind is None:
        return pa.nulls(len(values))
    return texts(values) if kind is str else blobs(values) if kind is bytes else integers(values)
