"""Record batches as Arrow IPC streams, for destinations that read Arrow."""

from array import array

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import JsonLines
from file_cdk.destinations.arrow_plain import plain

ROW_COLUMN = "_file_row"

_KEPT_ROWS = 1 << 18
"""Maximum number of row numbers that a process keeps, counted from 1, in place of making them for each batch."""

_first_numbers = pa.py_buffer(b"")


@dataclass(slots=True)
class ArrowIpcEncoder:
    """One self-contained Arrow IPC stream per batch: its columns, then `_file_row`, the record's number in its split, unless
    it `numbers_rows` not.

    `_file_row` is the last column, and is to be found by that: a data column may have the same name. It is int64 and
    counts from the `first_row` given; adding the rows of earlier splits is the destination's part.
    """

    line_oriented: bool = False
    numbers_rows: bool = True

    def encode(
        self,
        batch: "pa.RecordBatch | JsonLines",
        file: RemoteFile,
        first_row: int,
        emitted_at_ms: int,  # noqa: ARG002 - the port's signature; rows do not say when they were read
    ) -> memoryview:
        """Raises TypeError for JsonLines: a table needs columns; FileError for a type that no column holds."""
        if isinstance(batch, JsonLines):
            raise TypeError("ArrowIpcEncoder takes record batches, not JSON lines")
        batch = plain(batch, file.uri)
        if self.numbers_rows:
            batch = pa.RecordBatch.from_arrays(
                [*batch.columns, row_numbers(first_row, batch.num_rows)],
                schema=pa.schema([*batch.schema, pa.field(ROW_COLUMN, pa.int64())]),
            )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return memoryview(sink.getvalue()).cast("B")


def decode(block: bytes | bytearray | memoryview) -> list[pa.RecordBatch]:
    """The batches of one encoded block, over the block's own memory, which must not change any more."""
    with pa.ipc.open_stream(pa.py_buffer(block)) as reader:
        return list(reader)


def row_numbers(first_row: int, count: int) -> pa.Array:
    """So many numbers from that on."""
    # Built by hand, because pyarrow imports pandas, where it is installed, to convert Python values: 0.2 s a process.
    if not 1 <= first_row <= _KEPT_ROWS + 1 - count:
        numbers = array("q", range(first_row, first_row + count))
        return pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(numbers)])
    global _first_numbers
    if first_row - 1 + count > len(_first_numbers) // 8:
        last = min(2 * (first_row + count), _KEPT_ROWS)
        _first_numbers = pa.py_buffer(array("q", range(1, last + 1)))
    # Cut exactly, not by an offset: what is written to fill up a stream's last bytes would be the numbers that follow.
    return pa.Array.from_buffers(pa.int64(), count, [None, _first_numbers.slice(8 * (first_row - 1), 8 * count)])
