"""DuckDB as a destination: a table per stream in one database file, and the ledger beside them."""

# ruff: noqa: S608 - names are constant, and values are parameters

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import cast

from file_cdk.core.errors import ConfigError, DestinationError, InternalError
from file_cdk.core.ports import Known, TableName
from file_cdk.core.system.memory import MemoryShares
from file_cdk.destinations.duckdb.engine import duckdb
from file_cdk.destinations.duckdb.errors import translated, translating
from file_cdk.destinations.duckdb.file import Settings, companion, give_back, is_tight, open_to_write, remove
from file_cdk.destinations.duckdb.kept_parts import forget_all_parts
from file_cdk.destinations.duckdb.ledger import DuckDBLedger, add_columns
from file_cdk.destinations.duckdb.limits import WriteLimits
from file_cdk.destinations.duckdb.memory import TIGHT_BYTES, MemoryBudget
from file_cdk.destinations.duckdb.place import DuckDBPlace
from file_cdk.destinations.duckdb.present import check_replaceable
from file_cdk.destinations.duckdb.session import COLUMNS_OF, Session
from file_cdk.destinations.duckdb.table import DuckDBTable
from file_cdk.destinations.merge_rules import MERGES, UNMERGED
from file_cdk.destinations.names import BESIDE, folded
from file_cdk.destinations.run_lock import RunLock
from file_cdk.destinations.sql.database import Database, transaction
from file_cdk.destinations.sql.destination import LedgerDestination
from file_cdk.destinations.sql.ledger import FILES, shared_table
from file_cdk.destinations.sql.ledger_of_slices import SLICE_REJECTS, SLICES
from file_cdk.destinations.sql.merging import begun_beside, ledger_of
from file_cdk.destinations.sql.states import STATES

KEEP_AFTER_VARIABLE = "FILE_CDK_KEEP_AFTER_S"

_MAX_THREADS = 4


def _limits(environment: Mapping[str, str]) -> WriteLimits:
    """Raises ConfigError."""
    text = environment.get(KEEP_AFTER_VARIABLE)
    if not text:
        return WriteLimits()
    # float() would take "inf", "1_0" and digits of other scripts as well.
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        raise ConfigError(
            f"environment variable {KEEP_AFTER_VARIABLE} must be a number of seconds, at least 0",
            remedy="Give a number such as 60, or unset it",
        )
    return WriteLimits(kept_after_s=float(text))


