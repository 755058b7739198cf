"""Transactions on one stream's table and its ledger entries: each file version in whole, or not at all."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, InternalError, RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, RefusedFile
from file_cdk.destinations.duckdb.engine import duckdb
from file_cdk.destinations.duckdb.errors import refused, translating
from file_cdk.destinations.duckdb.insert import (
    Piece,
    check_fits,
    exact_columns,
    insert,
    needed_columns,
    rows_taken,
)
from file_cdk.destinations.duckdb.layout import Layout, change, layout_of, read_layout
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.memory import Tail
from file_cdk.destinations.duckdb.session import INPUT, as_stored
from file_cdk.destinations.duckdb.types import converted, exact_type, missing_types
from file_cdk.destinations.names import METADATA_COLUMNS, quoted

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType


@dataclass(frozen=True, slots=True)
class PreparedLoad:
    """A file version with all its rows and rejects, ready to be written. size_bytes: what they take in memory."""

    file: RemoteFile
    pieces: Sequence[Piece]
    loaded: LoadedFile
    size_bytes: int


class TableWriter:
    """ledger: in a session for this writer alone, since its transaction may stay open between calls.

    layout: the table as it is, or as the open transaction leaves it. promised: what files are decoded for. The table
    gets of it what the rows of a file need that is written, in that file's transaction.
    """

    def __init__(self, ledger: DuckDBLedger, layout: Layout) -> None:
        self.ledger = ledger
        self._session = ledger.session
        self._stream = ledger.stream
        self._missing = missing_types(self._session.connection)
        self._rows_taken = 0
        """In the open transaction, by DuckDB's own count."""
        self._fitting: pa.Schema | None = None
        self._held: pa.Schema | None = None
        self.layout = self.promised = layout
        self._refused: list[RefusedFile] = []
        self._provide_memory(len(layout.types))
        if layout.exists:
            with translating(self._session.path, "reading the statistics of a table"):
                memory = self._session.memory
                memory.remember(self._stream, memory.heaviest_stored(self._stream, layout.columns.values()))

    @classmethod
    def open(cls, ledger: DuckDBLedger, columns: "Mapping[str, DuckDBPyType]") -> "TableWriter":
        """In a session of its own. columns: of the table, by present.py."""
        own = replace(ledger, database=ledger.session.another())
        try:
            return cls(own, layout_of(own, columns))
        except BaseException:
            own.session.close()  # as long as one connection is open, the file stays locked
            raise

    def answer_refused(self) -> list[RefusedFile]:
        """Files that were committed, and whose rows could not be written after all; each is answered once."""
        refused, self._refused = self._refused, []
        return refused

    def retypes(self, schema: pa.Schema) -> bool:
        """Whether `widen` would change what is promised already."""
        types = self.promised.widened(schema, self._missing).types
        return any(not types[name].equals(kind) for name, kind in self.promised.types.items())

    def widen(self, schema: pa.Schema, *, anew: bool) -> None:
        """Promises to hold `schema` too; where a stored value would change, as text. anew: and no more than what is there."""
        self._fitting = None
        if anew:
            self.promised = self.layout.widened(schema, self._missing)
            return
        wanted = self.promised.widened(schema, self._missing)
        types = dict(wanted.types)
        for name, stored in self.layout.types.items():
            if not types[name].equals(self.promised.types[name]):
                query = partial(self._session.run, f"widening table {self._stream!r}")
                column = quoted(self.layout.columns[name])
                types[name] = exact_type(query, quoted(self._stream), column, stored, types[name])
        self.promised = replace(wanted, types=types)

    def _provide_memory(self, columns: int) -> None:
        with translating(self._session.path, "setting the memory limit"):
            self._session.memory.provide(columns + len(METADATA_COLUMNS))

    def check(self, piece: Piece) -> None:
        """Raises InternalError when the piece's columns were not promised."""
        if piece.batch.schema != self._fitting:  # mostly it is the last one again
            check_fits(self.promised, piece)
            self._fitting = piece.batch.schema

    def remove(self, uris: Sequence[str]) -> None:
        """In a transaction of its own. Raises DestinationError."""
        with self.refusing(None):
            self._start(uris)
            try:
                self.finish([])
            except BaseException:
                self._give_up()
                raise

    def start(self, files: Iterable[RemoteFile]) -> None:
        """In the transaction that is open, or in one that it begins, removes what is there of older versions of these files."""
        self._start([file.uri for file in files])

    def begin(self) -> None:
        """Begins a transaction, unless one is open."""
        if not self._session.in_transaction:
            self._session.run("beginning a transaction", self._session.begin)
            self._rows_taken = 0

    def commit(self) -> None:
        """Raises duckdb.Error; then cancel."""
        self._session.execute("COMMIT")

    def _start(self, uris: Sequence[str]) -> None:
        self.begin()
        try:
            with_rows = self.ledger.forget(uris)
            if with_rows and self.layout.exists:
                self._session.run(
                    f"removing older rows from table {self._stream!r}",
                    f"DELETE FROM {quoted(self._stream)} WHERE _file_url IN (SELECT url FROM {INPUT})",
                    rows=self._session.urls(with_rows),
                )
        except BaseException:
            self._give_up()
            raise

    def insert(self, pieces: Sequence[Piece]) -> None:
        """Gives the table the columns that the rows have. Raises duckdb.Error, RowsRefusedError or DestinationError; then
        cancel."""
        for _, of_file in groupby(pieces, key=attrgetter("file")):
            if (needed := self._needed_by(of_file)) or not self.layout.exists:
                self._hold([pa.schema([]), *needed])
        if len(needed := exact_columns(self._session, self.layout, pieces)):
            self._hold([needed])
        self._rows_taken += insert(self._session, self._stream, self.layout, pieces)

    def _needed_by(self, pieces: Iterable[Piece]) -> list[pa.Schema]:
        """Columns that the pieces have and the table does not hold, without those of the last piece that needed none."""
        found = []
        for piece in pieces:
            if piece.batch.schema != self._held:
                needed, is_all = needed_columns(self.layout, piece)
                if len(needed):
                    found.append(needed)
                self._held = piece.batch.schema if is_all else self._held
        return found

    def _hold(self, schemas: Iterable[pa.Schema]) -> None:
        """Creates or alters the table. One file at a time: what stands before the metadata depends on the first alone."""
        wanted = self.layout
        for schema in schemas:
            wanted = wanted.widened(schema, self._missing)
        if wanted.exists and (not self.layout.exists or wanted.types != self.layout.types):
            self._provide_memory(len(wanted.types))
            self.layout = change(self.ledger, self.layout, wanted)

    def take_over(self, table: str, layout: Layout) -> None:
        """All rows of another table become rows of this one, in their order, behind those it has; then the other is gone.

        Raises duckdb.Error, RowsRefusedError or DestinationError; then cancel.
        """
        run = partial(self._session.run, f"loading into table {self._stream!r}")
        heaviest = [self._session.memory.tails.get(name, Tail()).heaviest_bytes for name in (self._stream, table)]
        self._session.memory.tails.pop(table, None)
        if not self.layout.exists:
            self._rows_taken += rows_taken(run(f"SELECT count(*) FROM {quoted(table)}"))
            run(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(self._stream)}")
            self.ledger.set_renamed_columns({name: column for name, column in layout.columns.items() if name != column})
            self.layout = layout
        else:
            self._hold([layout.schema])
            for name, kind in layout.types.items():
                target = self.layout.types[name]
                exact = exact_type(run, quoted(table), quoted(layout.columns[name]), kind, target)
                if not exact.equals(target):
                    self._hold([pa.schema([(name, exact)])])
            columns = [quoted(self.layout.columns[name]) for name in layout.types]
            values = [
                converted(quoted(layout.columns[name]), kind, self.layout.types[name])
                for name, kind in layout.types.items()
            ]
            metadata = list(map(quoted, METADATA_COLUMNS))
            self._rows_taken += rows_taken(
                self._session.execute(
                    f"INSERT INTO {quoted(self._stream)} ({', '.join(columns + metadata)}) "
                    f"SELECT {', '.join(values + metadata)} FROM {quoted(table)}"
                )
            )
            run(f"DROP TABLE {quoted(table)}")
        with translating(self._session.path, "setting the memory limit"):
            self._session.memory.remember(self._stream, max(heaviest))

    def finish(self, loads: Sequence[tuple[RemoteFile, LoadedFile]]) -> None:
        """Enters the files in the ledger and commits. Raises duckdb.Error or DestinationError, and InternalError where the table
        did not get the rows that the ledger is to count; then cancel."""
        if self._rows_taken != sum(loaded.rows for _, loaded in loads):
            self._raise_miscounted(loads)
        self.ledger.add_loaded(loads)
        self.commit()
        self.promised = self.promised.widened(self.layout.schema, self._missing)

    def _raise_miscounted(self, loads: Sequence[tuple[RemoteFile, LoadedFile]]) -> NoReturn:
        for file, loaded in loads if self.layout.exists else ():
            [(present,)] = self._session.execute(
                f"SELECT count(*) FROM {quoted(self._stream)} WHERE _file_url = ?", [as_stored(file.uri)]
            )
            if present != loaded.rows:
                raise InternalError(f"{loaded.rows} rows were read and {present} are in the table", uri=file.uri)
        raise InternalError(f"table {self._stream!r} took another number of rows than were read")

    def cancel(self) -> None:
        """Rolls back: the table is as it was before the load."""
        if not self._session.in_transaction:
            return
        self._session.roll_back()
        self._held = None
        self.layout = read_layout(self.ledger)

    def write(self, loads: Sequence[PreparedLoad]) -> None:
        """All in one transaction. If a file's rows are refused, the others are written one by one.

        Files that are refused are kept to be answered, and the ledger says so. Raises DestinationError when it is the database
        that fails; then nothing of `loads` is written.
        """
        if not loads:
            return
        try:
            self._write_together(loads)
        except RowsRefusedError:
            for load in loads:
                self._write_alone(load)

    def _write_alone(self, load: PreparedLoad) -> None:
        try:
            self._write_together([load], load.file.uri)
        except RowsRefusedError as error:
            error.was_committed = True
            self.ledger.set_failed(load.file, str(error), load.loaded.rejects)
            self._refused.append(RefusedFile(load.file, load.loaded, error))

    def _write_together(self, loads: Sequence[PreparedLoad], uri: str | None = None) -> None:
        self.start([load.file for load in loads])
        try:
            with self.refusing(uri):
                self.insert([piece for load in loads for piece in load.pieces])
                self.finish([(load.file, load.loaded) for load in loads])
        except BaseException:
            self._give_up()
            raise

    @contextmanager
    def refusing(self, uri: str | None) -> Iterator[None]:
        """DuckDB's errors as RowsRefusedError where other files may well be loaded, else as DestinationError."""
        try:
            yield
        except duckdb.Error as exc:
            raise refused(exc, self._session.path, f"loading into table {self._stream!r}", uri) from exc

    def _give_up(self) -> None:
        with suppress(DestinationError):  # what made it necessary tells more
            self.cancel()

    def close(self) -> None:
        try:
            self.cancel()
        finally:
            self._session.close()
