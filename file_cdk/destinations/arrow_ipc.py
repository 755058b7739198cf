"""Record batches as Arrow IPC streams, for destinations that read Arrow."""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import JsonLines

ROW_COLUMN = "_file_row"


class ArrowIpcEncoder:
    """One self-contained Arrow IPC stream per batch: its columns, then `_file_row`, the record's number in its split.

    `_file_row` is the last column, and is to be found by that: a data column may have the same name. It is int64 and
    counts from the `first_row` given; adding the rows of earlier splits is the destination's part.
    """

    line_oriented: bool = False

    def encode(
        self,
        batch: "pa.RecordBatch | JsonLines",
        file: RemoteFile,  # noqa: ARG002 - the port's signature; the destination knows the file
        first_row: int,
        emitted_at_ms: int,  # noqa: ARG002 - the port's signature; rows do not say when they were read
    ) -> bytes:
        """Raises TypeError for JsonLines: a table needs columns."""
        if isinstance(batch, JsonLines):
            raise TypeError("ArrowIpcEncoder takes record batches, not JSON lines")
        numbered = pa.RecordBatch.from_arrays(
            [*batch.columns, _row_numbers(first_row, batch.num_rows)],
            schema=pa.schema([*batch.schema, pa.field(ROW_COLUMN, pa.int64())]),
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, numbered.schema) as writer:
            writer.write_batch(numbered)
        data: bytes = sink.getvalue().to_pybytes()
        return data


def decode(block: bytes | bytearray) -> list[pa.RecordBatch]:
    """The batches of one encoded block. A bytearray is copied, since its owner may fill it again."""
    with pa.ipc.open_stream(pa.py_buffer(bytes(block))) as reader:
        return list(reader)


_COUNTED = 1 << 16


def _row_numbers(first_row: int, count: int) -> pa.Array:
    if count > _COUNTED:
        return pa.array(range(first_row, first_row + count), pa.int64())
    return pc.add(_count_from_zero().slice(0, count), first_row)


@cache
def _count_from_zero() -> pa.Array:
    return pa.array(range(_COUNTED), pa.int64())
