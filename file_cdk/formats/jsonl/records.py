"""Records of JSON text that has one object per line, or that ValueReader makes sense of.

A piece whose every line is an object is checked as a whole. Any other piece is looked at line by line: a line that is not an
object is rejected, or read value by value; one that begins an object is looked at together with the lines after it. Were such
an object in a split that others follow, these would begin in its middle: so the rest of the file is then read in sequence.
"""

from collections.abc import Iterator

from file_cdk.formats.jsonl.found import Found, Reading
from file_cdk.formats.jsonl.lines import BOM, PIECE_BYTES, HeldText, LongLine
from file_cdk.formats.jsonl.syntax import check_lines, check_values
from file_cdk.formats.jsonl.values import ValueReader

TABLE_PIECE_BYTES = 1 << 20
"""Size of a piece for a table, in bytes: each has its own start of pyarrow's parser, and its own columns to be converted.
Records that are passed on in their own bytes are read faster in small pieces, which stay in the processor's cache."""


def read_lines(reading: Reading) -> Iterator[Found]:
    """The records that begin from where the source stands to the split's end. Raises as ValueReader.read."""
    source = reading.source
    values = ValueReader(reading)
    careful_to = 0
    while True:
        start = source.position
        size_bytes = TABLE_PIECE_BYTES if reading.plain and start >= careful_to else PIECE_BYTES
        piece = source.next_lines(reading.split.end, size_bytes)
        text = piece.beginning if isinstance(piece, LongLine) else piece
        if not text:
            return
        if start == 0:
            text = text.removeprefix(BOM)
        if isinstance(piece, LongLine):
            held = HeldText(source, text)
            yield from values.read(held, held.offset + 1)
            continue
        if (
            reading.lines_as_rows is not None
            and size_bytes > PIECE_BYTES
            and len(text) <= reading.max_record_bytes
            and (batch := reading.lines_as_rows(text)) is not None
        ):
            yield Found(source.position, batch=batch)
            continue
        records = None
        if len(text) <= reading.max_record_bytes and (records := check_lines(text)) is None:
            records = check_values(text)
        if records is None and len(piece) > PIECE_BYTES and size_bytes > PIECE_BYTES:
            careful_to = source.position  # so that no more is read value by value than has to be
            source.put_back(piece)
        elif records is None:
            yield from values.read(HeldText(source, text), source.position)
        else:
            yield Found(source.position, records, text)
