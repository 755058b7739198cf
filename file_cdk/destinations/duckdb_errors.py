"""DuckDB's exceptions as DestinationErrors. Their texts may quote values, so none of DuckDB's words are passed on."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from file_cdk.core.errors import DestinationError, RowsRefusedError

_WHOLE_DATABASE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.ConnectionException,
    duckdb.TransactionException,
)
_OUT_OF_MEMORY = ("could not allocate block", "failed to pin block", "could not allocate", "Allocation failure")
_DISK_FULL = ("No space left on device", "Disk quota exceeded", "max_temp_directory_size")


@contextmanager
def translating(path: str, doing: str, uri: str | None = None) -> Iterator[None]:
    """doing: what failed if this fails, as in "reading the ledger"."""
    try:
        yield
    except duckdb.Error as exc:
        raise translated(exc, path, doing, uri) from exc


def translated(cause: duckdb.Error, path: str, doing: str, uri: str | None = None) -> DestinationError:
    reason, remedy = _reason_and_remedy(cause)
    return DestinationError(f"{doing} in DuckDB database {path!r} failed: {reason}", uri=uri, remedy=remedy)


def concerns_rows(cause: duckdb.Error) -> bool:
    """Whether other rows may well be taken: the fault is not the disk's or the database's."""
    if _is_of_memory(cause):
        return not isinstance(cause, duckdb.FatalException)
    return not isinstance(cause, _WHOLE_DATABASE)


def refused(cause: duckdb.Error, path: str, doing: str, uri: str) -> RowsRefusedError | DestinationError:
    """The first when other files may well be loaded."""
    error = translated(cause, path, doing, uri)
    if not concerns_rows(cause):
        return error
    return RowsRefusedError(error.message, uri=uri, remedy=error.remedy)


def _is_of_memory(cause: duckdb.Error) -> bool:
    return isinstance(cause, duckdb.OutOfMemoryException) or any(sign in str(cause) for sign in _OUT_OF_MEMORY)


def _reason_and_remedy(cause: duckdb.Error) -> tuple[str, str]:
    kind = type(cause).__name__
    if any(sign in str(cause) for sign in _DISK_FULL):
        return "the disk is full", "Free some space and run again: what was committed is kept"
    if isinstance(cause, duckdb.OutOfMemoryException) or "could not allocate" in str(cause):
        return "not enough memory", "Load it where there is more memory, or free some"
    if "duplicate key" in str(cause) and isinstance(cause, duckdb.InvalidInputException):
        return "a map has the same key twice, which DuckDB's maps do not hold", "Write the entries as a list of pairs"
    if isinstance(cause, (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)):
        return (
            f"the database cannot be used any further ({kind})",
            "Run again; if it fails again the file may be damaged: restore it from a backup, or load into a new one",
        )
    if isinstance(cause, duckdb.IOException):
        return (
            f"it cannot be read or written ({kind})",
            "Check the disk and the file's permissions; if they are in order the file may be damaged",
        )
    if isinstance(cause, duckdb.TransactionException):
        return (
            f"something else changed the same table at the same time ({kind})",
            "Run again while nothing else writes to this database",
        )
    if isinstance(cause, (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.ConstraintException)):
        return (
            f"values do not fit the table ({kind})",
            "Drop constraints that were added to the table, or load the stream into a new one",
        )
    return f"DuckDB refused it ({kind})", "If the table was altered by hand, load the stream into a new one"
