"""One stream's table in a SQLite database, and the load of one file into it.

Each file is written as it comes, within a savepoint; files that are complete share a transaction, which ends after some time
or after many rows.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, RefusedFile, Rejects, TableName
from file_cdk.core.uris import well_formed
from file_cdk.destinations.arrow_ipc import decode
from file_cdk.destinations.names import METADATA_COLUMNS, column_names, quoted
from file_cdk.destinations.sqlite.errors import translating
from file_cdk.destinations.sqlite.ledger import Ledger, moment, tables_of, transaction, urls
from file_cdk.destinations.sqlite.types import ARROW, DECLARED, WHOLE, holds, table_type, values_as, wider

_METADATA = {"_file_url": "TEXT", "_file_modified_at": "TEXT", "_file_row": "INTEGER"}
assert _METADATA.keys() == METADATA_COLUMNS.keys()

GROUP_ROWS, GROUP_S = 100_000, 1.0
"""Maximum number of rows, and of seconds, of a transaction, to be looked at when a file is complete."""


@dataclass(frozen=True, slots=True)
class Layout:
    """exists: whether there is a table. types, columns: types of the data columns and their names in the table, by their names
    in the files, in the table's order."""

    exists: bool = False
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def with_types(self, types: Mapping[str, pa.DataType]) -> "Layout":
        return Layout(True, types, column_names(types, self.columns))


class SqliteFileLoad:
    """A FileLoad, within the savepoint `file`."""

    def __init__(self, table: "SqliteTable", file: RemoteFile) -> None:
        self._table, self._file = table, file
        self._metadata = well_formed(file.uri), moment(file.modified_at)
        self._rows = 0
        self.is_open = True

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:
        if not self.is_open:
            raise InternalError("a load was written to after its end", uri=self._file.uri)
        for batch in decode(block):
            self._table.insert(batch, self._metadata, rows_before, self._file.uri)
            self._rows += batch.num_rows

    def commit(self, loaded: LoadedFile) -> None:
        """Durable when its transaction ends, at the latest with `flush`."""
        if not self.is_open:
            raise InternalError("a load was committed after its end", uri=self._file.uri)
        if loaded.rows != self._rows:
            self.abort()
            raise InternalError(f"{self._rows} rows were written and {loaded.rows} announced", uri=self._file.uri)
        self.is_open = False
        self._table.finish(self._file, loaded)

    def abort(self) -> None:
        if self.is_open:
            self.is_open = False
            self._table.cancel()


