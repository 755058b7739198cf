"""What `read` answers: the rows of files as Arrow batches, and as what others make of these."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from file_cdk.core.config import ColumnRules, parse_config
from file_cdk.core.errors import ConfigError
from file_cdk.pipeline.early import filetype_seen, start_for_tables
from file_cdk.pipeline.library.watching import Counts, Line, shown
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import Silence, StreamResult

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from file_cdk.core.ports import RejectedRecord
    from file_cdk.pipeline.library.by_polars import ReadByPolars
    from file_cdk.pipeline.library.passes import Finished, Pass, Plan


def rules_of(columns: Sequence[str] | None, cast: Mapping[str, str] | None) -> ColumnRules | None:
    if columns is None and not cast:
        return None
    if isinstance(columns, str):
        raise ConfigError("columns must be a list of names", remedy=f"Write columns=[{columns!r}]")
    rules: dict[str, Any] = {} if columns is None else {"select": list(columns)}
    return parse_config(ColumnRules, {**rules, "cast": dict(cast or {})})


def filetype_of(format: str | Mapping[str, Any] | None) -> str | None:
    filetype = format.get("filetype") if isinstance(format, Mapping) else format
    if isinstance(format, Mapping) and not isinstance(filetype, str):
        raise ConfigError("the format has no filetype", remedy='Add one, as in format={"filetype": "csv"}')
    return filetype


def chosen_of(streams: Sequence[Stream], name: str | None) -> Stream:
    found = [stream for stream in streams if name in (None, stream.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(repr(each.name) for each in streams)
    if name is None:
        raise ConfigError(
            "the configuration has several streams, and one is read at a time", remedy=f"Name it: {names}"
        )
    raise ConfigError(f"there is no stream {name!r}", remedy=f"There is: {names}")


class Reading:
    """Rows to be read, as often as they are asked for: each iteration, and each `to_…`, reads the files as they are then.

    Iterating gives pyarrow.RecordBatch after RecordBatch, in the order of a sync: files by the time when they were modified, then
    by name, and rows as they are in them. All have one schema. It is that which the ten latest files ask for, or all rows in
    the first 32 MB; a file after that which needs another type of a column, or has one more, ends the iteration with
    SchemaFrozenError. Memory stays bounded, whatever the size of the files. What `to_arrow`, `to_polars`, `to_pandas` and
    `to_duckdb` give is in memory as a whole, and of the types that all files need.

    A file that cannot be read, or has more rejected records than may be, raises its error (FileError and its kinds): rows
    that came before are no complete answer then. Also raises AccessError, TransientError and ConfigError.

    pyarrow, polars, DuckDB and pandas take it as it is where they take a stream of Arrow (`__arrow_c_stream__`).
    """

    def __init__(self, source: str, stream: Stream, options: SyncOptions, *, progress: bool) -> None:
        self._source = source
        self._stream = stream
        self._options = options
        self._progress = progress
        self._begun: tuple[Pass, Line | None] | None = None
        self._ended: Callable[[], Finished | ReadByPolars | None] = lambda: None

    def __repr__(self) -> str:
        return f"<file_cdk.Reading of {self._stream.name!r}>"

    @property
    def schema(self) -> "pa.Schema":
        """Of all batches of the next iteration, which this begins."""
        if self._begun is None:
            self._begun = self._begin()
        return self._begun[0].schema

    @property
    def result(self) -> StreamResult:
        """Counts of what was read last. Raises RuntimeError before something was read to its end."""
        return self._finished.result

    @property
    def rejects(self) -> "Sequence[RejectedRecord]":
        """The records that what was read last leaves out, because they cannot be read: the first 10,000, and 16 MB of their
        text; `result.rejected` counts all. Raises RuntimeError before something was read to its end."""
        return self._finished.rejects

    @property
    def _finished(self) -> "Finished | ReadByPolars":
        if (finished := self._ended()) is None:
            raise RuntimeError("nothing was read to its end yet: iterate over all batches, or call to_arrow()")
        return finished

    def __iter__(self) -> "Iterator[pa.RecordBatch]":
        (begun, line), self._begun = self._begun or self._begin(), None
        self._ended = lambda: begun.finished
        return _shown(begun, line)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        import pyarrow as pa

        schema = self.schema
        return pa.RecordBatchReader.from_batches(schema, iter(self)).__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> "pa.Table":
        return self._table(None)

    def _table(self, needs: str | None) -> "pa.Table":
        """needs: a package that is imported while files are read."""
        if needs is not None and find_spec(needs) is None:
            raise _not_installed(needs)
        plan = self._plan
        import pyarrow as pa

        from file_cdk.pipeline.library.passes import read_all

        counts, line = shown("read") if self._progress else (Silence(), None)
        batches, finished = read_all(plan, counts, partial(_import_if_possible, needs))
        if line is not None:
            line.end()
        self._ended = lambda: finished
        return pa.Table.from_batches(batches, finished.schema)

    def to_polars(self) -> "pl.DataFrame":
        """Parquet files of this machine by polars' own reader, where that gives the same rows and types. Raises ConfigError where
        polars is not installed."""
        if find_spec("polars") is None:
            raise _not_installed("polars")
        if (read := self._by_polars()) is not None:
            self._ended = lambda: read
            return read.frame
        table = self._table("polars")
        import polars as pl

        found = pl.from_arrow(table, rechunk=False)
        assert isinstance(found, pl.DataFrame)
        return found

    def _by_polars(self) -> "ReadByPolars | None":
        if not self._names_parquet:  # told without polars, whose import can wait until workers are at work
            return None
        from file_cdk.pipeline.library.by_polars import read_by_polars

        counts, line = shown("read") if self._progress else (Silence(), None)
        read = read_by_polars(self._stream, self._options, counts)
        if read is not None and line is not None:
            line.end()
        return read

    @property
    def _names_parquet(self) -> bool:
        """As far as one look tells."""
        return filetype_seen(self._source) == "parquet"

    def to_pandas(self) -> "pd.DataFrame":
        """As pandas makes it of Arrow: integers with nulls become floats, dates objects. Raises ConfigError where pandas is not
        installed."""
        return self._table("pandas").to_pandas()

    def to_duckdb(self, connection: "duckdb.DuckDBPyConnection | None" = None) -> "duckdb.DuckDBPyRelation":
        """A relation of the connection, or of DuckDB's default one, over the rows in memory."""
        import duckdb

        return (connection or duckdb.default_connection()).from_arrow(self.to_arrow())

    @property
    def _plan(self) -> "Plan":
        start_for_tables(self._source, self._options.workers, self._options.memory_bytes)
        from file_cdk.pipeline.library.passes import Plan

        return Plan(self._stream, self._options)

    def _begin(self) -> "tuple[Pass, Line | None]":
        from file_cdk.pipeline.library.passes import Pass

        counts = Counts()
        return Pass(self._plan, counts), Line("read", counts) if self._progress else None


def _shown(batches: "Pass", line: Line | None) -> "Iterator[pa.RecordBatch]":
    for batch in batches:
        if line is not None:
            line.show()
        yield batch
    if line is not None:
        line.end()


def _import_if_possible(package: str | None) -> None:
    if package is not None:
        with suppress(Exception):  # raised again where it is used
            import_module(package)


def _not_installed(package: str) -> ConfigError:
    return ConfigError(
        f"the Python package {package} is not installed", remedy=f"Install it: pip install 'file-cdk[{package}]'"
    )
