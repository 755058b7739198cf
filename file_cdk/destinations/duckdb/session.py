"""One connection to an open DuckDB database: statements with Arrow input, transactions, errors; see sql/database.py."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ledger import RunCounts
from file_cdk.destinations.duckdb.engine import duckdb, take_arrow
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.memory import MemoryBudget
from file_cdk.destinations.names import RESERVED_PREFIX, folded, quoted
from file_cdk.destinations.sql.ledger import COLUMNS, FILES, REJECTS, RUNS, STREAMS

if TYPE_CHECKING:
    import pyarrow as pa


def as_stored(text: str) -> str:
    """As a column of texts has it: what UTF-8 cannot hold is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


_PART_ROWS = 10_000

INPUT = "_file_cdk_input"
"""What a statement calls the Arrow rows handed to it."""

PARTS = "_file_cdk_parts"

COLUMNS_OF: Mapping[str, Mapping[str, str]] = {
    FILES: {
        "stream": "VARCHAR",
        "url": "VARCHAR",
        "etag": "VARCHAR",
        "modified_at": "TIMESTAMP",
        "size_bytes": "BIGINT",
        "rows": "BIGINT",
        "rejected": "BIGINT",
        "status": "VARCHAR",
        "error": "VARCHAR",
        "loaded_at": "TIMESTAMP",
        "run": "VARCHAR",
        "skipped": "BIGINT",
    },
    # Only the columns whose name in the table is not their name in the files.
    COLUMNS: {"stream": "VARCHAR", "name": "VARCHAR", "column_name": "VARCHAR"},
    STREAMS: {"stream": "VARCHAR", "source": "VARCHAR"},
    REJECTS: {
        "stream": "VARCHAR",
        "url": "VARCHAR",
        "modified_at": "TIMESTAMP",
        "row": "BIGINT",
        "byte_offset": "BIGINT",
        "reason": "VARCHAR",
        "raw": "VARCHAR",
        "raw_bytes": "BLOB",
        "rejected_at": "TIMESTAMP",
        "run": "VARCHAR",
    },
    RUNS: {
        "run": "VARCHAR",
        "started_at": "TIMESTAMP",
        "version": "VARCHAR",
        "source": "VARCHAR",
        "options": "VARCHAR",
        "ended_at": "TIMESTAMP",
        "exit_code": "INTEGER",
        "error": "VARCHAR",
        **dict.fromkeys((field.name for field in fields(RunCounts)), "BIGINT"),
    },
    # Files that are loaded in part, and where their rows are meanwhile; see parts.py.
    PARTS: {
        "stream": "VARCHAR",
        "url": "VARCHAR",
        "etag": "VARCHAR",
        "modified_at": "TIMESTAMP",
        "size_bytes": "BIGINT",
        "table_name": "VARCHAR",
        "position": "BIGINT",
        "rows": "BIGINT",
        "rejected": "BIGINT",
        "found": "VARCHAR",
        "meaning": "VARCHAR",
        "kept_at": "TIMESTAMP",
        "run": "VARCHAR",
    },
}
"""The types of the columns of the ledger's tables. Last columns may be missing where an earlier version made the table."""

IN_SCHEMA = "database_name = current_database() AND schema_name = current_schema()"


def declared(columns: Mapping[str, str]) -> str:
    """columns: type by name."""
    return ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())


class Rows(list[tuple[Any, ...]]):
    """The rows of a result, which are asked of a cursor elsewhere."""

    def fetchall(self) -> "Rows":
        return self

    @property
    def rowcount(self) -> int:
        """How many rows a statement changed."""
        return int(self[0][0])


