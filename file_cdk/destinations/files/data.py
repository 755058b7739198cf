"""Data files of a table's rows, which are written once and never changed; and what is read of those in Parquet."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from file_cdk.core.errors import DestinationError
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.destinations.files.formats import TextFormat
from file_cdk.destinations.files.manifest import DataFile
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.types import converted

if TYPE_CHECKING:  # imported where data files are written or read
    import pyarrow.parquet as pq

    from file_cdk.destinations.files.text import TextWriter

TARGET_BYTES = 128 << 20
"""Size of a data file at which the next one is begun, in bytes."""

URL, MODIFIED = "_file_url", "_file_modified_at"
_REMEDY = "Restore it, or let the next sync load its files again: file-cdk status --verify --repair"
_COMPRESSION = "zstd"
_BATCH_ROWS = 1 << 16
_MAX_WAITING_TABLES = 2
_GROUP_ROWS = 122_880
_DIGITS_OF_INT64 = 18
"""Any number of so many is one."""


class DataWriter:
    """Writes one data file, in a thread of its own, in the format that its name tells. It is durable when `close` returns;
    `abort` leaves nothing. schema: None for a file of text that takes records as they are."""

    _writer: "TextWriter | pq.ParquetWriter"

    def __init__(self, storage: Storage, path: str, schema: pa.Schema | None, header: bytes = b"") -> None:
        self.path, self.schema = path, schema
        self._storage = storage
        self._rows = 0
        self._new = storage.create(path)
        if (text := TextFormat.of(path)) is not None:
            from file_cdk.destinations.files.text import TextWriter, header_of

            self._writer = TextWriter(self._new.file, text, header if schema is None else header_of(schema, text))
        else:
            import pyarrow.parquet as pq

            assert schema is not None
            self._writer = pq.ParquetWriter(self._new.file, schema, **parquet_options(schema))
        self._thread = ThreadPoolExecutor(1, "file_cdk-data")
        self._writing = deque[Future[int]]()
        self._size_bytes = 0

    @classmethod
    def of_text(cls, storage: Storage, path: str, header: bytes) -> "DataWriter":
        return cls(storage, path, None, header)

    @property
    def size_bytes(self) -> int:
        """With all tables but the last, however fast they are written."""
        self._wait_for(_MAX_WAITING_TABLES - 1)
        return self._size_bytes

    def write(self, table: pa.Table) -> None:
        self._wait_for(_MAX_WAITING_TABLES - 1)
        self._writing.append(self._thread.submit(self._write, table))
        self._rows += table.num_rows

    def _write(self, table: pa.Table) -> int:
        """The size of the file then."""
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        return self._new.file.tell()

    def write_record(self, record: bytes) -> None:
        """Of text."""
        with translating(self._storage, self.path):
            cast("TextWriter", self._writer).write(record)
        self._rows += 1

    def _wait_for(self, left: int) -> None:
        with translating(self._storage, self.path):
            while len(self._writing) > left:
                self._size_bytes = self._writing.popleft().result()

    def close(self) -> DataFile:
        self._wait_for(0)
        self._thread.shutdown()
        with translating(self._storage, self.path):
            self._writer.close()
        return DataFile(self.path, self._rows, self._new.finish())

    def abort(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        with suppress(OSError, pa.ArrowInvalid):
            self._writer.close()
        self._new.give_up()


def parquet_options(schema: pa.Schema, unlike: Collection[str] = ()) -> dict[str, Any]:
    """Dictionaries for text, where values repeat, and differences for numbers: half of the time and of the bytes that
    dictionaries for all take. unlike: columns of text whose values do not repeat."""
    t = pa.types
    repeated = [
        each.name for each in schema if t.is_string(each.type) or t.is_dictionary(each.type) or each.name == MODIFIED
    ]
    repeated = [name for name in repeated if name not in unlike]
    stepped = [each.name for each in schema if _is_whole_number(each.type) and each.name != MODIFIED]
    return {
        "compression": _COMPRESSION,
        "use_dictionary": repeated,
        "column_encoding": dict.fromkeys(stepped, "DELTA_BINARY_PACKED"),
        "store_decimal_as_integer": True,
    }


def _is_whole_number(kind: pa.DataType) -> bool:
    """To Parquet."""
    t = pa.types
    is_short = t.is_decimal(kind) and kind.precision <= _DIGITS_OF_INT64
    return bool(is_short or t.is_int64(kind) or t.is_timestamp(kind) or t.is_date32(kind))


def conformed(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The batches as one table of the schema, whose columns they have some of, in types that it holds."""
    return pa.Table.from_batches([_conformed(batch, schema) for batch in batches], schema)


