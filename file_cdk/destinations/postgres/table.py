"""One stream's table in a Postgres database."""

# ruff: noqa: S608 - names are quoted or constant

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.errors import RowsRefusedError
from file_cdk.destinations.names import METADATA_COLUMNS, column_names, quoted
from file_cdk.destinations.postgres.binary import constant, numbers, rows
from file_cdk.destinations.postgres.session import LONGEST_NAME_BYTES, PostgresDatabase
from file_cdk.destinations.postgres.types import (
    JSON,
    arrow_type,
    column_of,
    declared,
    holds,
    instant,
    is_json,
    may_change,
    table_type,
    wider,
)
from file_cdk.destinations.sql.layout import Layout
from file_cdk.destinations.sql.table import SqlTable

_METADATA = {"_file_url": "TEXT", "_file_modified_at": "TIMESTAMP", "_file_row": "BIGINT"}
assert _METADATA.keys() == METADATA_COLUMNS.keys()

_SYSTEM = ("ctid", "xmin", "cmin", "xmax", "cmax", "tableoid")
"""Columns that each table has already."""


class PostgresTable(SqlTable):
    """A StreamTable."""

    _db: PostgresDatabase

    def arrow_type(self, declared: str) -> pa.DataType:
        return arrow_type(declared)

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    def decoded(self, kind: pa.DataType) -> pa.DataType:
        return pa.string() if kind == JSON else kind

    def exact(self, name: str, target: pa.DataType) -> pa.DataType:
        """A double changes some integers and decimals."""
        if not may_change(self.layout.types[name], target):
            return target
        column = quoted(self.layout.columns[name])
        double = f"CAST(CAST(CAST({column} AS DOUBLE PRECISION) AS TEXT) AS NUMERIC)"
        return pa.string() if self._run(f"SELECT 1 FROM {self._name} WHERE {double} <> {column} LIMIT 1") else target

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open."""
        arrays = self.kept(batch)
        kept = {name: array.type for name, array in arrays.items()}
        self._hold({name: self._kind(name, kind, arrays[name]) for name, kind in kept.items()}, uri)
        for name, kind in kept.items():
            if may_change(kind, self.layout.types[name]) and not holds(
                self.layout.types[name], arrays[name].to_pylist(), kind
            ):
                self._hold({name: pa.string()}, uri)
        columns = [column_of(arrays[name], kind, self.layout.types[name]) for name, kind in kept.items()]
        for name, column in zip(kept, columns, strict=True):
            if column.fault is not None:
                raise RowsRefusedError(
                    f"has {column.fault}",
                    uri=uri,
                    column=name,
                    remedy="Correct the file, or leave the column out",
                )
        url, modified_at = metadata
        fields = [column.fields for column in columns]
        fields += [constant(url.encode()), instant(modified_at), numbers(pc.add(batch.columns[-1], rows_before))]
        self._copy([*(self.layout.columns[name] for name in kept), *_METADATA], rows(fields), uri)

    def _kind(self, name: str, kind: pa.DataType, array: pa.Array) -> pa.DataType:
        """Of text that was decoded for a column of JSON: whether it is that."""
        if not pa.types.is_string(kind) or JSON not in (self.layout.types.get(name), self._promised.types.get(name)):
            return kind
        return JSON if is_json(array.to_pylist()) else kind

    def _copy(self, names: list[str], data: bytes, uri: str) -> None:
        sql = f"COPY {self._name} ({', '.join(map(quoted, names))}) FROM STDIN (FORMAT BINARY)"
        with (
            self._db.translating(f"loading into table {self._ledger.stream!r}", uri),
            self._db.connection.cursor() as cursor,
        ):
            with cursor.copy(sql.encode()) as copy:
                copy.write(data)
            self._taken += cursor.rowcount

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Creates the table, or gives it columns, or other types."""
        wanted = self.grown(types)
        if self.layout.exists and wanted == self.layout.types:
            return
        names = column_names(wanted, self.layout.columns, longest_bytes=LONGEST_NAME_BYTES, reserved=_SYSTEM)
        layout = Layout(True, wanted, names)
        with self._db.translating(f"widening table {self._ledger.stream!r}", uri):
            self._db.execute(self._change(layout) if self.layout.exists else _create(self._name, layout))
        self.layout = layout
        self._ledger.set_columns([(n, layout.columns[n], declared(k)) for n, k in layout.types.items()])

    def _change(self, layout: Layout) -> str:
        changes = []
        for name, kind in layout.types.items():
            column, old = quoted(layout.columns[name]), self.layout.types.get(name)
            if old is None:
                changes.append(f"ADD COLUMN {column} {declared(kind)}")
            elif old != kind:
                changes.append(f"ALTER COLUMN {column} TYPE {declared(kind)} USING CAST({column} AS {declared(kind)})")
        return f"ALTER TABLE {self._name} {', '.join(changes)}"


def _create(name: str, layout: Layout) -> str:
    columns = {layout.columns[n]: declared(kind) for n, kind in layout.types.items()} | _METADATA
    return f"CREATE TABLE {name} ({', '.join(f'{quoted(column)} {kind}' for column, kind in columns.items())})"
