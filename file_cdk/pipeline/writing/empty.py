"""A batch without rows, which names the columns that a stream's table is to have all the same."""

import pyarrow as pa

from file_cdk.core.arrow_types import without_nulls
from file_cdk.pipeline.receiving.columns import first_schema
from file_cdk.pipeline.writing.rows import OWN_COLUMNS
from file_cdk.protocol.written_streams import WrittenStream


def without_rows(stream: WrittenStream) -> pa.RecordBatch:
    """Columns of the catalog's JSON Schema, of which those are text whose type only records could tell, and the protocol's."""
    named = [(each.name, without_nulls(each.type)) for each in first_schema(stream.properties)]
    columns = [(name, kind) for name, kind in named if name not in OWN_COLUMNS]
    return pa.RecordBatch.from_pylist([], pa.schema([*columns, *OWN_COLUMNS.items()]))
