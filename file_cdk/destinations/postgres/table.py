"""One stream's table in a Postgres database."""

# ruff: noqa: S608 - names are quoted or constant

from collections.abc import Mapping, Sequence

import pyarrow as pa

from file_cdk.core.errors import RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile
from file_cdk.destinations.merging import NUMBER, MergedLoad
from file_cdk.destinations.names import METADATA_COLUMNS, column_names, quoted
from file_cdk.destinations.postgres.binary import numbered
from file_cdk.destinations.postgres.encoder import BlockColumn, facts_of
from file_cdk.destinations.postgres.session import LONGEST_NAME_BYTES, PostgresDatabase
from file_cdk.destinations.postgres.types import JSON, arrow_type, declared, decoded, may_change, table_type, wider
from file_cdk.destinations.sql.layout import Layout
from file_cdk.destinations.sql.table import SqlFileLoad, SqlTable

METADATA = {"_file_url": "TEXT", "_file_modified_at": "TIMESTAMP", "_file_row": "BIGINT"}
assert METADATA.keys() == METADATA_COLUMNS.keys()

_NARROWER = "_file_cdk_narrower"
"""A table that no other run sees."""

_NESTED = pa.list_(pa.null())

SYSTEM = ("ctid", "xmin", "cmin", "xmax", "cmax", "tableoid")
"""Columns that each table has already."""


class PostgresTable(SqlTable):
    """A StreamTable."""

    _db: PostgresDatabase
    _copied = 0
    """Rows that the connection had copied when the load that is open began."""
    _of_cursor: MergedLoad | None = None
    """Of the block at work, where its rows have texts of the cursor: no number may be among them, which Postgres tells."""

    def arrow_type(self, declared: str) -> pa.DataType:
        return arrow_type(declared)

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    def decoded(self, kind: pa.DataType) -> pa.DataType:
        return decoded(kind)

    def exact(self, name: str, target: pa.DataType) -> pa.DataType:
        """A double changes some integers and decimals."""
        if not may_change(self.layout.types[name], target):
            return target
        column = quoted(self.layout.columns[name])
        return pa.string() if self._run(_changed(self._name, column)) else target

    def begin(self, file: RemoteFile) -> SqlFileLoad:
        load = super().begin(file)
        self._copied = self._db.copying.rows
        return load

    def finish(self, file: RemoteFile, loaded: LoadedFile) -> None:
        try:
            with self._db.translating(f"loading into table {self._ledger.stream!r}", file.uri):
                self._db.copying.end()
        except BaseException:
            self.cancel()
            raise
        self._taken += self._db.copying.rows - self._copied
        super().finish(file, loaded)

    def cancel(self) -> None:
        self._db.copying.give_up()
        super().cancel()

    def see(self, batch: pa.RecordBatch, merged: MergedLoad) -> None:
        self._of_cursor = None
        for each in facts_of(batch)[1]:
            kind = _NESTED if each.is_json and each.has_values else each.type
            if merged.see_column(each.name, kind, has_values=each.has_values):
                self._of_cursor = merged

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:  # noqa: ARG002 - the rows have it
        """In the load that is open. batch: of a block, as CopyEncoder makes them."""
        first_row, columns = facts_of(batch)
        kept = [each for each in columns if each.has_values or each.name in self.layout.types]
        self._hold({each.name: self._kind(each) for each in kept}, uri)
        for each in kept:
            if each.fault is not None:
                raise RowsRefusedError(
                    f"has {each.fault}",
                    uri=uri,
                    column=each.name,
                    remedy="Correct the file, or leave the column out",
                )
        if not batch.num_rows:
            return
        filled = [each for each in kept if each.has_values]
        rows = numbered(batch.column(0), first_row + rows_before)
        with self._db.translating(f"loading into table {self._ledger.stream!r}", uri):
            is_alike = all(_is_alike(each.type, self.layout.types[each.name]) for each in filled)
            if is_alike and self._of_cursor is None:
                self._db.copy(_copy(self._name, self._columns(filled)), rows)
            else:
                self._insert_narrower(filled, rows, batch.num_rows, uri)

    def _kind(self, column: BlockColumn) -> pa.DataType:
        """Of text that was decoded for a column of JSON: whether it is that."""
        known = self.layout.types.get(column.name), self._promised.types.get(column.name)
        return JSON if column.is_json and JSON in known else column.type

    def _columns(self, filled: Sequence[BlockColumn]) -> list[str]:
        return [*(self.layout.columns[each.name] for each in filled), *METADATA]

    def _insert_narrower(self, filled: Sequence[BlockColumn], rows: memoryview, count: int, uri: str) -> None:
        """Rows that Postgres is to convert, made for columns of other types than the table has by now, or to look at."""
        types = {self.layout.columns[each.name]: each.declared for each in filled} | METADATA
        self._db.execute(_create(_NARROWER, types))
        self._db.copy(_copy(_NARROWER, list(types)), rows)
        if self._of_cursor is not None and self.rule is not None and self.rule.cursor is not None:
            text = quoted(self.layout.columns[self.rule.cursor])
            if self._db.execute(f"SELECT 1 FROM {_NARROWER} WHERE {text} ~ ? LIMIT 1", [NUMBER]).fetchall():
                raise self._of_cursor.refused_numbers()
        for each in filled:
            if may_change(each.type, self.layout.types[each.name]):
                column = quoted(self.layout.columns[each.name])
                if self._db.execute(_changed(_NARROWER, column)).fetchall():
                    self._hold({each.name: pa.string()}, uri)
        values = [
            f"CAST({quoted(self.layout.columns[each.name])} AS {declared(self.layout.types[each.name])})"
            for each in filled
        ]
        names = ", ".join(map(quoted, self._columns(filled)))
        found = self._db.execute(
            f"INSERT INTO {self._name} ({names}) SELECT {', '.join([*values, *METADATA])} FROM {_NARROWER}"
        )
        self._taken += found.rowcount - count
        self._db.execute(f"DROP TABLE {_NARROWER}")

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Creates the table, or gives it columns, or other types."""
        wanted = self.grown(types)
        if self.layout.exists and wanted == self.layout.types:
            return
        names = column_names(wanted, self.layout.columns, longest_bytes=LONGEST_NAME_BYTES, reserved=SYSTEM)
        layout = Layout(True, wanted, names)
        with self._db.translating(f"widening table {self._ledger.stream!r}", uri):
            columns = {layout.columns[n]: declared(kind) for n, kind in layout.types.items()} | METADATA
            self._db.execute(self._change(layout) if self.layout.exists else _create(self._name, columns))
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


def _create(name: str, columns: Mapping[str, str]) -> str:
    return f"CREATE TABLE {name} ({', '.join(f'{quoted(column)} {kind}' for column, kind in columns.items())})"


def _copy(name: str, columns: Sequence[str]) -> str:
    return f"COPY {name} ({', '.join(map(quoted, columns))}) FROM STDIN (FORMAT BINARY)"


def _changed(name: str, column: str) -> str:
    """Whether there are numbers in a column that a double would change."""
    double = f"CAST(CAST(CAST({column} AS DOUBLE PRECISION) AS TEXT) AS NUMERIC)"
    return f"SELECT 1 FROM {name} WHERE {double} <> {column} LIMIT 1"


def _is_alike(kind: pa.DataType, stored: pa.DataType) -> bool:
    """Whether binary COPY has values of both in the same bytes."""
    t = pa.types
    return kind == stored or (t.is_decimal(kind) and t.is_decimal(stored)) or {kind, stored} == {JSON, pa.string()}
