"""Tables that show one row of each key: what a destination does for them, and which rows they show.

All rows are kept as they are of any table, and the ledger is about them; the table that people read is made from them. So it is
a function of the current versions of all files: no row is lost by being older, and when a file is replaced or removed, rows
that its own had hidden show again.
"""

from typing import Protocol, cast

from file_cdk.core.errors import ConfigError
from file_cdk.core.ports import StreamTable, TableName


class MergingTable(StreamTable, Protocol):
    """What a StreamTable does besides that was asked for with a MergeRule.

    A file is refused that has rows and no column of a key or of the cursor, whose keys or cursor are nested, or whose cursor is
    text where it is none in the table, or has numbers among its texts.
    """

    def merge(self) -> int | None:
        """Makes the table that people read show what the files that are committed say: in one transaction, and durable when it
        returns. Answers how many rows it has; None where it was up to date. A run that dies before leaves that to the next call.
        Raises DestinationError; not while a load is open."""


def merging(table: StreamTable, name: TableName) -> MergingTable | None:
    """The table, where it is to show one row of each key. Raises ConfigError where its destination has no such tables."""
    if name.merge is None:
        return None
    if not hasattr(table, "merge"):
        raise no_merge(name)
    return cast(MergingTable, table)


class NoMergeError(ConfigError):
    """The destination has no tables that show one row of each key."""


def no_merge(name: TableName) -> NoMergeError:
    """For a destination that has no such tables, though the class of its tables may."""
    return NoMergeError(
        f"table {name.stream!r}: its destination cannot merge rows by keys",
        remedy="Leave the mode out, or load into DuckDB, SQLite, Postgres, Delta, Iceberg, or a folder of Parquet files",
    )
