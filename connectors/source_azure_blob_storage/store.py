"""The container as an ObjectStore: listed over HTTP; read through obstore where it can be, else as it is listed."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from file_cdk import NotByObstoreError, ObstoreBucket, Page, RemoteFile
from source_azure_blob_storage.access import Access, Target
from source_azure_blob_storage.pages import page_of
from source_azure_blob_storage.refusals import name_of
from source_azure_blob_storage.tokens import NoIdentityError, Tokens

if TYPE_CHECKING:
    from source_azure_blob_storage.sdk import BlobApi

PAGE_SIZE = 5000
"""The most that the service gives."""


@dataclass(slots=True)
class _Clients:
    """What one process has open. Made when first used, and never pickled."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    target: Target | None = None
    """As it turned out to be."""
    tokens: Tokens | None = None
    api: "BlobApi | None" = None
    fast: ObstoreBucket | None = None
    not_fast: bool = False


@dataclass(frozen=True, slots=True)
class AzureBlobStore:
    """One container; implements file_cdk.ObjectStore. by_obstore: False to read everything as it is listed."""

    target: Target
    by_obstore: bool = True
    _clients: _Clients = field(default_factory=_Clients, init=False, repr=False, compare=False)

    @property
    def origin(self) -> str:
        return name_of(self.target)

    def list_page(self, prefix: str, token: str | None) -> Page:
        return page_of(self._api().list_blobs(prefix, token, PAGE_SIZE))

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | memoryview]:
        container = self._fast() if self.by_obstore else None
        if container is not None:
            try:
                yield from container.get(file, start, end)
            except NotByObstoreError:
                pass
            else:
                return
        yield from self._api().read(file, start, end)

    def _api(self) -> "BlobApi":
        with self._clients.lock:
            if self._clients.api is None:
                from source_azure_blob_storage.sdk import connect

                target = self._found()
                self._clients.api = connect(target, self._clients.tokens)
            return self._clients.api

    def _fast(self) -> ObstoreBucket | None:
        with self._clients.lock:
            if self._clients.fast is None and not self._clients.not_fast:
                from source_azure_blob_storage import fast

                target = self._found()
                try:
                    self._clients.fast = fast.open_container(target, self._clients.tokens)
                except NotByObstoreError:
                    self._clients.not_fast = True
            return self._clients.fast

    def _found(self) -> Target:
        """Gets a first token where tokens are needed. To be called with the lock held."""
        clients = self._clients
        if clients.target is None:
            target = self.target
            if target.access.has_tokens:
                clients.tokens = Tokens(target.access)
                try:
                    clients.tokens.get()
                except NoIdentityError:
                    target, clients.tokens = replace(target, access=Access("anonymous")), None
            clients.target = target
        return clients.target

    def __reduce__(self) -> tuple[Any, ...]:
        # As it turned out to be: spares each worker the search for an identity where there is none.
        return AzureBlobStore, (self._clients.target or self.target, self.by_obstore)
