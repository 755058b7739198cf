"""From the bytes of a piece to its batches, by way of one conversion: for the protocol, or for a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as cp
import pyarrow.csv as pc

from file_cdk.core.errors import InternalError
from file_cdk.core.ports import JsonLines
from file_cdk.formats.csv_dialect import CANONICAL, Dialect
from file_cdk.formats.csv_header import Header
from file_cdk.formats.csv_lexer import Lexed, Lexer

Batch: TypeAlias = pa.RecordBatch | JsonLines

TOO_MANY = "record has too many values"
TOO_FEW = "record has too few values"


class Conversion(Protocol):
    """What becomes of the columns.

    fast: options under which Arrow's reader converts a whole piece as the reference would; None when it never can.
    """

    fast: pc.ConvertOptions | None

    def from_typed(self, table: pa.Table, prepared: bytes) -> Sequence[Batch] | None:
        """The batches of a piece read with `fast`; None when it has to be converted from strings after all."""

    def from_strings(self, table: pa.Table, prepared: bytes, lexer: Lexer) -> Sequence[Batch]:
        """The batches of a piece read as strings; `prepared` allows reading it in yet another way."""


class Outcome(Enum):
    DECODED = auto()
    OPEN = auto()
    """The piece ends inside a record."""
    IRREGULAR = auto()
    """Something only the row reader can put right or name: a row of the wrong width, bytes that are no text."""


@dataclass(frozen=True, slots=True)
class Decoded:
    outcome: Outcome
    batches: Sequence[Batch] = ()
    skipped: Counter[str] = field(default_factory=Counter)


class PieceDecoder:
    """Decodes pieces of a file's own dialect."""

    def __init__(self, dialect: Dialect, header: Header, conversion: Conversion, *, skip_odd_widths: bool) -> None:
        self._lexer = Lexer(dialect, header.width)
        self._header = header
        self._conversion = conversion
        self._skip_odd_widths = skip_odd_widths
        self._strings = self._lexer.strings()

    def decode(self, piece: bytes, *, at_file_end: bool = False) -> Decoded:
        """The piece begins at a record. Raises what the conversion raises."""
        try:
            prepared = self._lexer.prepare(piece, at_file_end=at_file_end)
        except UnicodeDecodeError:
            return Decoded(Outcome.IRREGULAR)
        lexed, typed = self._lex(prepared)
        if lexed is None:
            return Decoded(Outcome.IRREGULAR)
        if not lexed.closed:
            return Decoded(Outcome.OPEN)
        skipped = self._skipped(lexed.odd_widths)
        if skipped is None or not self._blanks_are_blank(lexed.table):
            return Decoded(Outcome.IRREGULAR)
        if not lexed.table.num_rows:
            return Decoded(Outcome.DECODED, (), skipped)
        return Decoded(Outcome.DECODED, self._converted(lexed.table, prepared, typed), skipped)

    def _lex(self, prepared: bytes) -> tuple[Lexed | None, bool]:
        """The rows, and whether they are typed already; None when not even strings come of them."""
        if (fast := self._conversion.fast) is not None:
            try:
                return self._lexer.read(prepared, fast), True
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass  # a value that does not convert as the fast way does it; or the bytes are no text
        try:
            return self._lexer.read(prepared, self._strings), False
        except pa.ArrowInvalid:
            return None, False

    def _skipped(self, odd_widths: Counter[int]) -> Counter[str] | None:
        """The rows left out, by reason; None when there are rows of a wrong width that are not to be left out."""
        skipped: Counter[str] = Counter()
        for width, rows in odd_widths.items():
            names, columns = len(self._header.names), self._header.width
            if not self._skip_odd_widths or names <= width <= columns:
                return None
            skipped[TOO_MANY if width > columns else TOO_FEW] += rows
        return skipped

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
            table = self._lexer.read(prepared, self._strings).table
        return conversion.from_strings(table, prepared, self._lexer)


class RowsDecoder:
    """Decodes what the row reader wrote anew as RFC 4180: regular by construction, without columns that have no name."""

    def __init__(self, header: Header, conversion: Conversion) -> None:
        plain = Header(header.names, 1 if len(header.names) == 1 else 0, 0, 0, b"\n")  # see Rows.canonical
        self._pieces = PieceDecoder(CANONICAL, plain, conversion, skip_odd_widths=False)

    def decode(self, canonical: bytes) -> Sequence[Batch]:
        decoded = self._pieces.decode(canonical)
        if decoded.outcome is not Outcome.DECODED:
            raise InternalError(f"rows written anew are {decoded.outcome.name.lower()}")
        return decoded.batches
