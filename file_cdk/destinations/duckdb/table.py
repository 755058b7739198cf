"""One stream's table in a DuckDB database."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Callable, Sequence

import pyarrow as pa

from file_cdk.core.errors import DestinationError, InternalError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import RefusedFile, Rejects
from file_cdk.destinations.duckdb.ledger import Ledger
from file_cdk.destinations.duckdb.load import DuckDBFileLoad, LoadGroup, WriteLimits
from file_cdk.destinations.duckdb.names import RESERVED_PREFIX, folded, quoted
from file_cdk.destinations.duckdb.session import Session
from file_cdk.destinations.duckdb.writer import TableWriter


class DuckDBTable:
    """A StreamTable. Its rows are those of the file versions its ledger calls `loaded`, in the order they were loaded.

    Raises DestinationError when the name is taken by something else, or when there are rows the ledger knows nothing of.
    """

    def __init__(
        self,
        session: Session,
        run: str,
        stream: str,
        limits: WriteLimits,
        missing: frozenset[pa.DataType],
        begins: Callable[["DuckDBTable"], None],
    ) -> None:
        """session: shared, never in a transaction between calls. begins: called before each load."""
        self._session = session
        self._ledger = Ledger(session, run)
        self._stream = stream
        self._begins = begins
        self._check_name()
        self._load: DuckDBFileLoad | None = None
        own = session.another()
        try:
            self._writer = TableWriter(own, run, stream, missing)
            self._group = LoadGroup(self._writer, limits)
            if self._writer.layout.exists:
                self._check_ledger()
        except BaseException:
            own.close()  # as long as one connection is open, the file stays locked
            raise

    @property
    def exists(self) -> bool:
        """Whether there is a table yet."""
        return self._writer.layout.exists

    @property
    def schema(self) -> pa.Schema:
        """Data columns by their names in the files, in table order, then those promised; types normalised."""
        return self._writer.promised.schema

    def widen(self, schema: pa.Schema) -> None:
        """Nothing in the database changes: the table is created, and grows, with the files whose rows need it.

        A column whose values DuckDB has no type for is to become VARCHAR, and so is one whose stored values would be rounded
        or out of range in the wider type: `schema` then says so. Rows that are written later can do the same to a column, if
        they were decoded before it grew. Raises DestinationError, also for a file that was committed and waited to be written.
        """
        if self._group.loads and self._writer.retypes(schema):
            self.flush()  # so that the files that wait have their say in what the columns become
        self._writer.widen(schema)

    def withdraw(self, schema: pa.Schema) -> None:
        """Takes back what `widen` promised, but for `schema` and what files need that are committed."""
        self.flush()
        self._writer.withdraw(schema)

    def unloaded(self, files: Sequence[RemoteFile], *, with_rejects: bool = False) -> list[bool]:
        """A version is loaded if url, time, size and etag are those of a `loaded` entry; failed ones are to be loaded.

        with_rejects: so are versions whose entry counts rejects. Files that are committed but not yet flushed count as
        unloaded. One query per call.
        """
        if not files:
            return []
        return self._ledger.unloaded(self._stream, files, has_table=self.exists, with_rejects=with_rejects)

    def begin(self, file: RemoteFile) -> DuckDBFileLoad:
        """One load at a time. Writes out files of other tables that wait to be written."""
        if self._load is not None:
            raise InternalError("the load of another file is still open", uri=file.uri)
        self._begins(self)
        self._load = DuckDBFileLoad(file, self._group, (self._session.path, self._stream), self._ended)
        return self._load

    def record_failure(self, file: RemoteFile, error: str, rejects: Rejects | None = None) -> None:
        """Durable when it returns. The entry of an older version that is loaded stays beside it, as do its rows.

        rejects: replace those of the older version; without any, they stay as its entry does.
        """
        if file.uri in self._group.uris:
            self.flush()
        self._ledger.set_failed(self._stream, file, error, rejects)

    def failed(self, limit: int) -> list[str]:
        """Uris of files of which the ledger says that a version failed, at most so many."""
        return self._ledger.failed(self._stream, limit)

    def forget_failed(self, uris: Sequence[str]) -> None:
        """Durable when it returns."""
        if uris:
            self._ledger.forget_failed(self._stream, uris)

    def flush(self) -> None:
        """Makes every committed file durable, but for those that are refused. Raises DestinationError."""
        self._group.flush()

    def take_refused(self) -> Sequence[RefusedFile]:
        """See core.ports.StreamTable. Files that nobody took are an error when the table is closed."""
        refused, self._writer.refused = self._writer.refused, []
        return refused

    def close(self) -> None:
        """Aborts the load that is open, and flushes."""
        try:
            if self._load is not None:
                self._load.abort()
            self.flush()
            for refused in self.take_refused():
                error = refused.error
                raise DestinationError(error.message, uri=error.uri, remedy=error.remedy) from error
        finally:
            self._writer.close()

    def _ended(self) -> None:
        self._load = None

    def _check_name(self) -> None:
        where = f"in DuckDB database {self._session.path!r}"
        if not self._stream or "\0" in self._stream or folded(self._stream).startswith(RESERVED_PREFIX):
            raise DestinationError(
                f"a table {where} cannot be called {self._stream!r}", remedy="Give the stream another name"
            )
        if (other := self._ledger.namesake(self._stream)) is not None:
            raise DestinationError(
                f"streams {other!r} and {self._stream!r} would share one table {where}, where case makes no difference",
                remedy="Give one of them another name",
            )

    def _check_ledger(self) -> None:
        if self._ledger.has_rows(self._stream):
            return
        [(rows,)] = self._session.run("reading a table", f"SELECT EXISTS (SELECT 1 FROM {quoted(self._stream)})")
        if rows:
            raise DestinationError(
                f"table {self._stream!r} in DuckDB database {self._session.path!r} has rows, but the ledger knows none",
                remedy="Loading again would double them: drop the table, or give the stream another name",
            )
