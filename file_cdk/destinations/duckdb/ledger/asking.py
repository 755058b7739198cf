"""What the ledger of a database that no sync has open says, and what of it may be corrected from outside of a sync."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, StreamStatus
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.file import Settings, is_absent, open_to_read, open_to_write
from file_cdk.destinations.duckdb.ledger.entries import (
    FILES,
    IN_SCHEMA,
    STREAMS,
    Ledger,
    create_ledger,
    is_known,
    layouts_found,
    urls,
)
from file_cdk.destinations.duckdb.ledger.merges import DuckDBMerges
from file_cdk.destinations.duckdb.ledger.rejects import REJECTS
from file_cdk.destinations.duckdb.ledger.runs import RUNS, latest
from file_cdk.destinations.duckdb.memory import MemoryBudget
from file_cdk.destinations.duckdb.session import INPUT, Session, reader, texts
from file_cdk.destinations.merging import mark_all, rows_of
from file_cdk.destinations.names import BESIDE, folded, quoted
from file_cdk.destinations.run_lock import RunLock

_VISIBLE = f"NOT starts_with(stream, '{BESIDE}')"
"""Not the streams that a full refresh builds."""

_READING, _CORRECTING = "reading the ledger", "correcting the ledger"


@contextmanager
def ledger_of(path: str, *, needed: Sequence[str] = (FILES, STREAMS)) -> Iterator[Session]:
    """A session that reads. needed: tables of the ledger that must be there. Raises DestinationError."""
    settings: Settings = {"threads": 1, "memory_limit": "1GiB", "preserve_insertion_order": True}
    with closing(open_to_read(path, settings)) as connection:
        session = open_session(path, connection)
        check_tables(session, needed)
        yield session


@contextmanager
def _ledger_to_correct(path: str) -> Iterator[Session]:
    with ledger_of(path):
        pass  # refuses what no sync made, of which nothing is to be created here
    with closing(RunLock.hold(path, "file-cdk state")):
        connection, _ = open_to_write(path, {"temp_directory": f"{path}.tmp"})
        with closing(connection):
            session = open_session(path, connection)
            create_ledger(session)
            yield session


def open_session(path: str, connection: Any) -> Session:
    with translating(path, "opening"):
        return Session(path, connection, MemoryBudget(connection))


def check_tables(session: Session, needed: Sequence[str]) -> None:
    """Raises DestinationError where one of the ledger's tables is missing, or was made by another version."""
    found = layouts_found(session, _READING)
    for table in needed:
        if table not in found:
            raise DestinationError(
                f"DuckDB database {session.path!r} has no table {table!r}",
                remedy="Name a database that file-cdk sync has written; the next sync into it makes what is missing",
            )
        if not is_known(table, found[table]):
            raise DestinationError(
                f"table {table!r} in DuckDB database {session.path!r} has other columns than this version reads",
                remedy="Use the version of file_cdk that wrote it",
            )


def _files(session: Session) -> str:
    """The entries, as the FROM of a query: where an earlier version made them, nobody counted what was skipped."""
    has_all = "skipped" in layouts_found(session, _READING)[FILES]
    return FILES if has_all else f"(SELECT *, NULL::BIGINT AS skipped FROM {FILES})"


def spelled(session: Session, stream: str) -> str:
    """The stream as the ledger spells it. Raises ConfigError."""
    tables = [FILES, STREAMS, *({REJECTS} & layouts_found(session, _READING).keys())]
    union = " UNION ".join(f"SELECT stream FROM {table}" for table in tables)
    names = session.run(_READING, f"SELECT stream FROM ({union}) WHERE {_VISIBLE} ORDER BY 1")
    for (name,) in names:
        if folded(name) == folded(stream):
            return str(name)
    loaded = ", ".join(repr(name) for (name,) in names) or "none"
    raise ConfigError(
        f"no sync loaded a table {stream!r} in DuckDB database {session.path!r}", remedy=f"Loaded are: {loaded}"
    )


def streams(path: str, stream: str | None) -> list[StreamStatus]:
    """See core.ledger.LedgerKeeper, also of what follows."""
    with ledger_of(path) as session:
        known = None if stream is None else spelled(session, stream)
        found = session.run(
            _READING,
            f"WITH f AS (SELECT *, status = 'loaded' AS is_loaded FROM {_files(session)} WHERE {_VISIBLE}), "
            f"s AS (SELECT * FROM {STREAMS} WHERE {_VISIBLE}) "
            "SELECT coalesce(f.stream, s.stream), any_value(s.source), count(*) FILTER (is_loaded), "
            'coalesce(sum("rows") FILTER (is_loaded), 0)::BIGINT, coalesce(sum(rejected) FILTER (is_loaded), 0)::BIGINT, '
            "coalesce(sum(size_bytes) FILTER (is_loaded), 0)::BIGINT, count(*) FILTER (f.status = 'failed'), "
            "count(*) FILTER (is_loaded AND size_bytes IS NULL), max(modified_at) FILTER (is_loaded), max(loaded_at), "
            "arg_max(run, loaded_at), coalesce(sum(skipped) FILTER (is_loaded), 0)::BIGINT, "
            "count(*) FILTER (is_loaded AND skipped IS NULL) FROM f FULL JOIN s ON f.stream = s.stream "
            "WHERE ? OR coalesce(f.stream, s.stream) = ? GROUP BY 1 ORDER BY 1",
            [known is None, known],
        )
    return [StreamStatus(*map(_aware, row)) for row in found]


