"""A SQL database as the ledger and the tables use it, whatever its library."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from file_cdk.core.errors import DestinationError


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """An open connection. SQL has `?` for each parameter; nothing begins a transaction by itself.

    kind, name: as people call it. begin: SQL that begins a transaction. layouts: of the ledger's tables, each by its name,
    without the opening parenthesis. indexes: SQL that creates those of the ledger's tables. order: the column that has the
    order in which rows of a ledger's table were written.
    reserved: how names of tables may not begin. same_name: why two streams whose names differ have one table, for a person.
    """

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def begin(self) -> str: ...
    @property
    def layouts(self) -> Mapping[str, str]: ...
    @property
    def indexes(self) -> Sequence[str]: ...
    @property
    def order(self) -> str: ...
    @property
    def reserved(self) -> str: ...
    @property
    def same_name(self) -> str: ...
    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Cursor: ...

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows, in bounded memory; the connection does nothing else meanwhile."""

    def translating(self, doing: str, uri: str | None = None) -> AbstractContextManager[None]:
        """Raises the library's errors as ours. uri: the file whose rows are written, which may be refused."""

    def key(self, url: str) -> str:
        """SQL of what urls are looked up by, unique to each. url: SQL, too."""

    def among(self, column: str) -> str:
        """SQL that is true where a column is one of the urls in a JSON list, the parameter."""

    def tables(self) -> dict[str, str]:
        """Tables, views and what else has a name among them, and what they are."""

    def columns(self, table: str) -> list[str]: ...

    def declared(self, table: str) -> dict[str, str]:
        """Types of the columns, as they may be declared again; none where there is no such table."""

    def by_bytes(self, text: str) -> str:
        """SQL that sorts texts as their bytes are. text: SQL, too."""

    def rows_by_file(self, table: str) -> str:
        """SQL that gives each `_file_url` of the table's rows, NULL, and how many rows have it."""

    def table_name(self, stream: str) -> str:
        """The name of the stream's table."""

    def folded(self, stream: str) -> str:
        """The same for streams whose tables cannot be told apart."""

    def close(self) -> None: ...


class Place(Protocol):
    """Where a database is, or may be. Each of the contexts is a connection of its own."""

    def is_absent(self) -> bool:
        """Whether no sync can have written there."""

    def absent(self) -> DestinationError: ...

    def reading(self) -> AbstractContextManager[Database]: ...

    def correcting(self) -> AbstractContextManager[Database]:
        """As the one run that may write. Raises DestinationInUseError."""

    def scratch(self) -> AbstractContextManager[Database]:
        """An empty database, which is gone afterwards."""

    def check(self) -> bool:
        """See core.ports.Inspectable."""


@contextmanager
def transaction(database: Database, doing: str) -> Iterator[None]:
    """Begins one, or joins the one that is open, which then its owner ends."""
    if database.in_transaction:
        yield
        return
    with database.translating(doing):
        database.execute(database.begin)
        try:
            yield
            database.execute("COMMIT")
        except BaseException:
            _roll_back(database)
            raise


def _roll_back(database: Database) -> None:
    """Nothing where the database has done so itself: SQLite where the disk is full, Postgres when the connection is lost."""
    if database.in_transaction:
        database.execute("ROLLBACK")
