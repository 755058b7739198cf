"""The fast way through a split: pieces of whole records, cut at a likely place and proved right by parsing them."""

from collections.abc import Iterator

from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv_boundaries import Boundaries
from file_cdk.formats.csv_decode import Batch, Decoded, Outcome, PieceDecoder
from file_cdk.formats.csv_lines import ForwardReader

MAX_PIECE_BYTES = 8 << 20
"""A piece in which no record is found to end grows up to this; a longer record is left to the row reader."""

_READ_ON_BYTES = 16 << 10


class PieceReader:
    """Decodes the records that begin in `[start, end)` of one file, piece by piece."""

    def __init__(
        self,
        reader: ForwardReader,
        decoder: PieceDecoder,
        boundaries: Boundaries,
        report: SplitReport,
        max_piece_bytes: int,
    ) -> None:
        self._reader = reader
        self._decoder = decoder
        self._boundaries = boundaries
        self._report = report
        self._max_piece_bytes = max_piece_bytes

    def read(self, start: int, end: int) -> Iterator[Batch]:
        """`start` is a record's. Sets `report.end`; when that is before `end`, a piece met there is not regular, and the
        row reader has to go on from `report.end`."""
        self._reader.seek(start)
        self._report.end = start
        buffer = b""
        count_first = False
        while self._report.end + len(buffer) < end:
            left = end - self._report.end - len(buffer)
            chunk = self._reader.read(min(max(self._reader.piece_bytes, len(buffer)), left))
            buffer += chunk
            if not chunk or len(chunk) == left:
                break
            irregular = False
            for tried, cut in enumerate(self._boundaries.last(buffer, count_first=count_first)):
                decoded = self._decoder.decode(buffer[:cut])
                if decoded.outcome is Outcome.DECODED:
                    yield from self._counted(decoded)
                    self._report.end += cut
                    buffer = buffer[cut:]
                    break
                irregular = decoded.outcome is Outcome.IRREGULAR
                count_first |= tried == 0
            if irregular or len(buffer) > self._max_piece_bytes:
                return
        if self._report.end < end:
            yield from self._last_piece(buffer, end)

    def _last_piece(self, buffer: bytes, end: int) -> Iterator[Batch]:
        """The rest of the split, `buffer` and what is beyond `end` of the record that begins before it."""
        position = self._report.end
        searched = end - position - 1
        inside: bool | None = None
        while True:
            buffer, cut = self._extended(buffer, searched, inside=inside)
            at_file_end = cut is None
            if cut is None:
                if not buffer:
                    return
                cut = len(buffer)
            elif not cut:
                return
            decoded = self._decoder.decode(buffer[:cut], at_file_end=at_file_end)
            if decoded.outcome is Outcome.DECODED:
                yield from self._counted(decoded)
                self._report.end = position + cut
                return
            if decoded.outcome is Outcome.IRREGULAR or at_file_end or inside is not None:
                return
            # The line end was inside quotes: look for one at which they are even.
            inside = bool(buffer.count(self._boundaries.quote, 0, cut) & 1)
            searched = cut

    def _extended(self, buffer: bytes, searched: int, *, inside: bool | None) -> tuple[bytes, int | None]:
        """The buffer, read on until a line end at or after `searched`, and the position after that.

        None: the file ended. 0: none in reach.
        inside: whether `searched` is inside quotes, which then are counted; None takes any line end.
        """
        size = _READ_ON_BYTES
        while True:
            if inside is None:
                found = buffer.find(self._boundaries.line_end, searched) + 1
            else:
                found = self._boundaries.first(buffer, searched, inside=inside)
            if found:
                return buffer, found
            if len(buffer) > max(searched, 0) + self._max_piece_bytes:
                return buffer, 0
            chunk = self._reader.read(size)
            if not chunk:
                return buffer, None
            buffer += chunk
            size *= 2

    def _counted(self, decoded: Decoded) -> Iterator[Batch]:
        self._report.skipped.update(decoded.skipped)
        for batch in decoded.batches:
            self._report.rows += batch.num_rows
            yield batch
