"""Connections to a SQLite database file."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from file_cdk.destinations.sqlite.errors import translating
from file_cdk.destinations.sqlite.types import text_of

BUSY_S = 5.0
"""How long a statement waits for another process that has the database locked, in seconds."""


def is_absent(path: str) -> bool:
    """Missing or empty."""
    try:
        return Path(path).stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False  # whoever opens it says what is wrong


def connected(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """Creates the file if it is missing, unless read_only. Raises DestinationError."""
    with translating(path, "opening"):
        mode = "ro" if read_only else "rwc"
        db = sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None)
        try:
            db.create_function("_file_cdk_text", 2, text_of, deterministic=True)
            # Views may name a table while it is rebuilt.
            db.execute("PRAGMA legacy_alter_table = ON")
            db.execute("SELECT 1 FROM sqlite_master").fetchone()  # refuses what is no database
        except BaseException:
            db.close()
            raise
        return db
