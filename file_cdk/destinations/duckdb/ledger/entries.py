"""The ledger: which version of which file is loaded, which failed, and which run said so.

`_file_cdk_files` holds one row per stream, url and status: `loaded` names the version whose rows are in the table, and
`failed`, where there is one, the latest version that could not be loaded, with its error. A failure leaves the `loaded`
row of an older version alone, since its rows stay; the next successful load replaces both. `size_bytes` is null where the
file is to be loaded again, whatever its version is. Times are UTC.

A file's records are its `rows`, its `rejected` ones, which cannot be read (rejects.py has the first of them), and its
`skipped` ones, which the configuration leaves out. `skipped` is null where nobody counted.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Rejects, TableName
from file_cdk.core.uris import shortened
from file_cdk.destinations.duckdb.ledger.rejects import REJECTS, REJECTS_LAYOUT, add_rejects, forget_rejects
from file_cdk.destinations.duckdb.ledger.runs import RUNS, RUNS_LAYOUT
from file_cdk.destinations.duckdb.session import INPUT, Session, as_stored, integers, reader, texts
from file_cdk.destinations.merging import MERGES, UNMERGED
from file_cdk.destinations.names import RESERVED_PREFIX, ROWS_OF, folded, literal, quoted

FILES = "_file_cdk_files"
COLUMNS = "_file_cdk_columns"
STREAMS = "_file_cdk_streams"
PARTS = "_file_cdk_parts"

LAYOUTS: Mapping[str, Mapping[str, str]] = {
    FILES: {
        "stream": "VARCHAR",
        "url": "VARCHAR",
        "etag": "VARCHAR",
        "modified_at": "TIMESTAMP",
        "size_bytes": "BIGINT",
        "rows": "BIGINT",
        "rejected": "BIGINT",
        "status": "VARCHAR",
        "error": "VARCHAR",
        "loaded_at": "TIMESTAMP",
        "run": "VARCHAR",
        "skipped": "BIGINT",
    },
    # Only the columns whose name in the table is not their name in the files.
    COLUMNS: {"stream": "VARCHAR", "name": "VARCHAR", "column_name": "VARCHAR"},
    # Where the files of a stream come from: their urls are relative to it.
    STREAMS: {"stream": "VARCHAR", "source": "VARCHAR"},
    REJECTS: REJECTS_LAYOUT,
    RUNS: RUNS_LAYOUT,
    # Files that are loaded in part, and where their rows are meanwhile; see parts.py.
    PARTS: {
        "stream": "VARCHAR",
        "url": "VARCHAR",
        "etag": "VARCHAR",
        "modified_at": "TIMESTAMP",
        "size_bytes": "BIGINT",
        "table_name": "VARCHAR",
        "position": "BIGINT",
        "rows": "BIGINT",
        "rejected": "BIGINT",
        "found": "VARCHAR",
        "meaning": "VARCHAR",
        "kept_at": "TIMESTAMP",
        "run": "VARCHAR",
    },
}

_ADDED = {FILES: ("skipped",)}
"""Last columns of tables, which ledgers of earlier versions lack."""

_US = pa.timestamp("us")

_FEW_FILES = 1000
"""Maximum files that the ledger is asked of without Arrow, whose import takes as long as the answer."""

_FEW = (
    "(SELECT unnest(?::BIGINT[]) AS n, unnest(?::VARCHAR[]) AS url, unnest(?::VARCHAR[]) AS etag, "
    "make_timestamp(unnest(?::BIGINT[])) AS modified_at, unnest(?::BIGINT[]) AS size_bytes)"
)

_READING, _UPDATING = "reading the ledger", "updating the ledger"

IN_SCHEMA = "database_name = current_database() AND schema_name = current_schema()"


def create_ledger(session: Session) -> None:
    """Creates what is missing, columns too. Raises DestinationError when a table of that name has other columns than expected."""
    doing = "preparing the ledger"
    with session.transaction(doing):
        found = ledger_tables(session, doing)
        for table, layout in LAYOUTS.items():
            if table not in found:
                create_table(partial(session.run, doing), table, layout)
                continue
            for column in _ADDED.get(table, ()):
                if column not in found[table]:
                    session.run(doing, f"ALTER TABLE {table} ADD COLUMN {quoted(column)} {layout[column]}")


def create_table(run: Callable[[str], object], table: str, columns: Mapping[str, str]) -> None:
    """run: runs SQL. columns: type by name."""
    spelled = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    run(f"CREATE TABLE {quoted(table)} ({spelled})")


def ledger_tables(session: Session, doing: str) -> Mapping[str, Mapping[str, str]]:
    """Those of LAYOUTS that exist. Raises DestinationError when one of that name has other columns than expected."""
    found = layouts_found(session, doing)
    for table, columns in found.items():
        if not is_known(table, columns):
            raise DestinationError(
                f"table {table!r} in DuckDB database {session.path!r} has other columns than this version writes",
                remedy="Use the version of file_cdk that wrote it, or load into a new database",
            )
    return found


def is_known(table: str, columns: Mapping[str, str]) -> bool:
    """Whether the table has the columns that it should, or those that an earlier version gave it."""
    added = _ADDED.get(table, ())
    earlier = {column: kind for column, kind in LAYOUTS[table].items() if column not in added}
    return columns in (LAYOUTS[table], earlier)


def layouts_found(session: Session, doing: str) -> Mapping[str, Mapping[str, str]]:
    """The columns of the tables that are called as those of LAYOUTS."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in session.run(
        doing,
        f"SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE {IN_SCHEMA} "
        "AND list_contains(?, table_name) ORDER BY table_name, column_index",
        [list(LAYOUTS)],
    ):
        found.setdefault(table, {})[column] = kind
    return found


