"""Files that smart_open opens, as an ObjectStore: sizes and times from the server where it tells them, bytes from temporary
files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import IO, Any
from urllib.parse import urlsplit

from source_http.addresses import name_files
from source_http.spool import SpooledFiles

from file_cdk import (
    ConfigError,
    FileAccessError,
    FileChangedError,
    Page,
    RemoteFile,
    TransientError,
)
from source_smart_open.facts import Facts, facts_of
from source_smart_open.failures import TIMEOUT_S, translated

PAGE_FILES = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PIECE_BYTES = 1 << 18


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
        self._lock = Lock()

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
        spooled = self._spooled.find(file) or self._spooled.get(file, lambda into: self._spool(file, into))
        yield from spooled.read(start, end)

    def _look(self, uri: str) -> RemoteFile:
        url = self._urls[uri]
        with translated(shown(url)):
            facts = facts_of(url, self.settings.transport_params)
        if facts is None:
            with self._opened(url, None) as stream:
                facts = Facts(_size(stream), None)
        return self._file(uri, facts)

    def _file(self, uri: str, facts: Facts) -> RemoteFile:
        # Where no time is known, the size has to tell one version from another.
        etag = None if facts.modified_at else f"size:{facts.size_bytes}"
        return RemoteFile(uri, facts.size_bytes, facts.modified_at or self.settings.undated_at, etag)

    def _spool(self, file: RemoteFile, into: IO[bytes]) -> None:
        url = self._urls.get(file.uri)
        if url is None:
            raise FileAccessError("none of the URLs is that of this file", uri=file.uri)
        arrived = 0
        with self._opened(url, file.uri) as stream:
            while piece := stream.read(_PIECE_BYTES):
                arrived += len(piece)
                _keep(piece, into, file.uri)
        with translated(shown(url), file.uri):
            facts = facts_of(url, self.settings.transport_params)
        now = Facts(arrived, None) if facts is None else facts
        if arrived > file.size_bytes or (facts and self._file(file.uri, now) != file):
            raise FileChangedError(
                "is not the version that was listed", uri=file.uri, remedy="The next sync takes the new version"
            )
        if arrived < file.size_bytes:
            raise TransientError("the connection broke off, or the file is shorter by now", uri=file.uri)

    @contextmanager
    def _opened(self, url: str, uri: str | None) -> Iterator[IO[bytes]]:
        """uri: of a file that was listed."""
        smart_open = _library()
        scheme = urlsplit(url).scheme
        params = dict(self.settings.transport_params)
        if scheme in ("ftp", "ftps"):
            params.setdefault("timeout", TIMEOUT_S)
        with translated(shown(url), uri):
            stream = smart_open.open(_with_user(url), "rb", compression="disable", transport_params=params)
            try:
                yield stream
            finally:
                stream.close()


def _library() -> Any:
    import logging

    try:
        import smart_open
    except ImportError:
        raise ConfigError(
            "smart_open is not installed", remedy="Install it with: pip install 'file-cdk[smart-open]'"
        ) from None
    # What fails is raised, and told once; smart_open would log every try with a traceback.
    logging.getLogger("smart_open").setLevel(logging.CRITICAL)
    return smart_open


def shown(url: str) -> str:
    """Without user and query, which may hold secrets."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _with_user(url: str) -> str:
    """smart_open takes no FTP URL without a user."""
    parts = urlsplit(url)
    if parts.scheme in ("ftp", "ftps") and not parts.username:
        return parts._replace(netloc=f"anonymous:anonymous@{parts.netloc.rpartition('@')[2]}").geturl()
    return url


def _size(stream: IO[bytes]) -> int:
    if stream.seekable():
        return stream.seek(0, 2)
    size = 0
    while piece := stream.read(_PIECE_BYTES):
        size += len(piece)
    return size


def _keep(piece: bytes, into: IO[bytes], uri: str) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[into.write(rest) :]
    except OSError as exc:
        raise FileAccessError(
            f"cannot be kept in a temporary file: {exc.strerror}",
            uri=uri,
            remedy="Make room in the folder for temporary files, or name another one in TMPDIR",
        ) from exc
