"""CSV and its relatives: any delimiter, quote, escape and encoding; quoted line ends; split anywhere and checked by its ends."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from file_cdk.core.column_ports import Place
from file_cdk.core.config import CsvConfig, InferenceType
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError, MalformedRecordError
from file_cdk.core.files import FileCache, Latest, RemoteFile, Split
from file_cdk.core.joining import Joined, WholeFile
from file_cdk.core.ports import FormatFacts, JsonLines, SplitReport
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header, KnownHeader
from file_cdk.formats.csv.join import can_join, join_records
from file_cdk.formats.csv.lines import PIECE_BYTES, ForwardReader
from file_cdk.formats.csv.rows import SMALL_PIECE_BYTES
from file_cdk.formats.csv.shape import FaultPolicy
from file_cdk.formats.csv.split import CsvSplit, Reading

if TYPE_CHECKING:
    import pyarrow as pa

    from file_cdk.formats.csv.cast import RecordConversion

SAMPLE_BYTES = 1_000_000
"""Inference reads the records that begin in this much of a file's data."""

_CACHED_HEADERS = 256

_PIECES_OF_A_TABLE = 3
"""How many times as large as a piece of records one of a table is."""

_MISSING = "\x00missing\x00"
"""Stands for what short rows lack while types are inferred, as a null value."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Files of rows, the first of which usually names the columns.

    Pieces of whole records go through Arrow's CSV reader; what that cannot take (an escape character, marks outside ASCII,
    rows of odd width, bytes that are no text) goes through Python's csv module, whose reading is the reference for both; so do
    records in pieces of up to `small_piece_bytes`, for which Arrow's reader would take longer.
    A piece that Arrow cannot take is left to the row reader, and the next one tried again.
    A split begins where a record probably does; the engine compares, and runs one again that guessed wrong.

    Records: values are strings, or cast to the catalog's types (see `cast`). Tables: see `table`.
    Rows of another width than the header's, by `ragged`: `fail` ends the file, `reject` rejects the row, `fill` makes a value
    that is missing null and rejects a row in which values are over that are not blank, `pad` makes it null and puts those that
    are over into the string column `_rest`, as a JSON array of strings (null where nothing is over; `_rest_2` … where the file
    has a `_rest` of its own). With `reject`, `fill`, `pad` and, in tables, by default, a record whose bytes are no text is
    rejected too. A quote that never closes and a record over `max_record_bytes` end the
    file, for where they end is not known.
    `skip_rows_at_end` counts lines that are not blank, whatever they hold.

    A byte order mark goes before the encoding configured. Memory per split: one piece of 512 KiB (of a table, 1.5 MiB), or one
    record where that is longer, a few times over; also the lines to skip at the end.
    An encoding in which bytes depend on their neighbours, UTF-16 for one, and `skip_rows_at_end` make a file a single split.
    """

    config: CsvConfig
    split_bytes: int | None = 4 << 20
    max_record_bytes: int = 64 << 20
    piece_bytes: int = PIECE_BYTES
    small_piece_bytes: int = SMALL_PIECE_BYTES
    _headers: FileCache[Header] = field(
        default_factory=lambda: FileCache(_CACHED_HEADERS), init=False, compare=False, repr=False
    )
    _table_headers: FileCache[Header] = field(
        default_factory=lambda: FileCache(_CACHED_HEADERS), init=False, compare=False, repr=False
    )
    _known: KnownHeader = field(default_factory=KnownHeader, init=False, compare=False, repr=False)
    _conversions: "Latest[RecordConversion]" = field(default_factory=Latest, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for an encoding that is not one of text files, and for marks that contain one another."""
        if not Dialect.of(self.config).is_line_safe or self.config.skip_rows_at_end:
            object.__setattr__(self, "split_bytes", None)

    @property
    def facts(self) -> FormatFacts:
        return FormatFacts(self.split_bytes, values_are_text=True)

    @property
    def table_piece_bytes(self) -> int:
        """Of tables, larger: to call Arrow's reader and its kernels takes 1.7 ms a piece, whatever its size."""
        return _PIECES_OF_A_TABLE * self.piece_bytes

    def infer_json_schema(self, stream: IO[bytes], file: RemoteFile) -> dict[str, Any]:
        """Every column a string, or by `Primitive Types Only` the narrowest type that holds about 1 MB of values.

        An empty file has no columns. Raises MalformedFileError for a bad header, MalformedRecordError for a bad record in the
        sample that reading would not reject; where every column is a string, for the first record alone.
        """
        split = self._sampled(stream, file, FaultPolicy.of(self.config))
        names = split.header.stripped_names
        kinds = ["string"] * len(names)
        if self.config.inference_type is InferenceType.NONE:
            _require_first_record(split)
        else:
            from file_cdk.formats.csv.cast import json_types

            nulls = self.config.null_values | {_MISSING}
            config = self.config.replace(null_values=nulls)
            chunks = split.sample(SAMPLE_BYTES)
            rows = ([_MISSING if v is None else v for v in row] for chunk in chunks for row in chunk.values)
            kinds = json_types(len(names), rows, config)
        properties = {name: {"type": kind} for name, kind in zip(names, kinds, strict=True)}
        return properties | {name: {"type": "string"} for name in self._rest_columns(split)}

    def infer_table_schema(self, stream: IO[bytes], file: RemoteFile) -> "pa.Schema":
        """Types that lose nothing of about 1 MB of values: decimals exactly, text for codes such as `007`.

        Raises as `infer_json_schema`.
        """
        import pyarrow as pa

        from file_cdk.core.arrow_types import merge
        from file_cdk.formats.csv.table import table_nulls

        split = self._sampled(stream, file, FaultPolicy.of(self.config, of_table=True), table_nulls(self.config))
        names = split.header.stripped_names
        types = [pa.null()] * len(names)
        for found in split.sample_types(SAMPLE_BYTES):
            types = [merge(left, right) for left, right in zip(types, found, strict=False)]
        columns = [*zip(names, types, strict=True), *((name, pa.string()) for name in self._rest_columns(split))]
        return pa.schema(columns)

    def read_records(
        self, stream: IO[bytes], split: Split, json_schema: Mapping[str, Any] | None, report: SplitReport
    ) -> Iterator["pa.RecordBatch | JsonLines"]:
        """Record batches; JsonLines for a piece with values that Arrow would not convert as Python does.

        Without a schema all values are strings under the names as the file spells them; with one, names are stripped. With None
        for a schema records go out whole: JsonLines have their nulls then, and leave them out otherwise.
        Raises MalformedRecordError after the records before the one at fault, MalformedFileError for the header, and
        SequentialOnlyError where a byte order mark says that the file cannot be split.
        """
        from file_cdk.formats.csv.cast import RecordConversion

        def convert(header: Header) -> RecordConversion:
            made = self._conversions.get(
                (header, json_schema), lambda: RecordConversion(header, self.config, json_schema, SplitReport())
            )
            return made.reporting_to(report)

        reading = self._reading(FaultPolicy.of(self.config))
        yield from CsvSplit(reading, self._reader(stream), split, report).read(convert)

    @property
    def joins(self) -> bool:
        """Where Arrow's reader reads the files as they are, and the first row of each names its columns."""
        return can_join(self.config)

    def join_records(self, files: Sequence[WholeFile], json_schema: Mapping[str, Any] | None) -> Joined | int:
        """See core.joining."""
        from file_cdk.formats.csv.cast import RecordConversion

        def convert(header: Header) -> RecordConversion:
            made = self._conversions.get(
                (header, json_schema), lambda: RecordConversion(header, self.config, json_schema, SplitReport())
            )
            return made.reporting_to(SplitReport())

        if "pyarrow" not in sys.modules and sum(len(each.data) for each in files) <= self.small_piece_bytes:
            return len(files)  # a small job goes without it
        return join_records(files, self._header_of, Dialect.of(self.config), convert)

    def _header_of(self, whole: WholeFile) -> Header | None:
        """None unless files that begin with the same bytes, as far as the data, have the same header."""
        known = self._known.at(whole.data)
        if known is None:
            split = Split(whole.file, 0, 0, whole.file.size_bytes)
            with suppress(FileCdkError):  # who reads the file alone says so
                reading = self._reading(FaultPolicy.of(self.config))
                CsvSplit(reading, self._reader(BytesIO(whole.data)), split, SplitReport())
            known = self._known.at(whole.data)
        return known

    def read_table(
        self, stream: IO[bytes], split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """Batches of all columns of the file, in its order; of `_rest` only where values are over. Raises as
        `read_records`, and TypeMismatchError for the columns of the first piece that does not fit.

        A value that a column's type would change (`007` in a column of integers) does not fit it.
        """
        return self.read_table_from(ForwardReader(stream, self.table_piece_bytes), split, schema, report)

    def read_table_from(
        self, reader: ForwardReader, split: Split, schema: "pa.Schema", report: SplitReport
    ) -> Iterator["pa.RecordBatch"]:
        """See `read_table`. Nothing was read from `reader`."""
        from file_cdk.formats.csv.table import TableConversion, table_nulls

        reading = self._reading(FaultPolicy.of(self.config, of_table=True), table_nulls(self.config))
        part = CsvSplit(reading, reader, split, report)
        for batch in part.read(lambda header: TableConversion(header, self.config, schema, split.file.uri)):
            assert not isinstance(batch, JsonLines)
            yield batch

    def locate(self, stream: IO[bytes], split: Split, report: SplitReport) -> Iterator[Place]:
        """See core.column_ports.Locating."""
        reading = self._reading(FaultPolicy.of(self.config, of_table=True), frozenset({""}) | self.config.null_values)
        return CsvSplit(reading, self._reader(stream), split, report).locate()

    def _reader(self, stream: IO[bytes]) -> ForwardReader:
        return ForwardReader(stream, self.piece_bytes)

    def _reading(self, policy: FaultPolicy, unquoted_nulls: frozenset[str] = frozenset()) -> Reading:
        sizes = self.max_record_bytes, self.small_piece_bytes
        headers = self._table_headers if policy.of_table else self._headers
        return Reading(self.config, policy, unquoted_nulls, *sizes, headers, self._known)

    def _sampled(
        self, stream: IO[bytes], file: RemoteFile, policy: FaultPolicy, unquoted_nulls: frozenset[str] = frozenset()
    ) -> CsvSplit:
        reading, whole = self._reading(policy, unquoted_nulls), Split(file, 0, 0, file.size_bytes)
        return CsvSplit(reading, self._reader(stream), whole, SplitReport())

    def _rest_columns(self, split: CsvSplit) -> list[str]:
        return [split.header.rest_name] if self.config.ragged == "pad" and split.header.names else []


def _require_first_record(split: "CsvSplit") -> None:
    """Raises what is wrong with it: the names of a file of which no record can be read are probably none either."""
    try:
        next(split.sample(1), None)
    except MalformedRecordError as exc:
        if exc.row is None or exc.row <= 1:
            raise
