"""The ledger in a SQL database: which version of which file is loaded, which failed, what was rejected, and by which run.

The tables are those that a DuckDB database has (see duckdb/ledger/), and mean the same. Times are in UTC, to the microsecond, and
text to Python: `2024-01-31 12:00:00.000000`.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Rejects, TableName
from file_cdk.core.uris import shortened, well_formed
from file_cdk.destinations.merging import UNMERGED, tables_of
from file_cdk.destinations.names import BESIDE, RESERVED_PREFIX, ROWS_OF, folded, literal, quoted
from file_cdk.destinations.rejects import text_or_bytes
from file_cdk.destinations.sql.database import Database

FILES = "_file_cdk_files"
COLUMNS = "_file_cdk_columns"
STREAMS = "_file_cdk_streams"
REJECTS = "_file_cdk_rejects"
RUNS = "_file_cdk_runs"

_PART_URLS = 10_000

_DOING = "updating the ledger"


def moment(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def of_moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def now() -> str:
    return moment(datetime.now(UTC))


def urls(uris: Sequence[str]) -> str:
    """As the ledger has them, for `Database.among`."""
    return json.dumps([well_formed(uri) for uri in uris])


def create_ledger(database: Database) -> None:
    for table, layout in database.layouts.items():
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({layout}")
    for index in database.indexes:
        database.execute(index)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of one stream. Each method runs in the transaction that is open, or in one of its own. stream: as the table
    would be called that has the rows; see `name`."""

    database: Database
    run: str
    stream: str

    @property
    def table(self) -> str:
        """The name of the table, quoted."""
        return quoted(self.database.table_name(self.stream))

    @property
    def name(self) -> str:
        """The stream as its entries have it, also where its rows are in a table of another name, to be merged."""
        return self.stream.removeprefix(ROWS_OF)

    @property
    def merges(self) -> bool:
        return self.stream.startswith(ROWS_OF)

    @property
    def where(self) -> str:
        return f"table {self.name!r} in {self.database.kind} database {self.database.name!r}"

    @property
    def _among(self) -> str:
        """The parameter: `urls`."""
        return self.database.among("url")

    def read(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """sql: its first parameter is the stream."""
        with self.database.translating("reading the ledger"):
            found: list[tuple[Any, ...]] = self.database.execute(sql, [self.name, *parameters]).fetchall()
        return found

    def _update(self, sql: str, *parameters: Any) -> None:
        with self.database.translating(_DOING):
            self.database.execute(sql, [self.name, *parameters])

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        rows = self.read(
            f"SELECT url, modified_at, size_bytes, etag FROM {FILES} "
            f"WHERE stream = ? AND status = 'loaded' AND NOT (coalesce(rejected, 0) > 0 AND ?) AND {self._among}",
            with_rejects,
            urls([file.uri for file in files]),
        )
        loaded = set(rows)
        return [_version(file) not in loaded for file in files]

    def forget(self, uris: Sequence[str]) -> list[str]:
        """Removes all entries of these files, and their rejects. Answers those that have rows of some version in the table."""
        sql = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0 AND {self._among}"
        with_rows = [url for (url,) in self.read(sql, urls(uris))]
        if self.merges:
            with self.database.translating(_DOING):
                notes = [(self.name, well_formed(uri)) for uri in uris]
                self.database.executemany(f"INSERT INTO {UNMERGED} VALUES (?, ?)", notes)
        for table in (FILES, REJECTS):
            self._update(f"DELETE FROM {table} WHERE stream = ? AND {self._among}", urls(uris))
        return with_rows

    def add_loaded(self, file: RemoteFile, loaded: LoadedFile) -> None:
        """Of a file that has no entry."""
        self._add(file, loaded.rows, loaded.rejects.total(), "loaded", None, loaded.skipped)
        self._add_rejects(file, loaded.rejects)

    def set_failed(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """See duckdb/ledger/entries.py, also of what follows."""
        rejected = None if rejects is None else rejects.total()
        self._update(f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND {self._among}", urls([file.uri]))
        if rejected:
            self._update(f"DELETE FROM {REJECTS} WHERE stream = ? AND {self._among}", urls([file.uri]))
        self._add(file, None, rejected, "failed", error)
        if rejects is not None and rejected:
            self._add_rejects(file, rejects)
        else:
            self._forget_rejects_without_entry([file.uri])

    def forget_failed(self, uris: Sequence[str]) -> None:
        self._update(f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND {self._among}", urls(uris))
        self._forget_rejects_without_entry(uris)

    def failed(self, limit: int) -> list[str]:
        sql = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'failed' ORDER BY url LIMIT ?"
        return [url for (url,) in self.read(sql, limit)]

    def loaded(self) -> Iterator[list[str]]:
        key = self.database.key
        begin = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'loaded'"
        end = f"ORDER BY {key('url')} LIMIT {_PART_URLS}"
        rows = self.read(f"{begin} {end}")
        while part := [url for (url,) in rows]:
            yield part
            rows = self.read(f"{begin} AND {key('url')} > {key('?')} {end}", part[-1])

    def _add(
        self,
        file: RemoteFile,
        rows: int | None,
        rejected: int | None,
        status: str,
        error: str | None,
        skipped: int | None = None,
    ) -> None:
        url, modified_at, size_bytes, etag = _version(file)
        counts = rows, rejected, status, error and well_formed(error)
        self._update(
            f"INSERT INTO {FILES} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(url, etag, modified_at, size_bytes, *counts, now(), self.run, skipped),
        )

    def _add_rejects(self, file: RemoteFile, rejects: Rejects) -> None:
        url, modified_at, *_ = _version(file)
        rows = [
            (
                self.name,
                url,
                modified_at,
                each.row,
                each.byte,
                each.reason,
                *text_or_bytes(each),
                now(),
                self.run,
            )
            for each in rejects.first
        ]
        with self.database.translating("updating the rejected records"):
            self.database.executemany(f"INSERT INTO {REJECTS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _forget_rejects_without_entry(self, uris: Sequence[str] | None = None) -> None:
        of_files = "" if uris is None else f"AND {self._among}"
        self._update(
            f"DELETE FROM {REJECTS} WHERE stream = ? {of_files} AND NOT EXISTS (SELECT 1 FROM {FILES} l "
            f"WHERE l.stream = {REJECTS}.stream AND {self.database.key('l.url')} = {self.database.key(f'{REJECTS}.url')} "
            f"AND l.modified_at = {REJECTS}.modified_at "
            "AND l.rejected > 0)",
            *([] if uris is None else [urls(uris)]),
        )

    def forget_rows(self) -> None:
        """Removes the entries of files whose rows were in a table that is gone."""
        if self.merges and self.has_rows():
            self._update(f"INSERT INTO {UNMERGED} VALUES (?, NULL)")
        self._update(f"DELETE FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0")
        self._update(f"DELETE FROM {COLUMNS} WHERE stream = ?")
        self._forget_rejects_without_entry()

    def has_rows(self) -> bool:
        sql = f"SELECT EXISTS (SELECT 1 FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0)"
        return bool(self.read(sql)[0][0])

    def claim(self, origin: str) -> None:
        sql = f"INSERT INTO {STREAMS} VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET source = excluded.source"
        self._update(sql, origin)

    def source(self) -> str | None:
        """Where the files come from, if it was noted."""
        found = self.read(f"SELECT source FROM {STREAMS} WHERE stream = ?")
        return found[0][0] if found else None

    def check_files(self, table: TableName) -> None:
        """Raises ConfigError when rows are loaded of files that do not belong into the table."""
        known = self.source()
        if table.origin is not None and known not in (None, table.origin) and self.has_rows():
            update = f"UPDATE {STREAMS} SET source = {literal(table.origin)} WHERE stream = {literal(self.name)}"
            raise ConfigError(
                f"{self.where} holds the files of {known!r}, not of {table.origin!r}",
                remedy=f"Load them into another table (--table). If it is the same folder, moved, say so in SQL: {update}",
            )
        sql = f"SELECT min(url) FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0 AND substr(url, 1, ?) <> ?"
        [(other,)] = self.read(sql, len(table.folder), table.folder)
        if other is not None:
            raise ConfigError(
                f"{self.where} holds files from outside of the folder {table.folder!r}, such as {shortened(other)!r}",
                remedy="Load them into another table (--table). If all belong into one, say so: "
                f"--table {shlex.quote(self.name)}",
            )

    def check_name(self) -> None:
        """Raises DestinationError when no table may be called like the stream, or another stream's table is."""
        database = self.database
        where = f"in {database.kind} database {database.name!r}"
        reserved = RESERVED_PREFIX, database.reserved
        if not self.name or "\0" in self.name or folded(self.name).startswith(reserved):
            raise DestinationError(
                f"a table {where} cannot be called {self.name!r}", remedy="Give the stream another name"
            )
        for (other,) in self.read(f"SELECT DISTINCT stream FROM {FILES} WHERE stream <> ? ORDER BY stream"):
            if database.folded(other) == database.folded(self.name):
                raise shared_table(database, other, self.name)

    def columns(self) -> list[tuple[str, str, str]]:
        """Name in the files, name in the table and declared type, in the table's order."""
        return self.read(
            f"SELECT name, column_name, type FROM {COLUMNS} WHERE stream = ? ORDER BY {self.database.order}"
        )

    def set_columns(self, columns: Sequence[tuple[str, str, str]]) -> None:
        self._update(f"DELETE FROM {COLUMNS} WHERE stream = ?")
        rows = [(self.name, well_formed(name), column, kind) for name, column, kind in columns]
        with self.database.translating(_DOING):
            self.database.executemany(f"INSERT INTO {COLUMNS} VALUES (?, ?, ?, ?)", rows)

    def keep_failures_of(self, beside: str) -> None:
        """Of a full refresh that was not finished: see duckdb/replacement.py."""
        kept = ("etag", "modified_at", "size_bytes", "rows", "rejected", "error", "loaded_at", "run", "skipped")
        replaced = ", ".join(f"{column} = excluded.{column}" for column in kept)
        with self.database.translating(_DOING):
            failed = self.database.execute(
                f"SELECT url, etag, modified_at, size_bytes, error, loaded_at, run FROM {FILES} "
                "WHERE stream = ? AND status = 'failed'",
                [beside],
            ).fetchall()
            self.database.executemany(
                f"INSERT INTO {FILES} (stream, url, etag, modified_at, size_bytes, error, loaded_at, run, status) "
                f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'failed') "
                f"ON CONFLICT (stream, {self.database.key('url')}, status) DO UPDATE SET {replaced}",
                [(self.name, *row) for row in failed],
            )

    def drop(self) -> None:
        """The stream's tables, and all that the ledger knows of it."""
        with self.database.translating(f"dropping table {self.name!r}"):
            for table in tables_of(self.name):
                self.database.execute(f"DROP TABLE IF EXISTS {quoted(self.database.table_name(table))}")
        for table in (FILES, REJECTS, COLUMNS, STREAMS):
            self._update(f"DELETE FROM {table} WHERE stream = ?")

    def take_place_of(self, stream: str) -> None:
        """The tables and their entries become another stream's, whose own were dropped."""
        self._update(f"DELETE FROM {STREAMS} WHERE stream = ?")
        for table in (FILES, REJECTS, COLUMNS):
            with self.database.translating(_DOING):
                self.database.execute(f"UPDATE {table} SET stream = ? WHERE stream = ?", [stream, self.name])
        with self.database.translating(f"replacing table {stream!r}"):
            found = self.database.tables()
            for old, new in zip(tables_of(stream), map(self.database.table_name, tables_of(self.name)), strict=True):
                if new in found:
                    to = quoted(self.database.table_name(old))
                    self.database.execute(f"ALTER TABLE {quoted(new)} RENAME TO {to}")


def unfinished(database: Database) -> list[str]:
    """The streams that a full refresh began to build."""
    sql = f"SELECT stream FROM {STREAMS} WHERE substr(stream, 1, {len(BESIDE)}) = ?"
    return [stream for (stream,) in database.execute(sql, [BESIDE]).fetchall()]


def shared_table(database: Database, one: str, other: str) -> DestinationError:
    return DestinationError(
        f"streams {one!r} and {other!r} would share one table in {database.kind} database {database.name!r}, "
        f"{database.same_name}",
        remedy="Give one of them another name",
    )


def _version(file: RemoteFile) -> tuple[str, str, int, str | None]:
    return well_formed(file.uri), moment(file.modified_at), file.size_bytes, file.etag and well_formed(file.etag)