def runs(path: str, limit: int) -> list[Run]:
    with ledger_of(path) as session:
        if RUNS not in layouts_found(session, _READING):
            return []  # of a version that kept none
        check_tables(session, [RUNS])
        return latest(session, _READING, limit)


def entries(path: str, stream: str | None, uris: Sequence[str] | None, *, failed: bool) -> Iterator[LedgerEntry]:
    if is_absent(path):
        return
    of_files = "" if uris is None else f"AND url IN (SELECT url FROM {INPUT})"
    with ledger_of(path) as session:
        for part in session.parts(
            _READING,
            'SELECT stream, url, modified_at, size_bytes, etag, "rows", rejected, status, error, loaded_at, run, skipped '
            f"FROM {_files(session)} WHERE {_VISIBLE} {of_files} "
            "AND (? OR stream = ?) AND (status = 'failed' OR ?) ORDER BY stream, url, status",
            [stream is None, stream, not failed],
            None if uris is None else urls(uris),
        ):
            for name, uri, modified_at, size, etag, rows, rejected, status, error, loaded_at, run, skipped in part:
                modified_at, loaded_at = modified_at.replace(tzinfo=UTC), loaded_at.replace(tzinfo=UTC)
                counts = rows, rejected, status, error
                yield LedgerEntry(name, uri, modified_at, size, etag, *counts, loaded_at, run, skipped)


def loaded(path: str, stream: str) -> Iterator[Sequence[str]]:
    if is_absent(path):
        return
    with ledger_of(path) as session:
        yield from Ledger(session, "", stream).loaded()


def mismatches(path: str, stream: str | None, *, repair: bool) -> list[Mismatch]:
    with _ledger_to_correct(path) if repair else ledger_of(path) as session:
        known = [spelled(session, stream)] if stream is not None else _streams(session)
        found: list[Mismatch] = []
        for each in known:
            of_stream = _mismatches(session, each)
            if repair and of_stream:
                _repair(session, each, of_stream)
            found += of_stream
    return found


def _streams(session: Session) -> list[str]:
    return [
        name
        for (name,) in session.run(_READING, f"SELECT DISTINCT stream FROM {FILES} WHERE {_VISIBLE} ORDER BY stream")
    ]


def _mismatches(session: Session, stream: str) -> list[Mismatch]:
    table = _table_of(session, stream)
    expected = f"SELECT url, \"rows\" AS expected FROM {FILES} WHERE stream = ? AND status = 'loaded'"
    present = f"SELECT _file_url AS url, count(*) AS present FROM {quoted(table)} GROUP BY 1"
    if not _has_table(session, table):
        present = "SELECT NULL::VARCHAR AS url, 0 AS present WHERE false"
    found = session.run(
        f"counting the rows of table {stream!r}",
        f"SELECT coalesce(e.url, p.url), e.expected, coalesce(p.present, 0) FROM ({expected}) e FULL JOIN ({present}) p "
        "ON e.url = p.url WHERE coalesce(e.expected, -1) <> coalesce(p.present, 0) ORDER BY 1 NULLS LAST",
        [stream],
    )
    return [Mismatch(stream, *row) for row in found]


def _table_of(session: Session, stream: str) -> str:
    """The table that has the stream's rows."""
    return rows_of(DuckDBMerges(session), stream)


def _has_table(session: Session, stream: str) -> bool:
    [(found,)] = session.run(
        _READING, f"SELECT count(*) FROM duckdb_tables() WHERE {IN_SCHEMA} AND table_name = ?", [stream]
    )
    return bool(found)


def _repair(session: Session, stream: str, found: Sequence[Mismatch]) -> None:
    """In one transaction. An entry counts the rows that are there, so that the next load of the file removes all of them."""
    known = [each for each in found if each.expected is not None and each.url is not None]
    unknown = [each.url for each in found if each.expected is None and each.url is not None]
    table = _table_of(session, stream)
    with session.transaction(_CORRECTING):
        if table != stream:
            mark_all(DuckDBMerges(session), stream)
        session.run(
            _CORRECTING,
            f'UPDATE {FILES} SET size_bytes = NULL, "rows" = f.present FROM {INPUT} f '
            f"WHERE stream = ? AND status = 'loaded' AND {FILES}.url = f.url",
            [stream],
            reader(
                {
                    "url": texts([each.url for each in known]),
                    "present": pa.array([each.present for each in known], pa.int64()),
                }
            ),
        )
        if unknown:
            session.run(
                _CORRECTING,
                f"DELETE FROM {quoted(table)} WHERE _file_url IN (SELECT url FROM {INPUT})",
                rows=urls([url for url in unknown if url is not None]),
            )


def reset(path: str, stream: str, uris: Sequence[str]) -> int:
    with _ledger_to_correct(path) as session:
        known = spelled(session, stream)
        among = f"AND (? OR url IN (SELECT url FROM {INPUT}))"
        with session.transaction(_CORRECTING):
            found = session.run(
                _CORRECTING,
                f"UPDATE {FILES} SET size_bytes = NULL WHERE stream = ? AND status = 'loaded' {among} RETURNING url",
                [known, not uris],
                urls(uris),
            )
            failed = session.run(
                _READING,
                f"SELECT url FROM {FILES} WHERE stream = ? AND status = 'failed' {among}",
                [known, not uris],
                urls(uris),
            )
        Ledger(session, "", known).forget_failed([url for (url,) in failed])
    return len(found)


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
