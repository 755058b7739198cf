"""From the bytes of a piece to its batches, by way of one conversion: for the protocol, or for a table.

A few rows that are not as wide as the header are told one by one, so that the others keep the fast way.
"""

import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import field
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InternalError
from file_cdk.core.ports import JsonLines
from file_cdk.formats.csv.dialect import CANONICAL, Dialect
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.rows import regular_rows
from file_cdk.formats.csv.shape import TOO_FEW, TOO_MANY, FittedRows, OddRowError, OddRows, Shape

if TYPE_CHECKING:  # small pieces go without Arrow, which takes longer to import than they take to read
    import pyarrow as pa
    import pyarrow.csv as pc

    from file_cdk.formats.csv.lexer import Lexed, Lexer

MAX_ODD_ROWS = 128
_BYTES_AN_ODD_ROW = 4 << 10
"""Maximum number of odd rows in one piece, and in a large one one in so many bytes: with more, it takes no longer to read all its
rows one by one."""

_FEW_TEXTS = 4
"""Maximum number of texts that are found in a piece one after the other: of more, its lines are gone through once."""

Batch: TypeAlias = Union["pa.RecordBatch", JsonLines]


class Conversion(Protocol):
    """What becomes of the columns."""

    @property
    def fast(self) -> "pc.ConvertOptions | None":
        """Options under which Arrow's reader converts a whole piece as the reference would; None when it never can."""

    def from_typed(self, table: "pa.Table", prepared: bytes) -> Sequence[Batch] | None:
        """The batches of a piece read with `fast`; None when it has to be converted from strings after all."""

    def from_strings(self, table: "pa.Table", prepared: bytes, lexer: "Lexer") -> Sequence[Batch]:
        """The batches of a piece read as strings; `prepared` allows reading it in yet another way."""

    @property
    def from_rows(self) -> Callable[[Sequence[Sequence[str]]], Sequence[Batch]] | None:
        """The same of at least one row, where that is quicker for a small piece."""


