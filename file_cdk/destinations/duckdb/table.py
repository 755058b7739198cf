"""One stream's table in a DuckDB database. What writes into it is made when there is something to write: see loads.py."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import MergeRule, RefusedFile, Rejects, TableName
from file_cdk.core.progress import LoadProgress
from file_cdk.destinations.duckdb.engine import take_arrow
from file_cdk.destinations.duckdb.kept_parts import forget_parts, is_whole, kept_parts
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.limits import WriteLimits
from file_cdk.destinations.duckdb.present import checked_columns
from file_cdk.destinations.duckdb.session import as_stored

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType

    from file_cdk.destinations.duckdb.loads import DuckDBFileLoad, LoadGroup


class DuckDBTable:
    """A StreamTable. Its rows are those of the file versions its ledger calls `loaded`, in the order they were loaded.

    ledger: in a session that is shared, and never in a transaction between calls. columns: of the table as it is, by present.py.
    begins: called before each load. rule: by which the rows are merged.
    """

    def __init__(
        self,
        ledger: DuckDBLedger,
        columns: "Mapping[str, DuckDBPyType]",
        limits: WriteLimits,
        begins: Callable[["DuckDBTable"], None],
        rule: MergeRule | None = None,
    ) -> None:
        self._ledger = ledger
        self._columns = columns
        self._limits = limits
        self._rule = rule
        self._begins = begins
        self._load: DuckDBFileLoad | None = None
        self._opened: LoadGroup | None = None
        self._parts = {part.progress.file.uri: part.table for part in kept_parts(ledger)}

    @classmethod
    def of(
        cls, ledger: DuckDBLedger, table: TableName, limits: WriteLimits, begins: Callable[["DuckDBTable"], None]
    ) -> "DuckDBTable":
        """The one of that name, existing or not. Raises what checked_columns does."""
        columns = checked_columns(ledger, table)
        if not columns:
            ledger.forget_rows()  # somebody dropped it
        if table.origin is not None:
            ledger.claim(table.origin)
        return cls(ledger, columns, limits, begins, table.merge if ledger.merges else None)

    @property
    def _group(self) -> "LoadGroup":
        """With its writer, which takes a connection, and Arrow: a sync that finds nothing new does without."""
        if self._opened is None:
            from file_cdk.destinations.duckdb.loads import LoadGroup

            self._opened = LoadGroup.open(self._ledger, self._columns, self._limits)
        return self._opened

    @property
    def schema(self) -> "pa.Schema":
        """Data columns by their names in the files, in table order, then those promised; types normalised."""
        return self._group.writer.promised.schema

    def widen(self, schema: "pa.Schema", *, anew: bool = False) -> None:
        """Nothing in the database changes: the table is created, and grows, with the files whose rows need it.

        A column whose values DuckDB has no type for is to become VARCHAR, and so is one whose stored values would be rounded
        or out of range in the wider type: `schema` then says so. Rows that are written later can do the same to a column, if
        they were decoded before it grew. Raises DestinationError, also for a file that was committed and waited to be written.
        """
        group = self._group
        if anew or (group.loads and group.writer.retypes(schema)):
            group.flush()  # so that the files that wait have their say in what the columns become
        group.writer.widen(schema, anew=anew)

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        """A version is loaded if url, time, size and etag are those of a `loaded` entry; failed ones are to be loaded.

        with_rejects: so are versions whose entry counts rejects. Files that are committed but not yet flushed count as
        unloaded. One query per call.
        """
        return self._ledger.unloaded(files, with_rejects=with_rejects)

    def begin(self, file: RemoteFile) -> "DuckDBFileLoad":
        """One load at a time. Writes out files of other tables that wait to be written."""
        self._begin(file)
        self.forget_begun([file.uri])
        self._load = self._group.load(file, self._rule)
        return self._load

    def resume(self, progress: LoadProgress) -> "DuckDBFileLoad":
        """See core.progress.Resumable; this and what follows."""
        self._begin(progress.file)
        self._group.flush()
        self._load = self._group.resume(progress, self._parts[progress.file.uri], self._rule)
        return self._load

    def _begin(self, file: RemoteFile) -> None:
        if self._load is not None and self._load.is_open:
            raise InternalError("the load of another file is still open", uri=file.uri)
        take_arrow()  # 45 ms, while workers make the first rows
        self._begins(self)

    def keep(self, position: int, progress: Callable[[], LoadProgress]) -> None:
        """In a table that no stream can be called like; see parts.py."""
        if self._load is None or not self._load.is_open:
            raise InternalError("progress was to be kept of a load that is not open")
        if self._load.is_to_be_kept(position):
            kept = progress()
            self._parts[as_stored(kept.file.uri)] = self._load.keep(kept)

    def begun(self) -> Sequence[LoadProgress]:
        kept = kept_parts(self._ledger) if self._parts else []
        return [part.progress for part in kept if is_whole(self._ledger, part)]

    def forget_begun(self, uris: Sequence[str]) -> None:
        tables = [self._parts.pop(uri) for uri in map(as_stored, uris) if uri in self._parts]
        if tables:
            forget_parts(self._ledger, tables)

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Durable when it returns. The entry of an older version that is loaded stays beside it, as do its rows.

        rejects: replace those of the older version; without any, they stay as its entry does.
        """
        if self._opened is not None and file.uri in self._opened.uris:
            self._opened.flush()
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
        self._group.writer.remove(uris)

    def write_waiting(self) -> None:
        """Writes the files that wait for others; those that are refused then, `flush` answers. Raises DestinationError."""
        if self._opened is not None:
            self._opened.flush()

    def flush(self, *, keep_waiting: bool = False) -> Sequence[RefusedFile]:
        """See core.ports.StreamTable. Files that nobody was told of are an error when the table is closed. Raises
        DestinationError."""
        if self._opened is None:
            return []
        if not keep_waiting:
            self._opened.flush()
        return self._opened.writer.answer_refused()

    def merge(self) -> int | None:
        """See core.merging.MergingTable."""
        from file_cdk.destinations.duckdb.merging import merge

        self._group.flush()
        self._begins(self)
        return merge(self._ledger, self._group.writer.layout)

    def let_go(self) -> None:
        """Closes it without another word, after `close` or in its place. Safe to call twice."""
        with suppress(DestinationError):
            self._close()

    def close(self) -> None:
        """Aborts the load that is open, and flushes."""
        try:
            if self._load is not None:
                self._load.abort()
            for refused in self.flush():
                error = refused.error
                raise DestinationError(error.message, uri=error.uri, remedy=error.remedy) from error
        finally:
            self._close()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.writer.close()
