"""One stream's table in a DuckDB database, and the load of one file into it.

Small files wait for company in one transaction, large ones are written as they come.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pyarrow as pa

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile, MergeRule, RefusedFile, Rejects, TableName
from file_cdk.core.progress import LoadProgress
from file_cdk.destinations.arrow_ipc import decode
from file_cdk.destinations.duckdb.insert import ROW_GROUP_ROWS, Piece, take_rows
from file_cdk.destinations.duckdb.layout import Layout, checked_layout
from file_cdk.destinations.duckdb.ledger.entries import Ledger
from file_cdk.destinations.duckdb.ledger.rejects import size_bytes
from file_cdk.destinations.duckdb.merging import merge
from file_cdk.destinations.duckdb.parts import Part, forget_parts, is_whole, kept_parts
from file_cdk.destinations.duckdb.session import as_stored
from file_cdk.destinations.duckdb.writer import PreparedLoad, TableWriter
from file_cdk.destinations.merging import MergedLoad

_FORESEEN = 0.05
"""Share of WriteLimits.kept_after_s after which it is foreseen whether a load will take that long."""


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
                held_bytes = self._held_bytes + size_bytes(loaded.rejects)
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

    def keep(self, progress: LoadProgress, ledger: Ledger) -> str:
        """The table that the rows are kept in. ledger: the writer's. Raises RowsRefusedError, DestinationError."""
        if progress.rows != self._rows:
            raise InternalError(f"{self._rows} rows were written and {progress.rows} counted", uri=self._file.uri)
        with self._writer.refusing(self._file.uri):
            if self._part is None and not self._streaming:
                self._group.flush()
                self._streaming = True
                self._part = Part.begin(self._writer, ledger)
            self._write_out(self._held_rows)
            if self._part is None:
                self._part = Part.of_written(self._writer, ledger, progress)
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


