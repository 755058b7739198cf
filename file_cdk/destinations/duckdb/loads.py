"""The load of one file into a stream's table.

Small files wait for company in one transaction, large ones are written as they come.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, MergeRule, Rejects
from file_cdk.core.progress import LoadProgress
from file_cdk.destinations.arrow_ipc import decode
from file_cdk.destinations.duckdb.insert import Piece, take_rows
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.limits import ROW_GROUP_ROWS, WriteLimits
from file_cdk.destinations.duckdb.parts import Part
from file_cdk.destinations.duckdb.writer import PreparedLoad, TableWriter
from file_cdk.destinations.merging import MergedLoad

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

_FORESEEN = 0.05
"""Share of WriteLimits.kept_after_s after which it is foreseen whether a load will take that long."""

_REJECT_BYTES = 300
"""Memory that a rejected record takes besides its raw bytes, about, in bytes."""


def _size_bytes(rejects: Rejects) -> int:
    """Memory that they take, about."""
    return rejects.raw_bytes + _REJECT_BYTES * len(rejects.first)


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

    @classmethod
    def open(cls, ledger: DuckDBLedger, columns: "Mapping[str, DuckDBPyType]", limits: WriteLimits) -> "LoadGroup":
        """With a writer of its own, to be closed. columns: of the table, by present.py."""
        return cls(TableWriter.open(ledger, columns), limits)

    def load(self, file: RemoteFile, rule: MergeRule | None) -> "DuckDBFileLoad":
        return DuckDBFileLoad(file, self, rule)

    def resume(self, progress: LoadProgress, table: str, rule: MergeRule | None) -> "DuckDBFileLoad":
        """table: has the rows that were written."""
        part = Part.kept(self.writer, table)
        return DuckDBFileLoad(progress.file, self, rule, part, progress.rows)

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
    """A FileLoad. part: what an earlier run wrote of the file, and rows: how many rows that are. rule: how they are merged."""

    def __init__(
        self, file: RemoteFile, group: LoadGroup, rule: MergeRule | None, part: Part | None = None, rows: int = 0
    ) -> None:
        self._file = file
        self._group = group
        self._writer = group.writer
        self._pieces: list[Piece] = []
        self._rows = rows
        self._held_rows = 0
        self._held_bytes = 0
        self._part = part
        self._streaming = part is not None
        stored = group.writer.layout.types
        self._merged = None if rule is None else MergedLoad(rule, stored, file.uri, is_resumed=part is not None)
        self._since = time.monotonic()
        self.is_open = True

    def write(self, block: bytes | bytearray | memoryview, rows_before: int) -> None:
        """Holds up to WriteLimits.rows and .size_bytes in memory; beyond that, writes. Raises RowsRefusedError, DestinationError.

        The block is kept as it is until it is written, which may be after `commit`: its memory must not be used again.
        """
        if not self.is_open:
            raise InternalError("a load was written to after its end", uri=self._file.uri)
        for batch in decode(block):
            piece = Piece.of(self._file, batch, rows_before)
            self._writer.check(piece)
            if self._merged is not None:
                self._merged.see(batch)
            self._pieces.append(piece)
            self._rows += batch.num_rows
            self._held_rows += batch.num_rows
            self._held_bytes += piece.size_bytes
        limits = self._group.limits
        if self._held_rows >= limits.rows:
            self._write_out(self._held_rows - self._held_rows % limits.rows)
        elif self._held_bytes >= limits.size_bytes:
            self._write_out(self._held_rows - self._held_rows % ROW_GROUP_ROWS or self._held_rows)

    def commit(self, loaded: LoadedFile) -> None:
        """Durable with the next group that is written, at the latest after `flush` or `close` of the destination.

        Raises RowsRefusedError, DestinationError; a file that was committed before, and waited, may be among those that
        StreamTable.flush then answers, as may this one. Raises InternalError when `loaded.rows` is not the number of
        rows written.
        """
        if not self.is_open:
            raise InternalError("a load was committed after its end", uri=self._file.uri)
        if loaded.rows != self._rows:
            self.abort()
            raise InternalError(f"{self._rows} rows were written and {loaded.rows} announced", uri=self._file.uri)
        try:
            if self._merged is not None:
                self._merged.check(loaded.rows)
            if self._part is not None:
                with self._writer.refusing(self._file.uri):
                    self._part.finish(self._file, loaded, self._pieces)
            elif self._streaming:
                with self._writer.refusing(self._file.uri):
                    self._writer.insert(self._pieces)
                    self._writer.finish([(self._file, loaded)])
            else:
                held_bytes = self._held_bytes + _size_bytes(loaded.rejects)
                self._group.add(PreparedLoad(self._file, self._pieces, loaded, held_bytes))
        except BaseException:
            with suppress(DestinationError):  # what made it necessary tells more
                self.abort()
            raise
        self._end()

    def is_to_be_kept(self, position: int) -> bool:
        """Now, or because it will be: the fewer rows are written when it begins, the fewer have to be moved."""
        took_s, limit_s = time.monotonic() - self._since, self._group.limits.kept_after_s
        if took_s >= limit_s or self._part is not None:
            return took_s >= limit_s
        return took_s >= _FORESEEN * limit_s and took_s * self._file.size_bytes >= limit_s * position

    def keep(self, progress: LoadProgress) -> str:
        """The table that the rows are kept in. Raises RowsRefusedError, DestinationError."""
        if progress.rows != self._rows:
            raise InternalError(f"{self._rows} rows were written and {progress.rows} counted", uri=self._file.uri)
        with self._writer.refusing(self._file.uri):
            if self._part is None and not self._streaming:
                self._group.flush()
                self._streaming = True
                self._part = Part.begin(self._writer)
            self._write_out(self._held_rows)
            if self._part is None:
                self._part = Part.of_written(self._writer, progress)
            else:
                self._part.keep(progress)
        self._since = time.monotonic()
        return self._part.table

    def abort(self) -> None:
        """Safe to call twice, and after commit, when it does nothing."""
        if not self.is_open:
            return
        self._end()
        if self._streaming:
            self._writer.cancel()

    def _end(self) -> None:
        self.is_open = False
        self._pieces = []

    def _write_out(self, rows: int) -> None:
        if not self._streaming:
            self._group.flush()
            self._writer.start([self._file])
            self._streaming = True
        now, self._pieces = take_rows(self._pieces, rows)
        self._held_rows -= rows
        self._held_bytes = sum(piece.size_bytes for piece in self._pieces)
        with self._writer.refusing(self._file.uri):
            (self._part or self._writer).insert(now)
