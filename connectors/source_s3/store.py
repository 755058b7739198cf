"""The bucket as an ObjectStore: listings by the SDK, objects by obstore (a seventh of the SDK's CPU for each small one), and by
the SDK what obstore cannot do."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from file_cdk import AccessError, NotByObstoreError, ObstoreBucket, ObstoreEndpoint, Page, RemoteFile
from source_s3.access import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, S3Settings, Target, known_target

if TYPE_CHECKING:
    from source_s3.sdk import Sdk

_BY_TOKEN = "t"  # noqa: S105 - says what kind of page token follows
_BY_KEY = "k"

Keys = tuple[str, str, str | None]
"""Access key, secret, token."""

_RENEW_AFTER = timedelta(minutes=10)
"""obstore asks again five minutes before this has passed; the SDK's credentials are good for ten at the least."""


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
        if self._by_obstore:
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
        settings = self.settings
        target = known_target(settings)
        if target is None:
            sdk = self._sdk()
            if sdk.answers_itself:
                raise NotByObstoreError
            keys = None if sdk.is_anonymous else sdk.frozen_credentials
            return _open_bucket(settings.bucket, sdk.target, keys, renewed=True)
        access_key, secret = settings.access_key_id or "", settings.secret_access_key or ""
        return _open_bucket(settings.bucket, target, lambda: (access_key, secret, None), renewed=False)


def _after(token: str | None) -> dict[str, str]:
    """Parameters that go on from there."""
    if token is None:
        return {}
    if token.startswith(_BY_TOKEN):
        return {"ContinuationToken": token.removeprefix(_BY_TOKEN)}
    return {"StartAfter": token.removeprefix(_BY_KEY)}


def _open_bucket(name: str, target: Target, keys: Callable[[], Keys] | None, *, renewed: bool) -> ObstoreBucket:
    """keys: None for anonymous requests. renewed: they change during a long sync.

    Everything is given explicitly, since obstore would take what is missing from AWS_… variables, and keys as a function,
    so that a session token from there does not join them. Raises NotByObstoreError.
    """
    endpoint = ObstoreEndpoint(target.bucket_url, CONNECT_TIMEOUT_S, READ_TIMEOUT_S, target.ca_bundle)
    virtual = target.virtual(name)
    config = {
        "endpoint": target.bucket_url if virtual else target.bucket_url.removesuffix(f"/{name}"),
        "region": target.region,
        "virtual_hosted_style_request": virtual,
        "skip_signature": keys is None,
    }
    return ObstoreBucket.open(
        "S3Store", name, endpoint, config, provide=None if keys is None else _provider(keys, renewed)
    )


def _provider(keys: Callable[[], Keys], renewed: bool) -> Callable[[], Any]:
    def provide() -> Any:
        access_key, secret, token = keys()
        expires_at = datetime.now(UTC) + _RENEW_AFTER if renewed else None
        return {"access_key_id": access_key, "secret_access_key": secret, "token": token, "expires_at": expires_at}

    return provide
