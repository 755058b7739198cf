"""SQLite's exceptions as DestinationErrors. Their texts may quote values, so none of SQLite's words are passed on."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from file_cdk.core.errors import DestinationError, FileCdkError, RowsRefusedError
from file_cdk.destinations.run_lock import holds_lock, in_use_by_other, in_use_by_run

_REASONS = {
    "SQLITE_FULL": ("the disk is full", "Free some space and run again: what was committed is kept"),
    "SQLITE_READONLY": ("it cannot be written", "Check the permissions of the file and its folder"),
    "SQLITE_PERM": ("no permission", "Check the permissions of the file and its folder"),
    "SQLITE_CANTOPEN": ("it cannot be opened", "Check that the folder exists, and the permissions of both"),
    "SQLITE_NOTADB": ("the file is no SQLite database", "Name another file"),
    "SQLITE_CORRUPT": ("the file is damaged", "Restore it from a backup, or load into a new one"),
    "SQLITE_NOMEM": ("not enough memory", "Load it where there is more memory, or free some"),
    "SQLITE_IOERR": ("it cannot be read or written", "Check the disk and the file's permissions"),
}
"""Primary result code -> reason, remedy."""

_REFUSED = {
    "SQLITE_TOOBIG": ("a value is larger than SQLite holds, which is 1 GB", "Split the value, or leave its column out"),
    "SQLITE_CONSTRAINT": (
        "a constraint of the table does not allow a row",
        "Drop the constraint, or load into another table",
    ),
}
"""Of rows: those of other files may well be taken."""

_TOO_MANY_COLUMNS = "too many columns"


def translated(exc: sqlite3.Error, path: str, doing: str, uri: str | None = None) -> FileCdkError:
    """uri: the file whose rows were being written, if other files may well be loaded all the same."""
    name: str = getattr(exc, "sqlite_errorname", "")
    code = "_".join(name.split("_")[:2])
    if code in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return (None if holds_lock(path) else in_use_by_run(path, "SQLite")) or in_use_by_other(path, kind="SQLite")
    where = f"table in SQLite database {path!r}"
    if uri is not None and code in _REFUSED:
        reason, remedy = _REFUSED[code]
        return RowsRefusedError(f"{where}: {reason}", uri=uri, remedy=remedy)
    if uri is not None and _TOO_MANY_COLUMNS in str(exc):
        return RowsRefusedError(f"{where}: more columns than SQLite allows, mostly 2,000", uri=uri)
    reason, remedy = _REASONS.get(code, (f"SQLite says {name or type(exc).__name__}", ""))
    return DestinationError(f"SQLite database {path!r}: {doing} failed: {reason}", remedy=remedy or None)


@contextmanager
def translating(path: str, doing: str, uri: str | None = None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise translated(exc, path, doing, uri) from exc
