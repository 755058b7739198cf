"""The ledger: which version of which file is loaded, which failed, what was rejected, and by which run.

`_file_cdk_files` holds one row per stream, url and status: `loaded` names the version whose rows are in the table, and
`failed`, where there is one, the latest version that could not be loaded, with its error. A failure leaves the `loaded`
row of an older version alone, since its rows stay; the next successful load replaces both. `size_bytes` is null where the
file is to be loaded again, whatever its version is. A file's records are its `rows`, its `rejected` ones, which cannot be read,
and its `skipped` ones, which the configuration leaves out; `skipped` is null where nobody counted.

`_file_cdk_rejects` holds a row for each record that Rejects kept; all are counted in `rejected`. Of a file there are those of one
version, which `modified_at` names: the last that was loaded, or that failed with rejects since. `raw` is the record as the
file has it if that is UTF-8, else it is null and `raw_bytes` has it; both are null when it has no bytes of its own or they
were too many to keep.

`_file_cdk_streams` says where the files of a stream come from: their urls are relative to it. `_file_cdk_runs` has one row for
each sync into the database; `ended_at` is null of a run that was killed.

Times are in UTC, to the microsecond, and written as text: `2024-01-31 12:00:00.000000`.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import json
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Rejects, TableName
from file_cdk.core.uris import shortened, well_formed
from file_cdk.destinations.merge_rules import UNMERGED, tables_of
from file_cdk.destinations.names import BESIDE, RESERVED_PREFIX, ROWS_OF, folded, literal, quoted
from file_cdk.destinations.rejects import text_or_bytes
from file_cdk.destinations.sql.database import Database, transaction

FILES = "_file_cdk_files"
COLUMNS = "_file_cdk_columns"
STREAMS = "_file_cdk_streams"
REJECTS = "_file_cdk_rejects"
RUNS = "_file_cdk_runs"

_PART_URLS = 10_000

_DOING, _DOING_REJECTS = "updating the ledger", "updating the rejected records"


def moment(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def of_moment(at: str | datetime) -> datetime:
    """at: as the database gives it."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return datetime.combine(at, at.time(), UTC)  # in a fifth of the time that `replace` takes, and a ledger has many


def now() -> str:
    return moment(datetime.now(UTC))


def urls(uris: Sequence[str]) -> str:
    """As the ledger has them, in a JSON list."""
    return json.dumps([well_formed(uri) for uri in uris])


