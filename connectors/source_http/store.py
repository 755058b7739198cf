"""Files at known URLs as an ObjectStore: listed by asking for each one's headers, read in ranges where the server has them."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from file_cdk import (
    FileAccessError,
    FileCdkError,
    FileChangedError,
    Page,
    RemoteFile,
    SpooledFiles,
    TransientError,
    content_length,
    content_range,
    exact_bytes,
    file_changed,
    http_date,
)
from source_http.addresses import Address, Addresses
from source_http.sdk import GONE, Client, refused, translated

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

PAGE_FILES = 100
THREADS = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PIECE_BYTES = 1 << 18
_HASHED = "sha256:"
_HEAD_IS_FINAL = frozenset({401, 407, 408, 421, 425, 429})
"""Statuses of HEAD that GET would get too. Of other refusals nobody knows: servers answer HEAD with 405, 403 or 404."""

_log = logging.getLogger("file_cdk.source_http")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """undated_at: when files whose server sends no Last-Modified count as modified."""

    urls: tuple[str, ...] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str | None = field(default=None, repr=False)
    skip_missing: bool = False
    undated_at: datetime = EPOCH
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Version:
    """What identifies one version of a file, as far as the server says. size_bytes: None if it does not."""

    size_bytes: int | None
    etag: str | None
    modified_at: datetime | None

    @classmethod
    def of(cls, headers: Mapping[str, str], size_bytes: int | None) -> "_Version":
        return cls(size_bytes, headers.get("etag") or None, http_date(headers.get("last-modified")))


class HttpStore:
    """Implements file_cdk.ObjectStore. A copy that travels to another process has the settings only."""

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self._client = Client(settings.headers, settings.authorization)
        self._addresses = Addresses.of(settings.urls, settings.base_url)
        self._no_head: set[str] = set()
        self._found: dict[tuple[str, int], dict[str, RemoteFile | None]] = {}
        self._spooled = SpooledFiles()

    def __reduce__(self) -> tuple[Any, ...]:
        return HttpStore, (self.settings,)

    @property
    def origin(self) -> str:
        return self._addresses.root

    def list_page(self, prefix: str, token: str | None) -> Page:
        """token: how many URLs were looked at before, and how many of them have no file."""
        first, missing = (int(part) for part in (token or "0:0").split(":"))
        wanted, following = self._wanted(prefix, first)
        # Kept from try to try, so that one answer that does not come does not cost the other ones.
        found = self._found.setdefault((prefix, first), {})
        self._look_at([address for address in wanted if address.uri not in found], found)
        del self._found[prefix, first]
        files = [file for address in wanted if (file := found[address.uri]) is not None]
        missing += len(wanted) - len(files)
        if following is None and missing:
            _log.warning("%s: %d of the files that `urls` stands for are missing, and left out", self.origin, missing)
        return Page(files, None if following is None else f"{following}:{missing}")

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        spooled = self._spooled.find(file)
        if spooled is not None:
            yield from spooled.read(start, end)
            return
        address = self._addresses.by_uri.get(file.uri)
        if address is None:
            raise FileAccessError("none of the URLs is that of this file", uri=file.uri)
        response = self._client.open("GET", address, {"Range": f"bytes={start}-{end - 1}", **self._pins(file)})
        try:
            if response.status == 206:
                sent = content_range(response.headers)
                self._require_version(file, response, sent.size_bytes)
                if sent.start != start:
                    raise FileAccessError("the server answers with another range than the one asked for", uri=file.uri)
                yield from exact_bytes(_body(response, address), end - start, file.uri)
                return
            if response.status != 200:
                raise refused(address.shown, response, file.uri)
            self._require_version(file, response, content_length(response.headers))
            if start == 0 and not _is_hashed(file):
                yield from _first(end, _body(response, address), file, response)
                return
            whole = self._spooled.get(file, lambda: self._whole(file, response, address))
        finally:
            response.close()
        yield from whole.read(start, end)

    # Listing

    def _wanted(self, prefix: str, first: int) -> tuple[list[Address], int | None]:
        """A page of addresses, and where the next one begins."""
        addresses = self._addresses.ordered
        wanted: list[Address] = []
        for index in range(first, len(addresses)):
            if addresses[index].uri.startswith(prefix):
                if len(wanted) == PAGE_FILES:
                    return wanted, index
                wanted.append(addresses[index])
        return wanted, None

    def _look_at(self, wanted: list[Address], found: dict[str, RemoteFile | None]) -> None:
        """Fills `found`, as far as it can. Raises one error of those that came up, and one that is final before others."""
        failed: list[FileCdkError] = []
        with ThreadPoolExecutor(min(THREADS, len(wanted)) or 1, "http-listing") as threads:
            looking = {threads.submit(self._look, address): address for address in wanted}
            for future in as_completed(looking):
                if future.cancelled():
                    continue
                try:
                    found[looking[future].uri] = future.result()
                except TransientError as exc:
                    failed.append(exc)
                except FileCdkError as exc:
                    failed.insert(0, exc)
                    threads.shutdown(wait=False, cancel_futures=True)
        if failed:
            raise failed[0]

    def _look(self, address: Address) -> RemoteFile | None:
        """None for a file that is missing and may be."""
        version = self._from_head(address) or self._from_get(address)
        if version is None:
            return None
        assert version.size_bytes is not None
        modified_at = version.modified_at or self.settings.undated_at
        return RemoteFile(address.uri, version.size_bytes, modified_at, version.etag)

    def _from_head(self, address: Address) -> _Version | None:
        """None when only GET can tell."""
        host = urlsplit(address.url).netloc
        if host in self._no_head:
            return None
        response = self._client.open("HEAD", address, {})
        response.close() if response.status >= 300 else response.release_conn()
        if response.status in _HEAD_IS_FINAL or (response.status >= 500 and response.status != 501):
            raise refused(address.shown, response)
        if response.status in (405, 501):
            self._no_head.add(host)
        size = content_length(response.headers)
        # 0 is what many answer that do not know.
        return _Version.of(response.headers, size) if response.status == 200 and size else None

    def _from_get(self, address: Address, *, ranged: bool = True) -> _Version | None:
        """None for a file that is missing and may be."""
        response = self._client.open("GET", address, {"Range": "bytes=0-0"} if ranged else {})
        try:
            status, headers = response.status, response.headers
            if status == 206 and (total := content_range(headers).size_bytes) is not None:
                with translated(address.shown):
                    response.read(2)
                return _Version.of(headers, total)
            if status in (206, 416) and ranged:
                return self._from_get(address, ranged=False)
            if status in GONE and address.templated and self.settings.skip_missing:
                return None
            if status != 200:
                raise refused(address.shown, response)
            size = content_length(headers)
            return _Version.of(headers, size) if size is not None else _counted(response, address)
        finally:
            response.close()

    # Reading

    def _pins(self, file: RemoteFile) -> dict[str, str]:
        """Conditions that hold for the listed version only. A weak tag cannot be one (RFC 9110, section 13.1.1)."""
        if file.etag and file.etag.startswith('"'):
            return {"If-Match": file.etag}
        if file.modified_at != self.settings.undated_at:
            return {"If-Unmodified-Since": format_datetime(file.modified_at, usegmt=True)}
        return {}

    def _require_version(self, file: RemoteFile, response: "BaseHTTPResponse", size: int | None) -> None:
        """Also where the server has ignored the condition."""
        now = _Version.of(response.headers, size)
        dated = file.modified_at != self.settings.undated_at
        if (
            (size is not None and size != file.size_bytes)
            or (now.etag and file.etag and not _is_hashed(file) and now.etag != file.etag)
            or (now.modified_at and dated and now.modified_at != file.modified_at)
        ):
            raise _changed(file.uri)

    def _whole(self, file: RemoteFile, response: "BaseHTTPResponse", address: Address) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in _first(file.size_bytes, _body(response, address), file, response):
            digest.update(piece)
            yield piece
        if _is_hashed(file) and file.etag != _HASHED + digest.hexdigest():
            raise _changed(file.uri)


def _changed(uri: str) -> FileChangedError:
    return file_changed(uri, "is not the version that was listed")


def _is_hashed(file: RemoteFile) -> bool:
    return file.etag is not None and file.etag.startswith(_HASHED)


def _counted(response: "BaseHTTPResponse", address: Address) -> _Version:
    """The version of a file of which the server tells no size: all of it is read. Its hash is its tag if it has none."""
    size, digest = 0, hashlib.sha256()
    for piece in _body(response, address):
        size += len(piece)
        digest.update(piece)
    said = _Version.of(response.headers, size)
    if said.etag or said.modified_at:
        return said
    return _Version(size, _HASHED + digest.hexdigest(), None)


def _body(response: "BaseHTTPResponse", address: Address) -> Iterator[bytes]:
    with translated(address.shown):
        yield from response.stream(_PIECE_BYTES, decode_content=False)


def _first(end: int, pieces: Iterator[bytes], file: RemoteFile, response: "BaseHTTPResponse") -> Iterator[bytes]:
    """Bytes `[0, end)` of a body that has all of the file."""
    arrived = 0
    for piece in pieces:
        arrived += len(piece)
        if arrived > file.size_bytes:
            raise _changed(file.uri)
        if arrived >= end and end < file.size_bytes:
            yield piece[: len(piece) - (arrived - end)]
            return
        yield piece
    if arrived < file.size_bytes:
        # Chunks and lengths end a body for certain: it is another one. Without, it may just have broken off.
        if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
            raise _changed(file.uri)
        raise TransientError("the connection broke off", uri=file.uri)
