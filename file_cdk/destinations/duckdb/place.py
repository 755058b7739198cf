"""A DuckDB database that no sync has open: how it is read and corrected; see sql/database.py."""

# ruff: noqa: S608 - names are constant, and values are parameters

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import Known, TableName
from file_cdk.core.system.run_folder import run_folder
from file_cdk.destinations.duckdb.engine import duckdb, take_arrow
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.file import (
    Settings,
    absent,
    companion,
    is_absent,
    open_to_read,
    open_to_write,
    remove,
)
from file_cdk.destinations.duckdb.ledger import DuckDBLedger, add_columns, ledger_tables, stand_in
from file_cdk.destinations.duckdb.memory import NARROW_BYTES, MemoryBudget
from file_cdk.destinations.duckdb.present import checked_columns
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.run_lock import RunLock
from file_cdk.destinations.sql.ledger import COLUMNS, FILES, STREAMS, create_ledger
from file_cdk.destinations.sql.merging import ledger_of

_DOING = "reading the ledger"
_ROWS_AT_ONCE = 100_000

_SETTINGS: Settings = {
    # DuckDB reads 2048 rows at a time, and each rejected record may have 64 KB of raw bytes. A second thread would hold as much
    # again.
    "threads": 1,
    "memory_limit": "1GiB",
    "preserve_insertion_order": True,
}


@dataclass(frozen=True, slots=True)
class DuckDBPlace:
    path: str

    def is_absent(self) -> bool:
        return is_absent(self.path)

    def absent(self) -> DestinationError:
        return absent(self.path)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with closing(open_to_read(self.path, _SETTINGS)) as connection:
            session = _session(self.path, connection)
            if ledger_tables(session, _DOING, "reads").keys() >= {FILES, STREAMS}:
                stand_in(session)
            yield session

    @contextmanager
    def correcting(self) -> Iterator[Session]:
        with closing(RunLock.hold(companion(self.path, ""), "file-cdk state")):
            connection, _ = open_to_write(self.path, {"temp_directory": companion(self.path, ".tmp")})
            with closing(connection):
                session = _session(self.path, connection)
                add_columns(session)
                yield session

    @contextmanager
    def scratch(self) -> Iterator[Session]:
        """It takes 128 MiB of memory at most, and else room for temporary files."""
        import tempfile  # which a sync does without

        with tempfile.TemporaryDirectory(prefix="ledger-", dir=run_folder()) as folder:
            settings: Settings = {"threads": 1, "temp_directory": folder, "autoinstall_known_extensions": False}
            with closing(duckdb.connect(":memory:", config={**settings})) as connection:
                session = Session(self.path, connection, MemoryBudget(connection, NARROW_BYTES))
                session.memory.provide(columns=0)
                yield session

    @contextmanager
    def known(self, table: TableName) -> Iterator[Known]:
        """The database is locked only while its ledger is copied, so that a listing of hours keeps no sync from starting."""
        if self.is_absent():
            yield lambda files: [True] * len(files)
            return
        with self.scratch() as copy:
            create_ledger(copy)
            self._copy_entries(table, copy)
            yield DuckDBLedger(copy, "", table.stream).unloaded

    def _copy_entries(self, table: TableName, copy: Session) -> None:
        """Those of the files that are loaded, if there is a table that their rows are in."""
        take_arrow()
        with closing(open_to_read(self.path, {"threads": 1})) as connection:
            session = _session(self.path, connection)
            if not ledger_tables(session, _DOING).keys() >= {FILES, STREAMS, COLUMNS}:
                return  # the next sync makes what is missing
            ledger = ledger_of(DuckDBLedger(session, "", table.stream), table, as_it_is=True)
            exists = bool(checked_columns(ledger, table))  # refuses what a sync would refuse
            with session.translating(_DOING):
                entries = connection.sql(
                    f"SELECT stream, url, etag, modified_at, size_bytes, rejected, status FROM {FILES} "  # what `unloaded` asks
                    "WHERE stream = ? AND status = 'loaded' AND (\"rows\" = 0 OR ?)",
                    params=[table.stream, exists],
                )
                rows = entries.to_arrow_reader(_ROWS_AT_ONCE)
                copy.execute(f"INSERT INTO {FILES} BY NAME SELECT * FROM {INPUT}", rows=rows)

    def check(self) -> bool:
        """A database that is missing is created and removed again."""
        path = self.path
        with closing(RunLock.hold(companion(path, ""), "check")):
            is_new = is_absent(path)
            empty = Path(path).stat() if is_new and Path(path).exists() else None
            connection, _ = open_to_write(path, {})
            with closing(connection):
                session = _session(path, connection)
                if is_new:
                    session.run("opening", "CHECKPOINT")
                    remove(path)
                else:
                    ledger_tables(session, _DOING)
            if empty is not None:
                Path(path).touch(mode=empty.st_mode)
            return not is_new


def _session(path: str, connection: duckdb.DuckDBPyConnection) -> Session:
    with translating(path, "opening"):
        return Session(path, connection, MemoryBudget(connection))
