"""The columns of an Avro file as a table asks for them."""

from typing import Any

import pyarrow as pa

from file_cdk.core.arrow_types import normal
from file_cdk.core.errors import MalformedRecordError, TypeMismatchError
from file_cdk.formats.avro.columns import NotColumnarError, table_column
from file_cdk.formats.avro.schema import Node, Record, Union
from file_cdk.formats.avro.types import arrow_type, plain_type, tabular, union_type
from file_cdk.formats.avro.values import Converters, InexactError, ValueStep
from file_cdk.formats.table_columns import AskedColumns


def table_schema(schema: Record) -> pa.Schema:
    return pa.schema([pa.field(name, normal(arrow_type(_column(node)))) for name, node in schema.fields])


def _column(node: Node, *, exact: bool = False) -> Node:
    """What a column is made of. A union of long and double makes doubles, until a value turns up that is none: then text."""
    if isinstance(node, Union) and len(node.choices) > 1:
        return union_type(node, exact=exact)
    return tabular(node)


class TableColumns:
    """Makes batches of one file's columns with exactly the types asked for. Raises TypeMismatchError if types never fit."""

    def __init__(self, schema: Record, asked: pa.Schema, uri: str) -> None:
        self._uri = uri
        self._asked = AskedColumns({field.name: field.type for field in asked}, uri)
        self._asked.check(table_schema(schema))
        converters = Converters(schema)
        self._columns: list[tuple[int, str, Node]] = []
        self._steps: list[tuple[str, ValueStep]] = []
        for index, (name, node) in enumerate(schema.fields):
            if name not in self._asked.types:
                continue
            exact = pa.types.is_string(self._asked.types[name])
            self._columns.append((index, name, _column(node, exact=exact)))
            if step := converters.table(node, exact=exact):
                self._steps.append((name, step))

    def of_plain(self, rows: pa.StructArray, first_row: int) -> pa.RecordBatch | None:
        """rows: of `plain_type(schema)`. None when values need a look one by one. Raises TypeMismatchError if some do not fit."""
        try:
            return self._batch(
                [table_column(rows.field(i), node) for i, _, node in self._columns], len(rows), first_row
            )
        except NotColumnarError:
            return None

    def values_of(self, record: dict[str, Any], row: int) -> dict[str, Any]:
        """One record's values for `of_values`. Raises BadValueError when it cannot be read, TypeMismatchError."""
        misfits = {}
        for name, step in self._steps:
            if (value := record[name]) is not None:
                try:
                    record[name] = step(value)
                except InexactError:
                    misfits[name] = pa.string()
        if misfits:
            raise TypeMismatchError(uri=self._uri, row=row, columns=misfits)
        return record

    def of_values(self, records: list[dict[str, Any]], first_row: int) -> pa.RecordBatch:
        """records: those that went through `values_of`."""
        arrays = []
        for _, name, node in self._columns:
            try:
                plain = pa.array([record[name] for record in records], plain_type(node))
            except (pa.ArrowInvalid, OverflowError):
                raise MalformedRecordError(
                    "a number is beyond the range of its type", uri=self._uri, row=first_row, column=name
                ) from None
            arrays.append(table_column(plain, node))
        return self._batch(arrays, len(records), first_row)

    def _batch(self, arrays: list[pa.Array], rows: int, first_row: int) -> pa.RecordBatch:
        names = (name for _, name, _ in self._columns)
        return self._asked.batch(dict(zip(names, arrays, strict=True)), rows, first_row)
