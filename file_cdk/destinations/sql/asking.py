"""What a SQL database that no sync has open says about its streams, and what of its ledger may be corrected.

The methods of core.ports.Inspectable and core.ledger.LedgerKeeper; each opens the database for itself.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, RunCounts, StreamStatus
from file_cdk.core.ports import Known, RejectedRecord, TableName
from file_cdk.core.uris import well_formed
from file_cdk.destinations.merge_rules import mark_all, rows_of
from file_cdk.destinations.names import RESERVED_PREFIX, quoted
from file_cdk.destinations.sql.database import Database, Place, transaction
from file_cdk.destinations.sql.layout import check_table
from file_cdk.destinations.sql.ledger import (
    COLUMNS,
    FILES,
    REJECTS,
    RUNS,
    STREAMS,
    Ledger,
    create_ledger,
    of_moment,
    tables_known,
)
from file_cdk.destinations.sql.merging import SqlMerges, ledger_of
from file_cdk.destinations.sql.slices import rejected_of_slices, rejects_of_slices

_READING, _CORRECTING = "reading the ledger", "correcting the ledger"
_VISIBLE = f"substr(stream, 1, {len(RESERVED_PREFIX)}) <> '{RESERVED_PREFIX}'"
"""Not the streams that a full refresh builds, and what else is file_cdk's own."""
_NO_LIMIT = 2**62
_PART_URLS = 10_000


@contextmanager
def _ledger_of(place: Place, *needed: str) -> Iterator[Database]:
    """To be read. needed: tables besides those that all ledgers have. Raises DestinationError where there is no database, or none
    of ours."""
    if place.is_absent():
        raise place.absent()
    with place.reading() as db, db.translating(_READING):
        tables = db.tables()
        for table in (*needed, FILES, STREAMS):
            if table not in tables:
                raise DestinationError(
                    f"{db.kind} database {db.name!r} has no table {table!r}",
                    remedy="Name a database that file-cdk sync has written; the next sync into it makes what is missing",
                )
        yield db


@contextmanager
def _to_correct(place: Place) -> Iterator[Database]:
    with _ledger_of(place):
        pass  # refuses what no sync made, of which nothing is to be created here
    with place.correcting() as db:
        with transaction(db, _CORRECTING):
            create_ledger(db)
        yield db


