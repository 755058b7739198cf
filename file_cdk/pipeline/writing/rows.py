"""Received records as rows of a table, with the columns that every record gets."""

import hashlib
import json
from collections.abc import Sequence

import pyarrow as pa

from file_cdk.core.errors import TypeMismatchError
from file_cdk.core.ports import StreamTable
from file_cdk.formats.jsonl.syntax import on_one_line
from file_cdk.formats.jsonl.table import TableReader
from file_cdk.pipeline.writing.units import Unit
from file_cdk.protocol.receiving.events import Records

_NULL = pa.null()


class RowReader:
    """Of one table, whose types grow with what the records hold. A column without any value is not promised to the table."""

    def __init__(self, stream: str, table: StreamTable) -> None:
        self._stream = stream
        self._table = table
        self._types = {field.name: field.type for field in table.schema}

    def read(self, chunks: Sequence[Records], unit: Unit) -> pa.RecordBatch:
        lines = b"\n".join(chunk.data for chunk in chunks).split(b"\n")
        if any(b"\r" in chunk.data for chunk in chunks):
            lines = [on_one_line(line) for line in lines]
        data = self._decoded(lines)
        own = _own_columns(self._stream, chunks, unit)
        columns = {name: data.column(name) for name in data.schema.names if name not in own} | own
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        self._promise(batch.schema)
        return batch

    def _decoded(self, lines: list[bytes]) -> pa.RecordBatch:
        while True:
            reader = TableReader(pa.schema(list(self._types.items())), self._stream)
            try:
                return reader.read(lines, 1)
            except TypeMismatchError as error:
                self._types.update(error.columns)
                self._promise(pa.schema(list(error.columns.items())))

    def _promise(self, schema: pa.Schema) -> None:
        self._table.widen(pa.schema([field for field in schema if field.type != _NULL]))
        self._types.update((field.name, field.type) for field in self._table.schema)


def _own_columns(stream: str, chunks: Sequence[Records], unit: Unit) -> dict[str, pa.Array]:
    rows = sum(chunk.rows for chunk in chunks)
    emitted_at_ms = b"".join(chunk.emitted_at_ms for chunk in chunks)
    instants = pa.Array.from_buffers(pa.timestamp("ms", "UTC"), rows, [None, pa.py_buffer(emitted_at_ms)])
    return {
        "_airbyte_raw_id": pa.array(_ids(stream, unit, rows), pa.string()),
        "_airbyte_extracted_at": instants.cast(pa.timestamp("us", "UTC")),
        "_airbyte_meta": pa.array(_metas(chunks, unit), pa.string()),
        "_airbyte_generation_id": pa.repeat(pa.scalar(unit.generation or 0, pa.int64()), rows),
    }


def _ids(stream: str, unit: Unit, rows: int) -> list[str]:
    """UUIDs of version 8: the unit's 64 bits, and the row's number."""
    digest = hashlib.sha256(f"{stream}\n{unit.uri}".encode("utf-8", "surrogatepass")).hexdigest()
    begin = f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-a{digest[15:18]}-"
    return [f"{begin}{row:012x}" for row in range(1, rows + 1)]


def _metas(chunks: Sequence[Records], unit: Unit) -> list[str]:
    begin = f'{{"sync_id":{json.dumps(unit.sync)},"changes":'
    metas: list[str] = []
    for chunk in chunks:
        of_chunk = [f"{begin}[]}}"] * chunk.rows
        for index, changes in chunk.changes.items():
            of_chunk[index] = f"{begin}{changes.decode()}}}"
        metas += of_chunk
    return metas
