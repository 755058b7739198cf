"""Data files: Parquet files of a table's rows, which are written once and never changed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from file_cdk.core.errors import DestinationError
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import DataFile

TARGET_BYTES = 128 << 20
"""Size of a data file at which the next one is begun, in bytes."""

URL = "_file_url"
_COMPRESSION = "zstd"
_BATCH_ROWS = 1 << 16
_GROUP_ROWS = 122_880


class DataWriter:
    """Writes one data file. It is durable when `close` returns; `abort` leaves nothing."""

    def __init__(self, folder: Folder, path: str, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self._folder = folder
        self._rows = 0
        target = folder.path(path)
        with translating(folder, path):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = target.open("xb")
            self._writer = pq.ParquetWriter(self._file, schema, compression=_COMPRESSION)

    @property
    def size_bytes(self) -> int:
        """So far."""
        return self._file.tell()

    def write(self, table: pa.Table) -> None:
        with translating(self._folder, self.path):
            self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        self._rows += table.num_rows

    def close(self) -> DataFile:
        with translating(self._folder, self.path):
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
        self._folder.make_durable(self.path)
        return DataFile(self.path, self._rows, size)

    def abort(self) -> None:
        self._file.close()
        self._folder.remove(self.path)


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
        [column if column.type == field.type else column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def batches_of(folder: Folder, path: str) -> Iterator[pa.RecordBatch]:
    """Raises DestinationError."""
    with translating(folder, path), pq.ParquetFile(folder.path(path)) as file:
        yield from file.iter_batches(_BATCH_ROWS)


def rows_by_file(folder: Folder, path: str) -> list[tuple[str | None, int]]:
    """How many rows of each file there are; of a data file that is gone, none."""
    if not folder.path(path).exists():
        return []
    with translating(folder, path), pq.ParquetFile(folder.path(path)) as file:
        counted = pa.Table.from_batches(list(file.iter_batches(columns=[URL]))).group_by(URL).aggregate([([], "count_all")])
    return list(zip(counted[URL].to_pylist(), counted["count_all"].to_pylist(), strict=True))


def rewritten(folder: Folder, old: str, new: str, urls: Sequence[str]) -> DataFile:
    """A copy of `old` with the rows of these files alone."""
    wanted = pa.array(urls, pa.string())
    writer: DataWriter | None = None
    try:
        for batch in batches_of(folder, old):
            if writer is None:
                writer = DataWriter(folder, new, batch.schema)
            writer.write(pa.Table.from_batches([batch.filter(pc.is_in(batch.column(URL), wanted))]))
        assert writer is not None
        return writer.close()
    except BaseException:
        if writer is not None:
            writer.abort()
        raise


def extremes(folder: Folder, path: str, column: str) -> tuple[Any, Any] | None:
    """The least and the greatest value of a column, as the file's own statistics have them. None where they do not say."""
    found: list[Any] = []
    with translating(folder, path), pq.ParquetFile(folder.path(path)) as file:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            for chunk in map(group.column, range(group.num_columns)):
                if chunk.path_in_schema != column:
                    continue
                if chunk.is_stats_set and chunk.statistics.has_min_max:
                    found += [chunk.statistics.min, chunk.statistics.max]
                elif not chunk.is_stats_set or chunk.statistics.null_count < chunk.num_values:
                    return None
    return (min(found), max(found)) if found else (None, None)


@contextmanager
def translating(folder: Folder, path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise DestinationError(
            f"folder {folder.root!r}: data file {path!r} is gone",
            remedy="Restore it, or let the next sync load its files again: file-cdk status --verify --repair",
        ) from exc
    except OSError as exc:
        reason, remedy = reason_and_remedy(exc)
        raise DestinationError(f"folder {folder.root!r}: {path!r}: {reason}", remedy=remedy) from exc
    except pa.ArrowInvalid as exc:
        raise DestinationError(f"folder {folder.root!r}: data file {path!r} is damaged: {exc}") from exc
