"""The file of a DuckDB database: what may be opened, how it is, why it cannot be, and the room that a load took and did not keep.

Blocks of a load that was rolled back stay in the file, free: on a full disk nothing fits beside them, not even the log of a
smaller load that would use them. A checkpoint cuts those at the file's end off, but does nothing where nothing was changed.
"""

import errno
import fcntl
import math
import os
import stat
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from file_cdk.core.errors import DestinationError, DestinationInUseError
from file_cdk.destinations.duckdb.engine import duckdb
from file_cdk.destinations.duckdb.errors import translated
from file_cdk.destinations.registry import MOTHERDUCK
from file_cdk.destinations.run_lock import in_use_by_other, in_use_by_run, own_descriptor

_MAGIC_AT, _MAGIC = 8, b"DUCK"
"""https://duckdb.org/docs/stable/internals/storage#storage-header"""

Settings = Mapping[str, str | bool | int | float | list[str]]
"""DuckDB's, by name: https://duckdb.org/docs/stable/configuration/overview"""


_FILE_AT_HAND = threading.Lock()
"""Held while a database is looked at or connected to: what closes a file takes the process's locks on it (`own_descriptor`)."""


def is_remote(path: str) -> bool:
    """Whether it names a database of MotherDuck, which DuckDB reaches by an extension; then nothing is a file here."""
    return path.lower().startswith(MOTHERDUCK)


def companion(path: str, suffix: str) -> str:
    """Where what belongs to the database lies: next to it, or for one that is no file where all temporary files are."""
    if not is_remote(path):
        return f"{path}{suffix}"
    import tempfile  # which most do without

    return f"{tempfile.gettempdir()}/file_cdk-{path.replace('/', '%2F')}{suffix}"


def open_to_write(path: str, settings: Settings) -> tuple[duckdb.DuckDBPyConnection, bool]:
    """The database, and whether it is new: created where the file was missing or empty. For who holds its RunLock. Raises
    DestinationError."""
    if is_remote(path):
        return _connect(path, settings, read_only=False), False
    if not Path(path).parent.is_dir():
        raise DestinationError(
            f"DuckDB database {path!r} cannot be created: there is no folder {str(Path(path).parent)!r}",
            remedy="Create the folder first",
        )
    size = _checked_size(path)
    mode = _remove_empty(path) if size == 0 else None
    connection = _connect(path, settings, read_only=False)
    if mode is not None:
        Path(path).chmod(mode)
    return connection, not size


def open_to_read(path: str, settings: Settings) -> duckdb.DuckDBPyConnection:
    """Needs no permission to write, and several may read at once, but none while one writes. Raises DestinationError."""
    if is_absent(path):
        raise absent(path)
    return _connect(path, settings, read_only=True)


def absent(path: str) -> DestinationError:
    """Of what cannot be read because is_absent."""
    if Path(path).exists():
        return _not_a_database(path)
    return DestinationError(f"there is no DuckDB database {path!r}", remedy="Check the path")


def is_absent(path: str) -> bool:
    """Whether a database would be created here: there is no file, or one without a byte. Raises DestinationError."""
    return not (is_remote(path) or _checked_size(path))


