"""A batch without rows, which names the columns that a stream's table is to have all the same."""

import pyarrow as pa

from file_cdk.core.arrow_types import without_nulls
from file_cdk.pipeline.receiving.columns import first_schema
from file_cdk.protocol.written_streams import WrittenStream

_OWN_COLUMNS = {
    "_airbyte_raw_id": pa.string(),
    "_airbyte_extracted_at": pa.timestamp("us", "UTC"),
    "_airbyte_meta": pa.string(),
    "_airbyte_generation_id": pa.int64(),
}
"""As records have them, see rows.py."""


def without_rows(stream: WrittenStream) -> pa.RecordBatch:
    """Columns of the catalog's JSON Schema, of which those are text whose type only records could tell, and the protocol's."""
    named = [(each.name, without_nulls(each.type)) for each in first_schema(stream.properties)]
    columns = [(name, kind) for name, kind in named if name not in _OWN_COLUMNS]
    return pa.RecordBatch.from_pylist([], pa.schema([*columns, *_OWN_COLUMNS.items()]))
