"""The types of a file's columns, from the records at its beginning: column by column, up to what only the row reader can read.

A type may depend on which values are looked at together. So a part here ends where one of the row reader would: with the record
in which it gets CHUNK_BYTES or CHUNK_ROWS.
"""

from collections.abc import Generator, Iterator, Sequence

import pyarrow as pa

from file_cdk.core.config import CsvConfig
from file_cdk.formats.csv.dialect import CANONICAL
from file_cdk.formats.csv.lexer import Lexer, UnlexableError, are_right
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.rows import CHUNK_BYTES, CHUNK_ROWS
from file_cdk.formats.csv.shape import FittedRows, Shape
from file_cdk.formats.csv.table import inferred_types, types_of_typed, typing_options

_READ_ON_BYTES = 16 << 10
_MAX_LINES_OF_A_RECORD = 8
"""Of the record that ends a part: each costs one more reading of the part."""


def types_by_columns(
    reader: ForwardReader, shape: Shape, config: CsvConfig, start: int, end: int
) -> Generator[Sequence[pa.DataType], None, int]:
    """The types of each part of the records that begin from `start`, where one does, up to `end`.

    Returns where the records begin that were left to the row reader; `end` or more when there are none.
    """
    if not _can_read(shape):
        return start
    wanted = end - start + _READ_ON_BYTES
    reader.seek(start)
    data = reader.read_exactly(wanted)
    lexer, at = Lexer(shape.dialect, shape.header.width), 0
    while at < min(end - start, len(data)):
        found = _part(data, at, end - start, lexer, shape, config, is_whole=len(data) < wanted)
        if found is None:
            return start + at
        types, at = found
        if types:
            yield types
    return end


def types_by_rows(width: int, chunks: Iterator[FittedRows], config: CsvConfig) -> Iterator[Sequence[pa.DataType]]:
    """The same of rows that were read one by one."""
    lexer = Lexer(CANONICAL, max(width, 2))  # see FittedRows.canonical
    for rows in chunks:
        yield inferred_types(lexer.prepare(rows.canonical()), lexer, config)[:width]


def _can_read(shape: Shape) -> bool:
    dialect = shape.dialect
    return (
        dialect.is_columnar
        and dialect.has_plain_delimiter
        and dialect.comment is None
        and not shape.header.trailing_blanks
    )


def _part(
    data: bytes, at: int, end: int, lexer: Lexer, shape: Shape, config: CsvConfig, *, is_whole: bool
) -> tuple[Sequence[pa.DataType], int] | None:
    """The types of the part that begins at `at`, none where it has no rows, and where it ends; None where only the row reader
    can tell. is_whole: whether the file ends with `data`."""
    for cut in _ends(data, at, end, shape.header.line_end):
        ends_file = cut is None
        if ends_file and not is_whole:
            return None
        piece = data[at:cut]
        if _has_other_line_ends(piece, shape.header.line_end):
            return None
        try:
            prepared = lexer.prepare(piece, at_file_end=ends_file)
            lexed = lexer.read(prepared, typing_options(config))
        except (UnlexableError, pa.ArrowInvalid):
            return None
        if not lexed.closed:
            continue
        rows = lexed.table.num_rows
        is_full = rows == CHUNK_ROWS or (len(piece) >= CHUNK_BYTES and rows < CHUNK_ROWS)
        is_last = rows < CHUNK_ROWS and (cut is None or cut >= end)
        if lexed.odd or not (is_full or is_last):
            return None
        if shape.dialect.quote is not None and not are_right(prepared, rows, shape):
            return None
        return types_of_typed(lexed.table, prepared, lexer, config) if rows else (), at + len(piece)
    return None


def _ends(data: bytes, at: int, end: int, line_end: bytes) -> Iterator[int | None]:
    """Where the part may end: the first of these that is outside quotes is right. None: at the end of `data`."""
    position = min(at + CHUNK_BYTES, end) - 1
    if data.count(line_end, at, position) >= CHUNK_ROWS:
        lines = data[at:position].split(line_end, CHUNK_ROWS)[:CHUNK_ROWS]
        position = at + sum(map(len, lines)) + CHUNK_ROWS - 1
    for _ in range(_MAX_LINES_OF_A_RECORD):
        found = data.find(line_end, position)
        if found < 0:
            yield None
            return
        position = found + 1
        before = data[max(at, found - 2) : found]
        if line_end == b"\n":
            before = before.removesuffix(b"\r")
        # The part goes on after a blank line, to the end of a record.
        if position >= end or (before and not before.endswith(line_end)):
            yield position


def _has_other_line_ends(piece: bytes, line_end: bytes) -> bool:
    """Whether a record may end at another byte, too."""
    if line_end == b"\r":
        return b"\n" in piece
    return b"\r" in piece and piece.count(b"\r") != piece.count(b"\r\n")
