"""The bucket as an ObjectStore: listings by signed requests, objects by obstore, and by the SDK what it cannot do."""

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from file_cdk import AccessError, NotByObstoreError, ObstoreBucket, Page, RemoteFile
from source_s3.settings import S3Settings, known_target

if TYPE_CHECKING:
    from source_s3.sdk import Sdk

_BY_TOKEN = "t"  # noqa: S105 - says what kind of page token follows
_BY_KEY = "k"


class S3Store:
    """One bucket; implements file_cdk.ObjectStore. What it holds besides the settings stays in its process."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._sdk_made: Sdk | None = None
        self._fast_made: ObstoreBucket | None = None
        self._by_obstore = settings.is_plain_bucket

    @property
    def origin(self) -> str:
        return f"s3://{self.settings.bucket}"

    def __repr__(self) -> str:
        return f"S3Store({self.settings!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, S3Store) and other.settings == self.settings

    def __hash__(self) -> int:
        return hash(self.settings)

    def __reduce__(self) -> tuple[type["S3Store"], tuple[S3Settings]]:
        return S3Store, (self.settings,)

    def list_page(self, prefix: str, token: str | None) -> Page:
        listed = self._sdk().list_page(prefix, _after(token))
        if not listed.truncated:
            return Page(listed.files)
        following: str | None = token
        if listed.next_token is not None:
            following = _BY_TOKEN + listed.next_token
        elif listed.last_key is not None:
            following = _BY_KEY + listed.last_key
        if following == token:
            raise AccessError(f"{self.origin}: the server says that its listing goes on, but not where")
        return Page(listed.files, following)

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | memoryview]:
        if self._by_obstore and not _mocked():
            try:
                yield from self._fast().get(file, start, end)
            except NotByObstoreError:
                pass
            else:
                return
        yield from self._sdk().get(file, start, end)

    def _sdk(self) -> "Sdk":
        with self._lock:
            if self._sdk_made is None:
                from source_s3.sdk import Sdk

                self._sdk_made = Sdk(self.settings)
            return self._sdk_made

    def _fast(self) -> ObstoreBucket:
        with self._lock:
            if self._fast_made is None:
                try:
                    self._fast_made = self._open_fast()
                except NotByObstoreError:
                    self._by_obstore = False
                    raise
            return self._fast_made

    def _open_fast(self) -> ObstoreBucket:
        from source_s3 import fast

        settings = self.settings
        target = known_target(settings)
        if target is None:
            sdk = self._sdk()
            keys = None if sdk.is_anonymous else sdk.frozen_credentials
            return fast.open_bucket(settings.bucket, sdk.target, keys, renewed=True)
        access_key, secret = settings.access_key_id or "", settings.secret_access_key or ""
        return fast.open_bucket(settings.bucket, target, lambda: (access_key, secret, None), renewed=False)


def _after(token: str | None) -> dict[str, str]:
    """Parameters that go on from there. A server of the first version of the API, which has no tokens, knows `marker`."""
    if token is None:
        return {}
    if token.startswith(_BY_TOKEN):
        return {"continuation-token": token.removeprefix(_BY_TOKEN)}
    key = token.removeprefix(_BY_KEY)
    return {"start-after": key, "marker": key}


def _mocked() -> bool:
    if "moto.core.models" not in sys.modules:
        return False
    from source_s3.sdk import is_mocked

    return is_mocked()