@dataclass(slots=True)
class Session:
    """A Database. path: the database's, for error messages. memory: shared by all sessions. Used by one thread at a time."""

    path: str
    connection: duckdb.DuckDBPyConnection
    memory: MemoryBudget
    in_transaction: bool = False

    kind: ClassVar[str] = "DuckDB"
    begin: ClassVar[str] = "BEGIN TRANSACTION"
    layouts: ClassVar[Mapping[str, str]] = {table: f"{declared(columns)})" for table, columns in COLUMNS_OF.items()}
    indexes: ClassVar[Sequence[str]] = ()
    order: ClassVar[str] = "rowid"
    file_order: ClassVar[str] = (
        ""  # as they were inserted, each file's together: to sort them would take memory for all
    )
    reserved: ClassVar[str] = RESERVED_PREFIX
    same_name: ClassVar[str] = "where case makes no difference"

    @property
    def name(self) -> str:
        return self.path

    def __post_init__(self) -> None:
        # A progress bar would go to stdout, which belongs to others. Times with a zone become text in UTC everywhere.
        # In a notebook without ipywidgets there is none, and DuckDB refuses to set what already is so.
        if self.connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (True,):
            self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute("SET TimeZone = 'UTC'")

    def another(self) -> "Session":
        """With transactions of its own."""
        return Session(self.path, self.connection.cursor(), self.memory)

    def run(
        self,
        doing: str,
        sql: str,
        parameters: Sequence[Any] = (),
        rows: "pa.RecordBatchReader | None" = None,
    ) -> list[tuple[Any, ...]]:
        """The statement's result. Raises DestinationError; `doing` says what failed."""
        with translating(self.path, doing):
            return self.execute(sql, parameters, rows)

    def execute(self, sql: str, parameters: Sequence[Any] = (), rows: "pa.RecordBatchReader | None" = None) -> Rows:
        """As `run`, but raises what DuckDB raises. What `urls` made may stand among the parameters in place of `rows`."""
        if sql == "ROLLBACK":
            self.roll_back()
            return Rows()
        parameters, rows = _with_rows(parameters, rows)
        # DuckDB looks tables it does not know up among the caller's local variables. Registering the rows would make a
        # view, which lives until the transaction ends and holds their memory as long.
        _file_cdk_input = rows
        try:
            found = Rows(self.connection.execute(sql, parameters or None).fetchall())
        except RuntimeError as exc:
            if "Query interrupted" in str(exc):  # what DuckDB makes of a KeyboardInterrupt
                raise KeyboardInterrupt from exc
            raise
        if sql in (self.begin, "COMMIT"):
            self.in_transaction = sql == self.begin
        return found

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Rows:
        """sql: INSERT INTO … VALUES (?, …). One statement, since DuckDB takes a row in as long as a thousand."""
        from file_cdk.destinations.duckdb.arrow_columns import column_of, reader

        columns = {f"c{at}": column_of(values) for at, values in enumerate(zip(*rows, strict=True))}
        return self.execute(f"{sql.partition(' VALUES ')[0]} SELECT * FROM {INPUT}", rows=reader(columns))

    def parts(self, sql: str, parameters: Sequence[Any]) -> Iterator[list[tuple[Any, ...]]]:
        """The statement's result, _PART_ROWS at a time, as the database was when the first was asked for; other statements may
        run meanwhile. Otherwise as `execute`."""
        own = self.connection.cursor()
        try:
            yield from _parts(own, sql, parameters)
        finally:
            own.close()

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        # By the connection itself: a cursor has not the temporary tables that stand in for others.
        for part in _parts(self.connection, sql, parameters):
            yield from part

    def translating(self, doing: str, uri: str | None = None) -> AbstractContextManager[None]:  # noqa: ARG002 - of others
        return translating(self.path, doing)

    def key(self, url: str) -> str:
        return url

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT url FROM {INPUT})"

    def urls(self, uris: Sequence[str]) -> "pa.RecordBatchReader":
        from file_cdk.destinations.duckdb.arrow_columns import reader, texts

        return reader({"url": texts(uris)})

    def tables(self) -> dict[str, str]:
        """With those that stand in for what an earlier version did not make; see place.py."""
        found = self.execute(
            f"SELECT table_name, 'table' FROM duckdb_tables() WHERE {IN_SCHEMA} OR database_name = 'temp' "
            f"UNION ALL SELECT view_name, 'view' FROM duckdb_views() WHERE {IN_SCHEMA} AND NOT internal"
        )
        return dict(found)

    def columns(self, table: str) -> list[str]:
        sql = f"SELECT column_name FROM duckdb_columns() WHERE {IN_SCHEMA} AND table_name = ? ORDER BY column_index"
        return [column for (column,) in self.execute(sql, [table])]

    def declared(self, table: str) -> dict[str, str]:
        sql = f"SELECT column_name, data_type FROM duckdb_columns() WHERE {IN_SCHEMA} AND lower(table_name) = lower(?) "
        return dict(self.execute(f"{sql} ORDER BY column_index", [table]))

    def by_bytes(self, text: str) -> str:
        return text

    def rows_by_file(self, table: str) -> str:
        return f"SELECT _file_url, NULL, count(*) FROM {quoted(table)} GROUP BY 1"

    def table_name(self, stream: str) -> str:
        return stream

    def folded(self, stream: str) -> str:
        return folded(stream)

    def roll_back(self) -> None:
        # After a fatal error, or when the failed statement ended the transaction, there is nothing to roll back.
        self.in_transaction = False
        with suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def close(self) -> None:
        self.connection.close()


def _parts(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]
) -> Iterator[list[tuple[Any, ...]]]:
    parameters, _file_cdk_input = _with_rows(parameters, None)
    result = connection.execute(sql, parameters or None)
    while rows := result.fetchmany(_PART_ROWS):
        yield rows


def _with_rows(
    parameters: Sequence[Any], rows: "pa.RecordBatchReader | None"
) -> "tuple[Sequence[Any], pa.RecordBatchReader | None]":
    """The parameters that are values, and Arrow rows."""
    values = []
    for each in parameters:
        if hasattr(each, "__arrow_c_stream__"):
            rows = each
        else:
            values.append(each)
    if rows is not None:
        take_arrow()
    return values, rows
