"""One connection to an open DuckDB database: statements with Arrow input, transactions, errors translated.

Python values become Arrow columns by hand: where pandas is installed, pyarrow imports it to convert them, which takes 0.2 s.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa

from file_cdk.destinations.duckdb.engine import duckdb, take_arrow
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.memory import MemoryBudget


def reader(columns: Mapping[str, pa.Array]) -> pa.RecordBatchReader:
    """The columns as what Session.run takes."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def texts(values: Sequence[str | None]) -> pa.Array:
    """String column. What UTF-8 cannot hold (half a surrogate pair, as in a file name of other bytes) is escaped."""
    present = [value or "" for value in values]
    joined = "".join(present)
    if joined.isascii():  # as nearly all are
        return _packed(values, map(len, present), joined.encode(), pa.string())
    encoded = [None if value is None else value.encode("utf-8", "backslashreplace") for value in values]
    return blobs(encoded, pa.string())


def blobs(values: Sequence[bytes | None], kind: pa.DataType | None = None) -> pa.Array:
    """Binary column, or string if they are UTF-8. Less than 2 GB together."""
    present = [value or b"" for value in values]
    return _packed(values, map(len, present), b"".join(present), kind or pa.binary())


def _packed(values: Sequence[object], lengths: Iterable[int], joined: bytes, kind: pa.DataType) -> pa.Array:
    """values: None where there is none."""
    offsets = array("i", accumulate(lengths, initial=0))
    return pa.Array.from_buffers(kind, len(values), [_validity(values), pa.py_buffer(offsets), pa.py_buffer(joined)])


def integers(values: Sequence[int | None], kind: pa.DataType | None = None) -> pa.Array:
    """int64, or another type of 64 bits, such as timestamps."""
    numbers = array("q", [value or 0 for value in values])
    return pa.Array.from_buffers(kind or pa.int64(), len(values), [_validity(values), pa.py_buffer(numbers)])


def repeated(values: pa.Array, times: Sequence[int]) -> pa.Array:
    """Run-end encoded column. times: how often each value comes, at least once."""
    ends = array("i", accumulate(times))
    return pa.Array.from_buffers(
        pa.run_end_encoded(pa.int32(), values.type),
        ends[-1] if ends else 0,
        [None],
        children=[pa.Array.from_buffers(pa.int32(), len(ends), [None, pa.py_buffer(ends)]), values],
    )


def _validity(values: Sequence[object]) -> pa.Buffer | None:
    if None not in values:
        return None
    bits = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        if value is not None:
            bits[at >> 3] |= 1 << (at & 7)
    return pa.py_buffer(bits)


def as_stored(text: str) -> str:
    """As `texts` has it."""
    return text.encode("utf-8", "backslashreplace").decode()


_PART_ROWS = 10_000

INPUT = "_file_cdk_input"
"""What a statement calls the Arrow rows handed to `Session.run`."""


@dataclass(frozen=True, slots=True)
class Session:
    """path: the database's, for error messages. memory: shared by all sessions. Used by one thread at a time."""

    path: str
    connection: duckdb.DuckDBPyConnection
    memory: MemoryBudget

    def __post_init__(self) -> None:
        # A progress bar would go to stdout, which belongs to others. Times with a zone become text in UTC everywhere.
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute("SET TimeZone = 'UTC'")

    def another(self) -> "Session":
        """With transactions of its own."""
        return Session(self.path, self.connection.cursor(), self.memory)

    def run(
        self,
        doing: str,
        sql: str,
        parameters: Sequence[Any] = (),
        rows: pa.RecordBatchReader | None = None,
    ) -> list[tuple[Any, ...]]:
        """The statement's result. Raises DestinationError; `doing` says what failed."""
        with translating(self.path, doing):
            return self.execute(sql, parameters, rows)

    def execute(
        self, sql: str, parameters: Sequence[Any] = (), rows: pa.RecordBatchReader | None = None
    ) -> list[tuple[Any, ...]]:
        """As `run`, but raises what DuckDB raises."""
        # DuckDB looks tables it does not know up among the caller's local variables. Registering the rows would make a
        # view, which lives until the transaction ends and holds their memory as long.
        _file_cdk_input = rows
        if rows is not None:
            take_arrow()
        try:
            return self.connection.execute(sql, parameters or None).fetchall()
        except RuntimeError as exc:
            if "Query interrupted" in str(exc):  # what DuckDB makes of a KeyboardInterrupt
                raise KeyboardInterrupt from exc
            raise

    def parts(
        self, doing: str, sql: str, parameters: Sequence[Any], rows: pa.RecordBatchReader | None = None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The statement's result, _PART_ROWS at a time, as the database was when the first was asked for; other statements may
        run meanwhile. Raises DestinationError; `doing` says what failed."""
        own = self.connection.cursor()
        _file_cdk_input = rows  # as in `execute`
        if rows is not None:
            take_arrow()
        try:
            with translating(self.path, doing):
                result = own.execute(sql, parameters)
                while rows := result.fetchmany(_PART_ROWS):
                    yield rows
        finally:
            own.close()

    @contextmanager
    def transaction(self, doing: str) -> Iterator[None]:
        """Commits at the end, or rolls back. Raises DestinationError when that end cannot be reached."""
        self.run(doing, "BEGIN TRANSACTION")
        try:
            yield
            self.run(doing, "COMMIT")
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        # After a fatal error, or when the failed statement ended the transaction, there is nothing to roll back.
        with suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def close(self) -> None:
        self.connection.close()
