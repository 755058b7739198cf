"""DuckDB's exceptions as DestinationErrors. Their texts may quote values, so none of DuckDB's words are passed on."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from file_cdk.core.errors import DestinationError, RowsRefusedError
from file_cdk.destinations.duckdb.engine import duckdb

_WHOLE_DATABASE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.ConnectionException,
    duckdb.TransactionException,
)
_OUT_OF_MEMORY = (
    *("could not allocate", "failed to pin block", "Allocation failure", "bad allocation", "bad_alloc"),
    *("failed to allocate data", "Cannot allocate memory", "Out of Memory Error"),
)
_DAMAGED = (
    "Corrupt database file",
    "Could not read enough bytes",
    "checksum",
    "Serialization Error",
    "failed to deserialize",
)

_BY_WORDS = (
    (
        ("No space left on device", "Disk quota exceeded", "max_temp_directory_size"),
        "the disk is full",
        "Free some space and run again: what was committed is kept",
    ),
    (
        ("File too large",),
        "its file would become larger than the limit on files (ulimit -f)",
        "Raise the limit and run again: what was committed is kept",
    ),
    (_OUT_OF_MEMORY, "not enough memory", "Load it where there is more memory, or free some"),
    (
        ("duplicate key, which",),
        "a map has the same key twice, which DuckDB's maps do not hold",
        "Write the entries as a list of pairs",
    ),
    (
        ("Read-only file system",),
        "it is on a file system that is mounted to be read only",
        "Mount it to be written, or name a database elsewhere",
    ),
    (
        ("Permission denied", "Operation not permitted"),
        "no permission",
        "Check the permissions of the file and its folder",
    ),
    (("Too many open files",), "too many files are open at once (ulimit -n)", "Raise the limit and run again"),
    (
        _DAMAGED,
        "the file is damaged or cut off",
        "Restore it from a backup, or load into a new one",
    ),
)
"""Signs in what DuckDB says, in their order; reason; remedy."""

_BY_KIND: tuple[tuple[tuple[type[duckdb.Error], ...], str, str], ...] = (
    (
        (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException),
        "the database cannot be used any further",
        "Run again; if it fails again the file may be damaged: restore it from a backup, or load into a new one",
    ),
    (
        (duckdb.IOException,),
        "it cannot be read or written",
        "Check the disk and the file's permissions; if they are in order the file may be damaged",
    ),
    (
        (duckdb.TransactionException,),
        "something else changed the same table at the same time",
        "Run again while nothing else writes to this database",
    ),
    (
        (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.ConstraintException),
        "values do not fit the table",
        "Drop constraints that were added to the table, or load the stream into a new one",
    ),
    (
        (duckdb.CatalogException, duckdb.BinderException, duckdb.DependencyException),
        "the table is not as file_cdk left it",
        "If it was altered by hand, load the stream into a new one",
    ),
)


@contextmanager
def translating(path: str, doing: str) -> Iterator[None]:
    """doing: what failed if this fails, as in "reading the ledger"."""
    try:
        yield
    except duckdb.Error as exc:
        raise translated(exc, path, doing) from exc


def translated(cause: duckdb.Error, path: str, doing: str, uri: str | None = None) -> DestinationError:
    reason, remedy = _reason_and_remedy(cause)
    place = f"{doing} DuckDB database" if doing in ("opening", "closing") else f"{doing} in DuckDB database"
    return DestinationError(f"{place} {path!r} failed: {reason}", uri=uri, remedy=remedy)


def _concerns_rows(cause: duckdb.Error) -> bool:
    """Whether other rows may well be taken: the fault is not the disk's or the database's."""
    if _is_of_memory(cause):
        return not isinstance(cause, duckdb.FatalException)
    return not isinstance(cause, _WHOLE_DATABASE)


def refused(cause: duckdb.Error, path: str, doing: str, uri: str | None) -> RowsRefusedError | DestinationError:
    """The first when other files may well be loaded."""
    error = translated(cause, path, doing, uri)
    if not _concerns_rows(cause):
        return error
    return RowsRefusedError(error.message, uri=uri, remedy=error.remedy)


def _is_of_memory(cause: duckdb.Error) -> bool:
    return isinstance(cause, duckdb.OutOfMemoryException) or any(sign in str(cause) for sign in _OUT_OF_MEMORY)


def _reason_and_remedy(cause: duckdb.Error) -> tuple[str, str]:
    """By DuckDB's words first: a commit that fails for the disk is a TransactionException, and a checkpoint a FatalException."""
    text = str(cause)
    for signs, reason, remedy in _BY_WORDS:
        if any(sign in text for sign in signs):
            return reason, remedy
    kind = type(cause).__name__
    if words := _words_of_the_system(text):
        return f"the system says: {words}", "Check the path, the disk and the file's permissions"
    for kinds, reason, remedy in _BY_KIND:
        if isinstance(cause, kinds):
            return f"{reason} ({kind})", remedy
    return f"DuckDB refused it ({kind})", "This is a case that file_cdk does not know: please report it"


def _words_of_the_system(text: str) -> str | None:
    """What the system calls its error, at the end of a line of the text, if it is one of its own phrases."""
    first = text.partition("\n")[0].rstrip()
    return next((words for words in map(os.strerror, errno.errorcode) if first.endswith(f": {words}")), None)
