"""SQLite as a destination: a table per stream in one database file, and the ledger beside them."""

# ruff: noqa: S608 - names are constant

import sys
from pathlib import Path

from file_cdk.destinations.merge_rules import MERGES, UNMERGED
from file_cdk.destinations.run_lock import RunLock
from file_cdk.destinations.sql.database import Database
from file_cdk.destinations.sql.destination import SqlDestination
from file_cdk.destinations.sql.ledger_of_slices import SLICE_REJECTS, SLICES
from file_cdk.destinations.sql.states import STATES
from file_cdk.destinations.sqlite.session import SqliteDatabase, SqlitePlace, is_absent
from file_cdk.destinations.sqlite.table import SqliteTable


class SqliteDestination(SqlDestination):
    """Tables named after their streams, with the files' columns, then `_file_url`, `_file_modified_at`, `_file_row`; the ledger
    in tables whose names begin with `_file_cdk`.

    Memory: that of a block, and of SQLite's cache. While an error is on its way, `close` removes a file again that `open`
    created, and that got neither a table nor an entry in the ledger.
    """

    table_class = SqliteTable

    def __init__(self, path: str | Path, *, run: str | None = None) -> None:
        self.path = str(path)
        super().__init__(SqlitePlace(self.path), run)
        self._lock: RunLock | None = None
        self._created = False

    def connect(self) -> SqliteDatabase:
        self._lock = RunLock.hold(self.path, self.run, "SQLite")
        self._created = is_absent(self.path)
        return SqliteDatabase.connected(self.path)

    def before_closing(self, database: Database) -> None:
        if self._created and sys.exc_info()[0] is not None and _is_unused(database):
            Path(self.path).unlink(missing_ok=True)

    def let_go(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()


def _is_unused(database: Database) -> bool:
    return database.tables().keys() <= {*database.layouts, MERGES, UNMERGED, STATES, SLICES, SLICE_REJECTS} and not any(
        database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall() for table in database.layouts
    )
