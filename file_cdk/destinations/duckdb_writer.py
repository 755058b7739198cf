"""Transactions on one stream's table and its ledger entries: each file version in whole, or not at all."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from file_cdk.core.errors import DestinationError, RowsRefusedError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, RefusedFile
from file_cdk.destinations.duckdb_errors import concerns_rows, refused, translated, translating
from file_cdk.destinations.duckdb_insert import Piece, check_fits, exact_columns, insert
from file_cdk.destinations.duckdb_layout import change, read_layout
from file_cdk.destinations.duckdb_ledger import Ledger, urls
from file_cdk.destinations.duckdb_names import METADATA_COLUMNS, quoted
from file_cdk.destinations.duckdb_session import INPUT, Session


@dataclass(frozen=True, slots=True)
class PreparedLoad:
    """A file version with all its rows and rejects, ready to be written. size_bytes: what they take in memory."""

    file: RemoteFile
    pieces: Sequence[Piece]
    loaded: LoadedFile
    size_bytes: int


class TableWriter:
    """session: for this writer alone, since its transaction may stay open between calls."""

    def __init__(self, session: Session, run: str, stream: str, missing: frozenset[pa.DataType]) -> None:
        self._session = session
        self._ledger = Ledger(session, run)
        self._stream = stream
        self._missing = missing
        self._in_transaction = False
        self._fitting: pa.Schema | None = None
        self.layout = read_layout(session, self._ledger, stream)
        self.refused: list[RefusedFile] = []
        self._provide_memory(len(self.layout.types))
        self._remember_memory()

    def _remember_memory(self) -> None:
        if self.layout.exists:
            with translating(self._session.path, "reading the statistics of a table"):
                memory = self._session.memory
                memory.remember(self._stream, memory.heaviest_stored(self._stream, self.layout.columns.values()))

    def retypes(self, schema: pa.Schema) -> bool:
        """Whether `widen` would convert columns that are there."""
        types = self.layout.widened(schema, self._missing).types
        return any(not types[name].equals(kind) for name, kind in self.layout.types.items())

    def widen(self, schema: pa.Schema) -> None:
        """Commits, or, while a load is being written, leaves that to the load's end, whether commit or abort."""
        wanted = self.layout.widened(schema, self._missing)
        if wanted.types == self.layout.types and self.layout.exists:
            return
        self._provide_memory(len(wanted.types))
        if self._in_transaction:
            self.layout = change(self._session, self._ledger, self._stream, self.layout, wanted)
            return
        with self._session.transaction(f"widening table {self._stream!r}"):
            layout = change(self._session, self._ledger, self._stream, self.layout, wanted)
        self.layout = layout

    def _provide_memory(self, columns: int) -> None:
        with translating(self._session.path, "setting the memory limit"):
            self._session.memory.provide(columns + len(METADATA_COLUMNS))

    def check(self, piece: Piece) -> None:
        """Raises InternalError when the table was not widened to hold the piece's columns."""
        if piece.batch.schema != self._fitting:  # mostly it is the last one again
            check_fits(self.layout, piece)
            self._fitting = piece.batch.schema

    def start(self, files: Iterable[RemoteFile]) -> None:
        """Begins a transaction, and in it removes what is there of older versions of these files."""
        uris = [file.uri for file in files]
        if not self.layout.exists:
            self.widen(pa.schema([]))
        self._session.run("beginning a transaction", "BEGIN TRANSACTION")
        self._in_transaction = True
        try:
            with_rows, with_entry = self._ledger.known(self._stream, uris)
            if with_rows:
                self._session.run(
                    f"removing older rows from table {self._stream!r}",
                    f"DELETE FROM {quoted(self._stream)} WHERE _file_url IN (SELECT url FROM {INPUT})",
                    rows=urls(with_rows),
                )
            self._ledger.forget(self._stream, with_entry)
            self._ledger.rejects.forget(self._stream, uris)
        except BaseException:
            self._give_up()
            raise

    def insert(self, pieces: Sequence[Piece]) -> None:
        """Widens columns to text where the rows need it. Raises duckdb.Error or DestinationError; then cancel."""
        if len(needed := exact_columns(self._session, self.layout, pieces)):
            self.widen(needed)
        insert(self._session, self._stream, self.layout, pieces)

    def finish(self, loads: Sequence[tuple[RemoteFile, LoadedFile]]) -> None:
        """Enters the files in the ledger and commits. Raises duckdb.Error or DestinationError; then cancel."""
        self._ledger.add_loaded(self._stream, loads)
        self._session.execute("COMMIT")
        self._in_transaction = False

    def cancel(self) -> None:
        """Rolls back, but keeps columns as wide as they became since: blocks that need them may be on their way."""
        if not self._in_transaction:
            return
        self._in_transaction = False
        self._session.roll_back()
        self._fitting = None
        wanted = self.layout
        self.layout = read_layout(self._session, self._ledger, self._stream)
        if wanted.types != self.layout.types:
            self.widen(wanted.schema)

    def write(self, loads: Sequence[PreparedLoad]) -> None:
        """All in one transaction. If a file's rows are refused, the others are written one by one.

        Files that are refused are added to `refused`, and the ledger says so. Raises DestinationError when it is the database
        that fails; then nothing of `loads` is written.
        """
        if not loads:
            return
        try:
            self._write_together(loads)
        except RowsRefusedError:
            self._write_one_by_one(loads)
        except duckdb.Error as exc:
            if not concerns_rows(exc):
                raise translated(exc, self._session.path, f"loading into table {self._stream!r}") from exc
            self._write_one_by_one(loads)

    def _write_one_by_one(self, loads: Sequence[PreparedLoad]) -> None:
        for load in loads:
            error: RowsRefusedError | DestinationError
            try:
                self._write_together([load])
                continue
            except RowsRefusedError as exc:
                error = exc
            except duckdb.Error as exc:
                error = refused(exc, self._session.path, f"loading into table {self._stream!r}", load.file.uri)
                error.__cause__ = exc
                if isinstance(error, DestinationError):
                    raise error from exc
            error.was_committed = True
            self._ledger.set_failed(self._stream, load.file, str(error), load.loaded.rejects)
            self.refused.append(RefusedFile(load.file, load.loaded, error))

    def _write_together(self, loads: Sequence[PreparedLoad]) -> None:
        self.start([load.file for load in loads])
        try:
            self.insert([piece for load in loads for piece in load.pieces])
            self.finish([(load.file, load.loaded) for load in loads])
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        with suppress(DestinationError):  # what made it necessary tells more
            self.cancel()

    def close(self) -> None:
        try:
            self.cancel()
        finally:
            self._session.close()
