"""A piece of CSV through Arrow's reader: columns of a batch at a time, with proof that the piece ends where a record does,
and that its quotes and the blanks before its values mean what they mean to the row reader."""

import csv
import io
import re
from array import array
from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as cp
import pyarrow.csv as pc

from file_cdk.core.dataclass import dataclass
from file_cdk.formats.csv.dialect import UTF8_BOM, Dialect, StandIn
from file_cdk.formats.csv.rows import MIN_JOINED_LINES
from file_cdk.formats.csv.shape import Shape

_BLANK_LINE = re.compile(rb"(?:\A|[\r\n]) +(?:[\r\n]|\Z)")
_RUNS = (64, 8, 1)

# From bytes: pyarrow imports pandas, where it is installed, to convert Python values, which takes each process 0.4 s.
_LOW_HALF, _HALF_BITS, _ONE = pa.Array.from_buffers(
    pa.int64(), 3, [None, pa.py_buffer(array("q", [0xFFFFFFFF, 32, 1]))]
)

_FEW_BYTES = 32 << 10
"""Maximum size of a piece that is looked at without Arrow's kernels, in bytes: calling them takes longer."""

_ONE_BLOCK_BYTES = 8 << 10
"""Maximum size of a piece, in bytes, that is read as a stream of one block: `read_csv` starts a thread for the next block, which
takes half of the time that so little does. Larger blocks as streams leave megabytes with the thread that reads them."""


class UnlexableError(Exception):
    """The piece cannot be prepared for Arrow's reader. at: where the bytes are that are no text, if that is why."""

    def __init__(self, at: int | None) -> None:
        super().__init__("not fit for Arrow's reader")
        self.at = at


@dataclass(slots=True)
class Lexed:
    """table: the rows of the right width; its columns are named "0", "1" … closed: the piece ended outside quotes, after a
    whole record. odd: the other rows, in order; their numbers count all rows of the piece from 1. delimiter_in_values: some
    value contains the delimiter, which had a stand-in; only columns of strings have it back."""

    table: pa.Table
    closed: bool
    odd: list[pc.InvalidRow] = field(default_factory=list)
    delimiter_in_values: bool = False


