"""Reading Parquet: row groups by the byte range they begin in, batch by batch, each counted against the footer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa

from file_cdk.core.arrow_types import normal
from file_cdk.core.column_ports import is_left_out
from file_cdk.core.config import ParquetConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import FILE_COLUMNS, FileCache, RemoteFile, Split, gives_way
from file_cdk.core.ports import SplitReport
from file_cdk.formats.arrow_cast import TypeCast
from file_cdk.formats.parquet.footer import Footer, read_footer
from file_cdk.formats.parquet.rows import decode_row_group, open_parquet
from file_cdk.formats.parquet.types import json_schema_type, record_type
from file_cdk.formats.parquet.values import Column
from file_cdk.formats.table_columns import AskedColumns


@dataclass(frozen=True, slots=True)
class ParquetReading:
    """What ParquetFormat does. footers: of the files that were read last."""

    config: ParquetConfig
    footers: FileCache[Footer]

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """From the footer alone; nested types are plain objects and arrays."""
        columns = self._footer(stream, file).columns
        return {column.name: json_schema_type(column.kind, self.config.decimal_as_float) for column in columns}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        """From the footer alone."""
        return self._table_schema(self._footer(stream, file))

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's own types, but for UUIDs (strings) and decimals when they are to be doubles.

        Of a catalog, only its choice of columns matters: those it lacks are not read, with a warning each; a catalog that
        names none, beside the two about the file, chooses all. A value that means nothing (see values.py) rejects its
        record. Raises MalformedFileError, which names the row group, after the batches that could be decoded.
        """
        footer = self._footer(stream, split.file)
        columns, left_out = _choose(footer, json_schema)
        cast, types_of = self._cast, _RecordTypes(self.config.decimal_as_float).of

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            for message in left_out:
                report.warnings[message] += batch.num_rows
            types = types_of(batch.schema)
            if types is None:
                return batch
            arrays = [cast(array, kind) for array, kind in zip(batch.columns, types, strict=True)]
            return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

        yield from _read(stream, footer, columns, split, report, convert)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's columns, in the file's order, with `schema`'s types.

        A column fits when the type asked for is the wider of the two in core.arrow_types and holds every value exactly; a
        double holds any decimal when decimals are to be doubles. Raises as `read_records`, and TypeMismatchError before the
        first batch, or at a batch with values that do not fit.
        """
        footer = self._footer(stream, split.file)
        skipped = {field.name for field in schema if is_left_out(field)}
        wanted = {field.name: field.type for field in schema if field.name not in skipped}
        asked = AskedColumns(wanted, split.file.uri, self._cast)
        asked.check(pa.schema([field for field in self._table_schema(footer) if field.name not in skipped]))
        columns = [column for column in footer.columns if column.name in asked.types]

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            for message in map(_without_data, footer.left_out):
                report.warnings[message] += batch.num_rows
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            return asked.batch(arrays, batch.num_rows, report.rows_present + 1)

        yield from _read(stream, footer, columns, split, report, convert)

    def _footer(self, stream: IO[bytes], file: RemoteFile) -> Footer:
        return self.footers.get(file, lambda: read_footer(stream, file))

    @property
    def _cast(self) -> TypeCast:
        return TypeCast(rounds_decimals=self.config.decimal_as_float)

    def _table_schema(self, footer: Footer) -> pa.Schema:
        as_float = self.config.decimal_as_float
        return pa.schema([(column.name, normal(record_type(column.kind, as_float))) for column in footer.columns])


@dataclass(slots=True)
class _RecordTypes:
    """What records need of batches, most of which are alike: an instant or a decimal may have another type in the next."""

    decimal_as_float: bool
    schema: pa.Schema | None = None
    types: list[pa.DataType] | None = None

    def of(self, schema: pa.Schema) -> list[pa.DataType] | None:
        """None: they are right as they are."""
        if self.schema is None or not schema.equals(self.schema):
            types = [record_type(kind, self.decimal_as_float) for kind in schema.types]
            self.schema, self.types = schema, None if all(map(pa.DataType.equals, types, schema.types)) else types
        return self.types


def _choose(footer: Footer, json_schema: Mapping[str, Any] | None) -> tuple[list[Column], list[str]]:
    """The columns to read, in the file's order, and what is to be said of the others."""
    left_out = list(map(_without_data, footer.left_out))
    if json_schema is None or json_schema.keys() <= FILE_COLUMNS.keys():
        return list(footer.columns), left_out
    chosen = []
    for column in footer.columns:
        if column.name in FILE_COLUMNS:
            left_out.append(gives_way(column.name))
        elif column.name not in json_schema:
            left_out.append(f"column {column.name!r} is not in the catalog's schema and is left out")
        else:
            chosen.append(column)
    return chosen, left_out


def _without_data(name: str) -> str:
    return f"column {name!r} is a group without fields, which holds no data, and is left out"


def _read(
    stream: IO[bytes],
    footer: Footer,
    columns: Sequence[Column],
    split: Split,
    report: SplitReport,
    convert: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    groups = footer.row_groups(split.start, split.end)
    report.start = split.start if split.is_first else footer.start_of(groups.start)
    report.end = footer.start_of(groups.stop)
    if not groups:
        return
    parquet = open_parquet(stream, split.file, footer)
    for group in groups:
        for found in decode_row_group(stream, parquet, group, columns, split.file, len(footer.columns)):
            ready = convert(found.batch)
            before = report.rows
            for rejected, (row, reason) in enumerate(found.rejected.items()):
                report.rows = before + row - rejected
                report.reject(None, reason)
            report.rows = before + ready.num_rows
            if ready.num_rows:
                yield ready
