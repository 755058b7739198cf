"""Requests of the JSON interface of Cloud Storage through google-auth's session: the path that takes every key and every
configuration. An answer that is no success becomes one of file_cdk's errors.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from file_cdk import (
    AccessError,
    FileAccessError,
    FileCdkError,
    FileChangedError,
    RemoteFile,
    TransientError,
    connection_fault,
)
from source_gcs.access import Access, google_credentials, sdk_missing

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from requests import Response, Session

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
"""For this long nothing may come."""

CONNECTIONS = 32
"""Kept open per process."""

_PIECE_BYTES = 256 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_REASON = re.compile(r"[A-Za-z]{1,60}")
_PASSING = frozenset({408, 429})
_RATE_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
_TOKEN_FAULTS = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied"})
NEXT_SYNC = "The next sync takes the new version"


@dataclass(frozen=True, slots=True)
class JsonApi:
    """One bucket as one process sees it. Thread-safe: its session shares connections and nothing else that changes.

    credentials: None for anonymous."""

    bucket: str
    endpoint: str
    session: "Session"
    credentials: "Credentials | None"

    def list_objects(self, prefix: str, token: str | None, page_size: int) -> bytes:
        """JSON of one page."""
        wanted = {"fields": "items(name,size,updated,generation),nextPageToken", "maxResults": str(page_size)}
        if prefix:
            wanted["prefix"] = prefix
        if token is not None:
            wanted["pageToken"] = token
        url = f"{self.endpoint}/storage/v1/b/{self.bucket}/o"
        with _translated(f"listing gs://{self.bucket}"), self._get(url, wanted) as answer:
            if answer.status_code != 200:
                raise _listing_refused(answer, self.bucket)
            return answer.content

    def read(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """Bytes `[start, end)` of the listed generation, as they are stored."""
        key = quote(file.uri, safe="")
        url = f"{self.endpoint}/download/storage/v1/b/{self.bucket}/o/{key}"
        # Whoever accepts gzip gets an object that was stored with `Content-Encoding: gzip` as it is stored, by ranges.
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"}
        wanted = {"alt": "media"} if file.etag is None else {"alt": "media", "generation": file.etag}
        with _translated(f"reading from gs://{self.bucket}", file.uri), self._get(url, wanted, headers) as answer:
            if answer.status_code not in (200, 206):
                raise self._refused(answer, file)
            first, total = _extent(answer, file, start, end)
            check_version(file, answer.headers.get("x-goog-generation"), total)
            yield from _exactly(_pieces(answer), file, start - first, end - start)

    def _refused(self, answer: "Response", file: RemoteFile) -> FileCdkError:
        if answer.status_code == 404 and self._has_another_version(file):
            return changed(file)
        return _object_refused(answer, self.bucket, file.uri)

    def _has_another_version(self, file: RemoteFile) -> bool:
        url = f"{self.endpoint}/storage/v1/b/{self.bucket}/o/{quote(file.uri, safe='')}"
        with self._get(url, {"fields": "generation"}) as answer:
            return bool(answer.status_code == 200)

    def _get(self, url: str, wanted: Mapping[str, str], headers: Mapping[str, str] | None = None) -> "Response":
        return self.session.get(
            url,
            params=dict(wanted),
            headers=dict(headers or {}),
            stream=True,
            timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            allow_redirects=False,
        )


def connect(bucket: str, endpoint: str, access: Access) -> JsonApi:
    """A session of its own; does no request to the bucket. Raises ConfigError, AccessError."""
    try:
        import requests
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
    except ImportError:
        raise sdk_missing() from None
    with _translated("looking for credentials"):
        credentials = google_credentials(access)
    signing = credentials or AnonymousCredentials()  # type: ignore[no-untyped-call]
    session = AuthorizedSession(signing)  # type: ignore[no-untyped-call]
    adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=CONNECTIONS, max_retries=0)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    session.auth = _as_it_is  # else requests puts what a .netrc says in the place of the token
    return JsonApi(bucket, endpoint, session, credentials)


def check_version(file: RemoteFile, generation: str | None, total_bytes: int) -> None:
    """A server may ignore which generation it was asked for. Raises FileChangedError."""
    if total_bytes != file.size_bytes or (generation and file.etag and generation != file.etag):
        raise changed(file)


def changed(file: RemoteFile) -> FileChangedError:
    return FileChangedError("it was replaced since it was listed", uri=file.uri, remedy=NEXT_SYNC)


def broken_off(uri: str) -> TransientError:
    return TransientError("the answer broke off", uri=uri)


def _as_it_is(request: Any) -> Any:
    return request


def _extent(answer: "Response", file: RemoteFile, start: int, end: int) -> tuple[int, int]:
    """Where in the object the answer begins, and the object's size."""
    stored, sent = answer.headers.get("x-goog-stored-content-encoding"), answer.headers.get("content-encoding")
    if stored == "gzip" and sent != "gzip":
        raise FileAccessError(
            "the server or a proxy before it unpacks it, so that it cannot be read by ranges", uri=file.uri
        )
    if answer.status_code == 200:
        return 0, int(answer.headers.get("content-length", file.size_bytes))
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found is None:
        raise TransientError("the server does not say which range it sends", uri=file.uri)
    total = int(found[3])
    length = answer.headers.get("content-length", str(end - start))
    if total == file.size_bytes and (int(found[1]), int(found[2]) + 1, length) != (start, end, str(end - start)):
        raise TransientError("the server sends another range than the one asked for", uri=file.uri)
    return int(found[1]), total


