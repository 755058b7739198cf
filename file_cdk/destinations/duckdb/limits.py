"""How many rows are held in memory before they are written."""

from dataclasses import replace

from file_cdk.core.dataclass import dataclass

ROW_GROUP_ROWS = 122_880
"""DuckDB stores rows in groups of this many. Inserts in multiples of it are compressed and written at once and in
parallel; what does not fill a group goes through the write-ahead log and is written a second time."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """When rows held in memory are written. rows: in multiples of ROW_GROUP_ROWS. Measured: with four of them, files of two share
    a transaction, and closing the database, which puts together groups that are not full, takes a twentieth of the time.

    files, seconds: how many files, and how long the first of them, wait for others to share a transaction. The time is
    looked at when a file is committed, so the last files wait for `flush` or `close`.
    kept_after_s: how long a load takes, as far as can be foreseen, to have its progress kept; and how long before it is kept
    again.
    """

    rows: int = 4 * ROW_GROUP_ROWS
    size_bytes: int = 64 << 20
    files: int = 500
    seconds: float = 1.0
    kept_after_s: float = 60.0

    def within(self, max_bytes: int) -> "WriteLimits":
        """These, of which rows held take about `max_bytes`."""
        if max_bytes >= self.size_bytes:
            return self
        share = max_bytes / self.size_bytes
        rows = max(int(self.rows * share) // ROW_GROUP_ROWS, 1) * ROW_GROUP_ROWS
        return replace(self, rows=rows, size_bytes=max_bytes)
