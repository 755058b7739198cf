"""From the bytes of a piece to its batches, by way of one conversion: for the protocol, or for a table."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as cp
import pyarrow.csv as pc

from file_cdk.core.errors import InternalError
from file_cdk.core.ports import JsonLines
from file_cdk.formats.csv.dialect import CANONICAL, Dialect
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lexer import Lexed, Lexer, UnlexableError
from file_cdk.formats.csv.odd_rows import OddRowReader, RejectedRow, TakenApart
from file_cdk.formats.csv.quote_check import are_right
from file_cdk.formats.csv.shape import Rows, Shape
from file_cdk.formats.csv.small import regular_rows

Batch: TypeAlias = pa.RecordBatch | JsonLines


class Conversion(Protocol):
    """What becomes of the columns."""

    @property
    def fast(self) -> pc.ConvertOptions | None:
        """Options under which Arrow's reader converts a whole piece as the reference would; None when it never can."""

    def from_typed(self, table: pa.Table, prepared: bytes) -> Sequence[Batch] | None:
        """The batches of a piece read with `fast`; None when it has to be converted from strings after all."""

    def from_strings(self, table: pa.Table, prepared: bytes, lexer: Lexer) -> Sequence[Batch]:
        """The batches of a piece read as strings; `prepared` allows reading it in yet another way."""

    @property
    def from_rows(self) -> Callable[[Sequence[Sequence[str]]], Sequence[Batch]] | None:
        """The same of at least one row, where that is quicker for a small piece."""


Converting: TypeAlias = Callable[[Header], Conversion]
"""What makes the conversion of rows with the columns that a header names."""


