"""The ledger of a folder of data files: a SQLite database of which the folder has versions, one with each manifest.

A run works on a copy of its own. With each commit SQLite appends the pages that changed to its log; what was appended goes into
the folder as a new file, and a manifest that names it makes it count. So a commit writes what it changed, not the whole ledger.
Once the log is as long as the database, the database itself is written anew, and the log begins again.
"""

# ruff: noqa: S608 - names are quoted or constant

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, DestinationInUseError, InternalError
from file_cdk.core.system.run_folder import run_folder
from file_cdk.destinations.files.manifest import OWN, Change, CommitPoint, DataFile, Manifest, latest_and_number
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.types import arrow_type
from file_cdk.destinations.names import BESIDE, ROWS_OF
from file_cdk.destinations.sql.ledger import COLUMNS
from file_cdk.destinations.sqlite.session import SqliteDatabase

DATA = "_file_cdk_data"
"""The data files of each stream."""

IS_BESIDE = " OR ".join(f"substr(stream, 1, {len(each)}) = '{each}'" for each in (BESIDE, ROWS_OF + BESIDE))
IS_BESIDE = f"({IS_BESIDE})"
"""SQL that is true of what a full refresh builds."""

_PRESENT = "_file_cdk_present"
_LEAST_LOG_BYTES = 1 << 20


class Publisher:
    """What of a run's copy of the ledger is in the folder. manifest: the last one that counts. number: the highest of any.
    point: where data files do not count by manifests alone."""

    def __init__(
        self, storage: Storage, run: str, copy: Path, manifest: Manifest, number: int, point: CommitPoint | None = None
    ) -> None:
        self.manifest = manifest
        self._storage, self._run, self._copy = storage, run, copy
        self._number, self.point = number, point
        self.moves_only = False
        """Whether the next commit has the same rows as before it, in other data files."""
        self._lost: DestinationError | None = None
        """Why the copy holds what the table does not."""
        self._log = copy.with_name(f"{copy.name}-wal")
        self._published = sum(size for _, size in manifest.log)
        self._token, self._named = f"{run}-{os.urandom(3).hex()}", 0

    def publish(self, connection: sqlite3.Connection) -> None:
        """After a commit. Raises DestinationError, and DestinationInUseError where another run has published meanwhile."""
        if self._lost is not None:
            raise self._lost
        size = self._log.stat().st_size
        if size == self._published and self.manifest.awaits is None:
            return
        base, log = self.manifest.base, list(self.manifest.log)
        if base is None or size > max(_LEAST_LOG_BYTES, self._copy.stat().st_size):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            base, log, size = self._put("sqlite", self._copy.read_bytes()), [], 0
        else:
            start = self._published
            # Each file of the log is longer than the next, so that they stay few and none is written often.
            while log and log[-1][1] <= size - start:
                start -= log.pop()[1]
            with self._log.open("rb") as file:
                file.seek(start)
                log.append((self._put("wal", file.read(size - start)), size - start))
        self._published = size
        tables = _tables(connection)
        change = None if self.point is None else self._change(connection, tables)
        awaits = None if change is None else change.stream
        manifest = Manifest(self._number + 1, self._run, base, log, tables, awaits)
        if not self._storage.put_new(manifest.name, manifest.encoded()):
            raise DestinationInUseError(
                f"another run has written to {self._storage.root!r} meanwhile, and nothing of this commit was kept",
                remedy="Run it again, one run at a time",
            )
        self._number = manifest.number
        if self.point is not None and change is not None:
            try:
                self.point.commit(change, manifest.number)
            except DestinationError as exc:
                self._lost = exc
                raise
        self.manifest = manifest

    def _change(self, connection: sqlite3.Connection, tables: Mapping[str, Sequence[DataFile]]) -> Change | None:
        """What the commit point has to do. Rows that are merged are in no table: see agreeing.py."""
        assert self.point is not None
        old = self.manifest.tables
        of_tables = sorted(stream for stream in old.keys() | tables.keys() if not stream.startswith(ROWS_OF))
        changed = [stream for stream in of_tables if old.get(stream, ()) != tables.get(stream, ())]
        if len(changed) > 1:
            raise InternalError(f"one commit changes the tables of {', '.join(map(repr, changed))}")
        for stream in changed:
            sql = f"SELECT column_name, type FROM {COLUMNS} WHERE stream = ? ORDER BY rowid"
            columns = {name: arrow_type(declared) for name, declared in connection.execute(sql, [stream])}
            change = Change(stream, columns, old.get(stream, ()), tables.get(stream, ()), self.moves_only)
            return change if self.point.is_needed(change) else None
        return None

    def new_name(self) -> str:
        """Part of one that no other file has, whatever run writes it."""
        self._named += 1
        return f"{self._token}-{self._named:06}"

    def _put(self, ending: str, data: bytes) -> str:
        name = f"{OWN}/ledger/{self.new_name()}.{ending}"
        self._storage.put(name, data)
        return name