def _connect(path: str, settings: Settings, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    # Nothing here needs an extension from the network. Absolute, because DuckDB reads `md:x` and the like as a prefix
    # that asks for one.
    config = {**settings, "autoinstall_known_extensions": False}
    try:
        if is_remote(path):
            return duckdb.connect(path, config={**settings})
        with _FILE_AT_HAND:
            return duckdb.connect(str(Path(path).absolute()), read_only=read_only, config=config)
    except duckdb.Error as exc:
        raise _why_not_opened(exc, path, read_only=read_only) from exc


def _checked_size(path: str) -> int | None:
    """None when there is no file. What can be told without DuckDB, which for a file it does not know would ask the network
    for an extension."""
    file = Path(path)
    try:
        if not file.exists():
            return None
        if file.is_dir():
            raise DestinationError(f"DuckDB database {path!r} is a folder", remedy="Name a file")
        with _FILE_AT_HAND:
            if own_descriptor(path) is not None:
                raise _open_here(path)
            with file.open("rb") as stream:
                head = stream.read(_MAGIC_AT + len(_MAGIC))
                size = os.fstat(stream.fileno()).st_size if head else 0
    except OSError as exc:
        raise DestinationError(
            f"DuckDB database {path!r} cannot be read: {exc.strerror}", remedy="Check the file's permissions"
        ) from exc
    if head and head[_MAGIC_AT:] != _MAGIC:
        raise _not_a_database(path)
    return size


def _remove_empty(path: str) -> int | None:
    """Makes way for a database where a file without a byte is, as `mktemp` makes it or a crash leaves it: DuckDB takes a
    missing file only. Answers its permissions, for the new one."""
    try:
        with Path(path).open("r+b") as stream:
            # Another process that is just creating its database here holds this lock.
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(stream.fileno())
            if found.st_size or not stat.S_ISREG(found.st_mode):
                return None
            Path(path).resolve().unlink()
            return stat.S_IMODE(found.st_mode)
    except BlockingIOError as exc:
        raise in_use_by_other(path) from exc
    except OSError as exc:
        raise _not_writable(path, exc.strerror or type(exc).__name__) from exc


def remove(path: str) -> None:
    """Removes the file of a database that is open here and locked by it; what is written to it later is lost."""
    try:
        Path(path).resolve().unlink(missing_ok=True)
    except OSError as exc:
        raise _not_writable(path, exc.strerror or type(exc).__name__) from exc


def _not_a_database(path: str) -> DestinationError:
    return DestinationError(
        f"{path!r} is not a DuckDB database", remedy="Name another file, or remove this one if nothing needs it"
    )


def _open_here(path: str) -> DestinationInUseError:
    return DestinationInUseError(
        f"DuckDB database {path!r} is open in this process already", remedy="Close that connection first"
    )


def _not_writable(path: str, words: str) -> DestinationError:
    if os.strerror(errno.EROFS) in words:
        return DestinationError(
            f"DuckDB database {path!r} cannot be written: it is on a file system that is mounted to be read only",
            remedy="Mount it to be written, or name a database elsewhere",
        )
    reason = "no permission" if os.strerror(errno.EACCES) in words else words
    return DestinationError(
        f"DuckDB database {path!r} cannot be written: {reason}",
        remedy="Check the permissions of the file and its folder",
    )


def _why_not_opened(cause: duckdb.Error, path: str, *, read_only: bool) -> DestinationError:
    """DuckDB tells these apart in its message only. Who opens it to write holds the run's lock himself."""
    text = str(cause)
    if is_remote(path):
        return _not_reached(path, text)
    if "lock on file" in text:
        return (in_use_by_run(path) if read_only else None) or in_use_by_other(path, text)
    if isinstance(cause, duckdb.ConnectionException):
        return _open_here(path)
    if "Permission denied" in text or "Read-only file system" in text:
        return _not_writable(path, text)
    if "version number" in text:
        return DestinationError(
            f"DuckDB database {path!r} was written by a DuckDB that version {duckdb.__version__} cannot read",
            remedy="Upgrade the package duckdb",
        )
    return translated(cause, path, "opening")


def _not_reached(path: str, text: str) -> DestinationError:
    """DuckDB's words are not passed on: they may tell of the token."""
    if "extension" in text.lower() and ("download" in text or "not found" in text or "INSTALL" in text):
        return DestinationError(
            f"DuckDB database {path!r} cannot be reached: DuckDB has no extension 'motherduck', and could not fetch it",
            remedy="Where there is a network, run once: python -c \"import duckdb; duckdb.sql('INSTALL motherduck')\"; "
            "the token is that of the environment variable motherduck_token",
        )
    return DestinationError(
        f"DuckDB database {path!r} cannot be reached: MotherDuck refused it, or did not answer",
        remedy="Check the token in the environment variable motherduck_token, the name of the database, and the network",
    )


_TIGHT_BYTES = 64 << 20
"""Free space below which a disk counts as nearly full, in bytes."""

_HEADERS_BYTES = 3 * 4096
"""In front of the first block: https://duckdb.org/docs/stable/internals/storage"""

_HEADER = struct.Struct("<8xQ16xQ")
"""Of each of the two headers behind the first 4096 bytes: checksum, iteration, two block ids, number of blocks."""

_CHANGE = "_file_cdk_shrink"


def is_tight(path: str) -> bool:
    """Whether the disk that holds the database has little room left."""
    if is_remote(path):
        return False
    try:
        found = os.statvfs(Path(path).resolve().parent)
        return found.f_bavail * found.f_frsize < _TIGHT_BYTES
    except OSError:
        return False


def give_back(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Makes the file as small as free blocks at its end allow, if there is room for the few bytes that this takes.

    For a connection that is closed next: a checkpoint that fails ends it.
    """
    if is_remote(path):
        return
    with suppress(duckdb.Error, OSError):
        _cut_to_whole_blocks(connection, path)
        connection.execute(f"CREATE OR REPLACE TABLE {_CHANGE} (i INTEGER)")
        connection.execute(f"DROP TABLE {_CHANGE}")
        connection.execute("CHECKPOINT")


def _cut_to_whole_blocks(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Of the block in whose midst the disk was full, DuckDB reads nothing: it checks whole blocks. Its place is room enough.

    Two threads may have been writing, and the later of their blocks be whole: then that one is cut off, which is free too.
    """
    [(block_bytes,)] = connection.execute("SELECT block_size FROM pragma_database_size()").fetchall()
    blocks, rest = divmod(Path(path).stat().st_size - _HEADERS_BYTES, block_bytes)
    if not rest and blocks > _durable_blocks(path):
        blocks -= 1
    if blocks >= 0:
        os.truncate(path, _HEADERS_BYTES + blocks * block_bytes)


def _durable_blocks(path: str) -> float:
    """How many blocks what is committed may lie in: as many as the newer header says, unless the log has more to say."""
    log = Path(f"{path}.wal")
    if log.exists() and log.stat().st_size:
        return math.inf
    database = own_descriptor(path)
    if database is None:
        return math.inf
    headers = [_HEADER.unpack(os.pread(database, _HEADER.size, at)) for at in (4096, 8192)]
    return int(max(headers)[1])
