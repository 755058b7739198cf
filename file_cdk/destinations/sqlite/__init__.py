"""SQLite as a destination; needs nothing but Python's own library and pyarrow."""

from file_cdk.destinations.sqlite.destination import SqliteDestination

__all__ = ["SqliteDestination"]
