"""The load of one file: small files wait for company in one transaction, large ones are written as they come."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import duckdb

from file_cdk.core.errors import DestinationError, FileCdkError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile
from file_cdk.destinations.arrow_ipc import decode
from file_cdk.destinations.duckdb.errors import refused
from file_cdk.destinations.duckdb.insert import Piece, take_rows
from file_cdk.destinations.duckdb.rejects import size_bytes
from file_cdk.destinations.duckdb.writer import PreparedLoad, TableWriter

ROW_GROUP_ROWS = 122_880
"""DuckDB stores rows in groups of this many. Inserts in multiples of it are compressed and written at once and in
parallel; what does not fill a group goes through the write-ahead log and is written a second time."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """When rows held in memory are written. rows: in multiples of ROW_GROUP_ROWS.

    files, seconds: how many files, and how long the first of them, wait for others to share a transaction. The time is
    looked at when a file is committed, so the last files wait for `flush` or `close`.
    """

    rows: int = 2 * ROW_GROUP_ROWS
    size_bytes: int = 32 << 20
    files: int = 500
    seconds: float = 1.0


@dataclass(slots=True)
class LoadGroup:
    """Files that are complete and wait to be written together, in the order they were committed."""

    writer: TableWriter
    limits: WriteLimits
    loads: list[PreparedLoad] = field(default_factory=list)
    uris: set[str] = field(default_factory=set)
    rows: int = 0
    size_bytes: int = 0
    since: float = 0.0

    def add(self, load: PreparedLoad) -> None:
        if load.file.uri in self.uris or self.size_bytes + load.size_bytes > self.limits.size_bytes:
            self.flush()
        if not self.loads:
            self.since = time.monotonic()
        self.loads.append(load)
        self.uris.add(load.file.uri)
        self.rows += load.loaded.rows
        self.size_bytes += load.size_bytes
        if (
            len(self.loads) >= self.limits.files
            or self.rows >= self.limits.rows
            or self.size_bytes >= self.limits.size_bytes
            or time.monotonic() - self.since >= self.limits.seconds
        ):
            self.flush()

    def flush(self) -> None:
        """Raises DestinationError; the group is empty then too, for a second try would fail as the first did."""
        loads, self.loads = self.loads, []
        self.uris.clear()
        self.rows = self.size_bytes = 0
        self.writer.write(loads)


class DuckDBFileLoad:
    """A FileLoad. path, stream: for error messages. ended: called once, when the load is committed or aborted."""

    def __init__(
        self, file: RemoteFile, group: LoadGroup, describe: tuple[str, str], ended: Callable[[], None]
    ) -> None:
        self._file = file
        self._group = group
        self._writer = group.writer
        self._path, self._stream = describe
        self._ended = ended
        self._pieces: list[Piece] = []
        self._rows = 0
        self._held_rows = 0
        self._held_bytes = 0
        self._streaming = False
        self._open = True

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:
        """Holds up to WriteLimits.rows and .size_bytes in memory; beyond that, writes. Raises RowsRefusedError, DestinationError.

        The block is kept as it is until it is written, which may be after `commit`: its memory must not be used again.
        """
        if not self._open:
            raise InternalError("a load was written to after its end", uri=self._file.uri)
        for batch in decode(block):
            piece = Piece.of(self._file, batch, rows_before)
            self._writer.check(piece)
            self._pieces.append(piece)
            self._rows += batch.num_rows
            self._held_rows += batch.num_rows
            self._held_bytes += piece.size_bytes
        limits = self._group.limits
        if self._held_rows >= limits.rows:
            self._write_out(self._held_rows - self._held_rows % limits.rows)
        elif self._held_bytes >= limits.size_bytes:
            self._write_out(self._held_rows)

    def commit(self, loaded: LoadedFile) -> None:
        """Durable with the next group that is written, at the latest after `flush` or `close` of the destination.

        Raises RowsRefusedError, DestinationError; a file that was committed before, and waited, may be among those that
        StreamTable.take_refused then answers, as may this one. Raises InternalError when `loaded.rows` is not the number of
        rows written.
        """
        if not self._open:
            raise InternalError("a load was committed after its end", uri=self._file.uri)
        if loaded.rows != self._rows:
            self.abort()
            raise InternalError(f"{self._rows} rows were written and {loaded.rows} announced", uri=self._file.uri)
        try:
            if self._streaming:
                self._insert(self._pieces)
                self._finish(loaded)
            else:
                held_bytes = self._held_bytes + size_bytes(loaded.rejects)
                self._group.add(PreparedLoad(self._file, self._pieces, loaded, held_bytes))
        except BaseException:
            with suppress(DestinationError):  # what made it necessary tells more
                self.abort()
            raise
        self._end()

    def abort(self) -> None:
        """Safe to call twice, and after commit, when it does nothing."""
        if not self._open:
            return
        self._end()
        if self._streaming:
            self._writer.cancel()

    def _end(self) -> None:
        self._open = False
        self._pieces = []
        self._ended()

    def _write_out(self, rows: int) -> None:
        if not self._streaming:
            self._group.flush()
            self._writer.start([self._file])
            self._streaming = True
        now, self._pieces = take_rows(self._pieces, rows)
        self._held_rows -= rows
        self._held_bytes = sum(piece.size_bytes for piece in self._pieces)
        self._insert(now)

    def _insert(self, pieces: list[Piece]) -> None:
        try:
            self._writer.insert(pieces)
        except duckdb.Error as exc:
            raise self._failed(exc) from exc

    def _finish(self, loaded: LoadedFile) -> None:
        try:
            self._writer.finish([(self._file, loaded)])
        except duckdb.Error as exc:
            raise self._failed(exc) from exc

    def _failed(self, cause: duckdb.Error) -> FileCdkError:
        return refused(cause, self._path, f"loading into table {self._stream!r}", self._file.uri)
