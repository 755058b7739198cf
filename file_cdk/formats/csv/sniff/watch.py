"""A file's dialect, guessed from its beginning, held against all of it while it is read.

What may refute the guess is cheap to notice: quotes where the beginning had none, a value that goes over line ends for the
first time, records that are rejected, bytes of another encoding. Only then is the dialect looked for anew, in the lines at
the beginning together with those at the place; where that gives another one the reading ends with DialectRefutedError, and the
file is read again. The hazard is a wrong alarm: it costs some milliseconds, so each kind is raised once per file and process,
and the ones about rejected records a few times, for these come from different places.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from file_cdk.core.config import CsvConfig
from file_cdk.core.errors import DialectRefutedError
from file_cdk.core.ports import SplitReport
from file_cdk.formats.csv.dialect import Dialect
from file_cdk.formats.csv.lines import ForwardReader
from file_cdk.formats.csv.sniff.candidates import fits_as_well
from file_cdk.formats.csv.sniff.detect import MIN_CONFIDENCE, Seen, Sniffed, detect_in
from file_cdk.formats.csv.sniff.text import SINGLE_BYTE_GUESSES, Text, decode, whole_lines

if TYPE_CHECKING:
    import pyarrow as pa

_HEAD_BYTES = 16 << 10
_PLACE_BYTES = 48 << 10
_HEAD_LINES = 100
_PLACE_LINES = 200
_KEPT_CHUNKS = 2
_FEW_REJECTS = 5
_PLACES_OF_REJECTS = 3
_NOT_TEXT = "not valid "
_MAYBE_UTF8 = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")


class WatchedReader(ForwardReader):
    """Notices at which byte the first quote is fetched, and can show again what was fetched last."""

    def __init__(self, stream: IO[bytes], piece_bytes: int, quote: bytes) -> None:
        super().__init__(stream, piece_bytes)
        self.quote_at: int | None = None
        self._quote = quote
        self._moved = False
        self._latest: list[tuple[int, bytes]] = []

    def _fetch(self, size: int) -> bytes:
        if self._moved:
            self._stream_at, self._moved = None, False
        data = super()._fetch(size)
        if self.quote_at is None and (found := data.find(self._quote)) >= 0:
            self.quote_at = self.position + found
        if data:
            self._latest = [*self._latest[1 - _KEPT_CHUNKS :], (self.position, data)]
        return data

    def latest(self) -> tuple[int, bytes]:
        """What was fetched last, and where it begins."""
        return self._latest[-1] if self._latest else (0, b"")

    def around(self, at: int, size: int) -> bytes:
        """What was fetched lately, if `at` is in it; otherwise up to `size` bytes from there on."""
        kept = next((data for start, data in self._latest if start <= at < start + len(data)), None)
        return self.again(at, size) if kept is None else kept

    def again(self, start: int, size: int) -> bytes:
        """Bytes from `start` on, up to `size`; the next read goes on where the last one ended."""
        for at, data in self._latest:
            if at <= start and start + size <= at + len(data):
                return data[start - at : start - at + size]
        self._stream.seek(start)
        self._moved = True
        return self._stream.read(size)


class Watch:
    """Over the reading of one split. settled: kinds of alarm of the file that were looked into and found to be none."""

    def __init__(self, watched: WatchedReader, config: CsvConfig, seen: Seen, uri: str, settled: Counter[str]) -> None:
        self._watched = watched
        self._config = config
        self._seen = seen
        self._uri = uri
        self._settled = settled
        self._rejects_looked_at = 0
        self._guesses_bytes = config.encoding in SINGLE_BYTE_GUESSES and not seen.proves_encoding

    def over(self, batches: "Iterator[pa.RecordBatch]", report: SplitReport) -> "Iterator[pa.RecordBatch]":
        """The batches, as long as they do not refute the guess; DialectRefutedError then."""
        for batch in batches:
            self._look(batch, report)
            yield batch
        self._look(None, report)

    def _look(self, batch: "pa.RecordBatch | None", report: SplitReport) -> None:
        if self._watched.quote_at is not None:
            if not self._seen.quotes:
                self._alarm("quotes", self._line_start(self._watched.quote_at))
            if not self._seen.joined and "joined" not in self._settled and batch is not None and _has_line_end(batch):
                self._alarm("joined", self._first_joined())
        if len(report.rejects.first) > self._rejects_looked_at:
            self._look_at_rejects(report)
        if self._guesses_bytes and _NOT_TEXT not in self._settled:
            start, data = self._watched.latest()
            if (found := _MAYBE_UTF8.search(data)) is not None:
                self._look_at_bytes(start + found.start())

    def _look_at_rejects(self, report: SplitReport) -> None:
        new = report.rejects.first[self._rejects_looked_at :]
        self._rejects_looked_at = len(report.rejects.first)
        for reject in new:
            if reject.byte is None:
                continue
            if reject.reason.startswith(_NOT_TEXT):
                self._look_at_bytes(reject.byte)
            elif not reject.reason.startswith("record has") or len(report.rejects.first) >= _FEW_REJECTS:
                self._alarm(reject.reason, reject.byte, times=_PLACES_OF_REJECTS)

    def _look_at_bytes(self, at: int) -> None:
        """Where the beginning did not tell, bytes that are not UTF-8 may be of another encoding rather than damage, and
        ones that are prove it against a guess."""
        if self._seen.proves_encoding or _NOT_TEXT in self._settled:
            return
        self._settled[_NOT_TEXT] += 1
        encoding = decode(self._watched.around(at, _PLACE_BYTES)).encoding
        if encoding != (self._config.encoding or "utf8"):
            config = self._config.replace(encoding=encoding)
            described = Sniffed(config, 1, "").describe()
            raise DialectRefutedError(uri=self._uri, byte=at, dialect=config, described=described)

    def _alarm(self, kind: str, at: int, *, times: int = 1) -> None:
        """at: where a record begins in the reading that is in doubt."""
        if self._settled[kind] >= times:
            return
        self._settled[kind] += 1
        text = Text("", self._config.encoding or "utf8", guessed=True)
        head = self._lines(self._watched.again(0, min(at, _HEAD_BYTES)), _HEAD_LINES)
        place = self._watched.again(at, _PLACE_BYTES)
        there = self._lines(place, _PLACE_LINES)
        cut = len(place) == _PLACE_BYTES or len(there) == _PLACE_LINES
        found = detect_in(head + there, text, cut=cut)
        after, before = _dialect_of(found.config), _dialect_of(self._config)
        if found.confidence < MIN_CONFIDENCE or after == before:
            return
        # Another table below the first, say, is no reason to read the first as it is written.
        if not (fits_as_well(head, after, before, cut=True) and fits_as_well(there, after, before, cut=cut)):
            return
        config = found.config
        if config.delimiter == self._config.delimiter:
            kept = {
                "header_definition": self._config.header_definition,
                "skip_rows_before_header": self._config.skip_rows_before_header,
            }
            config = config.replace(**kept)
        described = replace(found, config=config).describe()
        raise DialectRefutedError(uri=self._uri, byte=at, dialect=config, described=described)

    def _lines(self, data: bytes, limit: int) -> list[str]:
        text = data.decode(self._config.encoding or "utf8", "replace").removeprefix("\ufeff")
        return whole_lines(text, complete=False, limit=limit, max_chars=len(text))

    def _line_start(self, at: int) -> int:
        start = max(0, at - _HEAD_BYTES)
        return start + self._watched.again(start, at - start).rfind(b"\n") + 1

    def _first_joined(self) -> int:
        """The beginning of the first line with an odd number of quotes in what was read last."""
        start, data = self._watched.latest()
        quote = self._config.quote_char.encode(self._config.encoding or "utf8")
        at = data.find(b"\n") + 1 if start else 0
        for line in data[at:].splitlines(keepends=True):
            if line.count(quote) & 1:
                return start + at
            at += len(line)
        return self._line_start(start + max(data.find(quote), 0))


def _has_line_end(batch: "pa.RecordBatch") -> bool:
    """Whether any text in it has a line end."""
    import pyarrow as pa

    buffers = (column.buffers()[2] for column in batch.columns if pa.types.is_string(column.type))
    return any(buffer is not None and b"\n" in buffer.to_pybytes() for buffer in buffers)


def _dialect_of(config: CsvConfig) -> Dialect:
    """As far as the lines of a text can tell it."""
    return replace(Dialect.of(config), encoding="utf-8", double_quote=True)
