"""How much memory DuckDB needs, and may have.

The hazard: a checkpoint that runs out of memory ends the database for this process, and a commit that does loses its file.
Both hold all values of a vector of rows at once, so a few long ones need more than any limit that suits a table of numbers.
"""

# ruff: noqa: S608 - only a number is put into the SQL

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.destinations.duckdb.engine import duckdb
from file_cdk.destinations.names import quoted

if TYPE_CHECKING:
    import pyarrow as pa

NARROW_BYTES = 80 << 20
WIDE_BYTES, BYTES_PER_COLUMN = 64 << 20, 1 << 20
"""Measured: appending and checkpoints pin a few blocks of 256 KB per column, and fail where the limit is below that.
1000 columns fail with 512 MB and pass with 1 GB; a dozen pass with 64 MB. DuckDB fills whatever it is given with its cache,
so this bounds memory: see docs/decisions/2026-11-29-a-budget-of-memory.md.
"""

_LEAST_BYTES, _COLUMNS_OF_LEAST_BYTES = 48 << 20, 32
"""What does for so many columns where there may be no more, by one thread and a row group at a time."""

VECTOR_ROWS = 2048
"""Number of rows that DuckDB appends, logs and checkpoints at a time: a vector."""

_LIGHT_BYTES = 8 << 20
"""Maximum weight of a vector that fits into NARROW_BYTES, in bytes."""

_WEIGHED_BYTES = 4 << 20
"""Maximum size of a batch that is not weighed vector by vector, in bytes."""

TIGHT_BYTES = 128 << 20
"""Limit below which DuckDB gets one thread: two would take 7 MB and a tenth more CPU, and no less time."""

_BYTES_PER_BYTE = 2
"""A value takes whole blocks of 256 KB in memory, and a copy is made of the longest. Measured: 2,048 values of 200 KB pass
with 700 MB and fail with 500, one of 120 MB passes with 256 and fails with 240."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


THREADS_BYTES_PER_COLUMN = 16 << 20
THREADS_MAX_BYTES = 512 << 20
"""Limit with which DuckDB inserts row groups by two threads or more, and the highest that it is given for that. Measured: it does
with 132 MiB for 8 columns, 225 for 14, 326 for 20, 489 for 30, and with less by one thread, without a word."""

_LONGEST = r"(?i)max.string.length\W{1,4}(\d+)"
_HEAVIEST = f"""
    WITH notes AS (
        SELECT row_group_id, CAST(stats AS VARCHAR) AS note FROM pragma_storage_info(?)
    ), segments AS (
        SELECT row_group_id, {VECTOR_ROWS} * CAST(regexp_extract(note, '{_LONGEST}', 1) AS BIGINT) AS bound,
            TRY_CAST(regexp_extract(note, '{_LONGEST.replace("max", "total")}', 1) AS BIGINT) AS total
        FROM notes WHERE regexp_matches(note, '{_LONGEST}')
    ), row_groups AS (
        SELECT sum(least(bound, coalesce(total, bound))) AS size_bytes FROM segments GROUP BY row_group_id
    )
    SELECT CAST(max(size_bytes) AS BIGINT) FROM row_groups
"""


class NotEnoughMemory(Exception):  # noqa: N818 - an answer to the caller, who makes an error of it
    """needed_bytes: for the rows asked about, and those beside them. available_bytes: what DuckDB may have."""

    def __init__(self, needed_bytes: int, available_bytes: int) -> None:
        super().__init__(needed_bytes, available_bytes)
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes


@dataclass(slots=True)
class Tail:
    """The end of a table, as far as one vector may reach back, and the heaviest vector so far, in bytes of Arrow memory."""

    pieces: deque[tuple[int, int]] = field(default_factory=deque)
    rows: int = 0
    size_bytes: int = 0
    heaviest_bytes: int = 0

    def copy(self) -> "Tail":
        return Tail(self.pieces.copy(), self.rows, self.size_bytes, self.heaviest_bytes)

    def add(self, rows: int, size_bytes: int) -> None:
        self.pieces.append((rows, size_bytes))
        self.rows += rows
        self.size_bytes += size_bytes
        # A vector may hold the first row of this piece, all of those between, and the last of the first.
        while len(self.pieces) > 1 and self.rows - rows - self.pieces[0][0] > VECTOR_ROWS - 2:
            old_rows, old_bytes = self.pieces.popleft()
            self.rows -= old_rows
            self.size_bytes -= old_bytes
        self.heaviest_bytes = max(self.heaviest_bytes, self.size_bytes)


def weights(batch: "pa.RecordBatch", size_bytes: int) -> Iterable[tuple[int, int]]:
    """Rows and bytes of a batch of `size_bytes`, by vectors where it is worth it."""
    rows = batch.num_rows
    if rows <= VECTOR_ROWS or size_bytes <= _WEIGHED_BYTES:
        yield rows, size_bytes
        return
    for start in range(0, rows, VECTOR_ROWS):
        part = batch.slice(start, VECTOR_ROWS)
        yield part.num_rows, size_bytes_of(part)


def size_bytes_of(batch: "pa.RecordBatch") -> int:
    """Bytes of the batch's rows; of views, for which pyarrow 23 cannot tell, all that they may point into."""
    import pyarrow as pa

    try:
        size_bytes: int = batch.nbytes
    except pa.ArrowTypeError:
        size_bytes = batch.get_total_buffer_size()
    return size_bytes


