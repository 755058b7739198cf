"""What a database that no sync has open says about a stream: its files, taken at one moment and kept beside it, and its rejects.

The database is locked only while its ledger is copied, so that a listing of hours keeps no sync from starting.
"""

# ruff: noqa: S608 - names are constant, and values are parameters

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.run_folder import run_folder
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.file import Settings, is_absent, open_to_read, open_to_write, remove
from file_cdk.destinations.duckdb.ledger import FILES, LAYOUTS, STREAMS, Ledger
from file_cdk.destinations.duckdb.memory import NARROW_BYTES, MemoryBudget
from file_cdk.destinations.duckdb.names import folded
from file_cdk.destinations.duckdb.rejects import REJECTS
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.duckdb.table import DuckDBTable, WriteLimits
from file_cdk.destinations.duckdb.types import missing_types

_DOING = "reading the ledger"
_SETTINGS: Settings = {"threads": 1}
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """A copy of the entries of one stream's loaded files; None where there are none to ask."""

    stream: str
    copy: Ledger | None = None
    has_table: bool = False

    def unloaded(self, files: Sequence[RemoteFile]) -> list[bool]:
        if self.copy is None or not files:
            return [True] * len(files)
        return self.copy.unloaded(self.stream, files, has_table=self.has_table)


@contextmanager
def known_files(path: str, stream: str, source: str | None, folder: str = "") -> Iterator[KnownFiles]:
    """See core.ports.Inspectable. The copy takes 128 MiB of memory at most, and else room for temporary files."""
    if is_absent(path):
        yield KnownFiles(stream)
        return
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=run_folder()) as scratch:
        settings: Settings = {**_SETTINGS, "temp_directory": scratch, "autoinstall_known_extensions": False}
        with closing(duckdb.connect(":memory:", config={**settings})) as connection:
            target = Session(path, connection, MemoryBudget(connection, NARROW_BYTES))
            yield _copied(path, stream, source, folder, target)


def _copied(path: str, stream: str, source: str | None, folder: str, target: Session) -> KnownFiles:
    target.memory.provide(columns=0)
    with closing(open_to_read(path, _SETTINGS)) as connection:
        with translating(path, "opening"):
            session = Session(path, connection, MemoryBudget(connection))
        ledger = Ledger(session, run="")
        found = ledger.tables(_DOING)
        if not found >= LAYOUTS.keys() - {REJECTS}:
            return KnownFiles(stream)  # the next sync makes what is missing
        # Refuses what a sync would refuse.
        table = DuckDBTable(session, "", stream, WriteLimits(), missing_types(connection), lambda _: None)
        try:
            if source is not None:
                ledger.is_claimed(stream, source, has_table=table.exists)
            if folder and table.exists:
                ledger.require_folder(stream, folder)
            with translating(path, _DOING):
                entries = connection.sql(
                    f"SELECT * FROM {FILES} WHERE stream = ? AND status = 'loaded'", params=[stream]
                )
                rows = entries.to_arrow_reader(_ROWS_AT_ONCE)
                target.execute(f"CREATE TABLE {FILES} AS SELECT * FROM {INPUT}", rows=rows)
            return KnownFiles(stream, Ledger(target, run=""), table.exists)
        finally:
            table.close()


def check_database(path: str) -> bool:
    """See core.ports.Inspectable. A database that is missing is created and removed again."""
    absent = is_absent(path)
    empty = Path(path).stat() if absent and Path(path).exists() else None
    connection, _ = open_to_write(path, {})
    with closing(connection):
        if absent:
            with translating(path, "opening"):
                connection.execute("CHECKPOINT")
            remove(path)
        else:
            with translating(path, "opening"):
                session = Session(path, connection, MemoryBudget(connection))
            Ledger(session, run="").tables(_DOING)
    if empty is not None:
        Path(path).touch(mode=empty.st_mode)
    return not absent


_READING_REJECTS = "reading the rejected records"

_REJECTS_AT_ONCE = 1000

