"""Whether a stream's table is there, and one of ours. Without Arrow, for which a sync that finds nothing new has no use."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Mapping
from typing import TYPE_CHECKING

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.duckdb.engine import duckdb
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.session import IN_SCHEMA
from file_cdk.destinations.names import METADATA_COLUMNS, folded, quoted

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> "dict[str, DuckDBPyType]":
    """Names and types, in table order. table: quoted; or a view. Raises duckdb.Error."""
    description = connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()
    return {column[0]: column[1] for column in description}


def checked_columns(ledger: DuckDBLedger, table: TableName) -> "Mapping[str, DuckDBPyType]":
    """As present_columns. Raises DestinationError when the name is taken by something else, or when there are rows the ledger
    knows nothing of; ConfigError when the table holds files that do not belong into it."""
    ledger.check_name()
    columns = present_columns(ledger)
    if columns:
        _check_rows(ledger)
        ledger.check_files(table)
    return columns


def _check_rows(ledger: DuckDBLedger) -> None:
    if ledger.has_rows():
        return
    session, stream = ledger.session, ledger.stream
    [(has_rows,)] = session.run("reading a table", f"SELECT EXISTS (SELECT 1 FROM {quoted(stream)})")
    if has_rows:
        raise DestinationError(
            f"table {stream!r} in DuckDB database {session.path!r} has rows, but the ledger knows none",
            remedy="Loading again would double them: drop the table, or give the stream another name",
        )


def present_columns(ledger: DuckDBLedger) -> "Mapping[str, DuckDBPyType]":
    """The types of all columns of the table, by their names in it; none where there is no table. Raises DestinationError when
    what has the stream's name is not a table that file_cdk made."""
    session, stream = ledger.session, ledger.stream
    found = session.run(
        "looking for tables",
        f"SELECT table_name, false FROM duckdb_tables() WHERE {IN_SCHEMA} "
        f"UNION ALL SELECT view_name, true FROM duckdb_views() WHERE {IN_SCHEMA} AND NOT internal",
    )
    kinds = [is_view for name, is_view in found if folded(name) == folded(stream)]
    if not kinds:
        return {}
    with translating(session.path, f"reading the columns of table {stream!r}"):
        types = columns_of(session.connection, quoted(stream))
    if kinds[0] or any(str(types.get(name)) != kind for name, kind in METADATA_COLUMNS.items()):
        raise DestinationError(
            f"DuckDB database {session.path!r} has a {'view' if kinds[0] else 'table'} {stream!r} "
            "that file_cdk did not make",
            remedy="Give the stream another name, or load into another database; nothing was changed",
        )
    return types


def check_replaceable(ledger: DuckDBLedger) -> None:
    """Raises DestinationError where a new table could not take the place of the one that is there: DuckDB drops indexes and keys
    with their table, and no table that a foreign key of another names."""
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
