"""Answers of an API that are files by nature: CSV, JSON Lines, gzip data, zip archives, arrays of any length; read by the formats
and archives of files, in the thread that asked for the page."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import IO, Any, cast

import msgspec

from file_cdk.compression.plain import PIECE_BYTES, open_plain
from file_cdk.core.config import CsvConfig
from file_cdk.core.config.validation import parse_config
from file_cdk.core.errors import AnswerError, ConfigError, FileError, MalformedFileError, SequentialOnlyError
from file_cdk.core.files import RemoteFile, Split
from file_cdk.core.instants import EPOCH
from file_cdk.core.ports import JsonLines, Reject, Rejects, SplitReport
from file_cdk.core.uris import is_archive
from file_cdk.declarative.components.selection import CsvDecoder
from file_cdk.declarative.pages import Rejected
from file_cdk.declarative.records.bodies import BodyReader, Opened
from file_cdk.declarative.records.cutting import Cut

MAX_EXPANSION_RATIO = 200
"""Maximum of what a body may unpack to, in times its size; 64 MiB are allowed at any."""

_MAX_MEMBERS = 100_000
_GZIP = b"\x1f\x8b"
_ANSWER = "answer"
"""Stands where files have a uri, and is never shown."""


def csv_reader(decoder: CsvDecoder, where: str) -> BodyReader:
    """Raises ConfigError."""
    try:
        return CsvReader(parse_config(CsvConfig, _csv(decoder)))
    except (ConfigError, UnicodeError) as exc:
        raise ConfigError(f"{where}: {exc}") from exc


def unpacked(body: IO[bytes]) -> Iterator[bytes]:
    head = body.read(len(_GZIP))
    body.seek(0)
    if head != _GZIP:
        yield from iter(lambda: body.read(PIECE_BYTES), b"")
        return
    with _of_an_answer():
        plain = open_plain(body, "gzip", _ANSWER, MAX_EXPANSION_RATIO)
    yield from _plain_pieces(cast(IO[bytes], plain), "")


def members(body: Opened, size_bytes: int) -> Iterator[Iterator[bytes]]:
    from file_cdk.readers.archives.access import open_zip_entry
    from file_cdk.readers.archives.members import Limits
    from file_cdk.readers.archives.zip import list_zip

    archive = RemoteFile(_ANSWER, size_bytes, EPOCH)
    with _of_an_answer(), closing(body()) as stream:
        members = list(list_zip(stream, archive, Limits(_MAX_MEMBERS, MAX_EXPANSION_RATIO)))
    for member in members:
        name = repr(member.name)
        if is_archive(member.name):
            raise AnswerError(f"the answer's member {name} is an archive itself, which is not opened")
        where = f" in its member {name}"
        with _of_an_answer(where):
            plain = open_zip_entry(body(), member, archive, _ANSWER, MAX_EXPANSION_RATIO)
        yield _plain_pieces(plain, where)


def _plain_pieces(plain: IO[bytes], where: str) -> Iterator[bytes]:
    with _of_an_answer(where), closing(plain):
        yield from iter(lambda: plain.read(PIECE_BYTES), b"")


def _csv(decoder: CsvDecoder) -> dict[str, Any]:
    delimiter = decoder.delimiter or ","
    if delimiter.startswith("\\"):
        delimiter = delimiter.encode().decode("unicode_escape")
    return {
        "delimiter": delimiter,
        "encoding": decoder.encoding or "utf-8",
        "null_values": list(decoder.set_values_to_none or ()),
        "ragged": "fill",
    }


class CsvReader(msgspec.Struct, frozen=True):
    """Values are texts, null where a row lacks them or the manifest says so. A row with more values than the header has names,
    or with bytes that are no text, is rejected."""

    config: CsvConfig

    def pieces(self, body: Opened, size_bytes: int) -> Iterator[Cut]:
        from file_cdk.formats.csv.dialect import Dialect
        from file_cdk.formats.csv.format import CsvFormat
        from file_cdk.protocol.row_lines import RowLinesEncoder

        file = RemoteFile(_ANSWER, size_bytes, EPOCH)
        lines = _Lines(body if Dialect.of(self.config).is_line_safe else None)
        encoder, found = RowLinesEncoder(), _Found(lines)
        with lines.of_errors(), closing(body()) as stream:
            # One for each body: a format knows what it has found out of a file by the file's name.
            csv_format, split = CsvFormat(self.config), Split(file, 0, 0, size_bytes)
            try:
                batches = csv_format.read_records(stream, split, None, found.report)
                first = next(batches, None)
            except SequentialOnlyError as exc:  # UTF-16 by its mark
                batches = csv_format.read_records(stream, split.rest_of_file(exc.byte or 0), None, found.report)
                first = next(batches, None)
            for batch in () if first is None else chain((first,), batches):
                if isinstance(batch, JsonLines):
                    yield from found.cuts(batch.lines)
                else:
                    yield from found.cuts(bytes(encoder.encode(batch, file, 1, 0)).split(b"\n")[:-1])
        yield from found.cuts([])


class JsonReader(msgspec.Struct, frozen=True):
    """Of JSON Lines, and of one array. Objects over several lines are read, too; what is no object is rejected."""

    def pieces(self, body: Opened, size_bytes: int) -> Iterator[Cut]:
        from file_cdk.formats.jsonl.encoding import MARK_BYTES, wide_encoding
        from file_cdk.formats.jsonl.format import MAX_RECORD_BYTES
        from file_cdk.formats.jsonl.reading import JsonlReading

        with closing(body()) as stream:
            is_wide = wide_encoding(stream.read(MARK_BYTES)) is not None  # then offsets are those of the text in UTF-8
            stream.seek(0)
            lines = _Lines(None if is_wide else body)
            found = _Found(lines)
            with lines.of_errors():
                split = Split(RemoteFile(_ANSWER, size_bytes, EPOCH), 0, 0, size_bytes)
                for records in JsonlReading(MAX_RECORD_BYTES).read_own(stream, split, found.report):
                    yield from found.cuts(records)
        yield from found.cuts([])


class _Found:
    """What a format says of a body while it reads it, piece by piece. report: for the format."""

    def __init__(self, lines: "_Lines") -> None:
        self.report = SplitReport()
        self._lines = lines
        self._met = 0

    def cuts(self, records: list[bytes]) -> Iterator[Cut]:
        """What was rejected since the last time, then the records. Which of a piece came first is not told."""
        rejects, total = self.report.rejects, self.report.rejects.total()
        if total > len(rejects.first):
            raise AnswerError(
                f"more than {len(rejects.first):,} records of the answer, one after the other, cannot be read: "
                f"{self._lines.told(rejects.first[0])}",
                remedy="Name the decoder of what the API sends",
            )
        if total:
            yield Cut([], [Rejected((each.row or 1) - 1 - self._met, self._lines.told(each)) for each in rejects.first])
            # They are taken out, and stay records that were met: a body may have any number.
            self.report.rejects = Rejects()
            self.report.rows += total
        if records:
            yield Cut(records)
        self._met += total + len(records)


class _Lines:
    """Tells in which line of a body something is. body: None where its bytes do not tell. Asked in the order of the body."""

    def __init__(self, body: Opened | None) -> None:
        self._body = body
        self._byte = 0
        self._line = 1

    def told(self, reject: Reject) -> str:
        return f"{reject.reason}{self._of(reject.byte)}"

    @contextmanager
    def of_errors(self) -> Iterator[None]:
        try:
            yield
        except FileError as exc:
            # Its remedy is for whoever writes the file, or says how it is read, and here that is neither.
            raise AnswerError(f"the answer cannot be read: {exc.message}{self._of(exc.byte)}") from exc

    def _of(self, byte: int | None) -> str:
        if self._body is None or byte is None or byte < self._byte:
            return ""
        with closing(self._body()) as stream:
            stream.seek(self._byte)
            while self._byte < byte and (piece := stream.read(min(byte - self._byte, 1 << 20))):
                self._line += piece.count(b"\n")
                self._byte += len(piece)
        return f" (line {self._line})"


@contextmanager
def _of_an_answer(where: str = "") -> Iterator[None]:
    try:
        yield
    except MalformedFileError as exc:
        raise AnswerError(f"the answer cannot be unpacked{where}: {exc.message}") from exc