def create_ledger(database: Database) -> None:
    for table, layout in database.layouts.items():
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({layout}")
    for index in database.indexes:
        database.execute(index)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of one stream. run: names this run in each row. stream: as the table would be called that has the rows; see
    `name`. A method of several statements runs in the transaction that is open, or in one of its own."""

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
        """The parameter: `_urls`."""
        return self.database.among("url")

    def _urls(self, uris: Sequence[str]) -> Any:
        return self.database.urls(uris)

    def read(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """sql: its first parameter is the stream."""
        with self.database.translating("reading the ledger"):
            found: list[tuple[Any, ...]] = self.database.execute(sql, [self.name, *parameters]).fetchall()
        return found

    def _update(self, sql: str, *parameters: Any, doing: str = _DOING) -> None:
        with self.database.translating(doing):
            self.database.execute(sql, [self.name, *parameters])

    def _insert(self, table: str, rows: Sequence[Sequence[Any]], doing: str = _DOING) -> None:
        if not rows:
            return
        sql = f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})"
        with self.database.translating(doing):
            if len(rows) == 1:
                self.database.execute(sql, rows[0])
            else:
                self.database.executemany(sql, rows)

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        rows = self.read(
            f"SELECT url, modified_at, size_bytes, etag FROM {FILES} "
            f"WHERE stream = ? AND status = 'loaded' AND NOT (coalesce(rejected, 0) > 0 AND ?) AND {self._among}",
            with_rejects,
            self._urls([file.uri for file in files]),
        )
        loaded = set(rows)
        return [version_of(file) not in loaded for file in files]

    def forget(self, uris: Sequence[str]) -> list[str]:
        """Removes all entries of these files, and their rejects. Answers those that have rows of some version in the table."""
        sql = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0 AND {self._among}"
        with_rows = [url for (url,) in self.read(sql, self._urls(uris))]
        if self.merges:
            self._insert(UNMERGED, [(self.name, well_formed(uri)) for uri in uris])
        self._update(f"DELETE FROM {FILES} WHERE stream = ? AND {self._among}", self._urls(uris))
        self._forget_rejects(uris)
        return with_rows

    def add_loaded(self, loads: Sequence[tuple[RemoteFile, LoadedFile]]) -> None:
        """Adds entries, and rejects, for files that have none."""
        self._add([(file, load.rows, load.rejects.total(), "loaded", None, load.skipped) for file, load in loads])
        self._add_rejects([(file, load.rejects) for file, load in loads])

    def set_failed(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Replaces the entry of an earlier failure of this file; one of a version that is loaded stays.

        Rejects replace all older ones of the file. Without any, those of the version that is loaded stay too.
        """
        rejected = None if rejects is None else rejects.total()
        with transaction(self.database, _DOING):
            self._forget_failed([file.uri])
            if rejected:
                self._forget_rejects([file.uri])
            self._add([(file, None, rejected, "failed", error, None)])
            if rejects is not None and rejected:
                self._add_rejects([(file, rejects)])
            else:
                self._forget_rejects_without_entry([file.uri])

    def forget_failed(self, uris: Sequence[str]) -> None:
        """Removes the entries of versions that failed, and their rejects; those of versions that are loaded stay."""
        with transaction(self.database, _DOING):
            self._forget_failed(uris)
            self._forget_rejects_without_entry(uris)

    def _forget_failed(self, uris: Sequence[str]) -> None:
        self._update(f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND {self._among}", self._urls(uris))

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

    def _add(self, entries: Sequence[tuple[RemoteFile, int | None, int | None, str, str | None, int | None]]) -> None:
        """Each: the file, rows, rejected, status, error and skipped."""
        at, found = now(), []
        for file, rows, rejected, status, error, skipped in entries:
            url, modified_at, size_bytes, etag = version_of(file)
            counts = rows, rejected, status, error and well_formed(error)
            found.append((self.name, url, etag, modified_at, size_bytes, *counts, at, self.run, skipped))
        self._insert(FILES, found)

    def _add_rejects(self, files: Sequence[tuple[RemoteFile, Rejects]]) -> None:
        at, found = now(), []
        for file, rejects in files:
            version = (well_formed(file.uri), moment(file.modified_at)) if rejects.first else ()
            for each in rejects.first:
                record = each.row, each.byte, each.reason, *text_or_bytes(each)
                found.append((self.name, *version, *record, at, self.run))
        self._insert(REJECTS, found, _DOING_REJECTS)

    def _forget_rejects(self, uris: Sequence[str]) -> None:
        """Of all versions of these files."""
        sql = f"DELETE FROM {REJECTS} WHERE stream = ? AND {self._among}"
        self._update(sql, self._urls(uris), doing=_DOING_REJECTS)

    def _forget_rejects_without_entry(self, uris: Sequence[str] | None = None) -> None:
        """Of versions that no entry says to have any. uris: of these files; None for all."""
        of_files = "" if uris is None else f"AND {self._among}"
        self._update(
            f"DELETE FROM {REJECTS} WHERE stream = ? {of_files} AND NOT EXISTS (SELECT 1 FROM {FILES} l "
            f"WHERE l.stream = {REJECTS}.stream AND {self.database.key('l.url')} = {self.database.key(f'{REJECTS}.url')} "
            f"AND l.modified_at = {REJECTS}.modified_at "
            "AND l.rejected > 0)",
            *([] if uris is None else [self._urls(uris)]),
            doing=_DOING_REJECTS,
        )

    def forget_rows(self) -> None:
        """Removes the entries of files whose rows were in a table that is gone."""
        with transaction(self.database, _DOING):
            if self.merges and self.has_rows():
                self._insert(UNMERGED, [(self.name, None)])
            self._update(f"DELETE FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0")
            self._update(f"DELETE FROM {COLUMNS} WHERE stream = ?")
            self._forget_rejects_without_entry()

    def has_rows(self) -> bool:
        sql = f"SELECT EXISTS (SELECT 1 FROM {FILES} WHERE stream = ? AND status = 'loaded' AND rows > 0)"
        return bool(self.read(sql)[0][0])

    def claim(self, origin: str) -> None:
        """Notes where the files come from."""
        if self.source() != origin:
            with transaction(self.database, _DOING):
                self._update(f"DELETE FROM {STREAMS} WHERE stream = ?")
                self._insert(STREAMS, [(self.name, origin)])

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
        if not table.folder:
            return
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
        self._insert(COLUMNS, [(self.name, well_formed(name), column, kind) for name, column, kind in columns])

    def keep_failures_of(self, beside: str) -> None:
        """Of a full refresh that was not finished, in place of earlier ones of the same files, and of those that were read.
        Without rejected records: the ledger has those of one version of a file, and what is loaded stays as it is."""
        key = self.database.key("url")
        self._update(
            f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' "
            f"AND {key} IN (SELECT {key} FROM {FILES} WHERE stream = ?)",
            beside,
        )
        self._update(
            f"INSERT INTO {FILES} SELECT CAST(? AS VARCHAR), url, etag, modified_at, size_bytes, rows, CAST(NULL AS BIGINT), "
            f"status, error, loaded_at, run, skipped FROM {FILES} WHERE stream = ? AND status = 'failed'",
            beside,
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


def tables_known(database: Database, origin: str, name: str) -> dict[str, str]:
    """See core.ledger.KnowsTables."""
    own = [name, ROWS_OF + name]  # as merged tables have it
    parameters: list[str | int] = [origin, *own]
    for start in (f"{each}_" for each in own):
        parameters += [len(start), start]
    with database.translating("reading the ledger"):
        found = database.execute(
            f"SELECT s.stream, (SELECT min(f.url) FROM {FILES} f WHERE f.stream = s.stream) FROM {STREAMS} s "
            "WHERE s.source = ? AND (s.stream IN (?, ?) OR substr(s.stream, 1, ?) = ? OR substr(s.stream, 1, ?) = ?) ORDER BY 1",
            parameters,
        ).fetchall()
    return {stream.removeprefix(ROWS_OF): url for stream, url in found if url is not None}


def forget_origin(database: Database, name: str) -> None:
    """See `forget_table` of core.ledger.KnowsTables."""
    with transaction(database, _DOING), database.translating(_DOING):
        for stream in (name, ROWS_OF + name):
            sql = f"DELETE FROM {STREAMS} WHERE stream = ? AND NOT EXISTS (SELECT 1 FROM {FILES} WHERE stream = ?)"
            database.execute(sql, [stream, stream])


def shared_table(database: Database, one: str, other: str) -> DestinationError:
    return DestinationError(
        f"streams {one!r} and {other!r} would share one table in {database.kind} database {database.name!r}, "
        f"{database.same_name}",
        remedy="Give one of them another name",
    )


def version_of(file: RemoteFile) -> tuple[str, str, int, str | None]:
    return well_formed(file.uri), moment(file.modified_at), file.size_bytes, file.etag and well_formed(file.etag)
