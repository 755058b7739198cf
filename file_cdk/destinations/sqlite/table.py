"""One stream's table in a SQLite database."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from file_cdk.destinations.names import METADATA_COLUMNS, column_names, quoted
from file_cdk.destinations.sql.layout import Layout
from file_cdk.destinations.sql.table import SqlTable
from file_cdk.destinations.sqlite.types import ARROW, DECLARED, WHOLE, holds, table_type, values_as, wider

METADATA = {"_file_url": "TEXT", "_file_modified_at": "TEXT", "_file_row": "INTEGER"}
assert METADATA.keys() == METADATA_COLUMNS.keys()


class SqliteTable(SqlTable):
    """A StreamTable."""

    def arrow_type(self, declared: str) -> pa.DataType:
        return ARROW[declared]

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    def exact(self, name: str, target: pa.DataType) -> pa.DataType:
        """A double changes some of the integers."""
        if not pa.types.is_floating(target) or not pa.types.is_integer(self.layout.types[name]):
            return target
        column = quoted(self.layout.columns[name])
        beyond = f"typeof({column}) = 'integer' AND ({column} > {WHOLE} OR {column} < -{WHOLE})"
        # The double next to the largest integer becomes that one again, since SQLite has no larger one.
        is_other = f"(CAST(CAST({column} AS REAL) AS INTEGER) <> {column} OR {column} = {2**63 - 1})"
        sql = f"SELECT 1 FROM {self._name} WHERE {beyond} AND {is_other} LIMIT 1"
        return pa.string() if self._run(sql) else pa.float64()

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open."""
        arrays = self.kept(batch)
        columns = {name: array.to_pylist() for name, array in arrays.items()}
        kept = {name: array.type for name, array in arrays.items()}
        self._hold(kept, uri)
        values: list[Sequence[Any]] = []
        for name, kind in kept.items():
            if not holds(self.layout.types[name], columns[name], kind):
                self._hold({name: pa.string()}, uri)
            values.append(values_as(columns[name], kind, self.layout.types[name]))
        names = [*(self.layout.columns[name] for name in kept), *METADATA]
        rows = zip(
            *values,
            *([each] * batch.num_rows for each in metadata),
            (row + rows_before for row in batch.columns[-1].to_pylist()),
            strict=True,
        )
        sql = f"INSERT INTO {self._name} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
        with self._db.translating(f"loading into table {self._ledger.stream!r}", uri):
            self._taken += self._db.executemany(sql, rows).rowcount

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Creates the table, or gives it columns, or other types."""
        wanted = self.grown(types)
        if self.layout.exists and wanted == self.layout.types:
            return
        layout = Layout(True, wanted, column_names(wanted, self.layout.columns))
        with self._db.translating(f"widening table {self._ledger.stream!r}", uri):
            if not self.layout.exists:
                self._db.execute(_create(self._name, layout))
            elif any(wanted[name] != kind for name, kind in self.layout.types.items()):
                self._rebuild(layout)
            else:
                for name in list(wanted)[len(self.layout.types) :]:
                    declared = f"{quoted(layout.columns[name])} {DECLARED[wanted[name]]}"
                    self._db.execute(f"ALTER TABLE {self._name} ADD COLUMN {declared}")
        self.layout = layout
        self._ledger.set_columns([(n, layout.columns[n], DECLARED[k]) for n, k in layout.types.items()])

    def _rebuild(self, layout: Layout) -> None:
        """SQLite gives no column another type: the rows go into a new table, and its indexes, triggers and name with them."""
        kept = self._db.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL",
            [self._ledger.stream],
        ).fetchall()
        new = quoted(f"_file_cdk_rebuilt_{self._ledger.stream}")
        self._db.execute(_create(new, layout))
        names, values = [], []
        for name, old in self.layout.types.items():
            column = quoted(layout.columns[name])
            names.append(column)
            is_text = layout.types[name] == pa.string() and old != pa.string()
            values.append(f"_file_cdk_text({column}, '{DECLARED[old]}')" if is_text else column)
        metadata = list(map(quoted, METADATA))
        self._db.execute(
            f"INSERT INTO {new} (rowid, {', '.join(names + metadata)}) "
            f"SELECT rowid, {', '.join(values + metadata)} FROM {self._name}"
        )
        self._db.execute(f"DROP TABLE {self._name}")
        self._db.execute(f"ALTER TABLE {new} RENAME TO {self._name}")
        for (sql,) in kept:
            self._db.execute(sql)


def _create(name: str, layout: Layout) -> str:
    columns = {layout.columns[n]: DECLARED[kind] for n, kind in layout.types.items()} | METADATA
    return f"CREATE TABLE {name} ({', '.join(f'{quoted(column)} {kind}' for column, kind in columns.items())})"