class Lexer:
    """Reads pieces of one dialect and width.

    Arrow's reader takes quotes the way Python's `csv.reader` does, also where they stand in an unquoted value. A piece
    begins at a record; whether it ends at one is found without counting quotes: a row of one value too many is appended,
    and if the reader meets it as the last row by itself, it was outside quotes before it.

    A delimiter that is not one byte is replaced by a control character that the piece does not have: prepared, a piece
    tells its delimiter by the row appended.
    """

    def __init__(self, dialect: Dialect, width: int) -> None:
        self.encoding = dialect.encoding
        self.columns = [str(i) for i in range(width)]
        self._dialect = dialect
        self._plain = dialect.has_plain_delimiter
        self._met: list[pc.InvalidRow] = []
        self._options: dict[bytes, pc.ParseOptions] = {}

    def prepare(self, piece: bytes, *, at_file_end: bool = False) -> bytes:
        """The piece in UTF-8, ready for `read`. Raises UnlexableError."""
        if not piece.isascii():
            piece = self._as_utf8(piece)
        delimiter = self._dialect.delimiter.encode("utf-8")
        if not self._plain:
            mark = StandIn.free_in(piece, self._dialect.quote or "")
            if mark is None:
                raise UnlexableError(None)
            piece, delimiter = piece.replace(delimiter, mark.encode()), mark.encode()
        if self._dialect.skips_blanks:
            stripped = without_padding(piece, delimiter, self._dialect.quote_bytes, doubled=self._dialect.double_quote)
            if stripped is None:
                raise UnlexableError(None)
            piece = stripped
        # At the beginning of its input the reader would take a value's first character for a byte order mark.
        start = b"\n" if piece.startswith(UTF8_BOM) else b""
        end = b"\n" if at_file_end and not piece.endswith(b"\n") else b""
        return b"".join((start, piece, end, delimiter * len(self.columns), b"\n"))

    def _as_utf8(self, piece: bytes) -> bytes:
        try:
            if self.encoding != "utf-8":
                return piece.decode(self.encoding).encode("utf-8")
            if not _is_utf8(piece):
                piece.decode("utf-8")  # says where it is not
        except UnicodeDecodeError as exc:
            raise UnlexableError(exc.start) from None
        return piece

    def read(self, prepared: bytes, options: pc.ConvertOptions) -> Lexed:
        """Raises ArrowInvalid (with values in its text: never let it out) or ArrowNotImplementedError on conversion."""
        self._met.clear()
        delimiter = prepared[-2:-1]
        read = pc.read_csv if len(prepared) > _ONE_BLOCK_BYTES else _read_one_block
        table = read(
            pa.py_buffer(prepared),
            read_options=pc.ReadOptions(use_threads=False, block_size=len(prepared), column_names=self.columns),
            parse_options=self._parse_options(delimiter),
            convert_options=options,
        )
        if not self._met:
            return Lexed(table, closed=False)
        last = self._met.pop()
        width = len(self.columns)
        closed = last.text == delimiter.decode() * width and last.number == table.num_rows + len(self._met) + 1
        odd = list(self._met)
        if self._plain:
            return Lexed(table, closed, odd)
        between = table.num_rows * (width - 1) + sum(row.actual_columns - 1 for row in odd) + width
        if not odd and prepared.count(delimiter) == between:
            return Lexed(table, closed)
        return self._with_delimiters(Lexed(table, closed, odd), delimiter.decode())

    def _with_delimiters(self, lexed: Lexed, mark: str) -> Lexed:
        """The file's own delimiter in place of the stand-in's occurrences in values."""
        delimiter, table = self._dialect.delimiter, lexed.table
        for position, column in enumerate(table.columns):
            if pa.types.is_string(column.type):
                text = cp.replace_substring(column, mark, delimiter)
                table = table.set_column(position, table.column_names[position], text)
        odd = [row._replace(text=row.text.replace(mark, delimiter)) for row in lexed.odd]
        return Lexed(table, lexed.closed, odd, delimiter_in_values=True)

    def _parse_options(self, delimiter: bytes) -> pc.ParseOptions:
        if delimiter not in self._options:
            self._options[delimiter] = pc.ParseOptions(
                delimiter=delimiter.decode(),
                quote_char=self._dialect.quote or False,
                double_quote=self._dialect.double_quote,
                newlines_in_values=True,
                ignore_empty_lines=True,
                invalid_row_handler=_noting(self._met),
            )
        return self._options[delimiter]

    @cached_property
    def strings(self) -> pc.ConvertOptions:
        """Every value as it is. Prepared pieces are known to be UTF-8."""
        types = dict.fromkeys(self.columns, pa.string())
        return pc.ConvertOptions(column_types=types, strings_can_be_null=False, check_utf8=False)


def _noting(met: list[pc.InvalidRow]) -> Callable[[pc.InvalidRow], str]:
    """A handler that keeps the rows of another width in `met`.

    The options that hold it are not seen by the garbage collector: if it held the lexer, which holds them, neither would
    ever be freed.
    """

    def note(row: pc.InvalidRow) -> str:
        met.append(row)
        return "skip"

    return note


def _is_utf8(text: bytes) -> bool:
    """Arrow's own check, faster than decoding. Its CSV reader makes it too late: rows of odd width are handed over before."""
    offsets = pa.py_buffer(len(text).to_bytes(8, "little").rjust(16, b"\0"))
    try:
        pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(text)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def without_padding(piece: bytes, delimiter: bytes, quote: bytes | None, *, doubled: bool) -> bytes | None:
    """The piece, which begins at a record, without the blanks after delimiters and at the beginnings of lines.

    None where only the row reader can tell: a line of blanks, which is no blank line, and quotes that do not enclose values
    from their beginning to their end.
    """
    if quote is None or quote not in piece:
        return _stripped(piece, delimiter)
    parts = piece.split(quote)
    text = _stripped(quote.join(parts[::2]), delimiter)
    if len(parts) % 2 == 0 or text is None:
        return None
    outside = text.split(quote)
    around = {part[:1] for part in outside[1:]} | {part[-1:] for part in outside[:-1]}
    if not around <= {delimiter, b"\n", b"\r", b""} or not (doubled or all(outside[1:-1])):
        return None
    parts[::2] = outside
    return quote.join(parts)