class SqliteTable:
    """A StreamTable. begins: called before each load, since all tables share the connection and its transaction."""

    def __init__(self, ledger: Ledger, begins: Callable[["SqliteTable"], None]) -> None:
        self._ledger = ledger
        self._db = ledger.connection
        self._name = quoted(ledger.stream)
        self._begins = begins
        self._load: SqliteFileLoad | None = None
        self._rows, self._since = 0, 0.0
        self._taken = 0
        """Rows of the load that is open, by SQLite's own count."""
        self.layout = self._promised = read_layout(ledger)

    @classmethod
    def of(cls, ledger: Ledger, table: TableName, begins: Callable[["SqliteTable"], None]) -> "SqliteTable":
        """Raises DestinationError when the name is taken by something else, ConfigError when it holds other files."""
        ledger.check_name()
        found = cls(ledger, begins)
        with transaction(ledger.connection, ledger.path, "preparing a table"):
            if not found.layout.exists:
                ledger.forget_rows()  # somebody dropped it
            elif not ledger.has_rows() and found._run(f"SELECT 1 FROM {found._name} LIMIT 1"):
                raise DestinationError(
                    f"{ledger.where} has rows, but the ledger knows none",
                    remedy="Loading again would double them: drop the table, or give the stream another name",
                )
            ledger.check_files(table)
            if table.origin is not None:
                ledger.claim(table.origin)
        return found

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(list(self._promised.types.items()))

    def widen(self, schema: pa.Schema, *, anew: bool = False) -> None:
        """Nothing in the database changes: the table is created, and grows, with the files whose rows need it."""
        types = dict((self.layout if anew else self._promised).types)
        for column in schema:
            known = types.get(column.name)
            new = table_type(column.type) if known is None else wider(known, column.type)
            if known is not None and pa.types.is_floating(new) and pa.types.is_integer(known):
                new = self._exact(column.name)
            types[column.name] = new
        self._promised = Layout(self.layout.exists, types)

    def _exact(self, name: str) -> pa.DataType:
        """What a column of integers becomes that is to hold fractions: text where a double would change one of them."""
        if name not in self.layout.types:
            return pa.float64()
        column = quoted(self.layout.columns[name])
        beyond = f"typeof({column}) = 'integer' AND ({column} > {WHOLE} OR {column} < -{WHOLE})"
        sql = (
            f"SELECT 1 FROM {self._name} WHERE {beyond} AND CAST(CAST({column} AS REAL) AS INTEGER) <> {column} LIMIT 1"
        )
        return pa.string() if self._run(sql) else pa.float64()

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        return self._ledger.unloaded(files, with_rejects=with_rejects)

    def begin(self, file: RemoteFile) -> SqliteFileLoad:
        """One load at a time."""
        if self._load is not None and self._load.is_open:
            raise InternalError("the load of another file is still open", uri=file.uri)
        self._begins(self)
        if not self._db.in_transaction:
            self._run("BEGIN IMMEDIATE")
            self._rows, self._since = 0, time.monotonic()
        self._run("SAVEPOINT file")
        self._load = load = SqliteFileLoad(self, file)
        self._taken = 0
        try:
            self._forget([file.uri])
        except BaseException:
            load.abort()
            raise
        return load

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open."""
        fields = list(batch.schema)[:-1]
        columns = {f.name: c.to_pylist() for f, c in zip(fields, batch.columns, strict=False)}
        # A column that has rows and no value says nothing: formats give columns, too, that only other files have.
        empty = {f.name for f, c in zip(fields, batch.columns, strict=False) if c.null_count and c.null_count == len(c)}
        kept = {f.name: f.type for f in fields if f.name in self.layout.types or f.name not in empty}
        self._hold(kept, uri)
        values: list[Sequence[Any]] = []
        for name, kind in kept.items():
            if not holds(self.layout.types[name], columns[name], kind):
                self._hold({name: pa.string()}, uri)
            values.append(values_as(columns[name], kind, self.layout.types[name]))
        names = [*(self.layout.columns[name] for name in kept), *_METADATA]
        rows = zip(
            *values,
            *([each] * batch.num_rows for each in metadata),
            (row + rows_before for row in batch.columns[-1].to_pylist()),
            strict=True,
        )
        sql = f"INSERT INTO {self._name} ({', '.join(map(quoted, names))}) VALUES ({', '.join('?' * len(names))})"
        with translating(self._ledger.path, f"loading into table {self._ledger.stream!r}", uri):
            self._taken += self._db.executemany(sql, rows).rowcount

    def _hold(self, types: Mapping[str, pa.DataType], uri: str) -> None:
        """Creates the table, or gives it columns, or other types."""
        wanted = dict(self.layout.types)
        for name, kind in types.items():
            wanted[name] = wider(wanted[name], kind) if name in wanted else table_type(kind)
            if pa.types.is_null(wanted[name]):
                wanted[name] = pa.string()
            elif wanted[name] == pa.float64() and self.layout.types.get(name) == pa.int64():
                wanted[name] = self._exact(name)
        if self.layout.exists and wanted == self.layout.types:
            return
        layout = self.layout.with_types(wanted)
        with translating(self._ledger.path, f"widening table {self._ledger.stream!r}", uri):
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
        metadata = list(map(quoted, _METADATA))
        self._db.execute(
            f"INSERT INTO {new} (rowid, {', '.join(names + metadata)}) "
            f"SELECT rowid, {', '.join(values + metadata)} FROM {self._name}"
        )
        self._db.execute(f"DROP TABLE {self._name}")
        self._db.execute(f"ALTER TABLE {new} RENAME TO {self._name}")
        for (sql,) in kept:
            self._db.execute(sql)

    def finish(self, file: RemoteFile, loaded: LoadedFile) -> None:
        try:
            if self._taken != loaded.rows:
                raise InternalError(f"{loaded.rows} rows were read and {self._taken} are in the table", uri=file.uri)
            self._ledger.add_loaded(file, loaded)
            self._run("RELEASE file")
        except BaseException:
            self.cancel()
            raise
        self._rows += loaded.rows
        now, promised = self.layout.types, self._promised.types
        self._promised = Layout(True, {n: wider(now.get(n, k), k) for n, k in {**now, **promised}.items()})
        if self._rows >= GROUP_ROWS or time.monotonic() - self._since >= GROUP_S:
            self._commit()

    def cancel(self) -> None:
        """The load that is open leaves nothing."""
        if not self._db.in_transaction:
            return  # SQLite has rolled all back, as it does where the disk is full
        self._run("ROLLBACK TO file")
        self._run("RELEASE file")
        self.layout = read_layout(self._ledger)

    def _commit(self) -> None:
        if self._db.in_transaction:
            self._run("COMMIT")

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:
        """Rows are refused when they are written, never later."""
        if not keep_waiting:
            self._commit()
        return []

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Durable when it returns, with the files that were complete before."""
        with transaction(self._db, self._ledger.path, "updating the ledger"):
            self._ledger.set_failed(file, error, rejects)
        self._commit()

    def failed(self, limit: int) -> list[str]:
        return self._ledger.failed(limit)

    def forget_failed(self, uris: Sequence[str]) -> None:
        with transaction(self._db, self._ledger.path, "updating the ledger"):
            self._ledger.forget_failed(uris)
        self._commit()

    def loaded(self) -> Iterator[Sequence[str]]:
        return self._ledger.loaded()

    def remove(self, uris: Sequence[str]) -> None:
        self._commit()
        with transaction(self._db, self._ledger.path, "removing files"):
            self._forget(uris)

    def _forget(self, uris: Sequence[str]) -> None:
        with_rows = self._ledger.forget(uris)
        if not with_rows or not self.layout.exists:
            return
        # Made when it is first needed: tables whose files never change do without.
        index = quoted(f"_file_cdk_files_of_{self._ledger.stream}")
        self._run(f"CREATE INDEX IF NOT EXISTS {index} ON {self._name} (_file_url)")
        sql = f"DELETE FROM {self._name} WHERE _file_url IN (SELECT value FROM json_each(?))"
        self._run(sql, urls(with_rows))

    def close(self) -> None:
        """Aborts the load that is open, and flushes."""
        if self._load is not None:
            self._load.abort()
        self._commit()

    def _run(self, sql: str, *parameters: str) -> list[tuple[object, ...]]:
        with translating(self._ledger.path, f"loading into table {self._ledger.stream!r}"):
            return self._db.execute(sql, parameters).fetchall()


def read_layout(ledger: Ledger) -> Layout:
    """Raises DestinationError when what has the stream's name is not a table that file_cdk made."""
    with translating(ledger.path, "looking for tables"):
        kind = tables_of(ledger.connection).get(ledger.stream)
        found = ledger.connection.execute(f"SELECT name FROM pragma_table_info({quoted(ledger.stream)})").fetchall()
    if kind is None:
        return Layout()
    present = {name for (name,) in found}
    columns = ledger.columns()
    if kind != "table" or not _METADATA.keys() | {column for _, column, _ in columns} <= present:
        raise DestinationError(
            f"SQLite database {ledger.path!r} has a {kind} {ledger.stream!r} that file_cdk did not make",
            remedy="Give the stream another name, or load into another database; nothing was changed",
        )
    types = {name: ARROW[declared] for name, _, declared in columns}
    return Layout(True, types, {name: column for name, column, _ in columns})


def _create(name: str, layout: Layout) -> str:
    columns = {layout.columns[n]: DECLARED[kind] for n, kind in layout.types.items()} | _METADATA
    return f"CREATE TABLE {name} ({', '.join(f'{quoted(column)} {kind}' for column, kind in columns.items())})"
