"""A stream's table as it is in the database: its columns, and how they grow."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.session import IN_SCHEMA, declared
from file_cdk.destinations.duckdb.types import (
    arrow_type,
    columns_of,
    converted,
    exact_type,
    sql_type,
    table_type,
    wider,
)
from file_cdk.destinations.names import METADATA_COLUMNS, column_names, folded, quoted


@dataclass(frozen=True, slots=True)
class Layout:
    """exists: whether there is a table. types: of the data columns, in table order, by their name in the files.

    columns: their names in the table, which differ where DuckDB could not tell two apart.
    """

    exists: bool = False
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(name, kind) for name, kind in self.types.items()])

    def widened(self, schema: pa.Schema, missing: frozenset[pa.DataType]) -> "Layout":
        """What the table has to become to hold `schema` too."""
        types = dict(self.types)
        for column in schema:
            known = types.get(column.name)
            new = table_type(column.type, missing) if known is None else wider(known, column.type, missing)
            types[column.name] = new
        return Layout(True, types, column_names(types, self.columns))


def checked_layout(ledger: DuckDBLedger, table: TableName) -> Layout:
    """Raises DestinationError when the name is taken by something else, or when there are rows the ledger knows nothing of;
    ConfigError when the table holds files that do not belong into it."""
    ledger.check_name()
    layout = read_layout(ledger)
    if layout.exists:
        _check_rows(ledger)
        ledger.check_files(table)
    return layout


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


def read_layout(ledger: DuckDBLedger) -> Layout:
    """Raises DestinationError when what has the stream's name is not a table that file_cdk made."""
    session, stream = ledger.session, ledger.stream
    found = session.run(
        "looking for tables",
        f"SELECT table_name, false FROM duckdb_tables() WHERE {IN_SCHEMA} "
        f"UNION ALL SELECT view_name, true FROM duckdb_views() WHERE {IN_SCHEMA} AND NOT internal",
    )
    kinds = [is_view for name, is_view in found if folded(name) == folded(stream)]
    if not kinds:
        return Layout()
    with translating(session.path, f"reading the columns of table {stream!r}"):
        types = columns_of(session.connection, quoted(stream))
    if kinds[0] or any(str(types.get(name)) != kind for name, kind in METADATA_COLUMNS.items()):
        raise DestinationError(
            f"DuckDB database {session.path!r} has a {'view' if kinds[0] else 'table'} {stream!r} "
            "that file_cdk did not make",
            remedy="Give the stream another name, or load into another database; nothing was changed",
        )
    data = {column: arrow_type(kind) for column, kind in types.items() if column not in METADATA_COLUMNS}
    original = {column: name for name, column in ledger.renamed_columns().items()}
    names = {column: original.get(column, column) for column in data}
    return Layout(
        True,
        {names[column]: kind for column, kind in data.items()},
        {name: column for column, name in names.items()},
    )


def change(ledger: DuckDBLedger, now: Layout, wanted: Layout) -> Layout:
    """Creates or alters the table, in the transaction that is open.

    Answers what it has become: where a type that is wanted would change a value that is stored, text.
    """
    run = partial(ledger.session.run, f"widening table {ledger.stream!r}")
    table = quoted(ledger.stream)
    types = dict(wanted.types)
    if not now.exists:
        columns = {wanted.columns[name]: sql_type(kind) for name, kind in types.items()} | METADATA_COLUMNS
        run(f"CREATE TABLE {table} ({declared(columns)})")
    for name, kind in wanted.types.items() if now.exists else ():
        column = quoted(wanted.columns[name])
        known = now.types.get(name)
        if known is None:
            run(f"ALTER TABLE {table} ADD COLUMN {column} {sql_type(kind)}")
        elif not known.equals(kind):
            exact = types[name] = exact_type(run, table, column, known, kind)
            using = converted(column, known, exact)
            run(f"ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {sql_type(exact)} USING {using}")
    if wanted.columns != now.columns:
        ledger.set_renamed_columns({name: col for name, col in wanted.columns.items() if name != col})
    return Layout(True, types, wanted.columns)


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
