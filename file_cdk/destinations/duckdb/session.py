"""One connection to an open DuckDB database: statements with Arrow input, transactions, errors translated."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.memory import MemoryBudget

INPUT = "_file_cdk_input"
"""What a statement calls the Arrow rows handed to `Session.run`."""


@dataclass(frozen=True, slots=True)
class Session:
    """path: the database's, for error messages. memory: shared by all sessions. Used by one thread at a time."""

    path: str
    connection: duckdb.DuckDBPyConnection
    memory: MemoryBudget

    def __post_init__(self) -> None:
        # A progress bar would go to stdout, which belongs to others. Times with a zone become text in UTC everywhere.
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
        rows: pa.RecordBatchReader | None = None,
        uri: str | None = None,
    ) -> list[tuple[Any, ...]]:
        """The statement's result. Raises DestinationError; `doing` says what failed."""
        with translating(self.path, doing, uri):
            return self.execute(sql, parameters, rows)

    def execute(
        self, sql: str, parameters: Sequence[Any] = (), rows: pa.RecordBatchReader | None = None
    ) -> list[tuple[Any, ...]]:
        """As `run`, but raises what DuckDB raises."""
        # DuckDB looks tables it does not know up among the caller's local variables. Registering the rows would make a
        # view, which lives until the transaction ends and holds their memory as long.
        _file_cdk_input = rows
        try:
            return self.connection.execute(sql, parameters or None).fetchall()
        except RuntimeError as exc:
            if "Query interrupted" in str(exc):  # what DuckDB makes of a KeyboardInterrupt
                raise KeyboardInterrupt from exc
            raise

    @contextmanager
    def transaction(self, doing: str) -> Iterator[None]:
        """Commits at the end, or rolls back. Raises DestinationError when that end cannot be reached."""
        self.run(doing, "BEGIN TRANSACTION")
        try:
            yield
            self.run(doing, "COMMIT")
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        # After a fatal error, or when the failed statement ended the transaction, there is nothing to roll back.
        with suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def close(self) -> None:
        self.connection.close()
