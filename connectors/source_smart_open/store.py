"""Files that smart_open opens, as an ObjectStore: sizes and times from the server where it tells them, bytes from temporary
files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import urlsplit

from source_http.addresses import name_files

from file_cdk import FileAccessError, Page, RemoteFile, SpooledFiles, TransientError, file_changed
from source_smart_open.sdk import PIECE_BYTES, Facts, facts_of, opened

PAGE_FILES = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SmartOpenSettings:
    """undated_at: when files whose server tells no time count as modified."""

    urls: tuple[str, ...] = field(repr=False)
    transport_params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    undated_at: datetime = EPOCH


class SmartOpenStore:
    """Implements file_cdk.ObjectStore. A copy that travels to another process has the settings only."""

    def __init__(self, settings: SmartOpenSettings) -> None:
        self.settings = settings
        self.origin, uris = name_files([urlsplit(url) for url in settings.urls])
        self._urls = dict(zip(uris, settings.urls, strict=True))
        self._spooled = SpooledFiles()
        self._listed: dict[str, RemoteFile] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return SmartOpenStore, (self.settings,)

    def list_page(self, prefix: str, token: str | None) -> Page:
        """token: how many of the URLs came before."""
        first = int(token or "0")
        wanted = [uri for uri in self._urls if uri.startswith(prefix)]
        # Kept from try to try, so that one answer that does not come does not cost the other ones.
        page = wanted[first : first + PAGE_FILES]
        for uri in page:
            if uri not in self._listed:
                self._listed[uri] = self._look(uri)
        files = [self._listed.pop(uri) for uri in page]
        following = first + PAGE_FILES
        return Page(files, str(following) if following < len(wanted) else None)

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        yield from self._spooled.get(file, lambda: self._whole(file)).read(start, end)

    def _look(self, uri: str) -> RemoteFile:
        url = self._urls[uri]
        facts = facts_of(url, self.settings.transport_params)
        if facts is None:
            with opened(url, self.settings.transport_params) as stream:
                facts = Facts(_size(stream), None)
        return self._file(uri, facts)

    def _file(self, uri: str, facts: Facts) -> RemoteFile:
        # Where no time is known, the size has to tell one version from another.
        etag = None if facts.modified_at else f"size:{facts.size_bytes}"
        return RemoteFile(uri, facts.size_bytes, facts.modified_at or self.settings.undated_at, etag)

    def _whole(self, file: RemoteFile) -> Iterator[bytes]:
        url, params = self._urls.get(file.uri), self.settings.transport_params
        if url is None:
            raise FileAccessError("none of the URLs is that of this file", uri=file.uri)
        arrived = 0
        with opened(url, params, file.uri) as stream:
            while piece := stream.read(PIECE_BYTES):
                arrived += len(piece)
                yield piece
        facts = facts_of(url, params, file.uri)
        if arrived > file.size_bytes or (facts and self._file(file.uri, facts) != file):
            raise file_changed(file.uri, "is not the version that was listed")
        if arrived < file.size_bytes:
            raise TransientError("the connection broke off, or the file is shorter by now", uri=file.uri)


def _size(stream: IO[bytes]) -> int:
    if stream.seekable():
        return stream.seek(0, 2)
    size = 0
    while piece := stream.read(PIECE_BYTES):
        size += len(piece)
    return size
