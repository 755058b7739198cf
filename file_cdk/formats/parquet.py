"""Parquet: row groups by the byte range they begin in, read batch by batch, each counted against the footer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from file_cdk.core.arrow_types import normal
from file_cdk.core.config import ParquetConfig
from file_cdk.core.file_cache import FileCache
from file_cdk.core.files import FILE_COLUMNS, RemoteFile, Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.arrow_cast import Cast
from file_cdk.formats.parquet_footer import Footer, read_footer
from file_cdk.formats.parquet_rows import decode_row_group, open_parquet
from file_cdk.formats.parquet_types import json_schema_type, record_type
from file_cdk.formats.table_columns import AskedColumns

_CACHED_FOOTERS = 8

Convert = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Parquet files.

    Memory per split: one batch, and the compressed column chunks of one row group where it has at most 32 MiB of them; of
    a larger row group, a buffer of 1 MiB per column. A batch is sized by what the row group's rows take on average.
    """

    extensions: ClassVar[tuple[str, ...]] = (".parquet", ".parq", ".pq")
    reads_forward: ClassVar[bool] = False
    may_crash: ClassVar[bool] = True  # its C++ reader ends the process on some corrupt footers

    config: ParquetConfig
    split_bytes: int | None = 2 * 1024 * 1024
    _footers: FileCache[Footer] = field(
        default_factory=lambda: FileCache(_CACHED_FOOTERS), init=False, compare=False, repr=False
    )

    def split_size_bytes(self, file: RemoteFile) -> int | None:  # noqa: ARG002 - the same for all files
        return self.split_bytes

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """From the footer alone; nested types are plain objects and arrays."""
        schema = open_parquet(stream, file, self._footer(stream, file)).schema_arrow
        return {field.name: json_schema_type(field.type, self.config.decimal_as_float) for field in schema}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> pa.Schema:
        """From the footer alone."""
        return self._table_schema(open_parquet(stream, file, self._footer(stream, file)).schema_arrow)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's own types, but for UUIDs (strings) and decimals when they are to be doubles.

        Of a catalog, only its choice of columns matters: those it lacks are not read, with a warning each; a catalog that
        names none, beside the two about the file, chooses all. Raises MalformedFileError, which names the row group, after
        the batches that could be decoded.
        """
        footer = self._footer(stream, split.file)
        parquet = open_parquet(stream, split.file, footer)
        names, left_out = _choose(parquet.schema_arrow.names, json_schema)
        chosen = frozenset(names)
        fields = [field for field in parquet.schema_arrow if field.name in chosen]
        types = [record_type(field.type, self.config.decimal_as_float) for field in fields]
        cast = self._cast
        unchanged = all(field.type.equals(kind) for field, kind in zip(fields, types, strict=True))

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            for message in left_out:
                report.warnings[message] += batch.num_rows
            if unchanged:
                return batch
            columns = [cast(column, kind) for column, kind in zip(batch.columns, types, strict=True)]
            return pa.RecordBatch.from_arrays(columns, names=names)

        yield from _read(stream, parquet, footer, names, split, report, convert)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: pa.Schema, report: SplitReport
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the file's columns, in the file's order, with `schema`'s types.

        A column fits when the type asked for is the wider of the two in core.arrow_types and holds every value exactly; a
        double holds any decimal when decimals are to be doubles. Raises as `read_records`, and TypeMismatchError before the
        first batch, or at a batch with values that do not fit.
        """
        footer = self._footer(stream, split.file)
        parquet = open_parquet(stream, split.file, footer)
        asked = AskedColumns({field.name: field.type for field in schema}, split.file.uri, self._cast)
        asked.check(self._table_schema(parquet.schema_arrow))
        names = [name for name in parquet.schema_arrow.names if name in asked.types]

        def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            return asked.batch(columns, batch.num_rows, report.rows + 1)

        yield from _read(stream, parquet, footer, names, split, report, convert)

    def _footer(self, stream: IO[bytes], file: RemoteFile) -> Footer:
        return self._footers.get(file, lambda: read_footer(stream, file))

    @property
    def _cast(self) -> Cast:
        return Cast(rounds_decimals=self.config.decimal_as_float)

    def _table_schema(self, schema: pa.Schema) -> pa.Schema:
        return pa.schema([(f.name, normal(record_type(f.type, self.config.decimal_as_float))) for f in schema])


def _choose(names: Sequence[str], json_schema: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    """Names of the columns to read, in the file's order, and what is to be said of the others."""
    if json_schema is None or json_schema.keys() <= FILE_COLUMNS:
        return list(names), []
    left_out = []
    for name in names:
        if name in FILE_COLUMNS:
            left_out.append(f"column {name!r} gives way to the one that every record gets from its file")
        elif name not in json_schema:
            left_out.append(f"column {name!r} is not in the catalog's schema and is left out")
    return [name for name in names if name in json_schema and name not in FILE_COLUMNS], left_out


def _read(
    stream: IO[bytes],
    parquet: pq.ParquetFile,
    footer: Footer,
    names: Sequence[str],
    split: Split,
    report: SplitReport,
    convert: Convert,
) -> Iterator[pa.RecordBatch]:
    groups = footer.row_groups(split.start, split.end)
    report.start = split.start if split.is_first else footer.start_of(groups.start)
    report.end = footer.start_of(groups.stop)
    for group in groups:
        for batch in decode_row_group(stream, parquet, group, names, split.file):
            ready = convert(batch)
            report.rows += ready.num_rows
            yield ready