class Outcome(Enum):
    DECODED = auto()
    OPEN = auto()
    """The piece ends inside a record."""
    IRREGULAR = auto()
    """Something only the row reader can put right or name: many rows of a wrong width, bytes that are no text."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """cut: rows that lost blank values which were over. bad_at: of an irregular piece, where its first bytes are that are no
    text, or a comment, if that is why."""

    outcome: Outcome
    batches: Sequence[Batch] = ()
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Sequence[RejectedRow] = ()
    cut: int = 0
    bad_at: int | None = None


class PieceDecoder:
    """Decodes pieces of a file's own dialect; a few rows of another width than the header's go row by row among the rest."""

    def __init__(self, shape: Shape, rows: "RowsDecoder", small_piece_bytes: int = 0) -> None:
        self._lexer = Lexer(shape.dialect, shape.header.width)
        self._shape = shape
        self._dialect = shape.dialect
        self._judges_quotes = shape.policy.of_table and shape.dialect.quote is not None
        self._header = shape.header
        self._conversion = rows.conversion
        self._odd_rows = OddRowReader(shape)
        self._rows = rows
        self._from_rows = None if shape.header.trailing_blanks else self._conversion.from_rows
        self._small_piece_bytes = small_piece_bytes
        self._comment = _line_beginning(shape.dialect)

    def decode(self, piece: bytes, *, at_file_end: bool = False) -> Decoded:
        """The piece begins at a record. Raises what the conversion raises."""
        if self._comment is not None and (found := self._comment.search(piece)) is not None:
            return Decoded(Outcome.IRREGULAR, bad_at=found.end() - 1)
        if len(piece) <= self._small_piece_bytes and self._from_rows is not None:
            rows = regular_rows(piece, self._dialect, self._header.width, at_file_end=at_file_end)
            if rows is not None:
                return Decoded(Outcome.DECODED, self._from_rows(rows) if rows else ())
        try:
            prepared = self._lexer.prepare(piece, at_file_end=at_file_end)
        except UnlexableError as exc:
            return Decoded(Outcome.IRREGULAR, bad_at=exc.at)
        lexed, typed = self._lex(prepared)
        if lexed is None:
            return Decoded(Outcome.IRREGULAR)
        if not lexed.closed:
            return Decoded(Outcome.OPEN)
        if lexed.delimiter_in_values and not typed:
            return Decoded(Outcome.IRREGULAR)  # who reads `prepared` once more would meet the stand-in
        if not self._blanks_are_blank(lexed.table):
            return Decoded(Outcome.IRREGULAR)
        if self._judges_quotes and not are_right(prepared, lexed.table.num_rows + len(lexed.odd), self._shape):
            return Decoded(Outcome.IRREGULAR)
        apart = self._odd_rows.take_apart(lexed.odd, piece) if lexed.odd else TakenApart()
        if apart is None:
            return Decoded(Outcome.IRREGULAR)
        batches = self._converted(lexed.table, prepared, typed) if lexed.table.num_rows else ()
        if apart.inserted:
            batches = list(_interleaved(batches, [(at, self._rows.decode(rows)) for at, rows in apart.inserted]))
        return Decoded(Outcome.DECODED, batches, apart.skipped, apart.rejected, apart.cut)

    def _lex(self, prepared: bytes) -> tuple[Lexed | None, bool]:
        """The rows, and whether they are typed already; None when not even strings come of them."""
        if (fast := self._conversion.fast) is not None:
            try:
                return self._lexer.read(prepared, fast), True
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass  # a value that does not convert as the fast way does it
        try:
            return self._lexer.read(prepared, self._lexer.strings), False
        except pa.ArrowInvalid:
            return None, False

    def _blanks_are_blank(self, table: pa.Table) -> bool:
        """Whether nothing but white space stands in the columns without a name."""
        for column in table.columns[len(self._header.names) :]:
            if pa.types.is_null(column.type):
                continue
            if any(value and not value.isspace() for value in cp.unique(column.cast(pa.string())).to_pylist()):
                return False
        return True

    def _converted(self, table: pa.Table, prepared: bytes, typed: bool) -> Sequence[Batch]:
        conversion = self._conversion
        if typed:
            batches = conversion.from_typed(table, prepared)
            if batches is not None:
                return batches
            table = self._lexer.read(prepared, self._lexer.strings).table
        return conversion.from_strings(table, prepared, self._lexer)


def _line_beginning(dialect: Dialect) -> re.Pattern[bytes] | None:
    """What finds a line that begins as a comment does, be it one or inside quotes."""
    if dialect.comment is None or not dialect.is_line_safe:
        return None
    return re.compile(rb"(?:\A|[\r\n])" + re.escape(dialect.comment.encode(dialect.encoding)))


def _interleaved(batches: Sequence[Batch], inserted: Sequence[tuple[int, Sequence[Batch]]]) -> Iterator[Batch]:
    """The rows of `batches`, and before the one at each index given what is inserted there."""
    waiting = list(inserted)
    first = 0  # row of the batch at hand
    for batch in batches:
        start = 0
        while waiting and waiting[0][0] <= first + batch.num_rows:
            index, more = waiting.pop(0)
            yield from _slice(batch, start, index - first)
            yield from more
            start = index - first
        yield from _slice(batch, start, batch.num_rows)
        first += batch.num_rows
    for _, more in waiting:
        yield from more


def _slice(batch: Batch, start: int, end: int) -> Iterator[Batch]:
    if start == end:
        return
    yield JsonLines(batch.lines[start:end]) if isinstance(batch, JsonLines) else batch.slice(start, end - start)


class RowsDecoder:
    """Decodes rows that were read one by one, by writing them anew as RFC 4180, without columns that have no name.

    blanks_are_null: a blank without quotes is null in this conversion, so that a missing value may be written as one.
    conversion: of rows that have the header's columns and no more.
    """

    def __init__(self, header: Header, converting: Converting, *, blanks_are_null: bool) -> None:
        self._header = header
        self._converting = converting
        self._blanks_are_null = blanks_are_null
        self.conversion = converting(header)

    @cached_property
    def _regular(self) -> "_CanonicalDecoder":
        return _CanonicalDecoder(self._header, self.conversion)

    @cached_property
    def _with_rest(self) -> "_CanonicalDecoder":
        header = self._header.with_rest()
        return _CanonicalDecoder(header, self._converting(header))

    def decode(self, rows: Rows) -> Sequence[Batch]:
        """Rows with values beyond the header's get the column for them, and so do the others given with them."""
        if rows.rest:
            decoder, rows = self._with_rest, rows.with_rest()
        else:
            decoder = self._regular
        if rows.has_missing and not self._blanks_are_null:
            return decoder.decode_strings(rows)
        return decoder.decode(rows)


class _CanonicalDecoder:
    def __init__(self, header: Header, conversion: Conversion) -> None:
        # A row of one value has a second one, see Rows.canonical.
        self._blank = 1 if len(header.names) == 1 else 0
        self._width = len(header.names)
        self._lexer = Lexer(CANONICAL, self._width + self._blank)
        self._conversion = conversion

    def decode(self, rows: Rows) -> Sequence[Batch]:
        prepared = self._lexer.prepare(rows.canonical())
        conversion = self._conversion
        if conversion.fast is not None:
            try:
                lexed = self._lexer.read(prepared, conversion.fast)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass  # a value that does not convert as the fast way does it
            else:
                batches = conversion.from_typed(self._checked(lexed), prepared)
                if batches is not None:
                    return batches
        lexed = self._lexer.read(prepared, self._lexer.strings)
        return conversion.from_strings(self._checked(lexed), prepared, self._lexer)

    def _checked(self, lexed: Lexed) -> pa.Table:
        if lexed.odd or not lexed.closed:
            raise InternalError("rows written anew are not read as such")
        return lexed.table

    def decode_strings(self, rows: Rows) -> Sequence[Batch]:
        columns = [pa.array(values, pa.string()) for values in zip(*rows.values, strict=True)]
        table = pa.table(columns, names=self._lexer.columns[: self._width])
        return self._conversion.from_strings(table, b"", self._lexer)
