"""Connections to a SQLite database file."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError
from file_cdk.destinations.names import folded, quoted
from file_cdk.destinations.run_lock import RunLock
from file_cdk.destinations.sql.ledger import COLUMNS, FILES, REJECTS, RUNS, STREAMS, urls
from file_cdk.destinations.sqlite.errors import translating
from file_cdk.destinations.sqlite.types import text_of

BUSY_S = 5.0
"""How long a statement waits for another process that has the database locked, in seconds."""

_ROWS_AT_ONCE = 1000

_ENTRY = "stream TEXT, url TEXT, etag TEXT, modified_at TEXT, size_bytes INTEGER, rows INTEGER, rejected INTEGER, status TEXT"

_LAYOUTS: Mapping[str, str] = {
    FILES: f"{_ENTRY}, error TEXT, loaded_at TEXT, run TEXT, skipped INTEGER, PRIMARY KEY (stream, url, status)) WITHOUT ROWID",
    # All columns of the files, with the names and types of the columns that hold them, in the table's order.
    COLUMNS: "stream TEXT, name TEXT, column_name TEXT, type TEXT)",
    STREAMS: "stream TEXT PRIMARY KEY, source TEXT)",
    REJECTS: "stream TEXT, url TEXT, modified_at TEXT, row INTEGER, byte_offset INTEGER, reason TEXT, raw TEXT, "
    "raw_bytes BLOB, rejected_at TEXT, run TEXT)",
    RUNS: "run TEXT, started_at TEXT, version TEXT, source TEXT, options TEXT, ended_at TEXT, exit_code INTEGER, error TEXT, "
    "files_read INTEGER, files_failed INTEGER, files_skipped INTEGER, files_removed INTEGER, rows INTEGER, rejected INTEGER, "
    "size_bytes INTEGER)",
}


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """See sql/database.py."""

    connection: sqlite3.Connection
    name: str

    kind: ClassVar[str] = "SQLite"
    begin: ClassVar[str] = "BEGIN IMMEDIATE"
    layouts: ClassVar[Mapping[str, str]] = _LAYOUTS
    indexes: ClassVar[Sequence[str]] = (f"CREATE INDEX IF NOT EXISTS {REJECTS}_of_file ON {REJECTS} (stream, url)",)
    order: ClassVar[str] = "rowid"
    file_order: ClassVar[str] = "ORDER BY stream, url, rowid"
    reserved: ClassVar[str] = "sqlite_"
    same_name: ClassVar[str] = "where case makes no difference"

    @classmethod
    def connected(cls, path: str, *, read_only: bool = False) -> Self:
        """Creates the file if it is missing, unless read_only. Raises DestinationError."""
        with translating(path, "opening"):
            mode = "ro" if read_only else "rwc"
            db = sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None)
            try:
                db.create_function("_file_cdk_text", 2, text_of, deterministic=True)
                # Views may name a table while it is rebuilt.
                db.execute("PRAGMA legacy_alter_table = ON")
                db.execute("SELECT 1 FROM sqlite_master").fetchone()  # refuses what is no database
            except BaseException:
                db.close()
                raise
            return cls(db, path)

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        return self.connection.executemany(sql, rows)

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        found = self.connection.execute(sql, parameters)
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            yield from rows

    def translating(self, doing: str, uri: str | None = None) -> AbstractContextManager[None]:
        return translating(self.name, doing, uri)

    def key(self, url: str) -> str:
        return url

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - a name

    def urls(self, uris: Sequence[str]) -> str:
        return urls(uris)

    def tables(self) -> dict[str, str]:
        return dict(self.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))

    def columns(self, table: str) -> list[str]:
        return [name for (name,) in self.execute(f"SELECT name FROM pragma_table_info({quoted(table)})")]  # noqa: S608 - quoted

    def declared(self, table: str) -> dict[str, str]:
        return dict(self.execute("SELECT name, type FROM pragma_table_info(?)", [table]))

    def by_bytes(self, text: str) -> str:
        return text

    def rows_by_file(self, table: str) -> str:
        return f"SELECT _file_url, NULL, count(*) FROM {quoted(table)} GROUP BY 1"  # noqa: S608 - quoted

    def table_name(self, stream: str) -> str:
        return stream

    def folded(self, stream: str) -> str:
        return folded(stream)

    def close(self) -> None:
        self.connection.close()


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    path: str

    def is_absent(self) -> bool:
        return is_absent(self.path)

    def absent(self) -> DestinationError:
        return DestinationError(
            f"there is no SQLite database {self.path!r}", remedy="Name one that file-cdk sync has written"
        )

    def reading(self) -> AbstractContextManager[SqliteDatabase]:
        return closing(SqliteDatabase.connected(self.path, read_only=True))

    @contextmanager
    def correcting(self) -> Iterator[SqliteDatabase]:
        lock = RunLock.hold(self.path, "file-cdk state", "SQLite")
        with closing(lock), closing(SqliteDatabase.connected(self.path)) as db:
            yield db

    def scratch(self) -> AbstractContextManager[SqliteDatabase]:
        return scratch()

    def check(self) -> bool:
        """A database that is missing is created and removed again."""
        with closing(RunLock.hold(self.path, "check", "SQLite")):
            absent = is_absent(self.path)
            empty = absent and Path(self.path).exists()
            with closing(SqliteDatabase.connected(self.path)) as db, db.translating("opening"):
                db.execute("BEGIN IMMEDIATE")
                db.execute("CREATE TABLE _file_cdk_check (x)")  # writes the journal, which asks for more than the file
                db.execute("ROLLBACK")
            if absent and not empty:
                Path(self.path).unlink(missing_ok=True)
            return not absent


def scratch() -> AbstractContextManager[SqliteDatabase]:
    """A temporary database, which SQLite keeps in memory while it is small."""
    return closing(SqliteDatabase(sqlite3.connect("", isolation_level=None), "temporary"))


def is_absent(path: str) -> bool:
    """Missing or empty."""
    try:
        return Path(path).stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False  # whoever opens it says what is wrong
