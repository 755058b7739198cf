"""The fast way through a split: pieces of whole records, cut at a likely place and proved right by parsing them."""

from collections.abc import Generator, Iterator

from file_cdk.core.ports import Reject, SplitReport
from file_cdk.formats.csv.boundaries import Boundaries
from file_cdk.formats.csv.decode import Batch, Decoded, Outcome, PieceDecoder
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.shape import BLANKS_LEFT_OUT

MAX_PIECE_BYTES = 8 << 20
"""A piece in which no record is found to end grows up to this; a longer record is left to the row reader."""

_READ_ON_BYTES = 16 << 10

_WORTH_A_TRY_BYTES = 4 << 10
"""Reading so much row by row takes about as long as one try to do it column by column."""

_MAX_DOUBLINGS = 10


class PieceReader:
    """Decodes the records that begin in a range of one file, piece by piece."""

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
        self._count_first = False
        self._left_in_a_row = 0

    def read(self, start: int, end: int) -> Generator[Batch, None, int | None]:
        """`start` is a record's. Sets `report.end`.

        Returns None at the end; or when it met what it cannot read, where it may be tried again: the row reader has to read
        the records that begin from `report.end` up to there.
        """
        self._reader.seek(start)
        self._report.end = start
        buffer = b""
        while self._report.end + len(buffer) < end:
            left = end - self._report.end - len(buffer)
            chunk = self._reader.read(min(max(self._reader.piece_bytes, len(buffer)), left))
            buffer += chunk
            if not chunk or len(chunk) == left:
                break
            decoded, cut = self._decode_most(buffer)
            if decoded is not None and decoded.outcome is Outcome.DECODED:
                yield from self._counted(decoded)
                self._report.end += cut
                buffer = buffer[cut:]
            elif decoded is not None and decoded.outcome is Outcome.IRREGULAR:
                return (yield from self._leave(buffer, cut, decoded.bad_at))
            elif len(buffer) > self._max_piece_bytes:
                return (yield from self._leave(buffer, len(buffer), None))
        if self._report.end < end:
            return (yield from self._last_piece(buffer, end))
        return None

    def _decode_most(self, buffer: bytes) -> tuple[Decoded | None, int]:
        """The longest run of whole records at the beginning of `buffer`, and its length; None for no line end at all."""
        decoded, cut = None, 0
        for tried, cut in enumerate(self._boundaries.last(buffer, count_first=self._count_first)):
            decoded = self._decoder.decode(buffer[:cut])
            if decoded.outcome is Outcome.DECODED:
                break
            self._count_first |= tried == 0
        return decoded, cut

    def _leave(self, buffer: bytes, length: int, bad_at: int | None) -> Generator[Batch, None, int]:
        """Leaves `length` bytes to the row reader; where bytes are no text, no more than the records around them, and twice
        as many for every time in a row: where hardly any piece is regular, trying does not pay.
        """
        if bad_at is not None:
            cut = buffer.rfind(self._boundaries.line_end, 0, bad_at) + 1
            if cut >= _WORTH_A_TRY_BYTES:
                decoded = self._decoder.decode(buffer[:cut])
                if decoded.outcome is Outcome.DECODED:
                    yield from self._counted(decoded)
                    self._report.end += cut
                    buffer, bad_at, length = buffer[cut:], bad_at - cut, 0
            else:
                length = _WORTH_A_TRY_BYTES
        self._reader.push_back(buffer)
        length <<= min(self._left_in_a_row, _MAX_DOUBLINGS)
        self._left_in_a_row += 1
        return self._report.end + max(length, (bad_at or 0) + 1)

    def _last_piece(self, buffer: bytes, end: int) -> Generator[Batch, None, int | None]:
        """The rest of the split, `buffer` and what is beyond `end` of the record that begins before it."""
        position = self._report.end
        searched = end - position - 1
        inside: bool | None = None
        while True:
            buffer, cut = self._extended(buffer, searched, inside=inside)
            at_file_end = cut is None
            if cut is None:
                if not buffer:
                    return None
                cut = len(buffer)
            elif not cut:
                break
            decoded = self._decoder.decode(buffer[:cut], at_file_end=at_file_end)
            if decoded.outcome is Outcome.DECODED:
                yield from self._counted(decoded)
                self._report.end = position + cut
                return None
            if decoded.outcome is Outcome.IRREGULAR:
                return min(end, (yield from self._leave(buffer, cut, decoded.bad_at)))
            if at_file_end or inside is not None:
                break
            # The line end was inside quotes: look for one at which they are even.
            inside = bool(self._boundaries.quotes(buffer, 0, cut) & 1)
            searched = cut
        self._reader.push_back(buffer)
        return end

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
        report, before = self._report, self._report.rows_present
        self._left_in_a_row = 0
        for row in decoded.rejected:
            report.rejects.add(Reject(before + row.number, report.end + row.at, row.reason, row.raw))
        report.skipped.update(decoded.skipped)
        if decoded.cut:
            report.warnings[BLANKS_LEFT_OUT] += decoded.cut
        for batch in decoded.batches:
            report.rows += batch.num_rows
            yield batch
