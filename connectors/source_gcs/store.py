"""The bucket as an ObjectStore: listed through the SDK; read through obstore where it can be, else through the SDK."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from file_cdk import NotByObstoreError, ObstoreBucket, ObstoreEndpoint, Page, RemoteFile, TransientError
from source_gcs.access import Access, google_credentials, token_of
from source_gcs.config import CONNECT_TIMEOUT_S, DEFAULT_ENDPOINT, READ_TIMEOUT_S

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from source_gcs.sdk import Sdk

PAGE_SIZE = 5000
"""Asked for; the service gives 1000 at most, emulators and later versions may give more."""

_REFUSALS = 5
"""So many in a row of what the SDK was given then are put down to the objects, or to an old token."""

_ASK_AFTER = timedelta(minutes=4, seconds=30)
"""obstore asks again four minutes before this has passed, and so every half a minute: google-auth knows when it is time for
another token, also when the SDK has had to get one because the server did not take the last."""

_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those that the SDK trusts: obstore does not know of these."""


@dataclass(slots=True)
class _Clients:
    """What one process has open. Made when first used, and never pickled."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    credentials: list["Credentials | None"] = field(default_factory=list)
    sdk: "Sdk | None" = None
    fast: ObstoreBucket | None = None
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class GcsStore:
    """One bucket; implements file_cdk.ObjectStore. endpoint: without a trailing slash. by_obstore: False to read everything
    through the SDK."""

    bucket: str
    access: Access
    endpoint: str = DEFAULT_ENDPOINT
    by_obstore: bool = True
    _clients: _Clients = field(default_factory=_Clients, init=False, repr=False, compare=False)

    @property
    def origin(self) -> str:
        return f"gs://{self.bucket}"

    def list_page(self, prefix: str, token: str | None) -> Page:
        return page_of(self._sdk().list_objects(prefix, token, PAGE_SIZE))

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | bytearray | memoryview]:
        bucket = self._fast() if self.by_obstore else None
        if bucket is not None:
            try:
                yield from bucket.get(file, start, end)
            except NotByObstoreError:
                pass
            else:
                self._clients.refusals = 0
                return
        yield from self._sdk().read(file, start, end)
        if bucket is not None and bucket.can_name(file.uri):
            self._refused(bucket)

    def _sdk(self) -> "Sdk":
        with self._clients.lock:
            if self._clients.sdk is None:
                from source_gcs.sdk import Sdk

                self._clients.sdk = Sdk(self.bucket, self.endpoint, self._credentials())
            return self._clients.sdk

    def _credentials(self) -> "Credentials | None":
        """The same for the SDK and obstore: a token that one of them had to get serves the other."""
        with self._clients.lock:
            if not self._clients.credentials:
                self._clients.credentials.append(google_credentials(self.access))
            return self._clients.credentials[0]

    def _fast(self) -> ObstoreBucket | None:
        clients = self._clients
        with clients.lock:
            if clients.fast is None and clients.refusals < _REFUSALS:
                try:
                    clients.fast = _open_bucket(self.bucket, self.endpoint, self._credentials())
                except NotByObstoreError:
                    clients.refusals = _REFUSALS
            return clients.fast

    def _refused(self, bucket: ObstoreBucket) -> None:
        """It is opened again, since the SDK may have a new token by now, and after some times no more: what stands at
        the endpoint may know nothing of the XML interface, which obstore speaks."""
        with self._clients.lock:
            if self._clients.fast is bucket:
                self._clients.fast = None
                self._clients.refusals += 1

    def __reduce__(self) -> tuple[Any, ...]:
        access = self.access
        if access.kind == "ambient" and self._clients.credentials == [None]:
            # Spares each worker the search, which where there is nothing waits for a metadata server.
            access = Access("anonymous")
        return GcsStore, (self.bucket, access, self.endpoint, self.by_obstore)


def _open_bucket(name: str, url: str, credentials: "Credentials | None") -> ObstoreBucket:
    """Everything is given explicitly, since obstore would take what is missing from GOOGLE_… variables; and a function for
    credentials always, also where none are to be sent, since it would look for some, at the metadata server of the machine
    in the end. Raises NotByObstoreError."""
    # Whoever accepts gzip gets an object that was stored with `Content-Encoding: gzip` as it is stored, by ranges.
    headers = {"Accept-Encoding": "gzip"}
    if project := getattr(credentials, "quota_project_id", None):
        headers["x-goog-user-project"] = project
    certificates = next(filter(None, map(os.environ.get, _CERTIFICATE_VARIABLES)), None)
    endpoint = ObstoreEndpoint(url, CONNECT_TIMEOUT_S, READ_TIMEOUT_S, certificates, headers)

    def provide() -> Any:
        if credentials is None:
            return {"token": "", "expires_at": None}
        return {"token": token_of(credentials, url), "expires_at": datetime.now(UTC) + _ASK_AFTER}

    config = {"base_url": url, "skip_signature": credentials is None}
    return ObstoreBucket.open("GCSStore", name, endpoint, config, provide=provide)


# Pages: a bucket may have millions of objects


T = TypeVar("T")


class _Object(msgspec.Struct, gc=False):
    name: str
    updated: datetime
    size: int = 0
    generation: str | None = None


class _Objects(msgspec.Struct, Generic[T]):
    items: list[T] = []
    nextPageToken: str | None = None  # noqa: N815 - the server's name


# Not strict: sizes are numbers in quotes.
_DECODER = msgspec.json.Decoder(_Objects[_Object], strict=False)
_LOOSE_DECODER = msgspec.json.Decoder(_Objects[dict[str, Any]])


def page_of(body: bytes) -> Page:
    """Keys that stand for folders (empty, or ending with a slash) are left out."""
    try:
        found = _DECODER.decode(body)
        files = [
            RemoteFile(each.name, each.size, each.updated, each.generation)
            for each in found.items
            if each.name and each.name[-1] != "/"
        ]
    except (msgspec.DecodeError, ValueError):
        return _page_one_by_one(body)
    return Page(files, found.nextPageToken or None)


def _page_one_by_one(body: bytes) -> Page:
    """The same of a page with an entry that is none: what has a name at least is listed, with its fault."""
    try:
        found = _LOOSE_DECODER.decode(body)
        return Page([file for each in found.items for file in _files_of(each)], found.nextPageToken or None)
    except (msgspec.DecodeError, ValueError):
        raise TransientError("the server's listing is damaged") from None


def _files_of(item: dict[str, Any]) -> list[RemoteFile]:
    """Raises msgspec.ValidationError for an entry without a name."""
    name = msgspec.convert(item.get("name"), str)
    if not name or name[-1] == "/":
        return []
    try:
        each = msgspec.convert(item, _Object, strict=False)
        return [RemoteFile(each.name, each.size, each.updated, each.generation)]
    except (msgspec.ValidationError, ValueError):
        return [RemoteFile.unusable(name, "the server does not tell its size and modification time")]
