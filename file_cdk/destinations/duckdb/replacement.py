"""A stream's table that is built beside the one that is there, under a reserved name, and takes its place in the end.

What belongs to it in the ledger is of a stream of that name. An entry in `_file_cdk_streams`, which is there before the table is,
tells the next run what a dead one left.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.duckdb.ledger.entries import COLUMNS, FILES, IN_SCHEMA, STREAMS, Ledger
from file_cdk.destinations.duckdb.ledger.merges import DuckDBMerges
from file_cdk.destinations.duckdb.ledger.rejects import REJECTS
from file_cdk.destinations.duckdb.parts import forget_parts, kept_parts
from file_cdk.destinations.duckdb.session import Session
from file_cdk.destinations.merging import rename_rule, set_rule, tables_of
from file_cdk.destinations.names import BESIDE, ROWS_OF, quoted

_OF_ROWS = (FILES, REJECTS, COLUMNS)
"""What the ledger knows of a table's rows and columns."""


def begin_beside(ledger: Ledger, table: TableName) -> Ledger:
    """The ledger of a new table of the same stream. Raises DestinationError where it could not take the place of the one that is
    there."""
    check_replaceable(ledger)
    beside = Ledger(ledger.session, ledger.run, BESIDE + ledger.stream)
    beside.claim("")
    if table.merge is None:
        return beside
    with ledger.session.transaction("beginning a full refresh"):
        set_rule(DuckDBMerges(ledger.session), beside.stream, table.merge)
    return Ledger(ledger.session, ledger.run, ROWS_OF + beside.stream)


def put_in_place(ledger: Ledger, built: str | None = None) -> None:
    """The table beside, or that of the stream `built`, in place of the stream's own, with all that the ledger knows of either, in
    one transaction. Neither may be in use. Raises DestinationError."""
    session, stream, beside = ledger.session, ledger.stream, BESIDE + ledger.stream if built is None else built
    doing = f"replacing table {stream!r}"
    for each in (stream, beside):
        _forget_parts(session, each)
    with session.transaction(doing):
        for table in _OF_ROWS:
            session.run(doing, f"DELETE FROM {table} WHERE stream = ?", [stream])
            session.run(doing, f"UPDATE {table} SET stream = ? WHERE stream = ?", [stream, beside])
        session.run(doing, f"DELETE FROM {STREAMS} WHERE stream = ?", [beside])
        rename_rule(DuckDBMerges(session), beside, stream)
        for old, new in zip(tables_of(stream), tables_of(beside), strict=True):
            session.run(doing, f"DROP TABLE IF EXISTS {quoted(old)}")
            if _is_table(session, new):
                session.run(doing, f"ALTER TABLE {quoted(new)} RENAME TO {quoted(old)}")


def remove_unfinished(session: Session) -> None:
    """Removes what is beside, of every stream, and what the ledger knows of it, but for why files failed: that becomes known of
    the stream's own. Raises DestinationError."""
    doing = "removing what an unfinished full refresh left"
    for (beside,) in session.run(doing, f"SELECT stream FROM {STREAMS} WHERE starts_with(stream, ?)", [BESIDE]):
        _forget_parts(session, beside)
        with session.transaction(doing):
            _keep_failures(session, beside)
            for each in tables_of(beside):
                session.run(doing, f"DROP TABLE IF EXISTS {quoted(each)}")
            set_rule(DuckDBMerges(session), beside, None)
            for table in (*_OF_ROWS, STREAMS):
                session.run(doing, f"DELETE FROM {table} WHERE stream = ?", [beside])


def _keep_failures(session: Session, beside: str) -> None:
    """In place of earlier ones of the same files, and of those that were read. Without rejected records: the ledger has those of
    one version of a file, and what is loaded stays as it is."""
    doing, stream = "noting what failed in a full refresh", beside.removeprefix(BESIDE)
    session.run(
        doing,
        f"DELETE FROM {FILES} WHERE stream = ? AND status = 'failed' AND url IN (SELECT url FROM {FILES} WHERE stream = ?)",
        [stream, beside],
    )
    session.run(
        doing,
        f"INSERT INTO {FILES} BY NAME SELECT * REPLACE (? AS stream, NULL::BIGINT AS rejected) FROM {FILES} "
        "WHERE stream = ? AND status = 'failed'",
        [stream, beside],
    )


def _forget_parts(session: Session, stream: str) -> None:
    """Of files that were being loaded."""
    for each in (stream, ROWS_OF + stream):
        ledger = Ledger(session, "", each)
        forget_parts(ledger, [part.table for part in kept_parts(ledger)])


def _is_table(session: Session, name: str) -> bool:
    sql = f"SELECT 1 FROM duckdb_tables() WHERE {IN_SCHEMA} AND table_name = ?"
    return bool(session.run("looking for tables", sql, [name]))


def check_replaceable(ledger: Ledger) -> None:
    """Raises DestinationError where more would go than the table's rows: DuckDB drops indexes and keys with their
    table, and no table that a foreign key of another names."""
    session, stream = ledger.session, ledger.stream
    found = session.run(
        "looking for indexes",
        f"SELECT 'the index ' || index_name FROM duckdb_indexes() WHERE {IN_SCHEMA} AND lower(table_name) = lower(?) "
        f"UNION ALL SELECT 'the constraint ' || constraint_text FROM duckdb_constraints() WHERE {IN_SCHEMA} "
        "AND lower(table_name) = lower(?) ORDER BY 1",
        [stream, stream],
    )
    if found:
        names = ", ".join(dict.fromkeys(name for (name,) in found))
        raise DestinationError(
            f"table {stream!r} in DuckDB database {session.path!r} has {names}: a full refresh would lose that",
            remedy="Drop it, refresh, and create it again; or sync without --full-refresh",
        )
