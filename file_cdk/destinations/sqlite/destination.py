"""SQLite as a destination: a table per stream in one database file, and the ledger beside them."""

# ruff: noqa: S608 - names are constant, and values are parameters

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import astuple, fields
from datetime import UTC, datetime
from pathlib import Path

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, RunCounts, StreamStatus
from file_cdk.core.ports import Known, RejectedRecord, TableName
from file_cdk.destinations.arrow_ipc import ArrowIpcEncoder
from file_cdk.destinations.names import BESIDE, folded
from file_cdk.destinations.run_lock import RunLock
from file_cdk.destinations.sqlite import asking
from file_cdk.destinations.sqlite.errors import translating
from file_cdk.destinations.sqlite.ledger import (
    LAYOUTS,
    RUNS,
    Ledger,
    create_ledger,
    now,
    shared_table,
    tables_of,
    transaction,
    unfinished,
)
from file_cdk.destinations.sqlite.session import connected, is_absent
from file_cdk.destinations.sqlite.table import SqliteTable


class SqliteDestination:
    """Tables named after their streams, with the files' columns, then `_file_url`, `_file_modified_at`, `_file_row`; the ledger
    in tables whose names begin with `_file_cdk`.

    For one process and one thread. Memory: that of a block, and of SQLite's cache. run: the name of this run in the ledger; by
    default the time and something random.
    """

    def __init__(self, path: str | Path, *, run: str | None = None) -> None:
        self.path = str(path)
        self.run = run or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}-{os.urandom(3).hex()}"
        self._lock: RunLock | None = None
        self._db: sqlite3.Connection | None = None
        self._created = False
        self._tables: dict[str, SqliteTable] = {}
        self._beside: dict[str, SqliteTable] = {}
        self._writing: SqliteTable | None = None

    @property
    def encoder(self) -> ArrowIpcEncoder:
        return ArrowIpcEncoder()

    def open(self) -> None:
        """Creates the file if it is missing. Raises DestinationError; DestinationInUseError names who has it open."""
        self._lock = RunLock.hold(self.path, self.run, "SQLite")
        try:
            self._created = is_absent(self.path)
            self._db = connected(self.path)
            with transaction(self._db, self.path, "opening"):
                create_ledger(self._db)
                self._remove_unfinished(self._db)
        except BaseException:
            self._let_go()
            raise

    def table(self, table: TableName, *, anew: bool = False) -> SqliteTable:
        """See core.ports.Destination; always the same object of one stream."""
        if table.stream not in self._tables:
            for other in self._tables:
                if folded(other) == folded(table.stream):
                    raise shared_table(other, table.stream, self.path)
            self._tables[table.stream] = SqliteTable.of(self._ledger(table.stream), table, self._begins)
        if not anew:
            return self._tables[table.stream]
        if table.stream not in self._beside:
            ledger = self._ledger(BESIDE + table.stream)
            with transaction(ledger.connection, self.path, "beginning a full refresh"):
                ledger.claim("")
            self._beside[table.stream] = SqliteTable(ledger, self._begins)
        return self._beside[table.stream]

    def put_in_place(self, table: TableName) -> None:
        if table.stream not in self._beside:
            raise InternalError(f"no table was built to replace {table.stream!r}")
        old, new = self._ledger(table.stream), self._ledger(BESIDE + table.stream)
        origin = old.source()
        with transaction(old.connection, self.path, f"replacing table {table.stream!r}"):
            old.drop()
            new.take_place_of(table.stream)
            if origin is not None:
                old.claim(origin)
        self._beside.pop(table.stream)
        self._tables.pop(table.stream)

    def begin_run(self, version: str, source: str, options: str) -> None:
        """See core.ledger.RunLog."""
        sql = f"INSERT INTO {RUNS} (run, started_at, version, source, options) VALUES (?, ?, ?, ?, ?)"
        self._record(sql, self.run, now(), version, source, options)

    def end_run(self, exit_code: int | None, error: str | None, counts: RunCounts) -> None:
        columns = ("ended_at", "exit_code", "error", *(field.name for field in fields(RunCounts)))
        sql = f"UPDATE {RUNS} SET {', '.join(f'{column} = ?' for column in columns)} WHERE run = ?"
        self._record(sql, now(), exit_code, error, *astuple(counts), self.run)

    def _record(self, sql: str, *values: object) -> None:
        db = self._ledger("").connection
        with transaction(db, self.path, "recording the run"), translating(self.path, "recording the run"):
            db.execute(sql, values)

    def check(self) -> bool:
        """See core.ports.Inspectable; this and what follows are for a destination that is not open."""
        return asking.check(self.path)

    def known(self, table: TableName) -> AbstractContextManager[Known]:
        return asking.known(self.path, table)

    def rejects(self, stream: str | None = None, limit: int | None = None) -> Iterator[RejectedRecord]:
        return asking.rejects(self.path, stream, limit)

    def rejected(self, stream: str | None = None) -> int:
        return asking.rejected(self.path, stream)

    def streams(self, stream: str | None = None) -> Sequence[StreamStatus]:
        """See core.ledger.LedgerKeeper, also for what follows."""
        return asking.streams(self.path, stream)

    def runs(self, limit: int) -> Sequence[Run]:
        return asking.runs(self.path, limit)

    def entries(
        self, stream: str | None = None, urls: Sequence[str] | None = None, *, failed: bool = False
    ) -> Iterator[LedgerEntry]:
        return asking.entries(self.path, stream, urls, failed=failed)

    def loaded(self, stream: str) -> Iterator[Sequence[str]]:
        return asking.loaded(self.path, stream)

    def mismatches(self, stream: str | None = None, *, repair: bool = False) -> Sequence[Mismatch]:
        return asking.mismatches(self.path, stream, repair=repair)

    def reset(self, stream: str, urls: Sequence[str] = ()) -> int:
        return asking.reset(self.path, stream, urls)

    def _remove_unfinished(self, db: sqlite3.Connection) -> None:
        """What a full refresh built that was not put in place, but for why files failed."""
        for beside in unfinished(db):
            self._ledger(beside.removeprefix(BESIDE)).keep_failures_of(beside)
            self._ledger(beside).drop()

    def _begins(self, table: SqliteTable) -> None:
        """Files of one table at most share a transaction."""
        if self._writing is not None and self._writing is not table:
            self._writing.flush()
        self._writing = table

    def _ledger(self, stream: str) -> Ledger:
        if self._db is None:
            raise InternalError("the destination is not open")
        return Ledger(self._db, self.path, self.run, stream)

    def close(self) -> None:
        """Flushes and closes, also after an error: while one is on its way, a file that `open` created, and that got neither a
        table nor an entry in the ledger, is removed again. Safe to call twice. Raises DestinationError when flushing fails."""
        tables = [*self._tables.values(), *self._beside.values()]
        self._tables, self._beside, self._writing = {}, {}, None
        if self._db is None:
            return
        db = self._db
        try:
            for table in tables:
                table.close()
            with suppress(DestinationError), transaction(db, self.path, "closing"):  # the next `open` tries again
                self._remove_unfinished(db)
            if self._created and sys.exc_info()[0] is not None and _is_unused(db):
                Path(self.path).unlink(missing_ok=True)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        db, self._db = self._db, None
        lock, self._lock = self._lock, None
        try:
            if db is not None:
                with translating(self.path, "closing"):
                    db.close()
        finally:
            if lock is not None:
                lock.close()


def _is_unused(db: sqlite3.Connection) -> bool:
    return tables_of(db).keys() <= LAYOUTS.keys() and not any(
        db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall() for table in LAYOUTS
    )
