"""DuckDB databases beside the destination that writes them, and versions of files to write."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from file_cdk.core.files import RemoteFile

T0 = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
AT = T0.replace(tzinfo=None)
"""As the ledger has it."""


def version(uri: str, number: int = 0, **facts: Any) -> RemoteFile:
    """Each version an hour after the one before, with an etag of its own."""
    return RemoteFile(uri, facts.get("size_bytes", 10), T0 + timedelta(hours=number), facts.get("etag", f"e{number}"))


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