def is_unused(session: Session) -> bool:
    """Whether no file of any stream was loaded or failed, and the database has no tables but the ledger's."""
    [(is_used,)] = session.run(
        _READING,
        f"SELECT EXISTS (SELECT 1 FROM {FILES}) OR EXISTS (SELECT 1 FROM duckdb_tables() "
        "WHERE database_name = current_database() "
        "AND NOT (schema_name = current_schema() AND list_contains(?, table_name)))",
        [[*LAYOUTS, MERGES, UNMERGED]],
    )
    return not is_used


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of one stream. session: every statement runs in it, within its transaction if one is open. run: names this
    run in each row. stream: as its table would be called that has the rows; see `name`."""

    session: Session
    run: str
    stream: str

    @property
    def name(self) -> str:
        """The stream as its entries have it, also where its rows are in a table of another name, to be merged."""
        return self.stream.removeprefix(ROWS_OF)

    @property
    def merges(self) -> bool:
        return self.stream.startswith(ROWS_OF)

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        """In the order of `files`. with_rejects: those that were loaded with rejects do not count as loaded."""
        if not files:
            return []
        few = len(files) <= _FEW_FILES
        found = self.session.run(
            _READING,
            f"SELECT f.n FROM {_FEW if few else INPUT} f ANTI JOIN {FILES} l "
            "ON l.stream = ? AND l.status = 'loaded' AND f.url = l.url AND f.modified_at = l.modified_at "
            "AND f.size_bytes = l.size_bytes AND f.etag IS NOT DISTINCT FROM l.etag "
            "AND NOT (coalesce(l.rejected, 0) > 0 AND ?)",
            [*(_few_versions(files) if few else ()), self.name, with_rejects],
            None if few else reader({"n": integers(range(len(files))), **version_columns(files)}),
        )
        answer = [False] * len(files)
        for (n,) in found:
            answer[n] = True
        return answer

    def forget(self, uris: Sequence[str]) -> list[str]:
        """Removes all entries of these files, and their rejects. Answers those that have rows of some version in the table."""
        found = self.session.run(
            _READING,
            f"SELECT l.url, bool_or(l.status = 'loaded' AND l.rows > 0) FROM {FILES} l SEMI JOIN {INPUT} f "
            "ON f.url = l.url WHERE l.stream = ? GROUP BY l.url ORDER BY l.url",
            [self.name],
            urls(uris),
        )
        if self.merges:
            sql = f"INSERT INTO {UNMERGED} SELECT ?, url FROM {INPUT}"
            self.session.run(_UPDATING, sql, [self.name], urls(uris))
        if found:
            sql = f"DELETE FROM {FILES} WHERE stream = ? AND url IN (SELECT url FROM {INPUT})"
            self._update(sql, [url for url, _ in found])
        forget_rejects(self.session, self.name, uris)
        return [url for url, has_rows in found if has_rows]

    def add_loaded(self, loads: Sequence[tuple[RemoteFile, LoadedFile]]) -> None:
        """Adds entries, and rejects, for files that have none."""
        self._add([(file, load.rows, load.rejects.total(), load.skipped, "loaded", None) for file, load in loads])
        add_rejects(self.session, self.run, self.name, [(file, load.rejects) for file, load in loads])

    def set_failed(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Replaces the entry of an earlier failure of this file; one of a version that is loaded stays.

        Rejects replace all older ones of the file. Without any, those of the version that is loaded stay too.
        """
        rejected = None if rejects is None else rejects.total()
        with self.session.transaction(_UPDATING):
            self._forget_failed([file.uri])
            if rejected:
                forget_rejects(self.session, self.name, [file.uri])
            self._add([(file, None, rejected, None, "failed", error)])
            if rejects is not None and rejected:
                add_rejects(self.session, self.run, self.name, [(file, rejects)])
            else:
                self._forget_rejects_without_entry([file.uri])

    def failed(self, limit: int) -> list[str]:
        """Urls of files of which some version failed. limit: maximum number of them."""
        sql = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'failed' ORDER BY url LIMIT ?"
        return [url for (url,) in self._read(sql, limit)]

    def loaded(self) -> Iterator[list[str]]:
        """Urls of files of which a version is loaded, in parts; see Session.parts."""
        sql = f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'loaded'"
        for part in self.session.parts(_READING, sql, [self.name]):
            yield [url for (url,) in part]

    def forget_failed(self, uris: Sequence[str]) -> None:
        """Removes the entries of versions that failed, and their rejects; those of versions that are loaded stay."""
        with self.session.transaction(_UPDATING):
            self._forget_failed(uris)
            self._forget_rejects_without_entry(uris)

    def _forget_failed(self, uris: Sequence[str]) -> None:
        self._update(
            f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND url IN (SELECT url FROM {INPUT})", uris
        )

    def _add(self, entries: Sequence[tuple[RemoteFile, int | None, int | None, int | None, str, str | None]]) -> None:
        """Each: the file, rows, rejected, skipped, status and error."""
        rows = {
            **version_columns([entry[0] for entry in entries]),
            "rows": integers([entry[1] for entry in entries]),
            "rejected": integers([entry[2] for entry in entries]),
            "skipped": integers([entry[3] for entry in entries]),
            "status": texts([entry[4] for entry in entries]),
            "error": texts([entry[5] for entry in entries]),
        }
        self.session.run(
            _UPDATING,
            f'INSERT INTO {FILES} SELECT ?, url, etag, modified_at, size_bytes, "rows", rejected, status, error, ?, ?, '
            f"skipped FROM {INPUT}",
            [self.name, datetime.now(UTC).replace(tzinfo=None), self.run],
            reader(rows),
        )

    def forget_rows(self) -> None:
        """Removes the entries of files whose rows were in a table that is gone."""
        if self.has_rows():
            with self.session.transaction(_UPDATING):
                if self.merges:
                    self._update(f"INSERT INTO {UNMERGED} VALUES (?, NULL)")
                self._update(f"DELETE FROM {FILES} WHERE stream = ? AND status = 'loaded' AND \"rows\" > 0")
                self._forget_rejects_without_entry()

    def _forget_rejects_without_entry(self, among: Sequence[str] | None = None) -> None:
        """Removes rejects of versions that no entry says to have any. among: urls; None for all."""
        self._update(
            f"DELETE FROM {REJECTS} r WHERE stream = ? {'' if among is None else f'AND url IN (SELECT url FROM {INPUT})'} "
            f"AND NOT EXISTS (SELECT 1 FROM {FILES} l WHERE l.stream = r.stream AND l.url = r.url "
            "AND l.modified_at = r.modified_at AND l.rejected > 0)",
            among,
        )

    def has_rows(self) -> bool:
        """Whether some file is loaded and has rows."""
        [(found,)] = self._read(
            f"SELECT EXISTS (SELECT 1 FROM {FILES} WHERE stream = ? AND status = 'loaded' AND \"rows\" > 0)"
        )
        return bool(found)

    def claim(self, origin: str) -> None:
        """Notes where the files come from."""
        if self._origin() != origin:
            with self.session.transaction(_UPDATING):
                self._update(f"DELETE FROM {STREAMS} WHERE stream = ?")
                self.session.run(_UPDATING, f"INSERT INTO {STREAMS} VALUES (?, ?)", [self.name, origin])

    def _origin(self) -> str | None:
        found = self._read(f"SELECT source FROM {STREAMS} WHERE stream = ?")
        return found[0][0] if found else None

    def check_files(self, table: TableName) -> None:
        """Raises ConfigError when rows are loaded of files that do not belong into the table."""
        where = f"table {self.name!r} in DuckDB database {self.session.path!r}"
        known = self._origin()
        if table.origin is not None and known not in (None, table.origin) and self.has_rows():
            update = f"UPDATE {STREAMS} SET source = {literal(table.origin)} WHERE stream = {literal(self.name)}"
            raise ConfigError(
                f"{where} holds the files of {known!r}, not of {table.origin!r}",
                remedy=f"Load them into another table (--table). If it is the same folder, moved, say so in SQL: {update}",
            )
        if not table.folder:
            return
        [(other,)] = self._read(
            f"SELECT min(url) FROM {FILES} WHERE stream = ? AND status = 'loaded' AND \"rows\" > 0 "
            "AND NOT starts_with(url, ?)",
            table.folder,
        )
        if other is not None:
            raise ConfigError(
                f"{where} holds files from outside of the folder {table.folder!r}, such as {shortened(other)!r}",
                remedy="Load them into another table (--table). If all belong into one, say so: "
                f"--table {shlex.quote(self.name)}",
            )

    def check_name(self) -> None:
        """Raises DestinationError when no table may be called like the stream, or another stream's table is."""
        where = f"in DuckDB database {self.session.path!r}"
        if not self.name or "\0" in self.name or folded(self.name).startswith(RESERVED_PREFIX):
            raise DestinationError(
                f"a table {where} cannot be called {self.name!r}", remedy="Give the stream another name"
            )
        found = self.session.run(_READING, f"SELECT DISTINCT stream FROM {FILES} ORDER BY stream")
        for (other,) in found:
            if other != self.name and folded(other) == folded(self.name):
                raise shared_table(other, self.name, self.session.path)

    def renamed_columns(self) -> dict[str, str]:
        """Table column by the name in the files, where the two differ."""
        return dict(self._read(f"SELECT name, column_name FROM {COLUMNS} WHERE stream = ?"))

    def set_renamed_columns(self, columns: Mapping[str, str]) -> None:
        self._update(f"DELETE FROM {COLUMNS} WHERE stream = ?")
        for name, column in columns.items():
            self.session.run(_UPDATING, f"INSERT INTO {COLUMNS} VALUES (?, ?, ?)", [self.name, name, column])

    def _read(self, sql: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        """sql: its first parameter is the stream."""
        return self.session.run(_READING, sql, [self.name, *parameters])

    def _update(self, sql: str, uris: Sequence[str] | None = None) -> None:
        """sql: its parameter is the stream, and its input the uris, if there are any."""
        self.session.run(_UPDATING, sql, [self.name], None if uris is None else urls(uris))


def shared_table(one: str, other: str, path: str) -> DestinationError:
    return DestinationError(
        f"streams {one!r} and {other!r} would share one table in DuckDB database {path!r}, where case makes no difference",
        remedy="Give one of them another name",
    )


def urls(uris: Sequence[str]) -> pa.RecordBatchReader:
    """One column, `url`."""
    return reader({"url": texts(uris)})


def _few_versions(files: Sequence[RemoteFile]) -> list[Any]:
    """The parameters of _FEW."""
    return [
        list(range(len(files))),
        [as_stored(file.uri) for file in files],
        [None if file.etag is None else as_stored(file.etag) for file in files],
        [file.modified_us for file in files],
        [file.size_bytes for file in files],
    ]


def version_columns(files: Sequence[RemoteFile]) -> dict[str, pa.Array]:
    """`url`, `etag`, `modified_at` and `size_bytes`."""
    return {
        "url": texts([file.uri for file in files]),
        "etag": texts([file.etag for file in files]),
        "modified_at": integers([file.modified_us for file in files], _US),
        "size_bytes": integers([file.size_bytes for file in files]),
    }
