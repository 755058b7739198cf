"""What an answer over HTTP says of the bytes in its body: which range of which version, and whether all of it has come.

headers: any mapping that is asked for names in lower case.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileChangedError, TransientError
from file_cdk.core.files import RemoteFile

NEXT_SYNC = "The next sync takes the new version"

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)

Body = TypeVar("Body", bytes, memoryview)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Bytes `[start, end)` of a file of size_bytes; None for what is not said."""

    start: int | None = None
    end: int | None = None
    size_bytes: int | None = None


def content_range(headers: Mapping[str, str]) -> ContentRange:
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return ContentRange()
    first, last, size = (int(each) if each and each != "*" else None for each in found.groups())
    return ContentRange(first, None if last is None else last + 1, size)


def content_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() else None


def http_date(text: str | None) -> datetime | None:
    """None for what is no date; some servers send 0 or text."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # as long to load as the rest of this room

    try:
        instant = parsedate_to_datetime(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    at = http_date(text)
    return None if at is None else max(0.0, (at - datetime.now(UTC)).total_seconds())


def plain_etag(etag: str | None) -> str | None:
    """Without its quotes: `abc` for `"abc"`; a weak one stays as it is, and is never asked for."""
    if not etag or '"' not in etag:
        return etag.strip() or None if etag else None
    etag = etag.strip()
    return etag if etag.startswith("W/") else etag.strip('"') or None


def file_changed(uri: str, how: str = "it was replaced since it was listed") -> FileChangedError:
    return FileChangedError(how, uri=uri, remedy=NEXT_SYNC)


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    """A server's answer to who asked for bytes `[start, end)` of a listed file. skip: bytes of its body before those, since
    a server may send all of the file."""

    file: RemoteFile
    start: int
    end: int
    skip: int
    is_whole: bool

    @classmethod
    def checked(
        cls, file: RemoteFile, start: int, end: int, status: int, headers: Mapping[str, str], version: str | None
    ) -> "RangeAnswer":
        """status: 200 or 206. version: as the etag of the file has it; None if the answer does not say.

        A server may ignore which version and range it was asked for: raises FileChangedError, TransientError.
        """
        is_whole = status != 206
        size = content_length(headers)
        sent = ContentRange(0, size, size) if is_whole else content_range(headers)
        if sent.start is None:
            raise TransientError("the server does not say which range it sends", uri=file.uri)
        is_other_size = sent.size_bytes is not None and sent.size_bytes != file.size_bytes
        if is_other_size or (version and file.etag and version != file.etag):
            raise file_changed(file.uri)
        if not is_whole and (sent.start, sent.end) != (start, end):
            raise TransientError("the server sent another range than was asked for", uri=file.uri)
        return cls(file, start, end, start - sent.start, is_whole)

    def body(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes asked for. Raises TransientError unless there are just as many."""
        if not self.is_whole:
            yield from exact_bytes(pieces, self.end - self.start, self.file.uri)
            return
        position = 0
        for piece in pieces:
            if part := piece[max(self.start - position, 0) : max(self.end - position, 0)]:
                yield part
            position += len(piece)
            if position >= self.end:
                return
        raise TransientError("the server sent less than was asked for", uri=self.file.uri)


def exact_bytes(pieces: Iterable[Body], wanted: int, uri: str) -> Iterator[Body]:
    """Pieces of `wanted` bytes in all. Raises TransientError for more or less."""
    for piece in pieces:
        wanted -= len(piece)
        if wanted < 0:
            raise TransientError("the server sent more than was asked for", uri=uri)
        yield piece
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=uri)
