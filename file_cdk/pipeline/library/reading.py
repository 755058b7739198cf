"""`read`: the rows of files as Arrow batches, and as what others make of these."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from file_cdk.core.config import ColumnRules, StreamConfig, parse_config
from file_cdk.core.errors import ConfigError
from file_cdk.core.system.memory import MEMORY_VARIABLE
from file_cdk.pipeline.dialects import Dialect
from file_cdk.pipeline.early import EVERY_JOB, cpu_count, filetype_seen, is_worth_workers, modules_for_tables
from file_cdk.pipeline.library.watching import Counts, Line, shown
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import Silence, StreamResult
from file_cdk.pipeline.tables.rules import with_rules

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from file_cdk.core.ports import RejectedRecord
    from file_cdk.pipeline.library.passes import Finished, Pass, Plan


def read(
    source: str | PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    files: Iterable[str] | None = None,
    format: str | Mapping[str, Any] | None = None,
    cast: Mapping[str, str] | None = None,
    all_text: bool = False,
    max_rejects: int | str | MaxRejects = 0,
    stream: str | None = None,
    dialect: Dialect = "auto",
    partitions: bool = True,
    since: datetime | None = None,
    until: datetime | None = None,
    connector: str | None = None,
    workers: int | None = None,
    memory_bytes: int | None = None,
    progress: bool = True,
) -> "Reading":
    """The rows of the files that `source` (a path, a URL, or a YAML file) stands for. Reads nothing yet.

    columns: the only ones that are read; all by default. files: names as file_cdk.files has them, of the only files that are
    read. format: `csv`, `jsonl`, `parquet` …, or a mapping as a configuration has it, such as {"filetype": "csv", "delimiter":
    ";"}; by default, files tell by their extension. cast: types of columns, in place of those that are found; all_text: every
    column as text. max_rejects: how many records of a file may be rejected, as 10 or "0.5%"; of more, reading the file raises
    TooManyRejectsError. stream: of a YAML file that has several. progress: whether a notebook shows how far it is; nothing is
    printed elsewhere. The others as in SyncOptions.

    Raises ConfigError, or AccessError when nothing is there.
    """
    if format is not None and connector is not None:
        raise ConfigError("the format of a configuration's streams is set in that file")
    options = SyncOptions(
        workers=workers,
        all_text=all_text,
        max_rejects=max_rejects if isinstance(max_rejects, MaxRejects) else MaxRejects.parse(str(max_rejects)),
        dialect=dialect,
        since=since,
        until=until,
        memory_bytes=memory_bytes,
        columns=_rules(columns, cast),
    )
    filetype = _filetype(format)
    named = streams_of(fspath(source), filetype, None, connector, partitions)
    chosen = with_rules(_chosen(named, stream), options)
    if isinstance(format, Mapping):
        config = parse_config(StreamConfig, {"name": chosen.name, "format": dict(format)}).format
        chosen = replace(chosen, format=config, finds_dialect=False)
    if files is not None:
        chosen = replace(chosen, only=frozenset(files))
    return Reading(fspath(source), chosen, options, progress=progress)


def _rules(columns: Sequence[str] | None, cast: Mapping[str, str] | None) -> ColumnRules | None:
    if columns is None and not cast:
        return None
    if isinstance(columns, str):
        raise ConfigError("columns must be a list of names", remedy=f"Write columns=[{columns!r}]")
    rules: dict[str, Any] = {} if columns is None else {"select": list(columns)}
    return parse_config(ColumnRules, {**rules, "cast": dict(cast or {})})


def _filetype(format: str | Mapping[str, Any] | None) -> str | None:
    filetype = format.get("filetype") if isinstance(format, Mapping) else format
    if isinstance(format, Mapping) and not isinstance(filetype, str):
        raise ConfigError("the format has no filetype", remedy='Add one, as in format={"filetype": "csv"}')
    return filetype


def _chosen(streams: Sequence[Stream], name: str | None) -> Stream:
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
        self._ended: Callable[[], Finished | None] = lambda: None

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
    def _finished(self) -> "Finished":
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
        plan = self._plan
        import pyarrow as pa

        from file_cdk.pipeline.library.passes import read_all

        counts, line = shown("read") if self._progress else (Silence(), None)
        batches, finished = read_all(plan, counts)
        if line is not None:
            line.end()
        self._ended = lambda: finished
        return pa.Table.from_batches(batches, finished.schema)

    def to_polars(self) -> "pl.DataFrame":
        """Raises ConfigError where polars is not installed."""
        self._warm_up()
        try:
            import polars as pl
        except ImportError as exc:
            raise _not_installed("polars") from exc
        found = pl.from_arrow(self.to_arrow(), rechunk=False)
        assert isinstance(found, pl.DataFrame)
        return found

    def to_pandas(self) -> "pd.DataFrame":
        """As pandas makes it of Arrow: integers with nulls become floats, dates objects. Raises ConfigError where pandas is not
        installed."""
        self._warm_up()
        try:
            import pandas as pd  # noqa: F401 - what pyarrow needs for it
        except ImportError as exc:
            raise _not_installed("pandas") from exc
        return self.to_arrow().to_pandas()

    def to_duckdb(self, connection: "duckdb.DuckDBPyConnection | None" = None) -> "duckdb.DuckDBPyRelation":
        """A relation of the connection, or of DuckDB's default one, over the rows in memory."""
        import duckdb

        return (connection or duckdb.default_connection()).from_arrow(self.to_arrow())

    def _warm_up(self) -> None:
        """Starts the process that workers are forked from, before this one's own imports, where there may be work for them."""
        options = self._options
        is_free = options.memory_bytes is None and not os.environ.get(MEMORY_VARIABLE)
        if options.workers != 0 and is_free and cpu_count() > 1 and is_worth_workers(self._source):
            from file_cdk.engine.workers.forkserver import start_fork_server

            with suppress(OSError):  # whoever needs it says why there is none
                start_fork_server((*EVERY_JOB, *modules_for_tables(filetype_seen(self._source), None)))

    @property
    def _plan(self) -> "Plan":
        self._warm_up()
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


def _not_installed(package: str) -> ConfigError:
    return ConfigError(
        f"the Python package {package} is not installed", remedy=f"Install it: pip install 'file-cdk[{package}]'"
    )
