"""Small pieces of CSV by Python's csv module, which is the reference anyhow: merely calling Arrow's reader takes longer."""

import csv
import io

from file_cdk.formats.csv.dialect import Dialect

SMALL_PIECE_BYTES = 16 << 10
"""Python reads about 100 MB/s, and Arrow's reader first starts a thread."""


def regular_rows(piece: bytes, dialect: Dialect, width: int, *, at_file_end: bool) -> list[list[str]] | None:
    """The rows of a piece that begins at a record, blank lines left out; None where not all have `width` values, where it
    ends inside a record (of which only the file's last may lack its line end), or where its bytes are no text.
    """
    if not dialect.has_plain_delimiter:
        return None
    try:
        text = piece.decode(dialect.encoding)
        if at_file_end and not text.endswith(("\n", "\r")):
            text += "\n"
        # A row of one value too many comes back as the last one, unless a quote that is open takes it for its own.
        lines = io.StringIO(text + dialect.delimiter * width + "\n", newline="")
        rows = [row for row in dialect.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error):
        return None
    last = rows.pop()
    if len(last) != width + 1 or any(last):
        return None
    return rows if set(map(len, rows)) <= {width} else None
