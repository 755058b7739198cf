"""The one module that knows the SDK (google-cloud-storage): signed listings, whatever obstore cannot read, and what its
errors mean.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from file_cdk import (
    AccessError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    RemoteFile,
    TransientError,
    connection_fault,
)
from source_gcs.access import no_token, sdk_missing
from source_gcs.config import CONNECT_TIMEOUT_S, READ_TIMEOUT_S

try:
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client
    from requests import adapters
    from requests import exceptions as http
    from urllib3.exceptions import HTTPError
except ImportError:
    raise sdk_missing() from None

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_CONNECTIONS = 32  # kept open per process
_LISTED = "items(name,size,updated,generation),nextPageToken"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_REASON = re.compile(r"[A-Za-z]{1,60}")
_RATE_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
# The SDK tries nothing again: that is the reader's to do, in one place that bounds and logs it.
_ONCE: dict[str, Any] = {"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S), "retry": None}


class Sdk:
    """The SDK's side of one bucket, in one process; used by several threads. Making it asks nobody.

    credentials: None for anonymous. Raises AccessError, TransientError.
    """

    def __init__(self, bucket: str, endpoint: str, credentials: "Credentials | None") -> None:
        self._name = f"gs://{bucket}"
        signing: Any = credentials or AnonymousCredentials()  # type: ignore[no-untyped-call]
        options = {"api_endpoint": endpoint, "universe_domain": signing.universe_domain}
        # Without a project none is looked for.
        self._client = Client(project=None, credentials=signing, client_options=options)
        # Else a thread asks for what the bucket is like, which traces alone tell, and which few credentials may know.
        self._client._bucket_metadata_cache = None
        self._bucket = self._client.bucket(bucket)
        self._receiving = threading.local()
        with _translated(_Asked(self._name)):
            session = self._client._http
        session.auth = _as_it_is  # else requests puts what a .netrc says in the place of the token
        session.max_redirects = 0
        session.hooks["response"].append(self._begin)
        if not session.is_mtls:
            adapter = adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS, max_retries=0)
            for scheme in ("https://", "http://"):
                session.mount(scheme, adapter)

    def list_objects(self, prefix: str, token: str | None, page_size: int) -> bytes:
        """JSON of one page: the SDK's own objects of it take five times the CPU of ours."""
        wanted = {"fields": _LISTED, "maxResults": str(page_size), "prefix": prefix, "pageToken": token}
        given = {name: value for name, value in wanted.items() if value}
        with _translated(_Asked(self._name)):
            body: bytes = self._client._connection.api_request(
                method="GET", path=f"{self._bucket.path}/o", query_params=given, expect_json=False, **_ONCE
            )
        return body

    def read(self, file: RemoteFile, start: int, end: int) -> Iterator[bytearray]:
        """Bytes `[start, end)` of the listed generation, as they are stored, in one piece: less than that, and an error, if
        they break off."""
        wanted = _Range(file, start, end)
        try:
            self._download(wanted)
        except TransientError:
            yield wanted.content
            raise
        yield wanted.content

    def _download(self, wanted: "_Range") -> None:
        file, self._receiving.range = wanted.file, wanted
        with _translated(_Asked(self._name, file.uri)):
            try:
                self._bucket.blob(file.uri, generation=file.etag).download_to_file(
                    wanted, start=wanted.start, end=wanted.end - 1, raw_download=True, checksum=None, **_ONCE
                )
            except _EnoughError:
                return
            except api.NotFound:
                if self._bucket.blob(file.uri).exists(**_ONCE):
                    raise _changed(file.uri) from None
                raise
            finally:
                del self._receiving.range
        if len(wanted.content) < wanted.end - wanted.start:
            raise TransientError("the answer broke off", uri=file.uri)

    def _begin(self, answer: Any, **_options: Any) -> None:
        """Every answer comes by here before its body does; the SDK shows its callers nothing of the headers."""
        received: _Range | None = getattr(self._receiving, "range", None)
        if received is not None and answer.status_code in (200, 206) and "Range" in answer.request.headers:
            try:
                received.begin(answer.status_code, answer.headers)
            except FileCdkError:
                answer.close()
                raise


class _EnoughError(Exception):
    """Everything that was asked for is here."""


@dataclass(slots=True)
class _Range:
    """What the SDK writes an answer's body to: keeps the bytes `[start, end)` of the file. A server may ignore which
    generation it is asked for, and which range: then the whole object comes."""

    file: RemoteFile
    start: int
    end: int
    content: bytearray = field(default_factory=bytearray)
    _skip: int = 0

    def begin(self, status: int, headers: Any) -> None:
        """Raises FileChangedError, FileAccessError, TransientError for an answer to another question."""
        file = self.file
        if headers.get("x-goog-stored-content-encoding") == "gzip" != headers.get("content-encoding"):
            raise FileAccessError(
                "the server or a proxy before it unpacks it, so that it cannot be read by ranges", uri=file.uri
            )
        first, total = 0, int(headers.get("content-length", file.size_bytes))
        if status == 206:
            found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
            if found is None:
                raise TransientError("the server does not say which range it sends", uri=file.uri)
            first, total = int(found[1]), int(found[3])
            length = headers.get("content-length", str(self.end - self.start))
            sent = (first, int(found[2]) + 1, length)
            if total == file.size_bytes and sent != (self.start, self.end, str(self.end - self.start)):
                raise TransientError("the server sends another range than the one asked for", uri=file.uri)
        generation = headers.get("x-goog-generation")
        if total != file.size_bytes or (generation and file.etag and generation != file.etag):
            raise _changed(file.uri)
        self._skip = self.start - first

    def write(self, piece: bytes) -> None:
        part = piece[self._skip :] if self._skip else piece
        self._skip = max(self._skip - len(piece), 0)
        room = self.end - self.start - len(self.content)
        self.content += part[:room]
        if len(part) > room:
            raise _EnoughError


