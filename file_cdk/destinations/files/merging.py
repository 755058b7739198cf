"""Which rows of data files a table shows that has one of each key: told by DuckDB, from the columns that decide.

The data files are read twice: those columns of all rows, which DuckDB sorts on disk where they are many, and then all columns, of
which the rows that are shown go into new data files. So no value passes through another type.
"""

# ruff: noqa: S608 - names are quoted or constant

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from file_cdk.core.arrow_values import repeated_number
from file_cdk.core.ports import MergeRule
from file_cdk.core.system.run_folder import run_folder
from file_cdk.destinations.duckdb.engine import duckdb, take_arrow
from file_cdk.destinations.duckdb.errors import translating
from file_cdk.destinations.duckdb.file import Settings
from file_cdk.destinations.duckdb.memory import MemoryBudget
from file_cdk.destinations.duckdb.merging import DuckDBMerges
from file_cdk.destinations.duckdb.session import INPUT, Session
from file_cdk.destinations.files.data import DataWriter, batches_of, conformed
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.merging import Merge
from file_cdk.destinations.names import METADATA_COLUMNS
from file_cdk.destinations.sql.layout import Layout

_MEMORY_BYTES = 128 << 20
_NUMBER = "_file_cdk_number"
"""A row's among all rows of the data files."""
_ROWS_AT_ONCE, _BYTES_AT_ONCE = 1 << 16, 8 << 20


def shown_rows(
    storage: Storage, paths: Sequence[str], stream: str, rule: MergeRule, layout: Layout, schema: pa.Schema
) -> Iterator[pa.Table]:
    """schema: of the table, in which the data files may lack columns. Raises DestinationError."""
    with _numbers(storage, paths, stream, rule, layout, schema) as numbers:
        wanted, first = _Numbers(numbers), 0
        for path in paths:
            for batch in batches_of(storage, path):
                chosen = wanted.up_to(first + batch.num_rows)
                if len(chosen):
                    rows = batch.take(pc.subtract(chosen, first))
                    yield conformed([rows], schema)
                first += batch.num_rows


def write_all(
    storage: Storage, tables: Iterable[pa.Table], schema: pa.Schema, new_path: Callable[[], str], target_bytes: int
) -> list[DataFile]:
    """Into new data files of about target_bytes. Where they cannot be had, nothing of them is left."""
    parts: list[DataFile] = []
    writer: DataWriter | None = None
    try:
        for table in _together(tables):
            if writer is not None and writer.size_bytes >= target_bytes:
                parts.append(writer.close())
                writer = None
            if writer is None:
                writer = DataWriter(storage, new_path(), schema)
            writer.write(table)
        if writer is not None:
            parts.append(writer.close())
    except BaseException:
        if writer is not None:
            writer.abort()
        storage.remove(part.path for part in parts)
        raise
    return parts


def _together(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small tables as fewer larger ones."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if (
            sum(each.num_rows for each in waiting) >= _ROWS_AT_ONCE
            or sum(each.nbytes for each in waiting) >= _BYTES_AT_ONCE
        ):
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


class _Numbers:
    """Numbers in ascending order, a part after another."""

    def __init__(self, parts: Iterator[pa.Array]) -> None:
        self._parts = parts
        self._left = pa.array([], pa.int64())

    def up_to(self, end: int) -> pa.Array:
        """Those that are below `end`, and were not answered before."""
        found = []
        while True:
            below = pc.sum(pc.less(self._left, end)).as_py() or 0
            found.append(self._left.slice(0, below))
            self._left = self._left.slice(below)
            if len(self._left):
                break
            self._left = next(self._parts, pa.array([], pa.int64()))
            if not len(self._left):
                break
        return pa.concat_arrays(found)


@contextmanager
def _numbers(
    storage: Storage, paths: Sequence[str], stream: str, rule: MergeRule, layout: Layout, schema: pa.Schema
) -> Iterator[Iterator[pa.Array]]:
    asked = [name for name in (*rule.keys, rule.cursor, rule.deleted) if name is not None]
    deciding = [layout.columns[name] for name in asked if name in layout.columns]
    names = list(dict.fromkeys([*deciding, *METADATA_COLUMNS]))
    narrow = pa.schema([schema.field(name) for name in names])
    place = f"{storage.root}, merging rows"
    with tempfile.TemporaryDirectory(prefix="merge-", dir=run_folder()) as scratch:
        settings: Settings = {"temp_directory": scratch, "autoinstall_known_extensions": False, "threads": 2}
        with closing(duckdb.connect(":memory:", config={**settings})) as connection, translating(place, "merging rows"):
            take_arrow()
            session = Session(place, connection, MemoryBudget(connection, _MEMORY_BYTES))
            session.memory.provide(columns=0)
            rows = pa.RecordBatchReader.from_batches(
                narrow.append(pa.field(_NUMBER, pa.int64())), _narrow_batches(storage, paths, narrow)
            )
            session.execute(f"CREATE TABLE rows AS SELECT * FROM {INPUT}", rows=rows)
            merge = Merge(DuckDBMerges(session), stream, rule, layout.types, layout.columns)
            queries = [merge.without_key(_NUMBER, "rows")]
            queries += [merge.with_key(_NUMBER, "rows", "true")] if merge.has_keys else []
            found = connection.sql(f"{' UNION ALL '.join(queries)} ORDER BY 1").to_arrow_reader(_ROWS_AT_ONCE)
            yield (batch.column(0) for batch in found)


def _narrow_batches(storage: Storage, paths: Sequence[str], narrow: pa.Schema) -> Iterator[pa.RecordBatch]:
    first = 0
    for path in paths:
        for batch in batches_of(storage, path, narrow.names):
            rows = batch.num_rows
            numbers = pc.add(pa.array(range(rows), pa.int64()), repeated_number(first, rows))
            yield from conformed([batch], narrow).append_column(_NUMBER, numbers).to_batches()
            first += rows
