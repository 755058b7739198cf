"""CSV files of which nobody said how they are written: each is read in the dialect that its own beginning shows."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, ClassVar

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import MalformedFileError, SequentialOnlyError
from file_cdk.core.file_cache import FileCache
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv import CsvFormat
from file_cdk.formats.csv_dialect import Dialect
from file_cdk.formats.csv_sniff import SAMPLE_BYTES, detect

if TYPE_CHECKING:
    import pyarrow as pa

MIN_CONFIDENCE = 0.5
"""With less, what most files are is the better guess."""

_CACHED_FILES = 256
_ROWS_COMPARED = 20


@dataclass(frozen=True, slots=True)
class Found:
    """How one file is written. note: what to tell of it, where it is not as `usual` says."""

    format: CsvFormat
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DetectingCsvFormat:
    """CSV files, each in its own dialect; implements core.ports.Format.

    usual: the dialect of most files, and header: the names that they begin with. A file that begins so is read so, without
    looking further; any other is looked at closely, and a dialect that is not the usual one is a warning.
    Raises MalformedFileError for a file that is not text.
    """

    extensions: ClassVar[tuple[str, ...]] = ()
    may_crash: ClassVar[bool] = False
    reads_forward: ClassVar[bool] = True

    usual: CsvConfig
    header: tuple[str, ...] = ()
    _found: FileCache[Found] = field(
        default_factory=lambda: FileCache(_CACHED_FILES), init=False, compare=False, repr=False
    )

    def split_size_bytes(self, file: RemoteFile) -> int | None:
        return CsvFormat(self.usual).split_size_bytes(file)

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        return self._look(stream, file).format.infer_json_schema(stream, file)

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        return self._look(stream, file).format.infer_table_schema(stream, file)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        """See CsvFormat; also raises SequentialOnlyError for one of several splits of a file that cannot be cut."""
        found = self._prepare(stream, split, report)
        if found is not None:
            yield from found.read_records(stream, split, json_schema, report)

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """See CsvFormat and `read_records`."""
        found = self._prepare(stream, split, report)
        if found is not None:
            yield from found.read_table(stream, split, schema, report)

    def _prepare(self, stream: IO[bytes], split: Split, report: SplitReport) -> CsvFormat | None:
        """The format to read the split with; None for a later split of a file whose first one asks to be read alone."""
        found = self._look(stream, split.file)
        if split.is_first and found.note is not None:
            report.warnings[found.note] += 1
        if found.format.split_bytes is None and not (split.is_first and split.is_last) and not split.sequential:
            report.start = report.end = split.start
            if not split.is_first:
                return None
            raise SequentialOnlyError("its dialect does not let it be read in parts", uri=split.file.uri, byte=0)
        return found.format

    def _look(self, stream: IO[bytes], file: RemoteFile) -> Found:
        found = self._found.get(file, lambda: self._detect(stream, file))
        stream.seek(0)
        return found

    def _detect(self, stream: IO[bytes], file: RemoteFile) -> Found:
        stream.seek(0)
        sample = stream.read(SAMPLE_BYTES)
        # Any bytes decode in a single-byte encoding: that they do proves nothing.
        proves_encoding = self.usual.encoding == "utf8" or sample.isascii()
        if self.header and proves_encoding and header_of(sample, self.usual) == self.header:
            return Found(CsvFormat(self.usual))
        sniffed = detect(sample, complete=len(sample) < SAMPLE_BYTES)
        if not sniffed.is_text and sample:
            raise MalformedFileError(
                f"is not text: {what_it_seems(sample)}",
                uri=file.uri,
                remedy="If it is of another format, say so with --format",
            )
        if sniffed.confidence < MIN_CONFIDENCE or sniffed.config == self.usual:
            return Found(CsvFormat(self.usual))
        return Found(CsvFormat(sniffed.config), f"read as CSV with {sniffed.describe()}, unlike most files")


def what_it_seems(sample: bytes) -> str:
    """Of bytes that are no text: a guess at their format, for a person."""
    for mark, name in _KNOWN_MARKS:
        if sample.startswith(mark):
            return f"it seems to be {name}"
    return "it holds bytes that no text has"


_KNOWN_MARKS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)


def header_of(sample: bytes, config: CsvConfig) -> tuple[str, ...]:
    """The names in the header row of a file in this dialect, when the rows below are as wide; else none."""
    dialect = Dialect.of(config)
    if len(dialect.delimiter) != 1 or config.header_definition.header_definition_type != "From CSV":
        return ()
    try:
        text = sample.decode(dialect.encoding)
    except UnicodeDecodeError as exc:
        if exc.start < len(sample) - 4:  # else a character that the sample cuts
            return ()
        text = sample[: exc.start].decode(dialect.encoding)
    lines = islice(io.StringIO(text.removeprefix("\ufeff"), newline=""), config.skip_rows_before_header, None)
    try:
        rows = list(islice((row for row in dialect.reader(lines) if row), 1 + _ROWS_COMPARED))
    except csv.Error:
        return ()
    if not rows or any(len(row) != len(rows[0]) for row in rows[1:-1]):
        return ()
    return tuple(name.strip() for name in rows[0])
