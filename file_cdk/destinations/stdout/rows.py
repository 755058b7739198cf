"""The two kinds of output: lines of text, and one Arrow IPC stream."""

from collections.abc import Callable
from dataclasses import field

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Encoder
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder, decode
from file_cdk.destinations.stdout.destination import Write

EncoderOf = Callable[[str], Encoder]


@dataclass(slots=True)
class LineRows:
    """Rows that are lines as soon as they are encoded. encoders: gives the encoder of a stream."""

    write: Write
    encoders: EncoderOf
    encoder: Encoder = field(init=False)

    def begin_stream(self, stream: str) -> None:
        self.encoder = self.encoders(stream)

    def rows_of(self, block: bytes | bytearray | memoryview) -> int:
        return (bytes(block) if isinstance(block, memoryview) else block).count(b"\n")

    def put(self, block: bytes | bytearray | memoryview, skip: int, file: RemoteFile, schema: pa.Schema) -> None:  # noqa: ARG002
        if skip:
            block = block if isinstance(block, bytes) else bytes(block)
            block = block.split(b"\n", skip)[skip]
        self.write(memoryview(block))

    def end(self, schema: pa.Schema) -> None:
        pass


class _Sink:
    """A file for pyarrow, of which it knows nothing but `write`."""

    closed = False

    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, data: bytes | memoryview) -> None:
        self._write(memoryview(data))

    def flush(self) -> None:
        pass

    def writable(self) -> bool:
        return True


@dataclass(slots=True)
class ArrowRows:
    """One stream of record batches, all of the schema that the first rows had."""

    write: Write
    encoder: Encoder = field(default_factory=ArrowIpcEncoder)
    schema: pa.Schema | None = None
    _writer: "pa.ipc.RecordBatchStreamWriter | None" = None

    def begin_stream(self, stream: str) -> None:
        pass

    def rows_of(self, block: bytes | bytearray | memoryview) -> int:
        return sum(batch.num_rows for batch in decode(block))

    def put(self, block: bytes | bytearray | memoryview, skip: int, file: RemoteFile, schema: pa.Schema) -> None:
        for batch in decode(block):
            rows = batch.slice(skip).select(range(batch.num_columns - 1))  # without their numbers
            skip = max(skip - batch.num_rows, 0)
            if rows.num_rows:
                writer = self._begun(schema)
                writer.write_batch(self._fitted(rows, file))

    def end(self, schema: pa.Schema) -> None:
        self._begun(schema).close()

    def _begun(self, schema: pa.Schema) -> "pa.ipc.RecordBatchStreamWriter":
        if self._writer is None:
            self.schema = schema
            self._writer = pa.ipc.new_stream(_Sink(self.write), schema)
        return self._writer

    def _fitted(self, rows: pa.RecordBatch, file: RemoteFile) -> pa.RecordBatch:
        assert self.schema is not None
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        for name, column in columns.items():
            index = self.schema.get_field_index(name)
            was = None if index < 0 else self.schema.field(index).type
            if was != column.type:
                need = f"is {column.type} in this file" if was is None else f"was {was} and is to be {column.type}"
                raise DestinationError(
                    f"column {name!r} {need}, and an Arrow stream has one schema: rows before this file were written",
                    uri=file.uri,
                    column=name,
                    remedy="Have the column cast (--cast) or left out (--drop) by a rule, or leave out --output-format arrow: "
                    "lines of JSON take any",
                )
        arrays = [
            columns[each.name] if each.name in columns else pa.nulls(rows.num_rows, each.type) for each in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