Converting: TypeAlias = Callable[[Header], Conversion]
"""What makes the conversion of rows with the columns that a header names."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """number: among all rows of the piece, from 1. at: where it begins in the piece."""

    number: int
    at: int
    reason: str
    raw: bytes


@dataclass(slots=True)
class TakenApart:
    """inserted: rows made to fit, and before which of the regular rows they stand, counted from 0. cut: how many of these lost
    blank values that were over."""

    inserted: list[tuple[int, FittedRows]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: list[RejectedRow] = field(default_factory=list)
    cut: int = 0


def take_apart(odd: "Sequence[pc.InvalidRow]", piece: bytes, shape: Shape) -> TakenApart | None:
    """Does with rows of an odd width what the file's policy says.

    None when the piece has to be read row by row: too many such rows, one that is to end the file, or one whose place cannot
    be told.
    """
    policy, header = shape.policy.odd_rows, shape.header
    if policy is OddRows.FAIL and not header.trailing_blanks:
        return None
    if shape.policy.of_table and any("\n" in row.text or "\r" in row.text for row in odd):
        return None  # its lines may be rows of their own
    if len(odd) > max(MAX_ODD_ROWS, len(piece) // _BYTES_AN_ODD_ROW) and policy is not OddRows.SKIP:
        return None
    apart = TakenApart()
    if policy is OddRows.SKIP and not (header.trailing_blanks or shape.policy.drops_blanks_over):
        width = len(header.names)
        apart.skipped.update(TOO_MANY if row.actual_columns > width else TOO_FEW for row in odd)
        return apart
    to_reject: list[tuple[pc.InvalidRow, str]] = []
    for index, row in enumerate(odd):
        at = row.number - 1 - index
        rows = apart.inserted[-1][1] if apart.inserted and apart.inserted[-1][0] == at else FittedRows()
        try:
            apart.cut += not shape.add(rows, next(shape.dialect.reader(io.StringIO(row.text, newline=""))), [row.text])
        except OddRowError as exc:
            if policy is OddRows.FAIL:
                return None
            if policy is OddRows.SKIP:
                apart.skipped[exc.reason] += 1
            else:
                to_reject.append((row, exc.reason))
        else:
            if len(rows.values) == 1:
                apart.inserted.append((at, rows))
    if to_reject:
        places = _places([row.text for row, _ in to_reject], piece, shape)
        if places is None:
            return None
        for (row, reason), (at, raw) in zip(to_reject, places, strict=True):
            apart.rejected.append(RejectedRow(row.number, at, reason, raw))
    return apart


def _places(texts: Sequence[str], piece: bytes, shape: Shape) -> list[tuple[int, bytes]] | None:
    """Where in the piece each of the records begins, and its bytes, in the order of the records.

    Each stands somewhere between line ends. Where its text does so as often as there are records of that text, all these
    places are theirs; otherwise it also stands in some quoted value, and their places cannot be told this way.
    """
    line_end = shape.header.line_end
    other = piece.count(b"\r" if line_end == b"\n" else b"\n")
    if other and (line_end == b"\r" or other != piece.count(b"\r\n")):
        return None
    wanted = Counter(text.encode(shape.dialect.encoding) for text in texts)
    found = _found(wanted, piece, line_end)
    if any(len(found[raw]) != count for raw, count in wanted.items()):
        return None
    for places in found.values():
        places.reverse()
    return [(found[raw].pop(), raw) for raw in (text.encode(shape.dialect.encoding) for text in texts)]


def _found(wanted: Collection[bytes], piece: bytes, line_end: bytes) -> dict[bytes, list[int]]:
    """Where each stands between line ends."""
    if len(wanted) <= _FEW_TEXTS or any(line_end in raw or b"\r" in raw for raw in wanted):
        return {raw: _between_line_ends(raw, piece, line_end) for raw in wanted}
    found: dict[bytes, list[int]] = {raw: [] for raw in wanted}
    at = 0
    for line in piece.split(line_end):
        raw = line.removesuffix(b"\r")
        if raw in found:
            found[raw].append(at)
        at += len(line) + 1
    return found


def _between_line_ends(raw: bytes, piece: bytes, line_end: bytes) -> list[int]:
    places = []
    at = 0 if piece.startswith(raw) else piece.find(line_end + raw) + 1 or -1
    while at >= 0:
        if piece[at + len(raw) : at + len(raw) + 1] in (b"\r", b"\n", b""):
            places.append(at)
        at = piece.find(line_end + raw, at) + 1 or -1
    return places


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


class _Converter:
    """Reads prepared pieces with one lexer, and has them converted: in the fast way where that is right."""

    def __init__(self, lexer: "Lexer", conversion: Conversion) -> None:
        self._lexer = lexer
        self._conversion = conversion

    def read(self, prepared: bytes) -> "tuple[Lexed, bool]":
        """The rows, and whether they are typed already. Raises ArrowInvalid when not even strings come of them."""
        import pyarrow as pa

        if (fast := self._conversion.fast) is not None:
            try:
                return self._lexer.read(prepared, fast), True
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass  # a value that does not convert as the fast way does it
        return self._lexer.read(prepared, self._lexer.strings), False

    def batches(self, table: "pa.Table", prepared: bytes, *, typed: bool) -> Sequence[Batch]:
        if typed:
            batches = self._conversion.from_typed(table, prepared)
            if batches is not None:
                return batches
            table = self._lexer.read(prepared, self._lexer.strings).table
        return self._conversion.from_strings(table, prepared, self._lexer)


class PieceDecoder:
    """Decodes pieces of a file's own dialect; a few rows of another width than the header's go row by row among the rest."""

    def __init__(self, shape: Shape, rows: "RowsDecoder", small_piece_bytes: int = 0) -> None:
        self._shape = shape
        self._dialect = shape.dialect
        self._judges_quotes = shape.policy.of_table and shape.dialect.quote is not None
        self._header = shape.header
        self._rows = rows
        self._from_rows = None if shape.header.trailing_blanks else rows.conversion.from_rows
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
        return self._decoded_by_arrow(piece, at_file_end=at_file_end)

    @cached_property
    def _lexer(self) -> "Lexer":
        from file_cdk.formats.csv.lexer import Lexer

        return Lexer(self._dialect, self._header.width)

    @cached_property
    def _converter(self) -> _Converter:
        return _Converter(self._lexer, self._rows.conversion)

    def _decoded_by_arrow(self, piece: bytes, *, at_file_end: bool) -> Decoded:
        import pyarrow as pa

        from file_cdk.formats.csv.lexer import UnlexableError, are_right

        try:
            prepared = self._lexer.prepare(piece, at_file_end=at_file_end)
            lexed, typed = self._converter.read(prepared)
        except UnlexableError as exc:
            return Decoded(Outcome.IRREGULAR, bad_at=exc.at)
        except pa.ArrowInvalid:
            return Decoded(Outcome.IRREGULAR)
        if not lexed.closed:
            return Decoded(Outcome.OPEN)
        if lexed.delimiter_in_values and not typed:
            return Decoded(Outcome.IRREGULAR)  # who reads `prepared` once more would meet the stand-in
        if not self._blanks_are_blank(lexed.table):
            return Decoded(Outcome.IRREGULAR)
        if self._judges_quotes and not are_right(prepared, lexed.table.num_rows + len(lexed.odd), self._shape):
            return Decoded(Outcome.IRREGULAR)
        apart = take_apart(lexed.odd, piece, self._shape) if lexed.odd else TakenApart()
        if apart is None:
            return Decoded(Outcome.IRREGULAR)
        batches = self._converter.batches(lexed.table, prepared, typed=typed) if lexed.table.num_rows else ()
        if apart.inserted:
            batches = list(_interleaved(batches, [(at, self._rows.decode(rows)) for at, rows in apart.inserted]))
        return Decoded(Outcome.DECODED, batches, apart.skipped, apart.rejected, apart.cut)

    def _blanks_are_blank(self, table: "pa.Table") -> bool:
        """Whether nothing but white space stands in the columns without a name."""
        import pyarrow as pa

        for column in table.columns[len(self._header.names) :]:
            if pa.types.is_null(column.type):
                continue
            if any(value and not value.isspace() for value in column.cast(pa.string()).unique().to_pylist()):
                return False
        return True


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

    def decode(self, rows: FittedRows) -> Sequence[Batch]:
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
        from file_cdk.formats.csv.lexer import Lexer

        self._width = len(header.names)
        self._lexer = Lexer(CANONICAL, max(self._width, 2))  # see FittedRows.canonical
        self._conversion = conversion
        self._converter = _Converter(self._lexer, conversion)

    def decode(self, rows: FittedRows) -> Sequence[Batch]:
        prepared = self._lexer.prepare(rows.canonical())
        lexed, typed = self._converter.read(prepared)
        if lexed.odd or not lexed.closed:
            raise InternalError("rows written anew are not read as such")
        return self._converter.batches(lexed.table, prepared, typed=typed)

    def decode_strings(self, rows: FittedRows) -> Sequence[Batch]:
        import pyarrow as pa

        columns = [pa.array(values, pa.string()) for values in zip(*rows.values, strict=True)]
        table = pa.table(columns, names=self._lexer.columns[: self._width])
        return self._conversion.from_strings(table, b"", self._lexer)
