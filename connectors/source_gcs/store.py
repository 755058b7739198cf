"""The bucket as an ObjectStore: listed through the JSON interface; read through obstore where it can be, else as listed."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from file_cdk import NotByObstoreError, ObstoreBucket, Page, RemoteFile
from source_gcs.access import Access
from source_gcs.listing import page_of
from source_gcs.sdk import JsonApi, connect

DEFAULT_ENDPOINT = "https://storage.googleapis.com"
PAGE_SIZE = 5000
"""Asked for; the service gives 1000 at most, emulators and later versions may give more."""

_REFUSALS = 5
"""So many in a row of what the session was given then are put down to the objects, or to an old token."""


@dataclass(slots=True)
class _Clients:
    """What one process has open. Made when first used, and never pickled."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    api: JsonApi | None = None
    fast: ObstoreBucket | None = None
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class GcsStore:
    """One bucket; implements file_cdk.ObjectStore. endpoint: without a trailing slash. by_obstore: False to read everything
    through the session."""

    bucket: str
    access: Access
    endpoint: str = DEFAULT_ENDPOINT
    by_obstore: bool = True
    _clients: _Clients = field(default_factory=_Clients, init=False, repr=False, compare=False)

    @property
    def origin(self) -> str:
        return f"gs://{self.bucket}"

    def list_page(self, prefix: str, token: str | None) -> Page:
        return page_of(self._api().list_objects(prefix, token, PAGE_SIZE))

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | memoryview]:
        bucket = self._fast() if self.by_obstore else None
        if bucket is not None:
            try:
                yield from bucket.get(file, start, end)
            except NotByObstoreError:
                pass
            else:
                self._clients.refusals = 0
                return
        yield from self._api().read(file, start, end)
        if bucket is not None and bucket.can_name(file.uri):
            self._refused(bucket)

    def _api(self) -> JsonApi:
        with self._clients.lock:
            if self._clients.api is None:
                self._clients.api = connect(self.bucket, self.endpoint, self.access)
            return self._clients.api

    def _fast(self) -> ObstoreBucket | None:
        clients = self._clients
        if clients.fast is not None:
            return clients.fast
        with clients.lock:
            if clients.fast is None and clients.refusals < _REFUSALS:
                from source_gcs import fast

                credentials = None if self.access.kind == "anonymous" else self._api().credentials
                try:
                    clients.fast = fast.open_bucket(self.bucket, self.endpoint, credentials)
                except NotByObstoreError:
                    clients.refusals = _REFUSALS
            return clients.fast

    def _refused(self, bucket: ObstoreBucket) -> None:
        """It is opened again, since the session may have a new token by now, and after some times no more: what stands at
        the endpoint may know nothing of the XML interface, which obstore speaks."""
        with self._clients.lock:
            if self._clients.fast is bucket:
                self._clients.fast = None
                self._clients.refusals += 1

    def __reduce__(self) -> tuple[Any, ...]:
        api, access = self._clients.api, self.access
        if access.kind == "ambient" and api is not None and api.credentials is None:
            # Spares each worker the search, which where there is nothing waits for a metadata server.
            access = Access("anonymous")
        return GcsStore, (self.bucket, access, self.endpoint, self.by_obstore)
