"""The Blob service over HTTP: any listing, and any blob by its exact name, which neither the SDK nor obstore can do.

The SDK's client would resolve `.` and `..` in names, read a page of a listing in ten times the time, and load for longer
than this takes. Tokens come from azure-identity all the same.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from file_cdk import AccessError, RemoteFile, TransientError, connection_fault
from source_azure_blob_storage.access import Target
from source_azure_blob_storage.listing import plain_etag
from source_azure_blob_storage.refusals import blob_refused, changed, known_code, listing_refused, name_of
from source_azure_blob_storage.signing import shared_key
from source_azure_blob_storage.tokens import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Tokens, sdk_missing

if TYPE_CHECKING:
    from requests import Response, Session

_VERSION = "2021-12-02"
"""Of the service's interface: the oldest that lists names XML cannot hold, and says which entries are directories."""

_CONNECTIONS = 32
_PIECE_BYTES = 256 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class BlobApi:
    """One container as one process sees it. Thread-safe: its session shares connections and nothing else that changes.

    tokens: None where none are needed."""

    target: Target
    session: "Session"
    tokens: Tokens | None

    def list_blobs(self, prefix: str, marker: str | None, page_size: int) -> bytes:
        """XML of one page. Raises AccessError, TransientError."""
        # Metadata tell the folders that some programs put.
        query = {"restype": "container", "comp": "list", "include": "metadata", "maxresults": str(page_size)}
        if prefix:
            query["prefix"] = prefix
        if marker is not None:
            query["marker"] = marker
        with _translated(f"listing {name_of(self.target)}"), self._get("", query, {}) as answer:
            if answer.status_code != 200:
                raise listing_refused(answer.status_code, *_said(answer), self.target)
            return answer.content

    def read(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """Bytes `[start, end)` of the listed version, as they are stored."""
        headers = {"x-ms-range": f"bytes={start}-{end - 1}"}
        if file.etag:
            headers["if-match"] = f'"{file.etag}"'
        path = "/" + quote(file.uri, safe="/~")
        what = f"reading from {name_of(self.target)}"
        with _translated(what, file.uri), self._get(path, {}, headers) as answer:
            if answer.status_code not in (200, 206):
                status, said = answer.status_code, _said(answer)
                if status == 412:
                    status, said = self._why_not_this_version(path)
                raise blob_refused(status, *said, self.target, file)
            self._check(answer, file, start, end)
            yield from _exactly(answer, file, end - start)

    def _why_not_this_version(self, path: str) -> tuple[int, tuple[str, str]]:
        """412 also means that no version is there: asked without a condition, the service says so."""
        with self._get(path, {"comp": "metadata"}, {}) as answer:
            return (412 if answer.status_code == 200 else answer.status_code), _said(answer)

    def _check(self, answer: "Response", file: RemoteFile, start: int, end: int) -> None:
        """A server may ignore what it was asked for."""
        if answer.status_code == 200:
            first, last, total = 0, file.size_bytes - 1, int(answer.headers.get("content-length", file.size_bytes))
        elif found := _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "")):
            first, last, total = (int(each) for each in found.groups())
        else:
            raise TransientError("the server does not say which range it sends", uri=file.uri)
        etag = answer.headers.get("etag")
        if total != file.size_bytes or (file.etag and etag and plain_etag(etag) != file.etag):
            raise changed(file)
        if (first, last + 1) != (start, end):
            raise TransientError("the server sends another range than was asked for", uri=file.uri)

    def _get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> "Response":
        import requests

        target = self.target
        url = f"{target.endpoint}/{quote(target.container)}{path}"
        sent = {**headers, "x-ms-version": _VERSION, "x-ms-date": formatdate(usegmt=True)}
        signature = ""
        if self.tokens is not None:
            sent["authorization"] = f"Bearer {self.tokens.get()[0]}"
        elif target.access.kind == "sas":
            signature = target.access.secret
        elif target.access.kind == "key":
            signed_path = url[url.index(urlsplit(url).netloc) + len(urlsplit(url).netloc) :]
            sent["authorization"] = shared_key(target.account, target.access.secret, signed_path, query, sent)
        sent["accept-encoding"] = "identity"  # a blob that was stored compressed comes as it is stored
        parts = [*(f"{name}={quote(value, safe='')}" for name, value in query.items()), signature]
        asked = "&".join(filter(None, parts))
        request = self.session.prepare_request(requests.Request("GET", target.endpoint, headers=sent, auth=_as_it_is))
        request.url = f"{url}?{asked}" if asked else url  # set here, since it would resolve . and .. in it
        options = self.session.merge_environment_settings(target.endpoint, {}, True, None, None)
        timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        return self.session.send(request, timeout=timeout, allow_redirects=False, **options)


def connect(target: Target, tokens: Tokens | None) -> BlobApi:
    """A session of its own; does no request. Raises ConfigError when requests is not installed."""
    try:
        import requests
    except ImportError:
        raise sdk_missing() from None
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS, max_retries=0)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return BlobApi(target, session, tokens)


def _as_it_is(request: Any) -> Any:
    """Else requests puts what a .netrc says in the place of the signature."""
    return request


def _said(answer: "Response") -> tuple[str, str]:
    headers = answer.headers
    return known_code(headers.get("x-ms-error-code")), headers.get("retry-after", "")


def _exactly(answer: "Response", file: RemoteFile, wanted: int) -> Iterator[bytes]:
    for piece in answer.raw.stream(_PIECE_BYTES, decode_content=False):
        wanted -= len(piece)
        if wanted < 0:
            raise TransientError("the server sent more than was asked for", uri=file.uri)
        yield piece
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=file.uri)


@contextmanager
def _translated(what: str, uri: str | None = None) -> Iterator[None]:
    """Errors of the line. None is chained: their texts may show the URL, and a signature in it."""
    from requests import exceptions as http
    from urllib3.exceptions import HTTPError

    try:
        yield
    except http.SSLError:
        raise AccessError(
            f"{what}: the server's certificate is not accepted",
            remedy="Name the certificates to trust in the environment variable REQUESTS_CA_BUNDLE",
        ) from None
    except (http.Timeout, http.ConnectionError, http.ChunkedEncodingError, HTTPError) as exc:
        raise TransientError(f"{what}: {connection_fault(exc)}", uri=uri) from None
    except http.RequestException as exc:
        raise AccessError(f"{what}: the request cannot be made ({type(exc).__name__})") from None
