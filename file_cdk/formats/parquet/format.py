"""Parquet files as a format. What reads them is in reading.py, for whose imports the process that lists and orders has no use."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any

from file_cdk.core.config import ParquetConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import FileCache, RemoteFile, Split
from file_cdk.core.ports import FormatFacts, SplitReport

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.formats.parquet.footer import Footer
    from file_cdk.formats.parquet.reading import ParquetReading

_CACHED_FOOTERS = 8


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Parquet files.

    Memory per split: one batch, and the compressed column chunks of one row group where it has at most 32 MiB of them; of
    a larger row group, a buffer of 1 MiB per column. A batch is sized by what the row group's rows take on average.
    """

    config: ParquetConfig
    split_bytes: int | None = 2 * 1024 * 1024
    _footers: "FileCache[Footer]" = field(
        default_factory=lambda: FileCache(_CACHED_FOOTERS), init=False, compare=False, repr=False
    )

    @property
    def facts(self) -> FormatFacts:
        # Its C++ reader ends the process on some corrupt footers.
        return FormatFacts(self.split_bytes, may_crash=True, reads_forward=False, skips_columns=True)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """From the footer alone; nested types are plain objects and arrays."""
        return self._reading.infer_json_schema(stream, file)

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """From the footer alone."""
        return self._reading.infer_table_schema(stream, file)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> "Iterator[pa.RecordBatch]":
        """See ParquetReading."""
        return self._reading.read_records(stream, split, json_schema, report)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> "Iterator[pa.RecordBatch]":
        """See ParquetReading."""
        return self._reading.read_table(stream, split, schema, report)

    @property
    def _reading(self) -> "ParquetReading":
        from file_cdk.formats.parquet.reading import ParquetReading

        return ParquetReading(self.config, self._footers)
