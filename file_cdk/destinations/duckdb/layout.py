"""A stream's table as it is in the database: its columns, and how they grow."""

from collections.abc import Mapping
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from file_cdk.core.dataclass import dataclass
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.present import present_columns
from file_cdk.destinations.duckdb.session import declared
from file_cdk.destinations.duckdb.types import (
    arrow_type,
    converted,
    exact_type,
    sql_type,
    table_type,
    wider,
)
from file_cdk.destinations.names import METADATA_COLUMNS, column_names, quoted

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType


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


def read_layout(ledger: DuckDBLedger) -> Layout:
    """Raises what present_columns does."""
    return layout_of(ledger, present_columns(ledger))


def layout_of(ledger: DuckDBLedger, columns: "Mapping[str, DuckDBPyType]") -> Layout:
    """columns: as present_columns found them."""
    if not columns:
        return Layout()
    data = {column: arrow_type(kind) for column, kind in columns.items() if column not in METADATA_COLUMNS}
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
