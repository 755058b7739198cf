"""What a SQLite database that no sync has open says about its streams, and what of its ledger may be corrected.

The methods of core.ports.Inspectable and core.ledger.LedgerKeeper; each opens the database for itself.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, RunCounts, StreamStatus
from file_cdk.core.ports import Known, RejectedRecord, TableName
from file_cdk.core.uris import well_formed
from file_cdk.destinations.names import BESIDE, folded, quoted
from file_cdk.destinations.run_lock import RunLock
from file_cdk.destinations.sqlite.errors import translating
from file_cdk.destinations.sqlite.ledger import (
    COLUMNS,
    FILES,
    LAYOUTS,
    REJECTS,
    RUNS,
    STREAMS,
    Ledger,
    create_ledger,
    of_moment,
    tables_of,
    transaction,
    urls,
)
from file_cdk.destinations.sqlite.session import connected, is_absent
from file_cdk.destinations.sqlite.table import read_layout

_READING, _CORRECTING = "reading the ledger", "correcting the ledger"
_VISIBLE = f"substr(stream, 1, {len(BESIDE)}) <> '{BESIDE}'"
"""Not the streams that a full refresh builds."""
_ROWS_AT_ONCE = 1000


@contextmanager
def _ledger_of(path: str) -> Iterator[sqlite3.Connection]:
    """To be read. Raises DestinationError where there is no database, or none of ours."""
    if is_absent(path):
        raise DestinationError(
            f"there is no SQLite database {path!r}", remedy="Name one that file-cdk sync has written"
        )
    with closing(connected(path, read_only=True)) as db, translating(path, _READING):
        missing = LAYOUTS.keys() - tables_of(db).keys()
        if missing:
            raise DestinationError(
                f"SQLite database {path!r} has no table {min(missing)!r}",
                remedy="Name a database that file-cdk sync has written",
            )
        yield db


@contextmanager
def _to_correct(path: str) -> Iterator[sqlite3.Connection]:
    with _ledger_of(path):
        pass  # refuses what no sync made, of which nothing is to be created here
    with closing(RunLock.hold(path, "file-cdk state", "SQLite")), closing(connected(path)) as db:
        with transaction(db, path, _CORRECTING):
            create_ledger(db)
        yield db


def check(path: str) -> bool:
    """See core.ports.Inspectable. A database that is missing is created and removed again."""
    with closing(RunLock.hold(path, "check", "SQLite")):
        absent = is_absent(path)
        empty = absent and Path(path).exists()
        with closing(connected(path)) as db, translating(path, "opening"):
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE _file_cdk_check (x)")  # writes the journal, which asks for more than the file
            db.execute("ROLLBACK")
        if absent and not empty:
            Path(path).unlink(missing_ok=True)
        return not absent


@contextmanager
def known(path: str, table: TableName) -> Iterator[Known]:
    """The entries are copied into a temporary database, so that a listing of hours is in no sync's way."""
    if is_absent(path):
        yield lambda files: [True] * len(files)
        return
    with closing(sqlite3.connect("", isolation_level=None)) as copy:
        create_ledger(copy)
        with closing(connected(path, read_only=True)) as db, translating(path, _READING):
            if tables_of(db).keys() >= LAYOUTS.keys():
                ledger = Ledger(db, path, "", table.stream)
                exists = read_layout(ledger).exists
                if exists:
                    ledger.check_files(table)  # refuses what a sync would refuse
                rows = db.execute(
                    f"SELECT * FROM {FILES} WHERE stream = ? AND status = 'loaded' AND (rows = 0 OR ?)",
                    [table.stream, exists],
                )
                copy.execute("BEGIN")
                copy.executemany(f"INSERT INTO {FILES} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                copy.execute("COMMIT")
        yield Ledger(copy, path, "", table.stream).unloaded


def rejects(path: str, stream: str | None, limit: int | None) -> Iterator[RejectedRecord]:
    with _ledger_of(path) as db:
        of_stream, named = _of_stream(db, path, stream)
    return _rejects(path, of_stream, named, limit)


def _rejects(path: str, of_stream: str, named: Sequence[str], limit: int | None) -> Iterator[RejectedRecord]:
    with _ledger_of(path) as db:
        found = db.execute(
            "SELECT stream, url, modified_at, row, byte_offset, reason, coalesce(raw, raw_bytes), rejected_at, run "
            f"FROM {REJECTS} WHERE {of_stream} ORDER BY stream, url, rowid LIMIT ?",
            [*named, -1 if limit is None else limit],
        )
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for name, url, modified_at, row, byte, reason, raw, rejected_at, run in rows:
                times = of_moment(modified_at), of_moment(rejected_at)
                yield RejectedRecord(name, url, times[0], row, byte, reason, raw, times[1], run)


def rejected(path: str, stream: str | None) -> int:
    with _ledger_of(path) as db:
        of_stream, named = _of_stream(db, path, stream)
        [(count,)] = db.execute(
            f"SELECT coalesce(sum(n), 0) FROM (SELECT max(rejected) AS n FROM {FILES} WHERE (stream, url, modified_at) IN "
            f"(SELECT stream, url, modified_at FROM {REJECTS} WHERE {of_stream}) GROUP BY stream, url, modified_at)",
            named,
        )
    return int(count)


def streams(path: str, stream: str | None) -> list[StreamStatus]:
    with _ledger_of(path) as db:
        of_stream, named = _of_stream(db, path, stream)
        found = db.execute(
            f"SELECT s.stream, (SELECT source FROM {STREAMS} o WHERE o.stream = s.stream), count(url) FILTER (WHERE is_loaded), "
            "coalesce(sum(rows) FILTER (WHERE is_loaded), 0), coalesce(sum(rejected) FILTER (WHERE is_loaded), 0), "
            "coalesce(sum(size_bytes) FILTER (WHERE is_loaded), 0), count(url) FILTER (WHERE NOT is_loaded), "
            "count(url) FILTER (WHERE is_loaded AND size_bytes IS NULL), "
            "max(modified_at) FILTER (WHERE is_loaded), max(loaded_at), "
            f"(SELECT run FROM {FILES} r WHERE r.stream = s.stream ORDER BY loaded_at DESC LIMIT 1), "
            "coalesce(sum(skipped) FILTER (WHERE is_loaded), 0), count(url) FILTER (WHERE is_loaded AND skipped IS NULL) "
            f"FROM (SELECT stream FROM {FILES} UNION SELECT stream FROM {STREAMS}) s "
            f"LEFT JOIN (SELECT *, status = 'loaded' AS is_loaded FROM {FILES}) f ON f.stream = s.stream "
            f"WHERE {of_stream.replace('stream', 's.stream')} GROUP BY s.stream ORDER BY s.stream",
            named,
        ).fetchall()
    return [_status(*row) for row in found]


def _status(*facts: Any) -> StreamStatus:
    stream, source, files, rows, rejected_rows, size_bytes, failed, again, newest_at, loaded_at, *others = facts
    times = newest_at and of_moment(newest_at), loaded_at and of_moment(loaded_at)
    return StreamStatus(stream, source, files, rows, rejected_rows, size_bytes, failed, again, *times, *others)


def runs(path: str, limit: int) -> list[Run]:
    with _ledger_of(path) as db:
        found = db.execute(f"SELECT * FROM {RUNS} ORDER BY started_at DESC, run DESC LIMIT ?", [limit]).fetchall()
    return [
        Run(
            *(name, of_moment(started), version, source, options),
            ended and of_moment(ended),
            exit_code,
            error,
            RunCounts(*(count or 0 for count in counts)),
        )
        for name, started, version, source, options, ended, exit_code, error, *counts in found
    ]


def entries(path: str, stream: str | None, uris: Sequence[str] | None, *, failed: bool) -> Iterator[LedgerEntry]:
    if is_absent(path):
        return
    among = "" if uris is None else "AND url IN (SELECT value FROM json_each(?))"
    with _ledger_of(path) as db:
        found = db.execute(
            "SELECT stream, url, modified_at, size_bytes, etag, rows, rejected, status, error, loaded_at, run, skipped "
            f"FROM {FILES} WHERE {_VISIBLE} AND (? OR stream = ?) AND (status = 'failed' OR ?) {among} "
            "ORDER BY stream, url, status",
            [stream is None, stream, not failed, *([] if uris is None else [urls(uris)])],
        )
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for name, url, modified_at, size, etag, count, rejected, status, error, loaded_at, run, skipped in rows:
                facts = of_moment(modified_at), size, etag, count, rejected, status, error
                yield LedgerEntry(name, url, *facts, of_moment(loaded_at), run, skipped)


def loaded(path: str, stream: str) -> Iterator[Sequence[str]]:
    if is_absent(path):
        return
    with _ledger_of(path) as db:
        yield from Ledger(db, path, "", stream).loaded()


def mismatches(path: str, stream: str | None, *, repair: bool) -> list[Mismatch]:
    with _to_correct(path) if repair else _ledger_of(path) as db:
        names = _names(db) if stream is None else [_spelled(db, path, stream)]
        found: list[Mismatch] = []
        for name in names:
            of_stream = _mismatches(db, name)
            if repair and of_stream:
                with transaction(db, path, _CORRECTING):
                    _repair(db, name, of_stream)
            found += of_stream
    return found


def _mismatches(db: sqlite3.Connection, stream: str) -> list[Mismatch]:
    expected = f"SELECT url, rows, 0 AS present FROM {FILES} WHERE stream = ? AND status = 'loaded'"
    present = f"SELECT _file_url, NULL, count(*) FROM {quoted(stream)} GROUP BY 1"
    union = expected if stream not in tables_of(db) else f"{expected} UNION ALL {present}"
    found = db.execute(
        f"SELECT url, max(rows) AS expected, max(present) AS present FROM ({union}) GROUP BY url "
        "HAVING coalesce(max(rows), -1) <> max(present) ORDER BY url IS NULL, url",
        [stream],
    )
    return [Mismatch(stream, *row) for row in found]


def _repair(db: sqlite3.Connection, stream: str, found: Sequence[Mismatch]) -> None:
    """An entry counts the rows that are there, so that the next load of the file removes all of them."""
    for each in found:
        if each.url is None:
            continue
        if each.expected is None:
            db.execute(f"DELETE FROM {quoted(stream)} WHERE _file_url = ?", [each.url])
        else:
            db.execute(
                f"UPDATE {FILES} SET size_bytes = NULL, rows = ? WHERE stream = ? AND status = 'loaded' AND url = ?",
                [each.present, stream, each.url],
            )


def reset(path: str, stream: str, uris: Sequence[str]) -> int:
    with _to_correct(path) as db:
        name = _spelled(db, path, stream)
        among = "AND (? OR url IN (SELECT value FROM json_each(?)))"
        of_files = [name, not uris, urls(uris)]
        with transaction(db, path, _CORRECTING):
            count = db.execute(
                f"UPDATE {FILES} SET size_bytes = NULL WHERE stream = ? AND status = 'loaded' {among}", of_files
            ).rowcount
            failed = db.execute(f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'failed' {among}", of_files)
            Ledger(db, path, "", name).forget_failed([url for (url,) in failed.fetchall()])
    return count


def _of_stream(db: sqlite3.Connection, path: str, stream: str | None) -> tuple[str, list[str]]:
    """SQL that is true of the stream, or of all, and its parameters. Raises ConfigError."""
    return (_VISIBLE, []) if stream is None else ("stream = ?", [_spelled(db, path, stream)])


def _names(db: sqlite3.Connection) -> list[str]:
    union = " UNION ".join(f"SELECT stream FROM {table}" for table in (FILES, STREAMS, REJECTS, COLUMNS))
    return [name for (name,) in db.execute(f"SELECT stream FROM ({union}) WHERE {_VISIBLE} ORDER BY 1")]


def _spelled(db: sqlite3.Connection, path: str, stream: str) -> str:
    """The stream as the ledger spells it. Raises ConfigError."""
    names = _names(db)
    for name in names:
        if folded(name) == folded(well_formed(stream)):
            return name
    raise ConfigError(
        f"no sync loaded a table {stream!r} in SQLite database {path!r}",
        remedy=f"Loaded are: {', '.join(map(repr, names)) or 'none'}",
    )