def _conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    columns = [
        batch.column(field.name) if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(
        [converted(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


@contextmanager
def opened(storage: Storage, path: str) -> "Iterator[pq.ParquetFile]":
    import pyarrow.parquet as pq

    with translating(storage, path), storage.open(path) as file, pq.ParquetFile(file) as parquet:
        yield parquet


def batches_of(storage: Storage, path: str, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """names: of columns; those that the data file lacks are left out. Raises DestinationError."""
    with opened(storage, path) as parquet:
        yield from parquet.iter_batches(_BATCH_ROWS, columns=None if names is None else list(names))


def schema_of(storage: Storage, path: str) -> pa.Schema:
    with opened(storage, path) as parquet:
        return parquet.schema_arrow


def is_lost(storage: Storage, path: str) -> bool:
    """Whether the data file is gone, or damaged so that none of its rows can be told."""
    try:
        schema_of(storage, path)
    except DestinationError as exc:
        if isinstance(exc.__cause__, FileNotFoundError | pa.ArrowInvalid):
            return True
        raise
    return False


def rows_by_file(storage: Storage, path: str) -> list[tuple[str | None, int]]:
    """How many rows of each file there are; of a data file that is lost, none."""
    if is_lost(storage, path):
        return []
    with opened(storage, path) as parquet:
        if URL not in parquet.schema_arrow.names:
            return [(None, parquet.metadata.num_rows)]  # of another writer
        urls = pa.Table.from_batches(
            list(parquet.iter_batches(columns=[URL])), pa.schema([parquet.schema_arrow.field(URL)])
        )
    counted = urls.group_by(URL).aggregate([([], "count_all")])
    return list(zip(counted[URL].to_pylist(), counted["count_all"].to_pylist(), strict=True))


def written(storage: Storage, path: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> DataFile:
    """A new data file of these rows. Where it cannot be had, nothing of it is left."""
    writer = DataWriter(storage, path, schema)
    try:
        for table in tables:
            writer.write(table)
        return writer.close()
    except BaseException:
        writer.abort()
        raise


def rows_of(storage: Storage, path: str, urls: Sequence[str]) -> Iterator[pa.Table]:
    """The rows that a data file has of these files."""
    import pyarrow.compute as pc

    wanted = pa.array(urls, pa.string())
    for batch in batches_of(storage, path):
        yield pa.Table.from_batches([batch.filter(pc.is_in(batch.column(URL), wanted))])


def min_max(column: pa.Array) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    found = pc.min_max(column)
    return found["min"].as_py(), found["max"].as_py()


def extremes(storage: Storage, path: str, column: str) -> tuple[Any, Any] | None:
    """The least and the greatest value of a column, as the file's own statistics have them. None where they do not say."""
    found: list[Any] = []
    with opened(storage, path) as parquet:
        for number in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(number)
            for chunk in map(group.column, range(group.num_columns)):
                if chunk.path_in_schema != column:
                    continue
                if chunk.is_stats_set and chunk.statistics.has_min_max:
                    found += [chunk.statistics.min, chunk.statistics.max]
                elif not chunk.is_stats_set or chunk.statistics.null_count < chunk.num_values:
                    return None
    return (min(found), max(found)) if found else (None, None)


@contextmanager
def translating(storage: Storage, path: str) -> Iterator[None]:
    try:
        yield
    except DestinationError as exc:
        if not isinstance(exc.__cause__, FileNotFoundError):
            raise
        raise DestinationError(f"{storage.root!r}: data file {path!r} is gone", remedy=_REMEDY) from exc.__cause__
    except OSError as exc:
        reason, remedy = reason_and_remedy(exc)
        raise DestinationError(f"{storage.root!r}: {path!r}: {reason}", remedy=remedy) from exc
    except pa.ArrowInvalid as exc:
        raise DestinationError(f"{storage.root!r}: data file {path!r} is damaged: {exc}", remedy=_REMEDY) from exc
