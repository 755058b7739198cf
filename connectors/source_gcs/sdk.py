"""The one module that knows the SDK (google-cloud-storage): signed listings, whatever obstore cannot read, and what its
errors mean.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from file_cdk import (
    CHANGED_SINCE_LISTED,
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    AccessError,
    Faults,
    FileAccessError,
    FileCdkError,
    RangeAnswer,
    Refusal,
    Refusals,
    RemoteFile,
    StoreRequest,
    TransientError,
    file_changed,
    requests_faults,
)
from source_gcs.access import GcsSettings, no_token, sdk_missing

try:
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client
    from requests import adapters
    from requests import exceptions as http
except ImportError:
    raise sdk_missing() from None

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_CONNECTIONS = 32  # kept open per process
_LISTED = "items(name,size,updated,generation),nextPageToken"
# The SDK tries nothing again: that is the reader's to do, in one place that bounds and logs it.
_ONCE: dict[str, Any] = {"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S), "retry": None}


class Sdk:
    """The SDK's side of one bucket, in one process; used by several threads. Making it asks nobody.

    credentials: None for anonymous. Raises AccessError, TransientError.
    """

    def __init__(self, settings: GcsSettings, credentials: "Credentials | None") -> None:
        self._name = settings.origin
        signing: Any = credentials or AnonymousCredentials()  # type: ignore[no-untyped-call]
        options = {"api_endpoint": settings.endpoint, "universe_domain": signing.universe_domain}
        # Without a project none is looked for.
        self._client = Client(project=None, credentials=signing, client_options=options)
        # Else a thread asks for what the bucket is like, which traces alone tell, and which few credentials may know.
        self._client._bucket_metadata_cache = None
        self._bucket = self._client.bucket(settings.bucket)
        self._receiving = threading.local()
        with self._request().translated(_FAULTS):
            session = self._client._http
        session.auth = lambda request: request  # else requests puts what a .netrc says in the place of the token
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
        with self._request().translated(_FAULTS):
            body: bytes = self._client._connection.api_request(
                method="GET", path=f"{self._bucket.path}/o", query_params=given, expect_json=False, **_ONCE
            )
        return body

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytearray]:
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
        with self._request(file.uri).translated(_FAULTS):
            try:
                self._bucket.blob(file.uri, generation=file.etag).download_to_file(
                    wanted, start=wanted.start, end=wanted.end - 1, raw_download=True, checksum=None, **_ONCE
                )
            except _EnoughError:
                return
            except api.NotFound:
                if self._bucket.blob(file.uri).exists(**_ONCE):
                    raise file_changed(file.uri) from None
                raise
            finally:
                del self._receiving.range
        if len(wanted.content) < wanted.end - wanted.start:
            raise TransientError("the answer broke off", uri=file.uri)

    def _request(self, uri: str | None = None) -> StoreRequest:
        listing = {"what": f"listing {self._name}", "answered": f"listing bucket '{self._name}'"}
        reading = f"reading from {self._name}"
        told = listing if uri is None else {"what": reading, "answered": reading}
        return StoreRequest(uri, {"name": f"'{self._name}'", **told})

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
        if headers.get("x-goog-stored-content-encoding") == "gzip" != headers.get("content-encoding"):
            raise FileAccessError(
                "the server or a proxy before it unpacks it, so that it cannot be read by ranges", uri=self.file.uri
            )
        generation = headers.get("x-goog-generation")
        self._skip = RangeAnswer.checked(self.file, self.start, self.end, status, headers, generation).skip

    def write(self, piece: bytes) -> None:
        part = piece[self._skip :] if self._skip else piece
        self._skip = max(self._skip - len(piece), 0)
        room = self.end - self.start - len(self.content)
        self.content += part[:room]
        if len(part) > room:
            raise _EnoughError


# Errors


_VIEWER = "which Storage Object Viewer has"
_MAY_READ = f"Grant them storage.objects.get, {_VIEWER}"
_MAY_LIST = f"Grant them storage.objects.list and storage.objects.get, {_VIEWER}"
_CHECK_THEM = "Check the credentials: they are missing, wrong, expired or revoked"
_TOO_MANY = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}
_PASSING = (408, 429, *range(500, 600))
_REFUSALS: Refusals = (
    Refusal(FileAccessError, "it is gone since it was listed", statuses={404}, traits={"file"}),
    Refusal(AccessError, "there is no bucket {name}", "Check the bucket's name", statuses={404}),
    *CHANGED_SINCE_LISTED,
    Refusal(TransientError, "{answered}: the server answered {answer}", statuses=_PASSING, codes=_TOO_MANY),
    Refusal(FileAccessError, "the credentials may not read it", _MAY_READ, statuses={403}, traits={"file"}),
    Refusal(AccessError, "the credentials may not list bucket {name}", _MAY_LIST, statuses={403}),
    Refusal(AccessError, "{answered}: the credentials are not accepted", _CHECK_THEM, statuses={401}),
    Refusal(AccessError, "{answered}: the server answered {answer}"),
)


def _refused(exc: Any, request: StoreRequest) -> FileCdkError:
    answer = exc.response
    try:
        reason = answer.json()["error"]["errors"][0]["reason"]
    except (ValueError, LookupError, TypeError):
        reason = None
    status = answer.status_code
    return request.refused(_REFUSALS, status, reason if isinstance(reason, str) else None, answer.headers)


_FAULTS: Faults = (
    ((api.GoogleAPICallError, http.TooManyRedirects), _refused),
    ((auth.MutualTLSChannelError,), Refusal(AccessError, "{what}: the request cannot be made ({kind})")),
    ((auth.GoogleAuthError,), lambda exc, _: no_token(exc)),
    *requests_faults(),
)