def _pieces(answer: "Response") -> Iterator[bytes]:
    stream: Iterator[bytes] = answer.raw.stream(_PIECE_BYTES, decode_content=False)
    return stream


def _exactly(pieces: Iterator[bytes], file: RemoteFile, skip: int, wanted: int) -> Iterator[bytes]:
    """Of what comes, `wanted` bytes after `skip`: a server that ignores ranges sends the whole object."""
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        part = piece[skip : skip + wanted] if skip or len(piece) > wanted else piece
        skip = 0
        wanted -= len(part)
        yield part
        if not wanted:
            return
    raise broken_off(file.uri)


# Errors


@contextmanager
def _translated(what: str, uri: str | None = None) -> Iterator[None]:
    from google.auth import exceptions as google
    from requests import exceptions as http
    from urllib3.exceptions import HTTPError

    try:
        yield
    except http.SSLError as exc:
        raise AccessError(
            f"{what}: the server's certificate is not accepted",
            remedy="Name the certificates to trust in the environment variable REQUESTS_CA_BUNDLE",
        ) from exc
    except (http.Timeout, http.ConnectionError, http.ChunkedEncodingError, HTTPError) as exc:
        raise TransientError(f"{what}: {connection_fault(exc)}", uri=uri) from exc
    except http.RequestException as exc:
        raise AccessError(f"{what}: the request cannot be made ({type(exc).__name__})") from exc
    except google.GoogleAuthError as exc:
        # Not chained: the text may quote what was sent for a token.
        raise _no_token(exc) from None


def _no_token(exc: Exception) -> FileCdkError:
    from google.auth.exceptions import TransportError

    if isinstance(exc, TransportError) or getattr(exc, "retryable", False):
        return TransientError("no access token could be had")
    code = str(exc.args[0]).partition(":")[0] if exc.args else ""
    shown = f": {code}" if code in _TOKEN_FAULTS else ""
    return AccessError(
        f"Google gives no access token for the credentials{shown}",
        remedy="They may have expired, or been revoked or deleted: authenticate again, or make a new key",
    )


def _listing_refused(answer: "Response", bucket: str) -> FileCdkError:
    status, name = answer.status_code, f"bucket 'gs://{bucket}'"
    if status == 404:
        return AccessError(f"there is no {name}", remedy="Check the bucket's name")
    if status == 403 and _reason(answer) not in _RATE_REASONS:
        return AccessError(
            f"the credentials may not list {name}",
            remedy="Grant them storage.objects.list and storage.objects.get, which Storage Object Viewer has",
        )
    return _refused(answer, f"listing {name}", None)


def _object_refused(answer: "Response", bucket: str, uri: str) -> FileCdkError:
    status = answer.status_code
    if status == 404:
        return FileAccessError("it is gone since it was listed", uri=uri)
    if status == 412:
        return FileChangedError("it was replaced since it was listed", uri=uri, remedy=NEXT_SYNC)
    if status == 403 and _reason(answer) not in _RATE_REASONS:
        return FileAccessError(
            "the credentials may not read it",
            uri=uri,
            remedy="Grant them storage.objects.get, which Storage Object Viewer has",
        )
    if status == 416:
        return FileChangedError("it is shorter than it was when listed", uri=uri, remedy=NEXT_SYNC)
    return _refused(answer, f"reading from gs://{bucket}", uri)


def _refused(answer: "Response", what: str, uri: str | None) -> FileCdkError:
    status = answer.status_code
    if status in _PASSING or status >= 500 or status == 403:
        return TransientError(f"{what}: the server answered {status}", uri=uri, retry_after_s=_retry_after_s(answer))
    if status == 401:
        return AccessError(
            f"{what}: the credentials are not accepted",
            remedy="Check the credentials: they are missing, wrong, expired or revoked",
        )
    reason = _reason(answer)
    return AccessError(f"{what}: the server answered {status}{f' ({reason})' if reason else ''}")


def _reason(answer: "Response") -> str | None:
    """The server's word for the fault, if it is but one word."""
    try:
        reason = json.loads(answer.content)["error"]["errors"][0]["reason"]
    except (ValueError, LookupError, TypeError):
        return None
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None


def _retry_after_s(answer: "Response") -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