_REJECTS_SETTINGS: Settings = {
    # DuckDB reads 2048 rows at a time, and each may have 64 KB of raw bytes. A second thread would hold as much again.
    "threads": 1,
    "memory_limit": "1GiB",
    "preserve_insertion_order": True,
}


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """One record that is not in its stream's table. url, modified_at (UTC): the version of the file it stands in.

    row, byte, reason, raw: as in Reject, but raw is text where it is UTF-8. rejected_at (UTC), run: when, and in which run.
    """

    stream: str
    url: str
    modified_at: datetime
    row: int | None
    byte: int | None
    reason: str
    raw: str | bytes | None
    rejected_at: datetime
    run: str


def rejected_records(path: str, stream: str | None, limit: int | None) -> Iterator[RejectedRecord]:
    """See DuckDBDestination.rejects."""
    connection, known = _open(path, stream)
    return _records(path, connection, known, limit)


def count_rejected(path: str, stream: str | None) -> int:
    """See DuckDBDestination.rejected."""
    connection, known = _open(path, stream)
    with closing(connection), translating(path, _READING_REJECTS):
        found = connection.execute(
            f"SELECT max(rejected) FROM {FILES} WHERE (stream, url, modified_at) IN "
            f"(SELECT (stream, url, modified_at) FROM {REJECTS} WHERE stream = ? OR ?) GROUP BY stream, url, modified_at",
            [known, known is None],
        ).fetchall()
    return sum(rejected or 0 for (rejected,) in found)


def _records(
    path: str, connection: duckdb.DuckDBPyConnection, stream: str | None, limit: int | None
) -> Iterator[RejectedRecord]:
    with closing(connection), translating(path, _READING_REJECTS):
        result = connection.execute(
            'SELECT stream, url, modified_at, "row", byte_offset, reason, raw, raw_bytes, rejected_at, run '
            f"FROM {REJECTS} WHERE stream = ? OR ? {'' if limit is None else f'LIMIT {limit:d}'}",
            [stream, stream is None],
        )
        while rows := result.fetchmany(_REJECTS_AT_ONCE):
            yield from map(_record, rows)


def _record(row: tuple[Any, ...]) -> RejectedRecord:
    stream, url, modified_at, number, byte, reason, text, other, rejected_at, run = row
    return RejectedRecord(
        stream=stream,
        url=url,
        modified_at=modified_at.replace(tzinfo=UTC),
        row=number,
        byte=byte,
        reason=reason,
        raw=other if text is None else text,
        rejected_at=rejected_at.replace(tzinfo=UTC),
        run=run,
    )


def _open(path: str, stream: str | None) -> tuple[duckdb.DuckDBPyConnection, str | None]:
    """The database, and the stream as it spells it."""
    connection = open_to_read(path, _REJECTS_SETTINGS)
    try:
        with translating(path, _READING_REJECTS):
            connection.execute("SET enable_progress_bar = false")  # it would go to stdout
            _check_tables(path, connection)
            known = None if stream is None else _spelled(path, connection, stream)
    except BaseException:
        connection.close()
        raise
    return connection, known


def _check_tables(path: str, connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = current_schema() ORDER BY table_name, column_index"
    ).fetchall()
    for table in (REJECTS, FILES, STREAMS):
        columns = {name: kind for of, name, kind in found if of == table}
        if not columns:
            raise DestinationError(
                f"DuckDB database {path!r} has no table {table!r}",
                remedy="Name a database that file-cdk sync has written; the next sync into it makes what is missing",
            )
        if columns != LAYOUTS[table]:
            raise DestinationError(
                f"table {table!r} in DuckDB database {path!r} has other columns than this version reads",
                remedy="Use the version of file_cdk that wrote it",
            )


def _spelled(path: str, connection: duckdb.DuckDBPyConnection, stream: str) -> str:
    names = connection.execute(
        f"SELECT stream FROM {FILES} UNION SELECT stream FROM {STREAMS} UNION SELECT stream FROM {REJECTS} ORDER BY 1"
    ).fetchall()
    for (name,) in names:
        if folded(name) == folded(stream):
            return str(name)
    loaded = ", ".join(repr(name) for (name,) in names) or "none"
    raise ConfigError(f"no sync loaded a table {stream!r} in DuckDB database {path!r}", remedy=f"Loaded are: {loaded}")
