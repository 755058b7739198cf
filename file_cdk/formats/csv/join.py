"""Records of many small files in one pass of Arrow's reader.

The hazard: a quote that never closes takes the next file's bytes for its own. So after each file stands a row of one value
too many, as Lexer has one at the end of a piece. Where the reader meets exactly these rows, and these bytes stand nowhere
else, each was outside quotes, and between two of them are the records of one file.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from file_cdk.core.config import CsvConfig, HeaderFromCsv
from file_cdk.core.joining import Joined, WholeFile
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header

if TYPE_CHECKING:
    from file_cdk.formats.csv.cast import RecordConversion
    from file_cdk.formats.csv.lexer import Lexed, Lexer


def can_join(config: CsvConfig) -> bool:
    """Whether files of this configuration can be joined at all."""
    dialect = Dialect.of(config)
    return (
        dialect.encoding == "utf-8"
        and dialect.is_columnar
        and dialect.has_plain_delimiter
        and dialect.comment is None
        and not dialect.skips_blanks
        and not config.skip_rows_at_end
        and isinstance(config.header_definition, HeaderFromCsv)
    )


def join_records(
    files: Sequence[WholeFile],
    header_of: Callable[[WholeFile], Header | None],
    dialect: Dialect,
    convert: "Callable[[Header], RecordConversion]",
) -> Joined | int:
    """See core.joining. header_of: what the beginning of a file means wherever it stands; None where it may mean more."""
    import pyarrow as pa

    from file_cdk.formats.csv.lexer import UnlexableError

    header = header_of(files[0])
    if header is None or not _is_plain(header):
        return 1
    beginning = files[0].data[: header.data_start]
    alike = 1
    while alike < len(files) and files[alike].data.startswith(beginning):
        alike += 1
    conversion = convert(header)
    lexer = _lexer(dialect, header.width)
    try:
        prepared = lexer.prepare(_between_marks(files[:alike], header, _mark(dialect, header)), at_file_end=True)
        lexed = lexer.read(prepared, conversion.fast or lexer.strings)
    except (UnlexableError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return alike
    rows = _rows(lexed, prepared, _mark(dialect, header), alike)
    if rows is None:
        return alike
    if not lexed.table.num_rows:
        return Joined(pa.RecordBatch.from_pylist([], pa.schema([])), rows)
    batches = (
        conversion.from_typed(lexed.table, prepared)
        if conversion.fast is not None
        else conversion.from_strings(lexed.table, prepared, lexer)
    )
    if batches is None or len(batches) != 1 or not isinstance(batches[0], pa.RecordBatch):
        return alike
    # Of single values there is none: those that do not cast are no batch of Arrow's.
    return Joined(batches[0], rows, tuple(conversion.left_out))


def _is_plain(header: Header) -> bool:
    """Whether nothing is to be said of it."""
    odd = header.renamed or header.unnamed or header.trailing_blanks or header.blanks_over
    return bool(header.names) and not odd and header.encoding is None and header.line_end == b"\n"


def _mark(dialect: Dialect, header: Header) -> bytes:
    """The row of one value too many, without its line end, as Lexer appends it."""
    return dialect.delimiter.encode() * header.width


def _between_marks(files: Sequence[WholeFile], header: Header, mark: bytes) -> bytes:
    """What follows the header in each file, and a mark between two of them."""
    parts = []
    for each in files:
        data = each.data[header.data_start :]
        parts += [data, mark + b"\n" if not data or data.endswith(b"\n") else b"\n" + mark + b"\n"]
    return b"".join(parts[:-1])


def _rows(lexed: "Lexed", prepared: bytes, mark: bytes, files: int) -> tuple[int, ...] | None:
    """How many records each file has; None where that is not certain."""
    if not lexed.closed or len(lexed.odd) != files - 1 or any(row.text != mark.decode() for row in lexed.odd):
        return None
    if prepared.count(mark + b"\n") != files or mark + b"\r" in prepared:
        return None
    rows_before = [row.number - number for number, row in enumerate(lexed.odd, 1)]
    return tuple(end - start for start, end in pairwise([0, *rows_before, lexed.table.num_rows]))


@lru_cache(maxsize=16)
def _lexer(dialect: Dialect, width: int) -> "Lexer":
    from file_cdk.formats.csv.lexer import Lexer

    return Lexer(dialect, width)
