"""Received records as rows of a table, with the columns that every record gets."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from file_cdk.pipeline.receiving.columns import DecodedRecords, as_one
from file_cdk.pipeline.writing.units import Unit

OWN_COLUMNS: Mapping[str, pa.DataType] = {
    "_airbyte_raw_id": pa.string(),
    "_airbyte_extracted_at": pa.timestamp("us", "UTC"),
    "_airbyte_meta": pa.string(),
    "_airbyte_generation_id": pa.int64(),
}


def rows_of(stream: str, chunks: list[DecodedRecords], unit: Unit) -> pa.RecordBatch:
    """All records of the unit, in order; the list is emptied, since the rows are copies. A record's member that is called as one
    of OWN_COLUMNS is not kept."""
    data = as_one([chunk.batch for chunk in chunks])
    columns = dict(zip(data.schema.names, data.columns, strict=True))
    for name in OWN_COLUMNS:
        columns.pop(name, None)
    instants = pa.Array.from_buffers(
        pa.timestamp("ms", "UTC"),
        data.num_rows,
        [None, pa.py_buffer(b"".join(chunk.emitted_at_ms for chunk in chunks))],
    )
    own = [
        _ids(stream, unit, data.num_rows),
        instants.cast(OWN_COLUMNS["_airbyte_extracted_at"]),
        _metas(chunks, unit),
        pa.repeat(pa.scalar(unit.generation or 0, pa.int64()), data.num_rows),
    ]
    chunks.clear()
    columns |= dict(zip(OWN_COLUMNS, own, strict=True))
    return pa.RecordBatch.from_arrays([*columns.values()], names=[*columns])


def _ids(stream: str, unit: Unit, rows: int) -> pa.Array:
    """UUIDs of version 8: the unit's 64 bits, and the row's number."""
    digest = hashlib.sha256(f"{stream}\n{unit.uri}".encode("utf-8", "surrogatepass")).hexdigest()
    begin = f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-a{digest[15:18]}-"
    return pa.array([f"{begin}{row:012x}" for row in range(1, rows + 1)], pa.string())


def _metas(chunks: Sequence[DecodedRecords], unit: Unit) -> pa.Array:
    begin = f'{{"sync_id":{json.dumps(unit.sync)},"changes":'
    unchanged = pa.scalar(f"{begin}[]}}")
    parts: list[pa.Array] = []
    for chunk in chunks:
        part = pa.repeat(unchanged, chunk.rows)
        if chunk.changes:
            metas = part.to_pylist()
            for index, changes in chunk.changes.items():
                metas[index] = f"{begin}{changes.decode()}}}"
            part = pa.array(metas, pa.string())
        parts.append(part)
    return pa.concat_arrays(parts)