@dataclass(frozen=True, slots=True)
class FilesDatabase(SqliteDatabase):
    """See sql/database.py. A stream's table has no rows of the stream's, but which data file has how many of each file:
    `path`, `_file_url`, `_file_modified_at`, and the number as `_file_row`. publisher: None where nothing is to be changed."""

    storage: Storage
    publisher: Publisher | None

    kind: ClassVar[str] = "folder"
    layouts: ClassVar[Mapping[str, str]] = {
        **SqliteDatabase.layouts,
        DATA: "stream TEXT, path TEXT PRIMARY KEY, rows INTEGER, size_bytes INTEGER)",
    }

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        found = self.connection.execute(sql, parameters)
        if sql == "COMMIT" and self.publisher is not None:
            self.publisher.publish(self.connection)
        return found

    def columns(self, table: str) -> list[str]:
        own = self.execute(f"SELECT column_name FROM {COLUMNS} WHERE stream = ?", [table.removeprefix(ROWS_OF)])
        return [*SqliteDatabase.columns(self, table), *(name for (name,) in own)]

    def rows_by_file(self, table: str) -> str:
        """See sql/database.py. Reads the data files."""
        from file_cdk.destinations.files.rewriting import rows_by_file

        self.connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {_PRESENT} (stream TEXT, url TEXT, count INTEGER)")
        self.connection.execute(f"DELETE FROM {_PRESENT}")
        paths = self.connection.execute(f"SELECT path FROM {DATA} WHERE stream = ?", [table]).fetchall()
        for (path,) in paths:
            counted = rows_by_file(self.storage, path)
            self.connection.executemany(f"INSERT INTO {_PRESENT} VALUES (?, ?, ?)", [(table, *row) for row in counted])
        return f"SELECT url, NULL, sum(count) FROM {_PRESENT} GROUP BY url"


@contextmanager
def copied(storage: Storage, run: str | None = None, point: CommitPoint | None = None) -> Iterator[FilesDatabase]:
    """The ledger as the folder has it now, in a copy that is gone afterwards. run: whose commits are published; None: none."""
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=run_folder()) as scratch:
        copy = Path(scratch, "ledger.sqlite")
        manifest, number = _restore(storage, copy, point)
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            for setting in (
                "journal_mode = WAL",
                "wal_autocheckpoint = 0",
                "cache_spill = OFF",  # the log has what was committed, and nothing else
                "synchronous = OFF",
                "legacy_alter_table = ON",
            ):
                connection.execute(f"PRAGMA {setting}")
            publisher = None if run is None else Publisher(storage, run, copy, manifest, number, point)
            yield FilesDatabase(connection, storage.root, storage, publisher)


def _restore(storage: Storage, copy: Path, point: CommitPoint | None) -> tuple[Manifest, int]:
    """See latest_and_number. Raises DestinationError."""
    while True:
        manifest, number = latest_and_number(storage, point)
        try:
            if manifest.base is not None:
                copy.write_bytes(storage.read(manifest.base))
                copy.with_name(f"{copy.name}-wal").write_bytes(b"".join(storage.read(name) for name, _ in manifest.log))
            return manifest, number
        except DestinationError:
            if latest_and_number(storage, point) == (manifest, number):
                raise  # else another run has removed what is not needed any more


def _tables(connection: sqlite3.Connection) -> dict[str, list[DataFile]]:
    found: dict[str, list[DataFile]] = {}
    sql = f"SELECT stream, path, rows, size_bytes FROM {DATA} WHERE NOT {IS_BESIDE} ORDER BY stream, rowid"
    for stream, *facts in connection.execute(sql):
        found.setdefault(stream, []).append(DataFile(*facts))
    return found
