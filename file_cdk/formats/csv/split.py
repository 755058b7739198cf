"""One pass over one split of a CSV file: its header, where it begins, and who reads which part of it."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from file_cdk.core.column_ports import Place
from file_cdk.core.config import CsvConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import SequentialOnlyError
from file_cdk.core.files import FileCache, Split
from file_cdk.core.ports import JsonLines, SplitReport
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header, HeaderReader, KnownHeader
from file_cdk.formats.csv.lines import ByteLines, FootlessReader, ForwardReader, Lines, TextLines
from file_cdk.formats.csv.shape import BLANKS_LEFT_OUT, FaultPolicy, FittedRows, Shape

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.formats.csv.decode import Converting, RowsDecoder
    from file_cdk.formats.csv.rows import RowReader

_MIN_CHUNK_BYTES = 4 << 10


@dataclass(frozen=True, slots=True)
class Reading:
    """How the splits of a stream are read, all alike. unquoted_nulls: values that are null only where they stand without
    quotes; sizes as in CsvFormat."""

    config: CsvConfig
    policy: FaultPolicy
    unquoted_nulls: frozenset[str]
    max_record_bytes: int
    small_piece_bytes: int
    headers: FileCache[Header]
    known: KnownHeader


class CsvSplit:
    """A split whose header has been read; `reader` is of its file, from which nothing was read."""

    def __init__(self, reading: Reading, reader: ForwardReader, split: Split, report: SplitReport) -> None:
        """Raises MalformedFileError for the header."""
        config = reading.config
        self._reading = reading
        self._split = split
        self._report = report
        self._reader = reader
        self._configured = Dialect.of(config)
        report.start = report.end = split.start
        self.header: Header = reading.headers.get(split.file, self._read_header)
        self._dialect = self._configured
        if self.header.encoding is not None:
            self._dialect = replace(self._configured, encoding=self.header.encoding)
        self._shape = Shape(self.header, self._dialect, reading.policy, reading.unquoted_nulls)
        self._footless: FootlessReader | None = None
        if config.skip_rows_at_end and self._dialect.is_line_safe:
            limit = reading.max_record_bytes
            self._reader = self._footless = FootlessReader(reader, config.skip_rows_at_end, limit, split.file.uri)

    def _read_header(self) -> Header:
        reading, policy = self._reading, self._reading.policy
        reader = HeaderReader(reading.config, self._configured, reading.max_record_bytes, reading.known)
        header = reader.read(self._reader, self._split.file, at_beginning=self._split.is_first)
        if policy.of_table:
            if header.is_of_empty_file:
                return header
            return header.for_table(reader.first_record(header), drops_blanks_over=policy.drops_blanks_over)
        header.require_names(self._split.file.uri)
        return header

    def read(self, converting: "Converting") -> Iterator["pa.RecordBatch | JsonLines"]:
        """All batches; fills in the report."""
        from file_cdk.formats.csv.decode import RowsDecoder

        report, split = self._report, self._split
        end = split.end
        if self.header.is_of_empty_file:
            report.start = 0 if split.is_first else split.file.size_bytes
            report.end = self.header.data_start if split.is_first else split.file.size_bytes
            if split.is_first:
                report.warnings["is empty: it has neither a header nor records"] += 1
            return
        if self._is_whole:
            if not split.is_first:
                report.start = report.end = split.file.size_bytes  # the first split reads the whole file
                return
            if not split.is_last and self._configured.is_line_safe and not self._footless:
                # Only the byte order mark told, so that other splits have been planned.
                report.start = report.end = 0
                raise SequentialOnlyError("has to be read from its beginning", uri=split.file.uri, byte=0)
            end = sys.maxsize
        start = self._first_record()
        report.start = 0 if split.is_first else start
        report.end = start
        if split.is_first:
            self._note_header()
        rows = RowsDecoder(self.header, converting, blanks_are_null="" in self._reading.unquoted_nulls)
        if self._is_columnar and not split.sequential:
            yield from self._pieces_and_rows(rows, start, end)
        elif start < end:
            yield from self._rows(rows, start, end)
        if self._footless:
            report.end = max(self._footless.end(), report.end)

    def locate(self) -> Iterator[Place]:
        """Where each record stands that `read` gives: they are read one by one."""
        end = sys.maxsize if self._is_whole else self._split.end
        if self.header.is_of_empty_file or (self._is_whole and not self._split.is_first):
            return
        start = self._report.end = self._first_record()
        if start < end:
            yield from self._row_reader(start, end).locate(end)
        if self._footless:
            self._report.end = max(self._footless.end(), self._report.end)

    def sample(self, size_bytes: int) -> Iterator[FittedRows]:
        """The rows that begin in so much of the data, read one by one."""
        if self.header.is_of_empty_file:
            return iter(())
        return self._row_chunks(self.header.data_start, self.header.data_start + size_bytes)

    def sample_types(self, size_bytes: int) -> "Iterator[Sequence[pa.DataType]]":
        """The types of the columns in each part of the rows that `sample` gives."""
        from file_cdk.formats.csv.sampling import types_by_columns, types_by_rows

        if self.header.is_of_empty_file:
            return
        config, start = self._reading.config, self.header.data_start
        end = start + size_bytes
        if not self._is_whole and size_bytes <= self._reading.max_record_bytes:
            start = yield from types_by_columns(self._reader, self._shape, config, start, end)
        yield from types_by_rows(len(self.header.names), self._row_chunks(start, end), config)

    @property
    def _is_whole(self) -> bool:
        """Whether the file can only be read from its beginning to its end: by its encoding, or to find the last lines."""
        return not self._dialect.is_line_safe or bool(self._reading.config.skip_rows_at_end)

    @property
    def _is_columnar(self) -> bool:
        if not self._dialect.is_columnar:
            return False
        if self._dialect.has_plain_delimiter:
            return True
        config = self._reading.config
        special = config.null_values | config.true_values | config.false_values
        return not any(self._dialect.delimiter in value for value in special)  # they would have to have the stand-in

    def _note_header(self) -> None:
        warnings = self._report.warnings
        for name, times in self.header.renamed:
            warnings[f"column name {name!r} is in the header more than once: the further ones got a number"] += times
        if unnamed := self.header.unnamed:
            warnings[f"columns without a name in the header are called {', '.join(map(repr, unnamed))}"] += 1
        if self.header.blanks_over:
            warnings[BLANKS_LEFT_OUT] += 1
        if marked := self.header.encoding:
            configured = self._reading.config.encoding or "utf8"
            warnings[f"begins with a byte order mark and is read as {marked}, not as {configured}"] += 1

    def _first_record(self) -> int:
        from file_cdk.formats.csv.pieces import guess_start

        split, data_start = self._split, self.header.data_start
        if split.start <= data_start:
            return data_start
        if split.at_record:
            return split.start
        return guess_start(self._reader, split.start, self._dialect, self.header, self._reading.max_record_bytes)

    def _pieces_and_rows(self, rows: "RowsDecoder", start: int, end: int) -> Iterator["pa.RecordBatch | JsonLines"]:
        """Column by column, but for the pieces that only the row reader can read."""
        from file_cdk.formats.csv.decode import PieceDecoder
        from file_cdk.formats.csv.pieces import MAX_PIECE_BYTES, Boundaries, PieceReader

        reading = self._reading
        decoder = PieceDecoder(self._shape, rows, reading.small_piece_bytes)
        boundaries = Boundaries(self.header.line_end, self._dialect.quote_bytes)
        max_piece_bytes = min(MAX_PIECE_BYTES, reading.max_record_bytes)
        pieces = PieceReader(self._reader, decoder, boundaries, self._report, max_piece_bytes)
        until = yield from pieces.read(start, end)
        while until is not None:
            yield from self._rows(rows, self._report.end, min(until, end))
            until = yield from pieces.read(self._report.end, end)

    def _rows(self, decoder: "RowsDecoder", start: int, end: int) -> Iterator["pa.RecordBatch | JsonLines"]:
        for rows in self._row_chunks(start, end):
            for batch in decoder.decode(rows):
                self._report.rows += batch.num_rows
                yield batch

    def _row_chunks(self, start: int, end: int) -> Iterator[FittedRows]:
        return self._row_reader(start, end).read(end)

    def _row_reader(self, start: int, end: int) -> "RowReader":
        from file_cdk.formats.csv.rows import RowReader

        encoding = self.header.encoding or self._reading.config.encoding or "utf8"
        lines, uri = self._lines_from(start, end), self._split.file.uri
        return RowReader(lines, self._shape, self._report, uri, encoding)

    def _lines_from(self, start: int, end: int) -> Lines:
        limit, lenient = self._reading.max_record_bytes, self._reading.policy.rejects_bad_text
        if self._dialect.is_line_safe:
            chunk_bytes = min(max(end - start, _MIN_CHUNK_BYTES), self._reader.piece_bytes)
            return ByteLines(
                self._reader, start, self._dialect.encoding, limit, lenient=lenient, chunk_bytes=chunk_bytes
            )
        lines = TextLines(
            self._reader,
            self._dialect.encoding,
            limit,
            lenient=lenient,
            header_lines=self.header.lines,
            footer_lines=self._reading.config.skip_rows_at_end,
        )
        for _ in itertools.islice(lines, self.header.lines):
            pass
        return lines
