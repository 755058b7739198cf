"""The one module that knows the SDK (azure-storage-blob): a container's client, whose pipeline signs and sends every request.

Requests are made of URLs, not by the client's methods: those would resolve `.` and `..` in names, and make objects of a listing
in many times the time that its bytes take.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from file_cdk import AccessError, FileCdkError, RemoteFile, TransientError, connection_fault
from source_azure_blob_storage.access import Target
from source_azure_blob_storage.pages import plain_etag
from source_azure_blob_storage.refusals import blob_refused, changed, known_code, listing_refused, name_of
from source_azure_blob_storage.tokens import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Tokens, sdk_missing

try:
    import requests
    from azure.core.credentials import AzureSasCredential
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.transport import RequestsTransport
    from azure.core.rest import HttpRequest
    from azure.storage.blob import ContainerClient
    from requests import exceptions as http
    from urllib3.exceptions import HTTPError
except ImportError:
    raise sdk_missing() from None

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

_VERSION = "2021-12-02"
"""Of the service's interface: the oldest that lists names XML cannot hold, and says which entries are directories."""

_CONNECTIONS = 32
_PIECE_BYTES = 256 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class BlobApi:
    """One container as one process sees it. Thread-safe: its client shares connections and nothing else that changes."""

    target: Target
    client: ContainerClient

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
            return b"".join(answer.iter_raw())

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

    def _check(self, answer: "HttpResponse", file: RemoteFile, start: int, end: int) -> None:
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

    @contextmanager
    def _get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> "Iterator[HttpResponse]":
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        url = f"{self.target.endpoint}/{quote(self.target.container)}{path}"
        # A blob that was stored compressed comes as it is stored.
        sent = {**headers, "x-ms-version": _VERSION, "accept-encoding": "identity"}
        request = HttpRequest("GET", f"{url}?{asked}" if asked else url, headers=sent)
        with self.client._pipeline.run(request, stream=True).http_response as answer:
            yield answer


class _ExactSession(requests.Session):
    """Sends the URL that was signed, where requests would resolve `.` and `..` in it, and signs nothing from a .netrc."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        request.auth = _as_it_is
        prepared = super().prepare_request(request)
        prepared.url = str(request.url)
        return prepared


def connect(target: Target, tokens: Tokens | None) -> BlobApi:
    """A client of its own; does no request. tokens: None where none are needed."""
    session = _ExactSession()
    adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS, max_retries=0)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    transport = RequestsTransport(
        session=session,
        connection_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        connection_data_block_size=_PIECE_BYTES,
    )
    credential: Any = tokens
    if target.access.kind == "sas":
        credential = AzureSasCredential(target.access.secret)
    elif target.access.kind == "key":
        credential = {"account_name": target.account, "account_key": target.access.secret}
    # Whoever reads tries again; a redirect would carry the signature elsewhere.
    client = ContainerClient(
        target.endpoint, target.container, credential, transport=transport, retry_total=0, permit_redirects=False
    )
    return BlobApi(target, client)


def _as_it_is(request: Any) -> Any:
    return request


def _said(answer: "HttpResponse") -> tuple[str, str]:
    headers = answer.headers
    return known_code(headers.get("x-ms-error-code")), headers.get("retry-after", "")


def _exactly(answer: "HttpResponse", file: RemoteFile, wanted: int) -> Iterator[bytes]:
    for piece in answer.iter_raw():
        wanted -= len(piece)
        if wanted < 0:
            raise TransientError("the server sent more than was asked for", uri=file.uri)
        yield piece
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=file.uri)


def _untrusted(what: str, _: BaseException, __: str | None) -> FileCdkError:
    return AccessError(
        f"{what}: the server's certificate is not accepted",
        remedy="Name the certificates to trust in the environment variable REQUESTS_CA_BUNDLE",
    )


def _unreached(what: str, exc: BaseException, uri: str | None) -> FileCdkError:
    return TransientError(f"{what}: {connection_fault(exc)}", uri=uri)


def _unmade(what: str, exc: BaseException, _: str | None) -> FileCdkError:
    return AccessError(f"{what}: the request cannot be made ({type(exc).__name__})")


# The first that fits.
_ERRORS = (
    (http.SSLError, _untrusted),
    ((http.Timeout, http.ConnectionError, http.ChunkedEncodingError, HTTPError), _unreached),
    ((http.RequestException, AzureError), _unmade),
)


@contextmanager
def _translated(what: str, uri: str | None = None) -> Iterator[None]:
    """Errors of the line. None is chained: their texts may show the URL, and a signature in it."""
    try:
        yield
    except (AzureError, http.RequestException, HTTPError) as exc:
        fault = getattr(exc, "inner_exception", None) or exc
        made = next(error for kinds, error in _ERRORS if isinstance(fault, kinds))
        raise made(what, fault, uri) from None
