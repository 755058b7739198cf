"""Records of JSON text that has one object per line, or that ValueReader makes sense of.

A piece whose every line is an object is checked as a whole. Any other piece is looked at line by line: a line that is not an
object is rejected, or read value by value; one that begins an object is looked at together with the lines after it. Were such
an object in a split that others follow, these would begin in its middle: so the rest of the file is then read in sequence.
"""

from collections.abc import Iterator

from file_cdk.core.files import Split
from file_cdk.core.ports import SplitReport
from file_cdk.formats.jsonl.found import Found
from file_cdk.formats.jsonl.lines import BOM, HeldText, LineSource, LongLine
from file_cdk.formats.jsonl.syntax import check_lines, check_values
from file_cdk.formats.jsonl.values import ValueReader


class LineReader:
    """Reads the records that begin from where the source stands to the split's end. `report` is only read.

    plain: see ValueReader.
    """

    def __init__(
        self, source: LineSource, split: Split, report: SplitReport, max_record_bytes: int, *, plain: bool = False
    ) -> None:
        self._source = source
        self._split = split
        self._max_bytes = max_record_bytes
        self._values = ValueReader(source, split, report, max_record_bytes, plain=plain)

    def read(self) -> Iterator[Found]:
        """Raises as ValueReader.read."""
        source = self._source
        while True:
            start = source.position
            piece = source.next_lines(self._split.end)
            text = piece.beginning if isinstance(piece, LongLine) else piece
            if not text:
                return
            if start == 0:
                text = text.removeprefix(BOM)
            if isinstance(piece, LongLine):
                held = HeldText(source, text)
                yield from self._values.read(held, held.offset + 1)
                continue
            records = None
            if len(text) <= self._max_bytes and (records := check_lines(text)) is None:
                records = check_values(text)
            if records is None:
                yield from self._values.read(HeldText(source, text), source.position)
            else:
                yield Found(source.position, records, text)
