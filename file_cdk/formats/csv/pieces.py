"""The fast way through a split: pieces of whole records, cut at a likely place and proved right by parsing them.

A boundary is the position after a line end byte (see Header.line_end) that lies outside quotes. What is found without
parsing are candidates, in the order of their likelihood.
"""

import io
from collections.abc import Generator, Iterator
from itertools import islice

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ports import Reject, SplitReport
from file_cdk.formats.csv.decode import Batch, Decoded, Outcome, PieceDecoder
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.header import Header
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.shape import BLANKS_LEFT_OUT

_WINDOW_BYTES = 64 << 10
_TRIED_RECORDS = 12
"""Of 399 cuts through a file with quoted line ends, 12 records told right from wrong in 358; none was wrongly sure."""

MAX_PIECE_BYTES = 8 << 20
"""A piece in which no record is found to end grows up to this; a longer record is left to the row reader."""

_READ_ON_BYTES = 16 << 10

_WORTH_A_TRY_BYTES = 4 << 10
"""Size that takes as long to read row by row as one try to read it column by column, in bytes."""

_MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The search for boundaries in files of one dialect. quote: None where it has none."""

    line_end: bytes
    quote: bytes | None

    def last(self, buffer: bytes, *, count_first: bool) -> Iterator[int]:
        """Ends of the longest run of whole records at the beginning of `buffer`, which begins with a record.

        First as if no line end stood in quotes at the end, then by the parity of quotes; the other way about with
        `count_first`. Both are guesses, since a quote in an unquoted value is text.
        """
        latest = buffer.rfind(self.line_end) + 1
        if latest and self.quote is not None and count_first:
            yield from dict.fromkeys(filter(None, (self._last_by_parity(buffer), latest)))
        elif latest:
            yield latest
            if self.quote is not None and (counted := self._last_by_parity(buffer)) not in (0, latest):
                yield counted

    def quotes(self, buffer: bytes, start: int, end: int) -> int:
        return 0 if self.quote is None else buffer.count(self.quote, start, end)

    def _last_by_parity(self, buffer: bytes) -> int:
        assert self.quote is not None
        quotes, end = buffer.count(self.quote), len(buffer)
        while True:
            quote = buffer.rfind(self.quote, 0, end)
            if quotes % 2 == 0 and (found := buffer.rfind(self.line_end, quote + 1, end)) >= 0:
                return found + 1
            if quote < 0:
                return 0
            quotes -= 1
            end = quote

    def first(self, buffer: bytes, start: int, *, inside: bool) -> int:
        """The first boundary after a line end at or after `start`, by parity; 0 when there is none."""
        while (found := buffer.find(self.line_end, start)) >= 0:
            inside ^= bool(self.quotes(buffer, start, found) & 1)
            if not inside:
                return found + 1
            start = found + 1
        return 0


def guess_start(reader: ForwardReader, start: int, dialect: Dialect, header: Header, limit: int) -> int:
    """Where the first record at or after `start` probably begins.

    If `start` lies outside quotes, a record begins after the first line end at which they are even; if inside, odd. The one
    after which records have the header's width is taken; of two such the one after which no quote stands in a value, as
    would happen in the wrong state, or else the nearer. A wrong guess costs a second pass, see SplitReport.
    limit: bytes after which the search is given up; the answer then is the end of what was looked at.
    """
    boundaries = Boundaries(header.line_end, dialect.quote_bytes)
    reader.seek(start - 1)
    window = reader.read_exactly(_WINDOW_BYTES)
    has_quotes = dialect.quote_bytes is not None and dialect.quote_bytes in window
    if window[:1] == header.line_end and not has_quotes:
        return start
    by_parity = start_of(boundaries, window)
    if has_quotes:
        candidates = sorted({by_parity, boundaries.first(window, 1, inside=True)} - {0})
        doubts = {found: _doubt(window[found:], dialect, header) for found in candidates}
        fitting = [found for found in candidates if doubts[found] < 2]
        if fitting:
            return start - 1 + min(fitting, key=doubts.__getitem__)
    size = _WINDOW_BYTES
    while not by_parity and len(window) == size and size < limit:
        size *= 2
        reader.seek(start - 1)
        window = reader.read_exactly(size)
        by_parity = start_of(boundaries, window)
    return start - 1 + (by_parity or len(window))


def start_of(boundaries: Boundaries, window: bytes) -> int:
    """The first boundary if the second byte of `window` is outside quotes; the first byte is looked at for a line end."""
    return 1 if window[:1] == boundaries.line_end else boundaries.first(window, 1, inside=False)


def _doubt(text: bytes, dialect: Dialect, header: Header) -> int:
    """0: whole records follow, all as wide as the header. 1: so they do, but with quotes in their values. 2: they do not."""
    lines = io.StringIO(text.decode(dialect.encoding, "replace"), newline="")
    rows = list(islice(filter(None, dialect.reader(lines)), _TRIED_RECORDS))
    if len(rows) < _TRIED_RECORDS:
        rows = rows[:-1]  # the window may cut the last record
    if not rows or not all(header.fits(len(row)) for row in rows):
        return 2
    return int(any(dialect.quote is not None and dialect.quote in value for row in rows for value in row))


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