@dataclass(slots=True)
class MemoryBudget:
    """DuckDB's memory limit: fixed_bytes, or what the widest table and the heaviest rows need, up to ceiling_bytes, or else to
    what DuckDB would take by itself, most of what the machine or the container has. It grows with columns and with long values,
    never with rows."""

    connection: duckdb.DuckDBPyConnection
    fixed_bytes: int | None = None
    ceiling_bytes: int | None = None
    limit_bytes: int = 0
    available_bytes: int = 0
    columns: int = 0
    tails: dict[str, Tail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        [(text,)] = self.connection.execute("SELECT current_setting('memory_limit')").fetchall()
        self.available_bytes = self.fixed_bytes or _size_bytes(text)
        if self.ceiling_bytes is not None:
            self.available_bytes = min(self.available_bytes, self.ceiling_bytes)

    def provide(self, columns: int) -> None:
        """Makes sure that a table of this width can be written. Raises duckdb.Error."""
        self.columns = max(self.columns, columns)
        self._raise_to(self._within_ceiling(self._needed_bytes()))

    def remember(self, table: str, heaviest_bytes: int) -> None:
        """What a vector of the table may weigh already. Raises duckdb.Error."""
        self.tails[table] = Tail(heaviest_bytes=heaviest_bytes)
        self._raise_to(min(self._needed_bytes(), self.available_bytes))

    def admit(self, table: str, batches: "Iterable[tuple[pa.RecordBatch, int]]") -> None:
        """Makes sure that these rows can be added to the table. batches: each with its bytes. Raises NotEnoughMemory and
        duckdb.Error."""
        tail = self.tails.setdefault(table, Tail())
        before = tail.copy()
        for batch, batch_bytes in batches:
            for rows, size_bytes in weights(batch, batch_bytes):
                tail.add(rows, size_bytes)
        needed = self._needed_bytes()
        if needed > self.available_bytes and tail.heaviest_bytes > before.heaviest_bytes and not self.fixed_bytes:
            self.tails[table] = before
            raise NotEnoughMemory(needed, self.available_bytes)
        self._raise_to(min(needed, self.available_bytes))

    def _needed_bytes(self) -> int:
        heaviest = max((tail.heaviest_bytes for tail in self.tails.values()), default=0)
        base = max(NARROW_BYTES, WIDE_BYTES + self.columns * BYTES_PER_COLUMN)
        if self.ceiling_bytes is not None:
            least = _LEAST_BYTES + max(self.columns - _COLUMNS_OF_LEAST_BYTES, 0) * BYTES_PER_COLUMN
            base = max(min(base, self.ceiling_bytes), least)
        return base + (heaviest * _BYTES_PER_BYTE if heaviest > _LIGHT_BYTES else 0)

    @contextmanager
    def shared_by_threads(self) -> Iterator[None]:
        """A limit, meanwhile, with which DuckDB inserts by several threads, where that is not too much. It does not take so much:
        it asks for more than it uses; and of its cache, what is over the limit goes at the end. Raises duckdb.Error."""
        limit_bytes = self.limit_bytes
        wanted = (self.columns + 1) * THREADS_BYTES_PER_COLUMN
        most = self._within_ceiling(min(THREADS_MAX_BYTES, self.available_bytes))
        if self.fixed_bytes or not limit_bytes < wanted <= most:
            yield
            return
        self._raise_to(wanted)
        try:
            yield
        finally:
            # Where more than that is in use, the higher limit stays until there is less: what is loaded is loaded.
            with suppress(duckdb.Error):
                self.connection.execute(f"SET memory_limit = '{limit_bytes} B'")
                self.limit_bytes = limit_bytes

    def _within_ceiling(self, size_bytes: int) -> int:
        return size_bytes if self.ceiling_bytes is None else min(size_bytes, self.ceiling_bytes)

    def _raise_to(self, needed_bytes: int) -> None:
        needed_bytes = self.fixed_bytes or needed_bytes
        if needed_bytes > self.limit_bytes:
            self.connection.execute(f"SET memory_limit = '{needed_bytes} B'")
            self.limit_bytes = needed_bytes

    def heaviest_stored(self, table: str, columns: Iterable[str]) -> int:
        """Bytes that a vector of a table may hold at most, by what DuckDB notes of its columns. Raises duckdb.Error."""
        asked = ", ".join(f"CAST(stats({quoted(column)}) AS VARCHAR)" for column in columns)
        if not asked:
            return 0
        # DuckDB reads a vector to answer this, however long its values are.
        self.connection.execute(f"SET memory_limit = '{self.available_bytes} B'")
        found = self.connection.execute(f"SELECT {asked} FROM {quoted(table)} LIMIT 1").fetchall()
        self.connection.execute(f"SET memory_limit = '{self.limit_bytes or NARROW_BYTES} B'")
        longest = sum(int(bytes_) for row in found for text in row for bytes_ in re.findall(_LONGEST, text or ""))
        if longest * VECTOR_ROWS <= _LIGHT_BYTES:
            return 0
        # Takes 0.1 ms for each segment: too long for every table.
        [(heaviest,)] = self.connection.execute(_HEAVIEST, [quoted(table)]).fetchall()
        return heaviest or 0


def _size_bytes(text: str) -> int:
    """`18.6 GiB`, as DuckDB spells its limit."""
    number, unit = re.fullmatch(r"([\d.]+) ?([KMGT]?)(?:i?B|bytes?)", text, re.IGNORECASE).groups()  # type: ignore[union-attr]
    return int(float(number) * _UNITS[unit.upper()])
