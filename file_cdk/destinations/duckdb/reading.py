"""What a database that no sync has open says about a stream: its files, taken at one moment and kept beside it, and its rejects.

The database is locked only while its ledger is copied, so that a listing of hours keeps no sync from starting.
"""

# ruff: noqa: S608 - names are constant, and values are parameters

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from file_cdk.core.ports import Known, RejectedRecord, TableName
from file_cdk.core.system.run_folder import run_folder
from file_cdk.destinations.duckdb.engine import duckdb, take_arrow
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.file import Settings, is_absent, open_to_read, open_to_write, remove
from file_cdk.destinations.duckdb.layout import checked_layout
from file_cdk.destinations.duckdb.ledger.asking import check_tables, open_session, spelled
from file_cdk.destinations.duckdb.ledger.entries import (
    FILES,
    LAYOUTS,
    PARTS,
    STREAMS,
    Ledger,
    create_table,
    ledger_tables,
)
from file_cdk.destinations.duckdb.ledger.rejects import REJECTS
from file_cdk.destinations.duckdb.ledger.runs import RUNS
from file_cdk.destinations.duckdb.memory import NARROW_BYTES, MemoryBudget
from file_cdk.destinations.duckdb.merging import ledger_of
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.names import BESIDE
from file_cdk.destinations.run_lock import RunLock

_DOING = "reading the ledger"
_SETTINGS: Settings = {"threads": 1}
_ROWS_AT_ONCE = 100_000


@contextmanager
def known_files(path: str, table: TableName) -> Iterator[Known]:
    """See core.ports.Inspectable. The copy takes 128 MiB of memory at most, and else room for temporary files."""
    if is_absent(path):
        yield lambda files: [True] * len(files)
        return
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=run_folder()) as scratch:
        settings: Settings = {**_SETTINGS, "temp_directory": scratch, "autoinstall_known_extensions": False}
        with closing(duckdb.connect(":memory:", config={**settings})) as connection:
            target = Session(path, connection, MemoryBudget(connection, NARROW_BYTES))
            target.memory.provide(columns=0)
            create_table(target.execute, FILES, LAYOUTS[FILES])
            _copy_entries(path, table, target)
            yield Ledger(target, "", table.stream).unloaded


def _copy_entries(path: str, table: TableName, target: Session) -> None:
    """Those of the files that are loaded, if there is a table that their rows are in."""
    take_arrow()

    with closing(open_to_read(path, _SETTINGS)) as connection:
        session = open_session(path, connection)
        if not ledger_tables(session, _DOING).keys() >= LAYOUTS.keys() - {REJECTS, RUNS, PARTS}:
            return  # the next sync makes what is missing
        ledger = ledger_of(Ledger(session, "", table.stream), table, as_it_is=True)
        layout = checked_layout(ledger, table)  # refuses what a sync would refuse
        with translating(path, _DOING):
            entries = connection.sql(
                f"SELECT stream, url, etag, modified_at, size_bytes, rejected, status FROM {FILES} "  # what `unloaded` asks
                "WHERE stream = ? AND status = 'loaded' AND (\"rows\" = 0 OR ?)",
                params=[table.stream, layout.exists],
            )
            rows = entries.to_arrow_reader(_ROWS_AT_ONCE)
            target.execute(f"INSERT INTO {FILES} BY NAME SELECT * FROM {INPUT}", rows=rows)


def check_database(path: str) -> bool:
    """See core.ports.Inspectable. A database that is missing is created and removed again."""
    with closing(RunLock.hold(path, "check")):
        absent = is_absent(path)
        empty = Path(path).stat() if absent and Path(path).exists() else None
        connection, _ = open_to_write(path, {})
        with closing(connection):
            if absent:
                with translating(path, "opening"):
                    connection.execute("CHECKPOINT")
                remove(path)
            else:
                ledger_tables(open_session(path, connection), _DOING)
        if empty is not None:
            Path(path).touch(mode=empty.st_mode)
        return not absent


_READING_REJECTS = "reading the rejected records"

_OF_STREAM = f"(stream = ? OR ? AND NOT starts_with(stream, '{BESIDE}'))"
"""The one, or all; parameters: its name, whether all are meant. What an unfinished full refresh left is no stream's."""

_REJECTS_AT_ONCE = 1000

_REJECTS_SETTINGS: Settings = {
    # DuckDB reads 2048 rows at a time, and each may have 64 KB of raw bytes. A second thread would hold as much again.
    "threads": 1,
    "memory_limit": "1GiB",
    "preserve_insertion_order": True,
}


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
            f"(SELECT (stream, url, modified_at) FROM {REJECTS} WHERE {_OF_STREAM}) GROUP BY stream, url, modified_at",
            [known, known is None],
        ).fetchall()
    return sum(rejected or 0 for (rejected,) in found)


def _records(
    path: str, connection: duckdb.DuckDBPyConnection, stream: str | None, limit: int | None
) -> Iterator[RejectedRecord]:
    with closing(connection), translating(path, _READING_REJECTS):
        result = connection.execute(
            'SELECT stream, url, modified_at, "row", byte_offset, reason, raw, raw_bytes, rejected_at, run '
            f"FROM {REJECTS} WHERE {_OF_STREAM} {'' if limit is None else f'LIMIT {limit:d}'}",
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
        session = open_session(path, connection)
        check_tables(session, (REJECTS, FILES, STREAMS))
        return connection, None if stream is None else spelled(session, stream)
    except BaseException:
        connection.close()
        raise