class DuckDBTable:
    """A StreamTable. Its rows are those of the file versions its ledger calls `loaded`, in the order they were loaded.

    ledger: in a session that is shared, and never in a transaction between calls. layout: the table as it is. begins: called
    before each load. rule: by which the rows are merged.
    """

    def __init__(
        self,
        ledger: Ledger,
        layout: Layout,
        limits: WriteLimits,
        begins: Callable[["DuckDBTable"], None],
        rule: MergeRule | None = None,
    ) -> None:
        self._ledger = ledger
        self._rule = rule
        self._begins = begins
        self._load: DuckDBFileLoad | None = None
        own = replace(ledger, session=ledger.session.another())
        try:
            self._writer = TableWriter(own, layout)
            self._parts = {part.progress.file.uri: part.table for part in kept_parts(ledger)}
        except BaseException:
            own.session.close()  # as long as one connection is open, the file stays locked
            raise
        self._writers_ledger = own
        self._group = LoadGroup(self._writer, limits)

    @classmethod
    def of(
        cls, ledger: Ledger, table: TableName, limits: WriteLimits, begins: Callable[["DuckDBTable"], None]
    ) -> "DuckDBTable":
        """The one of that name, existing or not. Raises what checked_layout does."""
        layout = checked_layout(ledger, table)
        if not layout.exists:
            ledger.forget_rows()  # somebody dropped it
        if table.origin is not None:
            ledger.claim(table.origin)
        return cls(ledger, layout, limits, begins, table.merge if ledger.merges else None)

    @property
    def schema(self) -> pa.Schema:
        """Data columns by their names in the files, in table order, then those promised; types normalised."""
        return self._writer.promised.schema

    def widen(self, schema: pa.Schema, *, anew: bool = False) -> None:
        """Nothing in the database changes: the table is created, and grows, with the files whose rows need it.

        A column whose values DuckDB has no type for is to become VARCHAR, and so is one whose stored values would be rounded
        or out of range in the wider type: `schema` then says so. Rows that are written later can do the same to a column, if
        they were decoded before it grew. Raises DestinationError, also for a file that was committed and waited to be written.
        """
        if anew or (self._group.loads and self._writer.retypes(schema)):
            self._group.flush()  # so that the files that wait have their say in what the columns become
        self._writer.widen(schema, anew=anew)

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        """A version is loaded if url, time, size and etag are those of a `loaded` entry; failed ones are to be loaded.

        with_rejects: so are versions whose entry counts rejects. Files that are committed but not yet flushed count as
        unloaded. One query per call.
        """
        return self._ledger.unloaded(files, with_rejects=with_rejects)

    def begin(self, file: RemoteFile) -> DuckDBFileLoad:
        """One load at a time. Writes out files of other tables that wait to be written."""
        self._begin(file)
        self.forget_begun([file.uri])
        self._load = DuckDBFileLoad(file, self._group, self._rule)
        return self._load

    def resume(self, progress: LoadProgress) -> DuckDBFileLoad:
        """See core.progress.Resumable; this and what follows."""
        file = progress.file
        self._begin(file)
        self._group.flush()
        part = Part.kept(self._writer, self._writers_ledger, self._parts[file.uri])
        self._load = DuckDBFileLoad(file, self._group, self._rule, part, progress.rows)
        return self._load

    def _begin(self, file: RemoteFile) -> None:
        if self._load is not None and self._load.is_open:
            raise InternalError("the load of another file is still open", uri=file.uri)
        self._begins(self)

    def keep(self, position: int, progress: Callable[[], LoadProgress]) -> None:
        """In a table that no stream can be called like; see parts.py."""
        if self._load is None or not self._load.is_open:
            raise InternalError("progress was to be kept of a load that is not open")
        if self._load.is_to_be_kept(position):
            kept = progress()
            self._parts[as_stored(kept.file.uri)] = self._load.keep(kept, self._writers_ledger)

    def begun(self) -> Sequence[LoadProgress]:
        return [part.progress for part in kept_parts(self._ledger) if is_whole(self._ledger, part)]

    def forget_begun(self, uris: Sequence[str]) -> None:
        tables = [self._parts.pop(uri) for uri in map(as_stored, uris) if uri in self._parts]
        if tables:
            forget_parts(self._ledger, tables)

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Durable when it returns. The entry of an older version that is loaded stays beside it, as do its rows.

        rejects: replace those of the older version; without any, they stay as its entry does.
        """
        if file.uri in self._group.uris:
            self._group.flush()
        self._ledger.set_failed(file, error, rejects)

    def failed(self, limit: int) -> list[str]:
        return self._ledger.failed(limit)

    def forget_failed(self, uris: Sequence[str]) -> None:
        """Durable when it returns."""
        if uris:
            self._ledger.forget_failed(uris)

    def loaded(self) -> Iterator[Sequence[str]]:
        return self._ledger.loaded()

    def remove(self, uris: Sequence[str]) -> None:
        """Writes the files that wait for others first. Raises DestinationError."""
        self._group.flush()
        self._begins(self)
        self.forget_begun(uris)
        self._writer.remove(uris)

    def write_waiting(self) -> None:
        """Writes the files that wait for others; those that are refused then, `flush` answers. Raises DestinationError."""
        self._group.flush()

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:
        """See core.ports.StreamTable. Files that nobody was told of are an error when the table is closed. Raises
        DestinationError."""
        if not keep_waiting:
            self._group.flush()
        refused, self._writer.refused = self._writer.refused, []
        return refused

    def merge(self) -> int | None:
        """See core.merging.MergingTable."""
        self._group.flush()
        self._begins(self)
        return merge(self._ledger, self._writer.layout)

    def let_go(self) -> None:
        """Closes it without another word, after `close` or in its place. Safe to call twice."""
        with suppress(DestinationError):
            self._writer.close()

    def close(self) -> None:
        """Aborts the load that is open, and flushes."""
        try:
            if self._load is not None:
                self._load.abort()
            for refused in self.flush():
                error = refused.error
                raise DestinationError(error.message, uri=error.uri, remedy=error.remedy) from error
        finally:
            self._writer.close()