def _stripped(text: bytes, delimiter: bytes) -> bytes | None:
    if text.startswith(b" ") or b"\n " in text or b"\r " in text:
        if _BLANK_LINE.search(text):
            return None
        text = _without_blanks_after(b"\r", _without_blanks_after(b"\n", text.lstrip(b" ")))
    return _without_blanks_after(delimiter, text)


def _without_blanks_after(mark: bytes, text: bytes) -> bytes:
    for length in _RUNS:
        run = mark + b" " * length
        while run in text:
            text = text.replace(run, mark)
    return text


def are_right(prepared: bytes, records: int, shape: Shape) -> bool:
    """Whether QuoteMender would take all records of a piece that is prepared for Arrow's reader; if not, it has to be asked.

    records: how many there are in the piece. Most pieces are told by splitting them at their quotes, see `_alternate`.
    """
    dialect, line_end = shape.dialect, shape.header.line_end
    assert dialect.quote is not None
    quote, delimiter = dialect.quote.encode("ascii"), prepared[-2:-1]
    if quote not in prepared:
        return True
    parts: pa.Array | list[bytes]
    if len(prepared) <= _FEW_BYTES:
        parts = prepared.split(quote)
        right = _alternate_in_few(parts, delimiter, doubled=dialect.double_quote)
    else:
        parts = cp.split_pattern(pa.array([prepared], pa.binary()), pattern=dialect.quote).values
        right = _alternate(parts, delimiter, doubled=dialect.double_quote)
    if not right:
        return dialect.double_quote and _are_right_by_row(prepared, dialect, delimiter)
    if prepared.count(line_end) <= records + 1:
        return True
    return not any(
        inside.count(line_end) >= MIN_JOINED_LINES - 1
        and all(shape.header.fits(line.count(delimiter) + 1) for line in inside.split(line_end)[1:-1])
        for inside in (parts if isinstance(parts, list) else parts.to_pylist())[1::2]
    )


def _alternate_in_few(parts: list[bytes], delimiter: bytes, *, doubled: bool) -> bool:
    """As `_alternate`, in a small piece."""
    outside = parts[::2]
    if len(parts) % 2 == 0 or not (doubled or all(outside[1:])):
        return False
    around = {part[:1] for part in outside[1:]} | {part[-1:] for part in outside[:-1]}
    return around <= {delimiter, b"\r", b"\n", b""}


def _alternate(parts: pa.Array, delimiter: bytes, *, doubled: bool) -> bool:
    """Whether parts outside and parts inside quotes alternate: each part outside begins and ends with a delimiter or line
    end, or is the nothing between two quotes that stand for one.

    A split's offsets are pairs, of where a part outside begins and where it ends, that is where one inside begins.
    """
    if len(parts) % 2 == 0:
        return False
    _, offsets, data = parts.buffers()
    pairs = pa.Array.from_buffers(pa.int64(), (len(parts) + 1) // 2, [None, offsets])
    text = pa.Array.from_buffers(pa.uint8(), data.size, [None, data])
    begins, ends = cp.bit_wise_and(pairs, _LOW_HALF), cp.shift_right(pairs, _HALF_BITS)
    filled = cp.not_equal(begins, ends)
    if not doubled and filled[1:].false_count:
        return False
    firsts = cp.take(text, cp.filter(begins[1:], filled[1:]), boundscheck=False)
    lasts = cp.take(text, cp.subtract(cp.filter(ends, filled), _ONE), boundscheck=False)
    return {*cp.unique(firsts).to_pylist(), *cp.unique(lasts).to_pylist()} <= {*delimiter, *b"\r\n"}


def _read_one_block(data: pa.Buffer, **options: Any) -> pa.Table:
    return pc.open_csv(data, **options).read_all()


def _are_right_by_row(prepared: bytes, dialect: Dialect, delimiter: bytes) -> bool:
    """The same where quotes stand in values without quotes, as inch marks do."""
    lines = io.StringIO(prepared.decode("utf-8"), newline="")
    reader = csv.reader(lines, delimiter=delimiter.decode(), quotechar=dialect.quote, strict=True)
    before = 0
    try:
        for _ in reader:
            if reader.line_num - before >= MIN_JOINED_LINES:
                return False
            before = reader.line_num
    except csv.Error:
        return False
    return True
