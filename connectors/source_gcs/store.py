"""The bucket as an ObjectStore: listed through the JSON interface; read through obstore where it can be, else as listed."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from file_cdk import Page, RemoteFile
from source_gcs.credentials import Access
from source_gcs.listing import page_of
from source_gcs.requests_api import JsonApi, connect

DEFAULT_ENDPOINT = "https://storage.googleapis.com"
PAGE_SIZE = 5000
"""Asked for; the service gives 1000 at most, emulators and later versions may give more."""


class _Clients:
    """What one process has open. Made when first used, and never pickled."""

    __slots__ = ("api", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.api: JsonApi | None = None


@dataclass(frozen=True, slots=True)
class GcsStore:
    """One bucket; implements file_cdk.ObjectStore. endpoint: without a trailing slash."""

    bucket: str
    access: Access
    endpoint: str = DEFAULT_ENDPOINT
    _clients: _Clients = field(default_factory=_Clients, init=False, repr=False, compare=False)

    @property
    def origin(self) -> str:
        return f"gs://{self.bucket}"

    def list_page(self, prefix: str, token: str | None) -> Page:
        return page_of(self._api().list_objects(prefix, token, PAGE_SIZE))

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | memoryview]:
        yield from self._api().read(file, start, end)

    def _api(self) -> JsonApi:
        with self._clients.lock:
            if self._clients.api is None:
                self._clients.api = connect(self.bucket, self.endpoint, self.access)
            return self._clients.api

    def __reduce__(self) -> tuple[Any, ...]:
        api, access = self._clients.api, self.access
        if access.kind == "ambient" and api is not None and api.credentials is None:
            # Spares each worker the search, which where there is nothing waits for a metadata server.
            access = Access("anonymous")
        return GcsStore, (self.bucket, access, self.endpoint)
