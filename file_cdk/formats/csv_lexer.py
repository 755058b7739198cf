"""A piece of CSV through Arrow's reader: columns of a batch at a time, with proof that the piece ends where a record does."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from file_cdk.formats.csv_dialect import UTF8_BOM, Dialect


@dataclass(slots=True)
class Lexed:
    """table: the rows of the right width; its columns are named "0", "1" … closed: the piece ended outside quotes, after a
    whole record. odd_widths: how many rows had another number of values, by that number."""

    table: pa.Table
    closed: bool
    odd_widths: Counter[int] = field(default_factory=Counter)


class Lexer:
    """Reads pieces of one dialect and width.

    Arrow's reader takes quotes the way Python's `csv.reader` does, also where they stand in an unquoted value. A piece
    begins at a record; whether it ends at one is found without counting quotes: a row of one value too many is appended,
    and if the reader meets it as the last row by itself, it was outside quotes before it.
    """

    def __init__(self, dialect: Dialect, width: int) -> None:
        self.encoding = dialect.encoding
        self.columns = [str(i) for i in range(width)]
        self._sentinel = dialect.delimiter * width
        self._sentinel_line = self._sentinel.encode("ascii") + b"\n"
        self._rejected: list[pc.InvalidRow] = []
        self._parse_options = pc.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote,
            double_quote=dialect.double_quote,
            newlines_in_values=True,
            ignore_empty_lines=True,
            invalid_row_handler=self._reject,
        )

    def _reject(self, row: Any) -> str:
        self._rejected.append(row)
        return "skip"

    def prepare(self, piece: bytes, *, at_file_end: bool = False) -> bytes:
        """The piece in UTF-8, ready for `read`. Raises UnicodeDecodeError."""
        if self.encoding != "utf-8" and not piece.isascii():
            piece = piece.decode(self.encoding).encode("utf-8")
        # At the beginning of its input the reader would take a value's first character for a byte order mark.
        start = b"\n" if piece.startswith(UTF8_BOM) else b""
        end = b"\n" if at_file_end and not piece.endswith(b"\n") else b""
        return b"".join((start, piece, end, self._sentinel_line))

    def read(self, prepared: bytes, options: pc.ConvertOptions) -> Lexed:
        """Raises ArrowInvalid (with values in its text: never let it out) or ArrowNotImplementedError on conversion."""
        self._rejected.clear()
        table = pc.read_csv(
            pa.py_buffer(prepared),
            read_options=pc.ReadOptions(use_threads=False, block_size=len(prepared), column_names=self.columns),
            parse_options=self._parse_options,
            convert_options=options,
        )
        if not self._rejected:
            return Lexed(table, closed=False)
        last = self._rejected.pop()
        closed = last.text == self._sentinel and last.number == table.num_rows + len(self._rejected) + 1
        return Lexed(table, closed, Counter(row.actual_columns for row in self._rejected))

    def strings(self) -> pc.ConvertOptions:
        """Every value as it is."""
        return pc.ConvertOptions(column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False)
