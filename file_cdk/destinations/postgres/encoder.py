"""Blocks of rows as binary COPY takes them, which workers make: the parent adds the numbers of the rows, and sends them."""

import json
from typing import NamedTuple

import pyarrow as pa

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import JsonLines
from file_cdk.core.uris import well_formed
from file_cdk.destinations.arrow_plain import plain
from file_cdk.destinations.postgres.binary import Fields, constant, joined
from file_cdk.destinations.postgres.types import arrow_type, column_of, declared, instant, is_json, table_type
from file_cdk.destinations.sql.ledger import moment

_FACTS = b"file_cdk"


class BlockColumn(NamedTuple):
    """A column of a block's batch. declared: its type in Postgres; empty where the type is null. has_values: false where all
    are NULL: then the rows lack it. is_json: whether each value is a list or an object in JSON. fault: what is wrong with one
    of the values that Postgres does not hold."""

    name: str
    declared: str
    has_values: bool
    is_json: bool
    fault: str | None

    @property
    def type(self) -> pa.DataType:
        return arrow_type(self.declared) if self.declared else pa.null()


class CopyEncoder:
    """One Arrow IPC stream per batch, with one column: each row for COPY, without the last field, which is its number in the
    file. Fields are those columns that have values, then `_file_url` and `_file_modified_at`."""

    line_oriented: bool = False

    def encode(
        self,
        batch: "pa.RecordBatch | JsonLines",
        file: RemoteFile,
        first_row: int,
        emitted_at_ms: int,  # noqa: ARG002 - the port's signature; rows do not say when they were read
    ) -> memoryview:
        """Raises TypeError for JsonLines: a table needs columns; FileError for a type that no column holds."""
        if isinstance(batch, JsonLines):
            raise TypeError("CopyEncoder takes record batches, not JSON lines")
        batch = plain(batch, file.uri)
        columns: list[BlockColumn] = []
        fields: list[Fields] = []
        for field, array in zip(batch.schema, batch.columns, strict=True):
            kind = table_type(field.type)
            has_values = not (array.null_count and array.null_count == len(array))
            fault = None
            if has_values and len(array):
                column = column_of(array)
                fields.append(column.fields)
                fault = column.fault
            text = pa.types.is_string(kind) and _is_json(array)
            columns.append(
                BlockColumn(field.name, "" if pa.types.is_null(kind) else declared(kind), has_values, text, fault)
            )
        if batch.num_rows and not any(each.fault for each in columns):
            of_file = [constant(well_formed(file.uri).encode()), instant(moment(file.modified_at))]
            rows = joined([*fields, *of_file], more=1, count=batch.num_rows)
        else:
            rows = pa.nulls(batch.num_rows, pa.large_binary())
        facts = json.dumps([first_row, *columns])
        whole = pa.RecordBatch.from_arrays([rows], schema=pa.schema([("rows", rows.type)], {_FACTS: facts.encode()}))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, whole.schema) as writer:
            writer.write_batch(whole)
        return memoryview(sink.getvalue()).cast("B")


def facts_of(batch: pa.RecordBatch) -> tuple[int, list[BlockColumn]]:
    """Of a block's batch: the number of its first row in the split, and its columns."""
    first_row, *columns = json.loads(batch.schema.metadata[_FACTS])
    return first_row, [BlockColumn(*facts) for facts in columns]


def _is_json(texts: pa.Array) -> bool:
    """Told by the first value in most columns of text."""
    first = next((each.as_py() for each in texts if each.is_valid), None)
    if first is None:
        return True
    return first[:1] in ("{", "[") and is_json(texts.to_pylist())