class DuckDBDestination(LedgerDestination):
    """Tables named after their streams, with the files' columns, then `_file_url`, `_file_modified_at`, `_file_row`.

    Columns that later files add stand behind these. `_file_cdk_files` is the ledger; see sql/ledger.py. For one process
    and one thread. Memory: memory_limit_bytes for DuckDB, whatever the size of a file, and about three times
    limits.size_bytes besides. What does not fit goes to `<path>.tmp` while it is needed.

    limits: by default WriteLimits(), but with kept_after_s as the environment variable KEEP_AFTER_VARIABLE has it.
    run: the name of this run in the ledger; by default the time and something random. memory_limit_bytes: by default 80
    MiB, for tables of more than 16 columns 64 MiB and 1 MiB per column, and where values are long twice what 2,048 rows in a
    row hold besides, and more while several threads insert (see memory.py); a file whose rows need more than DuckDB would take
    by itself (80 % of the memory) is refused.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        run: str | None = None,
        memory_limit_bytes: int | None = None,
        limits: WriteLimits | None = None,
    ) -> None:
        self.path = str(path)
        super().__init__(DuckDBPlace(self.path), run)
        self._memory_limit_bytes = memory_limit_bytes
        self._ceiling_bytes: int | None = None
        self._limits = limits or _limits(os.environ)
        self._lock: RunLock | None = None
        self._created = False
        self._tables: dict[str, DuckDBTable] = {}
        self._beside: dict[str, DuckDBTable] = {}
        """Those that are to take the places of others, by their streams."""
        self._writing: DuckDBTable | None = None

    @property
    def _session(self) -> Session | None:
        return cast("Session | None", self._db)

    def limit_memory(self, memory: MemoryShares) -> None:
        """See core.memory_ports.MemoryLimited. A file is refused for which the table would be too wide, or whose values are too
        long."""
        self._ceiling_bytes = memory.database_bytes
        self._limits = self._limits.within(memory.held_bytes)

    @property
    def _is_tight(self) -> bool:
        """Whether a second thread's memory would be missed."""
        return self._ceiling_bytes is not None and self._ceiling_bytes < TIGHT_BYTES

    def connect(self) -> Session:
        """Creates the file if it is missing or empty."""
        self._lock = RunLock.hold(companion(self.path, ""), self.run)
        settings: Settings = {
            "temp_directory": companion(self.path, ".tmp"),
            "preserve_insertion_order": True,
            # What is inserted at once has work for two; each more takes its own memory for every column.
            "threads": 1 if self._is_tight else min(_MAX_THREADS, os.cpu_count() or 1),
        }
        connection, self._created = open_to_write(self.path, settings)
        if not self._created and is_tight(self.path):
            with closing(connection):
                give_back(connection, self.path)  # what an earlier run had no room to give
            connection, _ = open_to_write(self.path, settings)
        try:
            with translating(self.path, "opening"):
                # The limit comes after the connection, which may have to replay what a crash left behind.
                memory = MemoryBudget(connection, self._memory_limit_bytes, self._ceiling_bytes)
                memory.provide(columns=0)
                session = Session(self.path, connection, memory)
            add_columns(session)
        except BaseException:
            connection.close()  # as long as it is open, the file stays locked
            raise
        return session

    def table(self, table: TableName, *, anew: bool = False) -> DuckDBTable:
        """The stream's table, existing or not, always the same object. Raises DestinationError when the name is taken, or when
        a new table could not take the place of the one that is there; ConfigError when the table holds files of another origin,
        or from outside of the folder."""
        ledger = self._ledger(table.stream)
        if table.stream not in self._tables:
            for other in self._tables:
                if folded(other) == folded(table.stream):
                    raise shared_table(ledger.session, other, table.stream)
            own = ledger_of(ledger, table, as_it_is=anew)
            self._tables[table.stream] = DuckDBTable.of(own, table, self._limits, self._begins)
        if not anew:
            return self._tables[table.stream]
        if table.stream not in self._beside:
            check_replaceable(ledger)
            beside = begun_beside(self._ledger(BESIDE + table.stream), table)
            self._beside[table.stream] = DuckDBTable(beside, {}, self._limits, self._begins, table.merge)
        return self._beside[table.stream]

    def put_in_place(self, table: TableName) -> None:
        """See core.ports.Destination. Raises DestinationError; then the table is as it was."""
        if self._ledger(table.stream).stream not in self._beside:
            raise InternalError(f"no table was built to replace {table.stream!r}")
        self._beside.pop(table.stream).close()
        self._tables.pop(table.stream).close()
        self._replace(table.stream, BESIDE + table.stream)

    def take_place(self, table: TableName, built: TableName) -> None:
        """See core.ledger.Replacing. Raises DestinationError; then both are as they were."""
        check_replaceable(self._ledger(table.stream))
        for each in (table, built):
            self.table(each).close()
            self._tables.pop(each.stream)
        self._replace(table.stream, built.stream)

    def _replace(self, stream: str, built: str) -> None:
        for each in (stream, built):
            forget_all_parts(self._ledger(each))
        super()._replace(stream, built)

    def _remove_built(self, db: Database, beside: str) -> None:
        forget_all_parts(self._ledger(beside))
        super()._remove_built(db, beside)

    def _ledger(self, stream: str) -> DuckDBLedger:
        if self._session is None:
            raise InternalError("the destination is not open")
        return DuckDBLedger(self._session, self.run, stream)

    def _begins(self, table: DuckDBTable) -> None:
        """Files of one table at most wait in memory."""
        if self._writing is not None and self._writing is not table:
            self._writing.write_waiting()
        self._writing = table

    def known(self, table: TableName) -> AbstractContextManager[Known]:
        return DuckDBPlace(self.path).known(table)

    def close(self) -> None:
        """Flushes and closes, also after an error: while one is on its way, a file that `open` created, and that got neither a
        table nor an entry in the ledger, is removed again. Safe to call twice. Raises DestinationError when flushing fails.
        """
        session = self._session
        tables = [*self._tables.values(), *self._beside.values()]
        self._tables, self._beside = {}, {}
        self._writing = None
        if session is None:
            return
        with ExitStack() as left:
            left.callback(self.let_go)
            left.callback(
                session.close
            )  # whatever ends the rest early: as long as one connection is open, the file stays locked
            for table in tables:
                left.callback(table.let_go)
            self._close(session, tables)

    def _close(self, session: Session, tables: Iterable[DuckDBTable]) -> None:
        first: DestinationError | None = None
        for table in tables:
            try:
                table.close()
            except DestinationError as exc:
                first = first or exc
        with suppress(DestinationError), transaction(session, "closing"):  # the next `open` tries again
            self._remove_unfinished(session)
        try:
            # A mistake that shows after the database was opened should not leave an empty one behind.
            if self._created and first is None and sys.exc_info()[0] is not None:
                self._remove_if_unused(session)
        except DestinationError as exc:
            first = exc
        if first is not None or sys.exc_info()[0] is not None or is_tight(self.path):
            give_back(session.connection, self.path)
        try:
            session.close()
        except duckdb.Error as exc:
            first = first or translated(exc, self.path, "closing")
        if first is not None:
            raise first

    def let_go(self) -> None:
        lock, self._lock, self._db = self._lock, None, None
        if lock is not None:
            lock.close()

    def _remove_if_unused(self, session: Session) -> None:
        """While DuckDB still holds its lock on the file, so that nobody else can have begun to use it."""
        if not _is_unused(session):
            return
        session.run("closing", "CHECKPOINT")  # then closing touches no file beside it, which might be another's by then
        remove(self.path)


def _is_unused(session: Session) -> bool:
    """Whether no file of any stream was loaded or failed, and the database has no tables but the ledger's."""
    [(is_used,)] = session.run(
        "reading the ledger",
        f"SELECT EXISTS (SELECT 1 FROM {FILES}) OR EXISTS (SELECT 1 FROM duckdb_tables() "
        "WHERE database_name = current_database() "
        "AND NOT (schema_name = current_schema() AND list_contains(?, table_name)))",
        [[*COLUMNS_OF, MERGES, UNMERGED, STATES, SLICES, SLICE_REJECTS]],
    )
    return not is_used
