"""CSV and its relatives: any delimiter, quote, escape and encoding; quoted line ends; split anywhere and checked by its ends."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, ClassVar

from file_cdk.core.config import CsvConfig, InferenceType
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv_dialect import Dialect
from file_cdk.formats.csv_header import Header, HeaderReader
from file_cdk.formats.csv_lines import PIECE_BYTES, ByteLines, ForwardReader, Lines, TextLines

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.formats.csv_decode import Conversion
    from file_cdk.formats.csv_rows import Rows

SAMPLE_BYTES = 1_000_000
"""Inference reads the records that begin in this much of a file's data."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Files of rows, the first of which usually names the columns.

    Pieces of whole records go through Arrow's CSV reader; what that cannot take (an escape character, marks outside ASCII,
    rows of odd width, bytes that are no text) goes through Python's csv module, whose reading is the reference for both.
    A split begins where a record probably does; the engine compares, and runs one again that guessed wrong.

    Records: values are strings, or cast to the catalog's types (see csv_cast). Tables: see csv_table.
    Memory per split: one piece of 256 KiB, or one record where that is longer, a few times over.
    An encoding in which bytes depend on their neighbours, UTF-16 for one, makes a file a single split.
    """

    extensions: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    may_crash: ClassVar[bool] = False
    reads_forward: ClassVar[bool] = True

    config: CsvConfig
    split_bytes: int | None = 4 << 20
    max_record_bytes: int = 64 << 20
    piece_bytes: int = PIECE_BYTES

    def __post_init__(self) -> None:
        """Raises ConfigError for an encoding that is not one of text."""
        if not Dialect.of(self.config).is_line_safe:
            object.__setattr__(self, "split_bytes", None)

    def split_size_bytes(self, file: RemoteFile) -> int | None:  # noqa: ARG002 - the same for all files
        return self.split_bytes

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """Every column a string, or by `Primitive Types Only` the narrowest type that holds about 1 MB of values.

        Raises MalformedFileError for an empty file or a bad header, MalformedRecordError for a bad record in the sample.
        """
        split = _CsvSplit(
            self, ForwardReader(stream, self.piece_bytes), Split(file, 0, 0, file.size_bytes), SplitReport()
        )
        names = split.header.stripped_names
        if self.config.inference_type is InferenceType.NONE:
            return {name: {"type": "string"} for name in names}
        from file_cdk.formats.csv_infer import json_types

        rows = (row for chunk in split.sample(frozenset()) for row in chunk.values)
        return {
            name: {"type": kind} for name, kind in zip(names, json_types(len(names), rows, self.config), strict=True)
        }

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """Types as Arrow infers them from about 1 MB, but text where numbers would lose characters, such as `007`.

        Raises as `infer_json_schema`.
        """
        import pyarrow as pa

        from file_cdk.core.arrow_types import merge
        from file_cdk.formats.csv_dialect import CANONICAL
        from file_cdk.formats.csv_lexer import Lexer
        from file_cdk.formats.csv_table import inferred_types, table_nulls

        split = _CsvSplit(
            self, ForwardReader(stream, self.piece_bytes), Split(file, 0, 0, file.size_bytes), SplitReport()
        )
        names = split.header.stripped_names
        lexer = Lexer(CANONICAL, max(len(names), 2))  # see Rows.canonical
        types = [pa.null()] * len(names)
        for rows in split.sample(table_nulls(self.config)):
            found = inferred_types(lexer.prepare(rows.canonical()), lexer, self.config)
            types = [merge(left, right) for left, right in zip(types, found, strict=False)]
        return pa.schema(list(zip(names, types, strict=True)))

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        """Record batches; JsonLines for a piece with values that Arrow would not convert as Python does.

        Without a schema all values are strings under the names as the file spells them; with one, names are stripped.
        Raises MalformedRecordError after the records before the one at fault, MalformedFileError for the header.
        """
        from file_cdk.formats.csv_cast import RecordConversion

        part = _CsvSplit(self, ForwardReader(stream, self.piece_bytes), split, report)
        yield from part.read(RecordConversion(part.header, self.config, json_schema, report), frozenset())

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """Batches of all columns of the file, in its order. Raises as `read_records`, and TypeMismatchError for the
        columns of the first piece that does not fit.

        A leading zero in a column that the schema has as a number is lost: only inference looks for those.
        """
        from file_cdk.formats.csv_table import TableConversion, table_nulls

        part = _CsvSplit(self, ForwardReader(stream, self.piece_bytes), split, report)
        conversion = TableConversion(part.header, self.config, schema, split.file.uri)
        for batch in part.read(conversion, table_nulls(self.config)):
            assert not isinstance(batch, JsonLines)
            yield batch


class _CsvSplit:
    """One pass over one split."""

    def __init__(self, csv_format: CsvFormat, reader: ForwardReader, split: Split, report: SplitReport) -> None:
        """Reads the header. Raises MalformedFileError."""
        self._config = csv_format.config
        self._max_record_bytes = csv_format.max_record_bytes
        self._reader = reader
        self._split = split
        self._report = report
        self._dialect = Dialect.of(self._config)
        report.start = report.end = split.start
        self.header: Header = HeaderReader(self._config, self._dialect, self._max_record_bytes).read(
            reader, split.file, at_beginning=split.is_first
        )
        if split.is_first:
            for name, times in self.header.renamed:
                message = f"column name {name!r} is in the header more than once: the further ones got a number"
                report.warnings[message] += times

    def read(self, conversion: "Conversion", unquoted_nulls: frozenset[str]) -> Iterator["pa.RecordBatch | JsonLines"]:
        """All batches; fills in the report."""
        report, split = self._report, self._split
        start = self._first_record()
        report.start = 0 if split.is_first else start
        report.end = start
        if not self._dialect.is_line_safe and not split.is_first:
            return  # the first split reads the whole file
        end = split.end if self._dialect.is_line_safe else sys.maxsize
        if self._dialect.is_columnar and not split.sequential:
            yield from self._pieces(conversion, start, end)
        if report.end < end:
            yield from self._rows(conversion, unquoted_nulls, report.end, end)

    def _first_record(self) -> int:
        from file_cdk.formats.csv_boundaries import guess_start

        split, data_start = self._split, self.header.data_start
        if not self._dialect.is_line_safe:
            return data_start if split.is_first else split.file.size_bytes
        if split.start <= data_start:
            return data_start
        if split.at_record:
            return split.start
        return guess_start(self._reader, split.start, self._dialect, self.header, self._max_record_bytes)

    def _pieces(self, conversion: "Conversion", start: int, end: int) -> Iterator["pa.RecordBatch | JsonLines"]:
        from file_cdk.formats.csv_boundaries import Boundaries
        from file_cdk.formats.csv_decode import PieceDecoder
        from file_cdk.formats.csv_pieces import MAX_PIECE_BYTES, PieceReader

        skip = self._config.ignore_errors_on_fields_mismatch
        pieces = PieceReader(
            self._reader,
            PieceDecoder(self._dialect, self.header, conversion, skip_odd_widths=skip),
            Boundaries(self.header.line_end, self._dialect.quote_bytes),
            self._report,
            min(MAX_PIECE_BYTES, self._max_record_bytes),
        )
        return pieces.read(start, end)

    def _rows(
        self, conversion: "Conversion", unquoted_nulls: frozenset[str], start: int, end: int
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        from file_cdk.formats.csv_decode import RowsDecoder

        decoder = RowsDecoder(self.header, conversion)
        for rows in self._row_chunks(unquoted_nulls, start, end):
            for batch in decoder.decode(rows.canonical()):
                self._report.rows += batch.num_rows
                yield batch

    def _row_chunks(self, unquoted_nulls: frozenset[str], start: int, end: int) -> Iterator["Rows"]:
        from file_cdk.formats.csv_rows import RowReader, RowRules

        rules = RowRules(
            uri=self._split.file.uri,
            dialect=self._dialect,
            header=self.header,
            encoding=self._config.encoding or "utf8",
            skip_odd_widths=self._config.ignore_errors_on_fields_mismatch,
            unquoted_nulls=unquoted_nulls,
        )
        return RowReader(self._lines_from(start), rules, self._report).read(end)

    def _lines_from(self, start: int) -> Lines:
        if self._dialect.is_line_safe:
            return ByteLines(self._reader, start, self._dialect.encoding, self._max_record_bytes)
        lines = TextLines(self._reader, self._dialect.encoding, self._max_record_bytes)
        skipped = iter(lines)
        for _ in range(self.header.lines):
            next(skipped)
        return lines

    def sample(self, unquoted_nulls: frozenset[str]) -> Iterator["Rows"]:
        """The rows that begin in the first megabyte of data, read one by one."""
        start = self.header.data_start
        return self._row_chunks(unquoted_nulls, start, start + SAMPLE_BYTES)
