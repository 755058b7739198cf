"""One stream's table in a SQL database, and the load of one file into it.

Each file is written as it comes, within a savepoint; files that are complete share a transaction, which ends after some time
or after many rows.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

import pyarrow as pa

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, MergeRule, RefusedFile, Rejects, TableName
from file_cdk.core.uris import well_formed
from file_cdk.destinations.arrow_ipc import decode
from file_cdk.destinations.merging import Merge, MergedLoad
from file_cdk.destinations.names import quoted
from file_cdk.destinations.sql.database import transaction
from file_cdk.destinations.sql.layout import Layout, check_table
from file_cdk.destinations.sql.ledger import Ledger, moment, urls
from file_cdk.destinations.sql.merging import SqlMerges


class SqlFileLoad:
    """A FileLoad, within the savepoint `file`."""

    def __init__(self, table: "SqlTable", file: RemoteFile) -> None:
        self._table, self._file = table, file
        self._metadata = well_formed(file.uri), moment(file.modified_at)
        self._rows = 0
        rule = table.rule
        self._merged = None if rule is None else MergedLoad(rule, table.layout.types, file.uri)
        self.is_open = True

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:
        if not self.is_open:
            raise InternalError("a load was written to after its end", uri=self._file.uri)
        if (rows := self._table.insert_block(block, self._metadata, rows_before, self._file.uri)) is not None:
            self._rows += rows
            return
        for batch in decode(block):
            if self._merged is not None:
                self._table.see(batch, self._merged)
            self._table.insert(batch, self._metadata, rows_before, self._file.uri)
            self._rows += batch.num_rows

    def commit(self, loaded: LoadedFile) -> None:
        """Durable when its transaction ends, at the latest with `flush`."""
        if not self.is_open:
            raise InternalError("a load was committed after its end", uri=self._file.uri)
        if loaded.rows != self._rows:
            self.abort()
            raise InternalError(f"{self._rows} rows were written and {loaded.rows} announced", uri=self._file.uri)
        if self._merged is not None:
            self._merged.check(loaded.rows)
        self.is_open = False
        self._table.finish(self._file, loaded)

    def abort(self) -> None:
        if self.is_open:
            self.is_open = False
            self._table.cancel()


class SqlTable:
    """A MergingTable. begins: called before each load, since all tables share the connection and its transaction. rule: how its
    rows are merged, if they are.

    A subclass says which types columns have, and writes the rows.
    """

    group_rows, group_s = 100_000, 1.0
    """Maximum number of rows, and of seconds, of a transaction, to be looked at when a file is complete."""

    def __init__(self, ledger: Ledger, begins: Callable[["SqlTable"], None], rule: MergeRule | None = None) -> None:
        self._ledger = ledger
        self.rule = rule
        self._db = ledger.database
        self._name = ledger.table
        self._begins = begins
        self._load: SqlFileLoad | None = None
        self._rows, self._since = 0, 0.0
        self._taken = 0
        """Rows of the load that is open, by the database's own count."""
        self.layout = self._promised = self._read_layout()

    def arrow_type(self, declared: str) -> pa.DataType:
        """The type of a column that the ledger says is so declared."""
        raise NotImplementedError

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        """The type of a column for values of type `kind`."""
        raise NotImplementedError

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        """The type of a column of type `stored` once it holds values of `kind` too."""
        raise NotImplementedError

    def exact(self, name: str, target: pa.DataType) -> pa.DataType:
        """What the column becomes that is to be a `target`: text, where that would change one of its values."""
        raise NotImplementedError

    def decoded(self, kind: pa.DataType) -> pa.DataType:
        """What files are decoded to for a column of this type."""
        return kind

    def kept(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The columns of a block's batch that go into the table."""
        # A column that has rows and no value says nothing: formats give columns, too, that only other files have.
        return {
            field.name: column
            for field, column in zip(list(batch.schema)[:-1], batch.columns, strict=False)
            if field.name in self.layout.types or not (column.null_count and column.null_count == len(column))
        }

    def grown(self, types: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
        """The types of all columns once they hold values of these types, too."""
        wanted = dict(self.layout.types)
        for name, kind in types.items():
            wanted[name] = self.wider(wanted[name], kind) if name in wanted else self.table_type(kind)
            if pa.types.is_null(wanted[name]):
                wanted[name] = pa.string()
            elif name in self.layout.types:
                wanted[name] = self.exact(name, wanted[name])
        return wanted

    def see(self, batch: pa.RecordBatch, merged: MergedLoad) -> None:
        """Raises RowsRefusedError for rows that cannot be merged, before they are inserted."""
        merged.see(batch)

    def insert(self, batch: pa.RecordBatch, metadata: tuple[str, str], rows_before: int, uri: str) -> None:
        """In the load that is open. Adds to `_taken`."""
        raise NotImplementedError

    def insert_block(
        self,
        block: bytes | bytearray | memoryview,  # noqa: ARG002 - for tables that take blocks of their own
        metadata: tuple[str, str],  # noqa: ARG002
        rows_before: int,  # noqa: ARG002
        uri: str,  # noqa: ARG002
    ) -> int | None:
        """The same of a whole block. Answers its rows, and None where its batches are to be inserted."""
        return None

    @classmethod
    def of(cls, ledger: Ledger, table: TableName, begins: Callable[["SqlTable"], None]) -> Self:
        """Raises DestinationError when the name is taken by something else, ConfigError when it holds other files."""
        ledger.check_name()
        found = cls(ledger, begins, table.merge if ledger.merges else None)
        with transaction(ledger.database, "preparing a table"):
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
        return pa.schema([(name, self.decoded(kind)) for name, kind in self._promised.types.items()])

    def widen(self, schema: pa.Schema, *, anew: bool = False) -> None:
        """Nothing in the database changes: the table is created, and grows, with the files whose rows need it."""
        types = dict((self.layout if anew else self._promised).types)
        for column in schema:
            known = types.get(column.name)
            types[column.name] = self.table_type(column.type) if known is None else self._widened(column, known)
        self._promised = Layout(self.layout.exists, types)

    def _widened(self, column: pa.Field, known: pa.DataType) -> pa.DataType:
        new = self.wider(known, column.type)
        stored = self.layout.types.get(column.name)
        return new if stored is None or new in (stored, known) else self.exact(column.name, new)

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        return self._ledger.unloaded(files, with_rejects=with_rejects)

    def begin(self, file: RemoteFile) -> SqlFileLoad:
        """One load at a time."""
        if self._load is not None and self._load.is_open:
            raise InternalError("the load of another file is still open", uri=file.uri)
        self._begins(self)
        if not self._db.in_transaction:
            self._run(self._db.begin)
            self._rows, self._since = 0, time.monotonic()
        self._run("SAVEPOINT file")
        self._load = load = SqlFileLoad(self, file)
        self._taken = 0
        try:
            self._forget([file.uri])
        except BaseException:
            load.abort()
            raise
        return load

    def finish(self, file: RemoteFile, loaded: LoadedFile) -> None:
        try:
            if self._taken != loaded.rows:
                raise InternalError(f"{loaded.rows} rows were read and {self._taken} are in the table", uri=file.uri)
            self._ledger.add_loaded([(file, loaded)])
            self._run("RELEASE file")
        except BaseException:
            self.cancel()
            raise
        self._rows += loaded.rows
        now, promised = self.layout.types, self._promised.types
        self._promised = Layout(True, {n: self.wider(now.get(n, k), k) for n, k in {**now, **promised}.items()})
        if self._rows >= self.group_rows or time.monotonic() - self._since >= self.group_s:
            self._commit()

    def cancel(self) -> None:
        """The load that is open leaves nothing."""
        if not self._db.in_transaction:
            return  # the database has rolled all back: SQLite, where the disk is full; Postgres, with its connection
        self._run("ROLLBACK TO file")
        self._run("RELEASE file")
        self.layout = self._read_layout()

    def _commit(self) -> None:
        if self._db.in_transaction:
            self._run("COMMIT")

    def _commit_own(self) -> None:
        """Not the transaction of another table, of which rows may wait that its ledger has already."""
        self._begins(self)
        self._commit()

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:
        """Rows are refused when they are written, never later."""
        if not keep_waiting:
            self._commit_own()
        return []

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Durable when it returns, with the files that were complete before."""
        self._begins(self)
        self._ledger.set_failed(file, error, rejects)
        self._commit()

    def failed(self, limit: int) -> list[str]:
        return self._ledger.failed(limit)

    def forget_failed(self, uris: Sequence[str]) -> None:
        self._begins(self)
        self._ledger.forget_failed(uris)
        self._commit()

    def loaded(self) -> Iterator[Sequence[str]]:
        return self._ledger.loaded()

    def remove(self, uris: Sequence[str]) -> None:
        self._commit_own()
        with transaction(self._db, "removing files"):
            self._forget(uris)

    def _forget(self, uris: Sequence[str]) -> None:
        with_rows = self._ledger.forget(uris)
        if not with_rows or not self.layout.exists:
            return
        # Made when it is first needed: tables whose files never change do without.
        index = quoted(self._db.table_name(f"_file_cdk_files_of_{self._ledger.stream}"))
        self._run(f"CREATE INDEX IF NOT EXISTS {index} ON {self._name} ({self._db.key('_file_url')})")
        self._run(f"DELETE FROM {self._name} WHERE {self._db.among('_file_url')}", urls(with_rows))

    def merge(self) -> int | None:
        """See core.merging.MergingTable."""
        if self.rule is None:
            raise InternalError(f"the rows of table {self._ledger.name!r} are not to be merged")
        self._commit_own()
        with transaction(self._db, "merging rows"):
            return self.make_shown(self.rule)

    def make_shown(self, rule: MergeRule) -> int | None:
        """In the transaction that is open; see Merge.run."""
        merge = Merge(SqlMerges(self._db), self._ledger.name, rule, self.layout.types, self.layout.columns)
        return merge.run()

    def close(self) -> None:
        """Aborts the load that is open, and flushes."""
        if self._load is not None:
            self._load.abort()
        self._commit()

    def _run(self, sql: str, *parameters: str | int) -> list[tuple[object, ...]]:
        with self._db.translating(f"loading into table {self._ledger.stream!r}"):
            return self._db.execute(sql, parameters).fetchall()

    def _read_layout(self) -> Layout:
        if not check_table(self._ledger):
            return Layout()
        columns = self._ledger.columns()
        types = {name: self.arrow_type(declared) for name, _, declared in columns}
        return Layout(True, types, {name: column for name, column, _ in columns})
