"""The ledger: which version of which file is loaded, which failed, and which run said so.

`_file_cdk_files` holds one row per stream, url and status: `loaded` names the version whose rows are in the table, and
`failed`, where there is one, the latest version that could not be loaded, with its error. A failure leaves the `loaded`
row of an older version alone, since its rows stay; the next successful load replaces both. `rejected` counts the records
that were left out; rejects.py has the first of them. Times are UTC.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, Rejects
from file_cdk.core.uris import shortened
from file_cdk.destinations.duckdb.names import folded, literal, quoted
from file_cdk.destinations.duckdb.rejects import REJECTS, REJECTS_LAYOUT, RejectLog
from file_cdk.destinations.duckdb.session import INPUT, Session, integers, reader, texts

FILES = "_file_cdk_files"
COLUMNS = "_file_cdk_columns"
STREAMS = "_file_cdk_streams"

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
    },
    # Only the columns whose name in the table is not their name in the files.
    COLUMNS: {"stream": "VARCHAR", "name": "VARCHAR", "column_name": "VARCHAR"},
    # Where the files of a stream come from: their urls are relative to it.
    STREAMS: {"stream": "VARCHAR", "source": "VARCHAR"},
    REJECTS: REJECTS_LAYOUT,
}

_US = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class Ledger:
    """session: every statement runs in it, within its transaction if one is open. run: names this run in each row."""

    session: Session
    run: str

    @property
    def rejects(self) -> RejectLog:
        return RejectLog(self.session, self.run)

    def create(self) -> None:
        """Creates what is missing. Raises DestinationError when a table of that name has other columns than expected."""
        doing = "preparing the ledger"
        found = self.tables(doing)
        for table, layout in LAYOUTS.items():
            if table not in found:
                spelled = ", ".join(f"{quoted(name)} {kind}" for name, kind in layout.items())
                self.session.run(doing, f"CREATE TABLE {quoted(table)} ({spelled})")

    def tables(self, doing: str) -> set[str]:
        """Which of its tables exist. Raises DestinationError when one of that name has other columns than expected."""
        rows = self.session.run(
            doing,
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
            "AND schema_name = current_schema() AND list_contains(?, table_name) ORDER BY table_name, column_index",
            [list(LAYOUTS)],
        )
        found = {table for table, _, _ in rows}
        for table in found:
            if {name: kind for of, name, kind in rows if of == table} != LAYOUTS[table]:
                raise DestinationError(
                    f"table {table!r} in DuckDB database {self.session.path!r} has other columns than this version writes",
                    remedy="Use the version of file_cdk that wrote it, or load into a new database",
                )
        return found

    def unloaded(
        self, stream: str, files: Sequence[RemoteFile], *, has_table: bool, with_rejects: bool = False
    ) -> list[bool]:
        """In the order of `files`. has_table: without one, only files without rows can count as loaded. with_rejects: those
        that were loaded with rejects do not count as loaded."""
        asked = {"n": integers(range(len(files))), **_versions(files)}
        found = self.session.run(
            "reading the ledger",
            f"SELECT f.n FROM {INPUT} f ANTI JOIN {FILES} l ON l.stream = ? AND l.status = 'loaded' AND f.url = l.url "
            "AND f.modified_at = l.modified_at AND f.size_bytes = l.size_bytes AND f.etag IS NOT DISTINCT FROM l.etag "
            "AND (l.rows = 0 OR ?) AND NOT (coalesce(l.rejected, 0) > 0 AND ?)",
            [stream, has_table, with_rejects],
            reader(asked),
        )
        answer = [False] * len(files)
        for (n,) in found:
            answer[n] = True
        return answer

    def known(self, stream: str, uris: Sequence[str]) -> tuple[list[str], list[str]]:
        """Which of the files have rows of some version in the table, and which have any entry here."""
        found = self.session.run(
            "reading the ledger",
            f"SELECT l.url, bool_or(l.status = 'loaded' AND l.rows > 0) FROM {FILES} l SEMI JOIN {INPUT} f "
            "ON f.url = l.url WHERE l.stream = ? GROUP BY l.url ORDER BY l.url",
            [stream],
            urls(uris),
        )
        return [url for url, has_rows in found if has_rows], [url for url, _ in found]

    def forget(self, stream: str, uris: Sequence[str]) -> None:
        """Removes all entries of these files. Their rejects have to be removed as well."""
        if uris:
            self.session.run(
                "updating the ledger",
                f"DELETE FROM {FILES} WHERE stream = ? AND url IN (SELECT url FROM {INPUT})",
                [stream],
                urls(uris),
            )

    def add_loaded(self, stream: str, loads: Sequence[tuple[RemoteFile, LoadedFile]]) -> None:
        """Adds entries, and rejects, for files that have none."""
        entries = [(file, load.rows, load.rejects.total(), "loaded", None) for file, load in loads]
        self._add(stream, entries)
        self.rejects.add(stream, [(file, load.rejects) for file, load in loads])

    def set_failed(self, stream: str, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Replaces the entry of an earlier failure of this file; one of a version that is loaded stays.

        Rejects replace all older ones of the file. Without any, those of the version that is loaded stay too.
        """
        rejected = None if rejects is None else rejects.total()
        with self.session.transaction("updating the ledger"):
            self.session.run(
                "updating the ledger",
                f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND url IN (SELECT url FROM {INPUT})",
                [stream],
                urls([file.uri]),
            )
            if rejected:
                self.rejects.forget(stream, [file.uri])
            self._add(stream, [(file, None, rejected, "failed", error)])
            if rejects is not None and rejected:
                self.rejects.add(stream, [(file, rejects)])
            else:
                self._forget_rejects_without_entry(stream, urls([file.uri]))

    def failed(self, stream: str, limit: int) -> list[str]:
        """Urls of files of which some version failed, at most so many."""
        found = self.session.run(
            "reading the ledger",
            f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'failed' ORDER BY url LIMIT ?",
            [stream, limit],
        )
        return [url for (url,) in found]

    def forget_failed(self, stream: str, uris: Sequence[str]) -> None:
        """Removes the entries of versions that failed, and their rejects; those of versions that are loaded stay."""
        with self.session.transaction("updating the ledger"):
            self.session.run(
                "updating the ledger",
                f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND url IN (SELECT url FROM {INPUT})",
                [stream],
                urls(uris),
            )
            self._forget_rejects_without_entry(stream, urls(uris))

    def _add(self, stream: str, entries: Sequence[tuple[RemoteFile, int | None, int | None, str, str | None]]) -> None:
        files = [entry[0] for entry in entries]
        rows = {
            **_versions(files),
            "rows": integers([entry[1] for entry in entries]),
            "rejected": integers([entry[2] for entry in entries]),
            "status": texts([entry[3] for entry in entries]),
            "error": texts([entry[4] for entry in entries]),
        }
        self.session.run(
            "updating the ledger",
            f'INSERT INTO {FILES} SELECT ?, url, etag, modified_at, size_bytes, "rows", rejected, status, error, ?, ? '
            f"FROM {INPUT}",
            [stream, datetime.now(UTC).replace(tzinfo=None), self.run],
            reader(rows),
        )

    def forget_rows(self, stream: str) -> None:
        """Removes the entries of files whose rows were in a table that is gone."""
        self.session.run(
            "updating the ledger",
            f"DELETE FROM {FILES} WHERE stream = ? AND status = 'loaded' AND \"rows\" > 0",
            [stream],
        )
        self._forget_rejects_without_entry(stream)

    def _forget_rejects_without_entry(self, stream: str, among: pa.RecordBatchReader | None = None) -> None:
        """Removes rejects of versions that no entry says to have any. among: urls; None for all."""
        self.session.run(
            "updating the ledger",
            f"DELETE FROM {REJECTS} r WHERE stream = ? {'' if among is None else f'AND url IN (SELECT url FROM {INPUT})'} "
            f"AND NOT EXISTS (SELECT 1 FROM {FILES} l WHERE l.stream = r.stream AND l.url = r.url "
            "AND l.modified_at = r.modified_at AND l.rejected > 0)",
            [stream],
            among,
        )

    def is_empty(self) -> bool:
        """Whether no file of any stream was loaded or failed."""
        [(found,)] = self.session.run("reading the ledger", f"SELECT EXISTS (SELECT 1 FROM {FILES})")
        return not found

    def is_alone(self) -> bool:
        """Whether the database has no tables but the ledger's."""
        [(found,)] = self.session.run(
            "reading the ledger",
            "SELECT EXISTS (SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() "
            "AND NOT (schema_name = current_schema() AND list_contains(?, table_name)))",
            [list(LAYOUTS)],
        )
        return not found

    def has_rows(self, stream: str) -> bool:
        """Whether some file of the stream is loaded and has rows."""
        [(found,)] = self.session.run(
            "reading the ledger",
            f"SELECT EXISTS (SELECT 1 FROM {FILES} WHERE stream = ? AND status = 'loaded' AND \"rows\" > 0)",
            [stream],
        )
        return bool(found)

    def require_folder(self, stream: str, folder: str) -> None:
        """folder: what the uris of the stream's files begin with. Raises ConfigError when rows of other files are loaded."""
        found = self.session.run(
            "reading the ledger",
            f"SELECT min(url) FROM {FILES} WHERE stream = ? AND status = 'loaded' AND \"rows\" > 0 "
            "AND NOT starts_with(url, ?)",
            [stream, folder],
        )
        if found != [(None,)]:
            [(other,)] = found
            raise ConfigError(
                f"table {stream!r} in DuckDB database {self.session.path!r} holds files from outside of the folder "
                f"{folder!r}, such as {shortened(other)!r}",
                remedy=f"Load them into another table (--table). If all belong into one, say so: --table {shlex.quote(stream)}",
            )

    def claim(self, stream: str, source: str, *, has_table: bool) -> None:
        """Notes where the stream's files come from. Raises ConfigError when files from elsewhere are loaded."""
        if self.is_claimed(stream, source, has_table=has_table):
            return
        doing = "updating the ledger"
        with self.session.transaction(doing):
            self.session.run(doing, f"DELETE FROM {STREAMS} WHERE stream = ?", [stream])
            self.session.run(doing, f"INSERT INTO {STREAMS} VALUES (?, ?)", [stream, source])

    def is_claimed(self, stream: str, source: str, *, has_table: bool) -> bool:
        """Whether the stream's files are noted to come from there. Raises ConfigError when files from elsewhere are loaded, and
        their rows are there still: somebody may have dropped the table."""
        found = self.session.run("reading the ledger", f"SELECT source FROM {STREAMS} WHERE stream = ?", [stream])
        if found == [(source,)]:
            return True
        if found and has_table and self.has_rows(stream):
            [(other,)] = found
            update = f"UPDATE {STREAMS} SET source = {literal(source)} WHERE stream = {literal(stream)}"
            raise ConfigError(
                f"table {stream!r} in DuckDB database {self.session.path!r} holds the files of {other!r}, not of {source!r}",
                remedy=f"Load them into another table (--table). If it is the same folder, moved, say so in SQL: {update}",
            )
        return False

    def namesake(self, stream: str) -> str | None:
        """Another stream in the ledger whose table would be the same one: its name differs in case only."""
        found = self.session.run("reading the ledger", f"SELECT DISTINCT stream FROM {FILES} ORDER BY stream")
        return next((name for (name,) in found if name != stream and folded(name) == folded(stream)), None)

    def renamed_columns(self, stream: str) -> dict[str, str]:
        """Table column by the name in the files, where the two differ."""
        found = self.session.run(
            "reading the ledger", f"SELECT name, column_name FROM {COLUMNS} WHERE stream = ?", [stream]
        )
        return dict(found)

    def set_renamed_columns(self, stream: str, columns: Mapping[str, str]) -> None:
        self.session.run("updating the ledger", f"DELETE FROM {COLUMNS} WHERE stream = ?", [stream])
        for name, column in columns.items():
            self.session.run("updating the ledger", f"INSERT INTO {COLUMNS} VALUES (?, ?, ?)", [stream, name, column])


def urls(uris: Sequence[str]) -> pa.RecordBatchReader:
    """One column, `url`."""
    return reader({"url": texts(uris)})


def _versions(files: Sequence[RemoteFile]) -> dict[str, pa.Array]:
    return {
        "url": texts([file.uri for file in files]),
        "etag": texts([file.etag for file in files]),
        "modified_at": integers([file.modified_us for file in files], _US),
        "size_bytes": integers([file.size_bytes for file in files]),
    }