@contextmanager
def known(place: Place, table: TableName) -> Iterator[Known]:
    """The entries are copied into a temporary database, so that a listing of hours is in no sync's way."""
    if place.is_absent():
        yield lambda files: [True] * len(files)
        return
    with place.scratch() as copy:
        create_ledger(copy)
        with place.reading() as db, db.translating(_READING):
            if db.tables().keys() >= db.layouts.keys():
                ledger = ledger_of(Ledger(db, "", table.stream), table, as_it_is=True)
                exists = check_table(ledger)
                if exists:
                    ledger.check_files(table)  # refuses what a sync would refuse
                rows = db.stream(
                    f"SELECT * FROM {FILES} WHERE stream = ? AND status = 'loaded' AND (rows = 0 OR ?)",
                    [table.stream, exists],
                )
                copy.execute("BEGIN")
                copy.executemany(f"INSERT INTO {FILES} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                copy.execute("COMMIT")
        yield Ledger(copy, "", table.stream).unloaded


def rejects(place: Place, stream: str | None, limit: int | None) -> Iterator[RejectedRecord]:
    with _ledger_of(place, REJECTS) as db:
        of_stream, named = _of_stream(db, stream)
    return _rejects(place, of_stream, named, limit)


def _rejects(place: Place, of_stream: str, named: Sequence[str], limit: int | None) -> Iterator[RejectedRecord]:
    shown = 0
    with _ledger_of(place) as db:
        found = db.stream(
            "SELECT stream, url, modified_at, row, byte_offset, reason, raw, raw_bytes, rejected_at, run "
            f"FROM {REJECTS} WHERE {of_stream} {db.file_order} LIMIT ?",
            [*named, _NO_LIMIT if limit is None else limit],
        )
        for name, url, modified_at, row, byte, reason, raw, raw_bytes, rejected_at, run in found:
            times = of_moment(modified_at), of_moment(rejected_at)
            kept = raw_bytes if raw is None else raw
            shown += 1
            yield RejectedRecord(name, url, times[0], row, byte, reason, kept, times[1], run)
        left = _NO_LIMIT if limit is None else limit - shown
        yield from rejects_of_slices(db, named[0] if named else None, left)


def rejected(place: Place, stream: str | None) -> int:
    with _ledger_of(place) as db:
        of_stream, named = _of_stream(db, stream)
        [(count,)] = db.execute(
            f"SELECT coalesce(sum(n), 0) FROM (SELECT max(rejected) AS n FROM {FILES} WHERE (stream, url, modified_at) IN "
            f"(SELECT stream, url, modified_at FROM {REJECTS} WHERE {of_stream}) GROUP BY stream, url, modified_at) u",
            named,
        ).fetchall()
        count += rejected_of_slices(db, named[0] if named else None)
    return int(count)


def known_tables(place: Place, origin: str, name: str) -> Mapping[str, str]:
    """See core.ledger.KnowsTables."""
    if place.is_absent():
        return {}
    with place.reading() as db, db.translating(_READING):
        return tables_known(db, origin, name) if {FILES, STREAMS} <= set(db.tables()) else {}


def streams(place: Place, stream: str | None) -> list[StreamStatus]:
    with _ledger_of(place) as db:
        of_stream, named = _of_stream(db, stream)
        found = db.execute(
            f"SELECT s.stream, (SELECT source FROM {STREAMS} o WHERE o.stream = s.stream), count(url) FILTER (WHERE is_loaded), "
            f"{_sum('rows')}, {_sum('rejected')}, "
            f"{_sum('size_bytes')}, count(url) FILTER (WHERE NOT is_loaded), "
            f"count(url) FILTER (WHERE is_loaded AND size_bytes IS NULL), "
            f"max(modified_at) FILTER (WHERE is_loaded), max(loaded_at), "
            f"(SELECT run FROM {FILES} r WHERE r.stream = s.stream ORDER BY loaded_at DESC LIMIT 1), "
            f"{_sum('skipped')}, count(url) FILTER (WHERE is_loaded AND skipped IS NULL) "
            f"FROM (SELECT stream FROM {FILES} UNION SELECT stream FROM {STREAMS}) s "
            f"LEFT JOIN (SELECT *, status = 'loaded' AS is_loaded FROM {FILES}) f ON f.stream = s.stream "
            f"WHERE {of_stream.replace('stream', 's.stream')} GROUP BY s.stream ORDER BY s.stream",
            named,
        ).fetchall()
    return [_status(*row) for row in found]


def _sum(column: str) -> str:
    """Of the versions that are loaded; Postgres makes decimals of sums."""
    return f"CAST(coalesce(sum({column}) FILTER (WHERE is_loaded), 0) AS BIGINT)"


def _status(*facts: Any) -> StreamStatus:
    stream, source, files, rows, rejected_rows, size_bytes, failed, again, newest_at, loaded_at, *others = facts
    times = newest_at and of_moment(newest_at), loaded_at and of_moment(loaded_at)
    return StreamStatus(stream, source, files, rows, rejected_rows, size_bytes, failed, again, *times, *others)


def runs(place: Place, limit: int) -> list[Run]:
    with _ledger_of(place) as db:
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


def entries(place: Place, stream: str | None, uris: Sequence[str] | None, *, failed: bool) -> Iterator[LedgerEntry]:
    if place.is_absent():
        return
    with _ledger_of(place) as db:
        of_urls = "" if uris is None else f"AND {db.among('url')}"
        found = db.stream(
            "SELECT stream, url, modified_at, size_bytes, etag, rows, rejected, status, error, loaded_at, run, skipped "
            f"FROM {FILES} WHERE {_VISIBLE} AND (? OR stream = ?) AND (status = 'failed' OR ?) {of_urls} "
            "ORDER BY stream, url, status",
            [stream is None, stream, not failed, *([] if uris is None else [db.urls(uris)])],
        )
        for name, url, modified_at, size, etag, count, rejected, status, error, loaded_at, run, skipped in found:
            facts = of_moment(modified_at), size, etag, count, rejected, status, error
            yield LedgerEntry(name, url, *facts, of_moment(loaded_at), run, skipped)


def loaded(place: Place, stream: str) -> Iterator[Sequence[str]]:
    if place.is_absent():
        return
    with _ledger_of(place) as db:
        found = db.stream(f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'loaded'", [stream])
        while part := [url for (url,) in islice(found, _PART_URLS)]:
            yield part


def mismatches(place: Place, stream: str | None, *, repair: bool) -> list[Mismatch]:
    with _to_correct(place) if repair else _ledger_of(place) as db:
        names = _names(db) if stream is None else [_spelled(db, stream)]
        found: list[Mismatch] = []
        for name in names:
            of_stream = _mismatches(db, name)
            if repair and of_stream:
                with transaction(db, _CORRECTING):
                    _repair(db, name, of_stream)
            found += of_stream
    return found


def _mismatches(db: Database, stream: str) -> list[Mismatch]:
    expected = f"SELECT url, rows, 0 AS present FROM {FILES} WHERE stream = ? AND status = 'loaded'"
    table = db.table_name(rows_of(SqlMerges(db), stream))
    union = expected if table not in db.tables() else f"{expected} UNION ALL {db.rows_by_file(table)}"
    found = db.execute(
        f"SELECT url, max(rows) AS expected, max(present) AS present FROM ({union}) u GROUP BY url "
        "HAVING coalesce(max(rows), -1) <> max(present) ORDER BY url IS NULL, url",
        [stream],
    ).fetchall()
    return [Mismatch(stream, *row) for row in found]


def _repair(db: Database, stream: str, found: Sequence[Mismatch]) -> None:
    """An entry counts the rows that are there, so that the next load of the file removes all of them."""
    rows = rows_of(SqlMerges(db), stream)
    if rows != stream:
        mark_all(SqlMerges(db), stream)
    unknown, known = [], defaultdict(list)
    for each in found:
        if each.url is not None and each.expected is None:
            unknown.append(each.url)
        elif each.url is not None:
            known[each.present].append(each.url)
    if unknown:
        sql = f"DELETE FROM {quoted(db.table_name(rows))} WHERE {db.among('_file_url')}"
        db.execute(sql, [db.urls(unknown)])
    for present, of_files in known.items():
        sql = f"UPDATE {FILES} SET size_bytes = NULL, rows = ? WHERE stream = ? AND status = 'loaded' AND {db.among('url')}"
        db.execute(sql, [present, stream, db.urls(of_files)])


def reset(place: Place, stream: str, uris: Sequence[str]) -> int:
    with _to_correct(place) as db:
        name = _spelled(db, stream)
        of_urls = f"AND (? OR {db.among('url')})"
        with transaction(db, _CORRECTING):
            count = db.execute(
                f"UPDATE {FILES} SET size_bytes = NULL WHERE stream = ? AND status = 'loaded' {of_urls}",
                [name, not uris, db.urls(uris)],
            ).rowcount
            failed = db.execute(
                f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'failed' {of_urls}",
                [name, not uris, db.urls(uris)],
            )
            Ledger(db, "", name).forget_failed([url for (url,) in failed.fetchall()])
    return count


def _of_stream(db: Database, stream: str | None) -> tuple[str, list[str]]:
    """SQL that is true of the stream, or of all, and its parameters. Raises ConfigError."""
    return (_VISIBLE, []) if stream is None else ("stream = ?", [_spelled(db, stream)])


def _names(db: Database) -> list[str]:
    union = " UNION ".join(f"SELECT stream FROM {table}" for table in (FILES, STREAMS, REJECTS, COLUMNS))
    return [name for (name,) in db.execute(f"SELECT stream FROM ({union}) u WHERE {_VISIBLE} ORDER BY 1").fetchall()]


def _spelled(db: Database, stream: str) -> str:
    """The stream as the ledger spells it. Raises ConfigError."""
    names = _names(db)
    for name in names:
        if db.folded(name) == db.folded(well_formed(stream)):
            return name
    raise ConfigError(
        f"no sync loaded a table {stream!r} in {db.kind} database {db.name!r}",
        remedy=f"Loaded are: {', '.join(map(repr, names)) or 'none'}",
    )
