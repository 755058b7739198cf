"""COPY that stays open from one block of rows to the next: the server takes rows while the next ones are made."""

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from file_cdk.destinations.postgres.binary import BEGIN, END

if TYPE_CHECKING:
    import psycopg


class Copying:
    """What is being copied on one connection, which does nothing else meanwhile. rows: that the server took since it was
    connected. What is wrong with a row may come out with a later `write`, or with `end`."""

    def __init__(self) -> None:
        self.rows = 0
        self._sql = ""
        self._opened = ExitStack()
        self._cursor: psycopg.Cursor[Any] | None = None
        self._copy: psycopg.Copy | None = None

    def write(self, connection: "psycopg.Connection[Any]", sql: str, data: memoryview) -> None:
        """Whole rows for `COPY … (FORMAT BINARY)`. Ends a COPY of other columns first."""
        if sql != self._sql:
            self.end()
            self._cursor = connection.cursor()
            self._copy = self._opened.enter_context(self._cursor.copy(sql.encode()))
            self._sql = sql
            self._copy.write(BEGIN)
        assert self._copy is not None
        self._copy.write(data)

    def end(self) -> None:
        """After this, all rows are in the table."""
        if self._copy is None or self._cursor is None:
            return
        copy, cursor = self._copy, self._cursor
        self._sql, self._copy, self._cursor = "", None, None
        with self._opened.pop_all():
            copy.write(END)
        self.rows += cursor.rowcount
        cursor.close()

    def give_up(self) -> None:
        """Rows of the COPY that is open are not wanted: the transaction is to be rolled back."""
        if self._copy is not None:
            self._sql, self._copy, self._cursor = "", None, None
            with suppress(_GivenUpError), self._opened.pop_all():
                raise _GivenUpError


class _GivenUpError(Exception):
    """Makes psycopg tell the server."""
