"""Room on the disk that a load took and did not keep.

Blocks of a load that was rolled back stay in the file, free: on a full disk nothing fits beside them, not even the log of a
smaller load that would use them. A checkpoint cuts those at the file's end off, but does nothing where nothing was changed.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

_TIGHT_BYTES = 64 << 20
_HEADERS_BYTES = 3 * 4096
"""In front of the first block: https://duckdb.org/docs/stable/internals/storage"""

_CHANGE = "_file_cdk_shrink"


def is_tight(path: str) -> bool:
    """Whether the disk that holds the database has little room left."""
    try:
        return shutil.disk_usage(Path(path).resolve().parent).free < _TIGHT_BYTES
    except OSError:
        return False


def give_back(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Makes the file as small as free blocks at its end allow, if there is room for the few bytes that this takes.

    For a connection that is closed next: a checkpoint that fails ends it.
    """
    with suppress(duckdb.Error, OSError):
        _cut_to_whole_blocks(connection, path)
        connection.execute(f"CREATE OR REPLACE TABLE {_CHANGE} (i INTEGER)")
        connection.execute(f"DROP TABLE {_CHANGE}")
        connection.execute("CHECKPOINT")


def _cut_to_whole_blocks(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Of the block in whose midst the disk was full, DuckDB reads nothing: it checks whole blocks. Its place is room enough."""
    [(block_bytes,)] = connection.execute("SELECT block_size FROM pragma_database_size()").fetchall()
    size = Path(path).stat().st_size
    if (rest := (size - _HEADERS_BYTES) % block_bytes) and size > _HEADERS_BYTES:
        os.truncate(path, size - rest)