def _as_it_is(request: Any) -> Any:
    return request


# Errors


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the SDK was asked for. uri: None for a listing. name: of the bucket, as errors show it."""

    name: str
    uri: str | None = None

    @property
    def what(self) -> str:
        return f"listing {self.name}" if self.uri is None else f"reading from {self.name}"

    @property
    def answered(self) -> str:
        return f"listing bucket '{self.name}'" if self.uri is None else self.what


@contextmanager
def _translated(asked: _Asked) -> Iterator[None]:
    """Of errors of the SDK and of what it stands on, ours. Not chained: the texts may quote what was sent or answered."""
    try:
        yield
    except (api.GoogleAPICallError, http.RequestException, HTTPError, auth.GoogleAuthError) as exc:
        raise next(make(exc, asked) for kind, make in _ERRORS if isinstance(exc, kind)) from None


def _missing(_: Exception, asked: _Asked) -> FileCdkError:
    if asked.uri is None:
        return AccessError(f"there is no bucket '{asked.name}'", remedy="Check the bucket's name")
    return FileAccessError("it is gone since it was listed", uri=asked.uri)


def _changed(uri: str | None, how: str = "it was replaced since it was listed") -> FileCdkError:
    return FileChangedError(how, uri=uri, remedy="The next sync takes the new version")


def _forbidden(exc: Exception, asked: _Asked) -> FileCdkError:
    if _reason(exc) in _RATE_REASONS:
        return _refused(exc, asked)
    if asked.uri is not None:
        remedy = "Grant them storage.objects.get, which Storage Object Viewer has"
        return FileAccessError("the credentials may not read it", uri=asked.uri, remedy=remedy)
    remedy = "Grant them storage.objects.list and storage.objects.get, which Storage Object Viewer has"
    return AccessError(f"the credentials may not list bucket '{asked.name}'", remedy=remedy)


def _refused(exc: Any, asked: _Asked) -> FileCdkError:
    status, reason = exc.response.status_code, _reason(exc)
    message = f"{asked.answered}: the server answered {status}"
    if status in (403, 408, 429) or status >= 500:  # 403: of too many requests, since others are told apart before
        text = exc.response.headers.get("retry-after", "")
        after_s = float(text) if text.isascii() and text.isdigit() else None
        return TransientError(message, uri=asked.uri, retry_after_s=after_s)
    return AccessError(f"{message} ({reason})" if reason else message)


def _reason(exc: Any) -> str | None:
    """The server's word for the fault, if it is but one word."""
    try:
        reason = exc.response.json()["error"]["errors"][0]["reason"]
    except (ValueError, LookupError, TypeError):
        return None
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None


def _cut_off(exc: Exception, asked: _Asked) -> FileCdkError:
    return TransientError(f"{asked.what}: {connection_fault(exc)}", uri=asked.uri)


def _unsendable(exc: Exception, asked: _Asked) -> FileCdkError:
    return AccessError(f"{asked.what}: the request cannot be made ({type(exc).__name__})")


_NOT_ACCEPTED = "the credentials are not accepted"
_CHECK_THEM = "Check the credentials: they are missing, wrong, expired or revoked"
_UNTRUSTED = "the server's certificate is not accepted"
_NAME_CERTIFICATES = "Name the certificates to trust in the environment variable REQUESTS_CA_BUNDLE"
_Kinds = type[Exception] | tuple[type[Exception], ...]
_ERRORS: tuple[tuple[_Kinds, Callable[[Any, _Asked], FileCdkError]], ...] = (
    # Of two that fit, the first counts.
    (api.NotFound, _missing),
    (api.PreconditionFailed, lambda _, asked: _changed(asked.uri)),
    (api.RequestRangeNotSatisfiable, lambda _, asked: _changed(asked.uri, "it is shorter than it was when listed")),
    (api.Forbidden, _forbidden),
    (api.Unauthorized, lambda _, asked: AccessError(f"{asked.answered}: {_NOT_ACCEPTED}", remedy=_CHECK_THEM)),
    ((api.GoogleAPICallError, http.TooManyRedirects), _refused),
    (http.SSLError, lambda _, asked: AccessError(f"{asked.what}: {_UNTRUSTED}", remedy=_NAME_CERTIFICATES)),
    ((http.Timeout, http.ConnectionError, http.ChunkedEncodingError, HTTPError), _cut_off),
    ((http.RequestException, auth.MutualTLSChannelError), _unsendable),
    (auth.GoogleAuthError, lambda exc, _: no_token(exc)),
)
