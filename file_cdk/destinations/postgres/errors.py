"""psycopg's exceptions as DestinationErrors. Their texts may quote values: no words of the server's about rows are passed on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from file_cdk.core.errors import DestinationError, FileCdkError, RowsRefusedError
from file_cdk.destinations.postgres.driver import library

if TYPE_CHECKING:
    import psycopg

_REASONS = {
    "25006": ("it cannot be written", "Name the primary server, not a replica"),
    "3F000": ("there is no such schema", "Create it, or name another one: ?schema="),
    "42501": (
        "the user lacks a permission",
        "Grant the user CREATE and USAGE on the schema, or name another one: ?schema=",
    ),
    "53100": ("the server's disk is full", "Free some space and run again: what was committed is kept"),
    "53200": ("the server has not enough memory", "Run again when it has: what was committed is kept"),
    "53300": ("the server takes no more connections", "Run again when others have ended"),
    "55P03": ("something else has the table locked", "Run again when it has ended: what was committed is kept"),
    "0A000": (
        "a view or a rule depends on a column whose type has to change",
        "Drop the view, run again, and create it again",
    ),
    "2BP01": ("something depends on the table", "Drop the view, run again, and create it again"),
}
"""SQLSTATE -> reason, remedy."""

_REFUSED = {
    "22": ("a value does not fit its column", "Leave the column out, or load into another table"),
    "23": ("a constraint of the table does not allow a row", "Drop the constraint, or load into another table"),
    "54": ("a row, or a value, is larger than Postgres holds", "Split the value, or leave its column out"),
    "0A": _REASONS["0A000"],
}
"""Class of SQLSTATE -> the same, of rows: those of other files may well be taken."""

_LOST = ("57P01", "57P02", "57P03")
_FATAL = re.compile(r"FATAL:\s+([^\n]*)")
_OF_CONNECTION = re.compile(r"failed: ([^\n]*)")


def translated(exc: "psycopg.Error", name: str, doing: str, uri: str | None = None) -> FileCdkError:
    """uri: the file whose rows were being written, if other files may well be loaded all the same."""
    from psycopg import OperationalError

    state = exc.sqlstate or ""
    if uri is not None and state[:2] in _REFUSED:
        reason, remedy = _REFUSED[state[:2]]
        return RowsRefusedError(f"table in Postgres database {name!r}: {reason}", uri=uri, remedy=remedy)
    if state in _LOST or state[:2] == "08" or (not state and isinstance(exc, OperationalError)):
        reason, remedy = "the connection was lost", "Run again when the server is up: what was committed is kept"
    else:
        reason, remedy = _REASONS.get(state, (f"Postgres says {state or type(exc).__name__}", ""))
    return DestinationError(f"Postgres database {name!r}: {doing} failed: {reason}", remedy=remedy or None)


def unconnected(exc: "psycopg.Error", name: str, password: str | None) -> DestinationError:
    """No connection came about. The words are libpq's, which name hosts, users and databases."""
    words = str(exc)
    found = _FATAL.search(words) or _OF_CONNECTION.search(words)
    reason = found[1] if found else words.partition("\n")[0]
    if password:
        reason = reason.replace(password, "***")
    remedy = "Check the host, the port and the server"
    if found and found.re is _FATAL:
        remedy = "Check the user, the password (in PGPASSWORD or ~/.pgpass) and the database"
    elif "password" in reason:
        remedy = "Put the password into PGPASSWORD, ~/.pgpass or the URL"
    return DestinationError(f"Postgres database {name!r} cannot be opened: {reason}", remedy=remedy)


@contextmanager
def translating(name: str, doing: str, uri: str | None = None) -> Iterator[None]:
    try:
        yield
    except library() as exc:
        raise translated(exc, name, doing, uri) from exc
