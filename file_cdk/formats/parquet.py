"""Parquet: row groups by the byte range they begin in, read batch by batch, each counted against the footer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, ClassVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.core.arrow_types import merge, normal
from file_cdk.core.config import ParquetConfig
from file_cdk.core.errors import MalformedFileError, TypeMismatchError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.parquet_footer import Footer, malformed, read_footer
from file_cdk.formats.parquet_types import cast, json_schema_type, record_type

_BATCH_BYTES = 1024 * 1024
"""Estimated size of a batch as JSON data; with one column chunk per column open, about what stays in the CPU's cache."""
_MAX_BATCH_ROWS = 16 * 1024
_VALUE_BYTES = 16
"""A value's estimated size as JSON, name included: encoded Parquet may hardly take a bit for it."""

_BUFFERED_ABOVE_BYTES = 32 * 1024 * 1024
_BUFFER_BYTES = 1024 * 1024

Convert = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Parquet files. `key=value` segments of a uri are columns of strings, which replace the file's own of that name.

    Memory per split: one batch, and the compressed column chunks of one row group where it has at most 32 MiB of them; of
    a larger row group, a buffer of 1 MiB per column.
    """

    extensions: ClassVar[tuple[str, ...]] = (".parquet", ".parq", ".pq")
    reads_forward: ClassVar[bool] = False
    may_crash: ClassVar[bool] = True  # its C++ reader ends the process on some corrupt footers

    config: ParquetConfig
    split_bytes: int | None = 2 * 1024 * 1024

    def split_size_bytes(self, file: RemoteFile) -> int | None:  # noqa: ARG002 - the same for all files
        return self.split_bytes

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """From the footer alone; nested types are plain objects and arrays."""
        schema = _open(stream, file, read_footer(stream, file)).schema_arrow
        properties = {field.name: json_schema_type(field.type, self.config.decimal_as_float) for field in schema}
        return properties | {name: {"type": "string"} for name in _partition_values(file.uri)}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        """From the footer alone."""
        return self._table_schema(_open(stream, file, read_footer(stream, file)).schema_arrow, file)

    def read_records(
        self,
        stream: IO[bytes],
        split: Split,
        json_schema: Mapping[str, Any] | None,  # noqa: ARG002 - records go out as they are
        report: SplitReport,
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's own types, but for UUIDs (strings) and decimals when they are to be doubles.

        Raises MalformedFileError, which names the row group, after the batches that could be decoded.
        """
        footer = read_footer(stream, split.file)
        parquet = _open(stream, split.file, footer)
        types = [record_type(field.type, self.config.decimal_as_float) for field in parquet.schema_arrow]
        partitions = _partition_values(split.file.uri)

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            columns = [cast(column, kind) for column, kind in zip(batch.columns, types, strict=True)]
            values = dict(zip(batch.schema.names, columns, strict=True))
            values |= {name: _constant(value, batch.num_rows) for name, value in partitions.items()}
            return _batch(values)

        yield from _read(parquet, footer, split, report, convert)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's columns, in the file's order, with `schema`'s types.

        A column fits when the type asked for is the wider of the two in core.arrow_types and holds every value. Raises as
        `read_records`, and TypeMismatchError before the first batch, or at a batch with values that do not fit.
        """
        footer = read_footer(stream, split.file)
        parquet = _open(stream, split.file, footer)
        asked = {field.name: field.type for field in schema}
        found = self._table_schema(parquet.schema_arrow, split.file)
        if misfits := _misfits(found, asked):
            raise TypeMismatchError(uri=split.file.uri, row=None, columns=misfits)
        partitions = _partition_values(split.file.uri)

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            values = dict(zip(batch.schema.names, batch.columns, strict=True))
            values |= {name: _constant(value, batch.num_rows) for name, value in partitions.items()}
            return _cast_columns(values, asked, split.file.uri, report.rows + 1)

        yield from _read(parquet, footer, split, report, convert)

    def _table_schema(self, schema: pa.Schema, file: RemoteFile) -> pa.Schema:
        types = {field.name: normal(record_type(field.type, self.config.decimal_as_float)) for field in schema}
        types |= dict.fromkeys(_partition_values(file.uri), pa.string())
        return pa.schema(list(types.items()))


def _open(stream: IO[bytes], file: RemoteFile, footer: Footer) -> pq.ParquetFile:
    with malformed(file, "the schema in its footer cannot be read"):
        parquet = pq.ParquetFile(
            stream,
            metadata=footer.metadata,
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES if footer.largest_row_group_bytes > _BUFFERED_ABOVE_BYTES else 0,
            # Nanoseconds end in 2262; the engines that write INT96 put 9999-12-31 into it, and nothing finer than these.
            coerce_int96_timestamp_unit="us",
        )
        names = parquet.schema_arrow.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedFileError("two columns have the same name", uri=file.uri, column=twice)
    return parquet


def _read(
    parquet: pq.ParquetFile, footer: Footer, split: Split, report: SplitReport, convert: Convert
) -> Iterator[pa.RecordBatch]:
    groups = footer.row_groups(split.start, split.end)
    report.start = split.start if split.is_first else footer.start_of(groups.start)
    report.end = footer.start_of(groups.stop)
    for group in groups:
        for batch in _decode(parquet, group, split.file):
            ready = convert(batch)
            report.rows += ready.num_rows
            yield ready


def _decode(parquet: pq.ParquetFile, group: int, file: RemoteFile) -> Iterator[pa.RecordBatch]:
    """One row group, batch by batch; raises when it has not as many rows as the footer says."""
    place = f"row group {group + 1} of {parquet.metadata.num_row_groups}"
    expected = parquet.metadata.row_group(group).num_rows
    rows = 0
    with malformed(file, f"{place} cannot be decoded: its data is damaged"):
        batches = parquet.iter_batches(
            batch_size=_batch_rows(parquet.metadata, group), row_groups=[group], use_threads=False
        )
    while True:
        with malformed(file, f"{place} cannot be decoded: its data is damaged"):
            batch = next(batches, None)
            if batch is None:
                break
            batch.validate(full=True)  # text that is not UTF-8 is found here or not at all
        rows += batch.num_rows
        yield batch
    if rows != expected:
        raise MalformedFileError(f"{place} has {rows} rows where the footer says {expected}", uri=file.uri)


def _batch_rows(metadata: pq.FileMetaData, group: int) -> int:
    row_group = metadata.row_group(group)
    row_bytes = max(row_group.total_byte_size // max(row_group.num_rows, 1), _VALUE_BYTES * row_group.num_columns, 1)
    return max(1, min(_BATCH_BYTES // int(row_bytes), _MAX_BATCH_ROWS))


def _partition_values(uri: str) -> dict[str, str]:
    """Column -> value of the `key=value` segments of a uri, percent-escapes resolved; of two alike the last counts."""
    pairs = (unquote(segment).partition("=") for segment in uri.split("/") if "=" in segment)
    return {name: value for name, _, value in pairs}


def _constant(value: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), rows)


def _batch(columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _misfits(found: pa.Schema, asked: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    """The columns that need another type than was asked for, by type alone. A new column without any value needs none."""
    misfits = {}
    for field in found:
        kind = asked.get(field.name)
        if kind is None:
            if not pa.types.is_null(field.type):
                misfits[field.name] = field.type
            continue
        needed = merge(kind, field.type)  # in this order, a struct has its fields in the order asked for
        if not needed.equals(kind) and not needed.equals(normal(kind)):
            misfits[field.name] = needed
    return misfits


def _cast_columns(
    values: Mapping[str, pa.Array], asked: Mapping[str, pa.DataType], uri: str, first_row: int
) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {}
    misfits: dict[str, pa.DataType] = {}
    for name, array in values.items():
        kind = asked.get(name)
        if kind is None:
            continue
        try:
            columns[name] = cast(array, kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            misfits[name] = pa.string() if kind.equals(normal(kind)) else normal(kind)
    if misfits:
        raise TypeMismatchError(uri=uri, row=first_row, columns=misfits)
    return _batch(columns)
