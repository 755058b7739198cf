"""What the table of a stream would look like in a database that nobody opens: its columns and their types, as a load would
declare them. Importing this module imports no database."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from functools import partial

import pyarrow as pa

from file_cdk.core.arrow_types import merge_schemas, without_nulls
from file_cdk.core.dataclass import dataclass
from file_cdk.destinations.names import METADATA_COLUMNS, column_names, quoted, shortened_name


@dataclass(frozen=True, slots=True)
class Declaring:
    """How a database declares columns. table_type, wider: see those of its module `types`. declared: a type in SQL. decoded: what
    files are decoded for where a column is of that type. metadata: the columns that say where a row came from, and their types.
    reserved, longest_bytes: see `column_names`."""

    table_type: Callable[[pa.DataType], pa.DataType]
    wider: Callable[[pa.DataType, pa.DataType], pa.DataType]
    declared: Callable[[pa.DataType], str]
    metadata: Mapping[str, str] = field(default_factory=lambda: METADATA_COLUMNS)
    decoded: Callable[[pa.DataType], pa.DataType] = without_nulls
    reserved: Collection[str] = ()
    longest_bytes: int | None = None


def _duckdb() -> Declaring:
    from file_cdk.destinations.duckdb.engine import duckdb
    from file_cdk.destinations.duckdb.types import missing_types, sql_type, table_type, wider

    with duckdb.connect(":memory:") as connection:
        missing = missing_types(connection)
    return Declaring(partial(table_type, missing=missing), partial(wider, missing=missing), sql_type)


def _sqlite() -> Declaring:
    from file_cdk.destinations.sqlite.table import METADATA
    from file_cdk.destinations.sqlite.types import DECLARED, table_type, wider

    return Declaring(table_type, wider, DECLARED.__getitem__, METADATA)


def _postgres() -> Declaring:
    from file_cdk.destinations.postgres.session import LONGEST_NAME_BYTES
    from file_cdk.destinations.postgres.table import METADATA, SYSTEM
    from file_cdk.destinations.postgres.types import declared, decoded, table_type, wider

    return Declaring(table_type, wider, declared, METADATA, decoded, SYSTEM, LONGEST_NAME_BYTES)


DATABASES: Mapping[str, Callable[[], Declaring]] = {"duckdb": _duckdb, "postgres": _postgres, "sqlite": _sqlite}


@dataclass(frozen=True, slots=True)
class DefinedColumn:
    """name: in the table. declared: its type in SQL. source, type: its name in the files, and the Arrow type that it is decoded
    for; None for a column that says where a row came from."""

    name: str
    declared: str
    source: str | None = None
    type: pa.DataType | None = None


@dataclass(slots=True)
class Definition:
    """A table that grows as one of the database does, of which StreamTable's `schema` and `widen` are asked. database: None
    where columns are of Arrow's types."""

    database: str | None = None
    types: dict[str, pa.DataType] = field(default_factory=dict)
    _declaring: Declaring | None = field(init=False)

    def __post_init__(self) -> None:
        self._declaring = None if self.database is None else DATABASES[self.database]()

    @property
    def schema(self) -> pa.Schema:
        """What files are to be decoded for."""
        decoded = without_nulls if self._declaring is None else self._declaring.decoded
        return pa.schema([(name, decoded(kind)) for name, kind in self.types.items()])

    def widen(self, schema: pa.Schema, *, anew: bool = False) -> None:
        """anew: in place of all before; there are no rows that would need it."""
        types = {} if anew else self.types
        own = self._declaring
        if own is None:
            merged = merge_schemas([pa.schema(list(types.items())), schema])
            self.types = {column.name: column.type for column in merged}
            return
        self.types = dict(types)
        for column in schema:
            known = types.get(column.name)
            self.types[column.name] = own.table_type(column.type) if known is None else own.wider(known, column.type)

    def columns(self) -> list["DefinedColumn"]:
        """In the table's order. Of a database only."""
        own = self._declaring
        assert own is not None
        names = column_names(self.types, {}, longest_bytes=own.longest_bytes, reserved=own.reserved)
        texts = {name: pa.string() if pa.types.is_null(kind) else kind for name, kind in self.types.items()}
        found = [
            DefinedColumn(names[name], own.declared(kind), name, own.decoded(kind)) for name, kind in texts.items()
        ]
        return found + [DefinedColumn(name, declared) for name, declared in own.metadata.items()]

    def statement(self, stream: str) -> str:
        """`CREATE TABLE …` as a load would give it, a column a line."""
        own = self._declaring
        assert own is not None
        name = stream if own.longest_bytes is None else shortened_name(stream, own.longest_bytes)
        lines = ",\n".join(f"  {quoted(column.name)} {column.declared}" for column in self.columns())
        return f"CREATE TABLE {quoted(name)} (\n{lines}\n);"
