"""Ranges of objects by obstore, which takes a fraction of the CPU time of the vendors' SDKs for each small object.

It takes paths where stores have keys, and not every configuration. So a store reads by the vendor's SDK what obstore cannot,
and the SDK is also what knows what a refusal means. obstore is imported when a bucket is opened.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.system.collecting import without_collecting
from file_cdk.readers.answers import exact_bytes, file_changed
from file_cdk.readers.connections import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from file_cdk.readers.objects import Page
from file_cdk.readers.ranges import Piece
from file_cdk.readers.refusals import TRANSIENT_STATUSES

_SMALL_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_STATUS = re.compile(r"status code: (\d{3})")
_NETWORK = re.compile(
    r"error sending request|timed out|error decoding response|request or response body error|HTTP error"
)
_CERTIFICATE = re.compile(r"certificate|UnknownIssuer", re.IGNORECASE)
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|\Z)")
"""Control characters, and segments that are empty, `.` or `..`."""


class NotByObstoreError(Exception):
    """obstore cannot read this; the vendor's SDK can, or knows what is wrong."""


@dataclass(frozen=True, slots=True)
class ObstoreEndpoint:
    """How a service is reached. certificates: path of a PEM file of authorities that are trusted besides the usual ones.
    headers: sent with each request."""

    url: str
    certificates: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def client_options(self) -> Mapping[str, Any]:
        """Raises NotByObstoreError for certificates that cannot be read."""
        options: dict[str, Any] = {
            "allow_http": self.url.lower().startswith("http:"),
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "read_timeout": f"{READ_TIMEOUT_S}s",
            "timeout": "7days",  # of a whole request: a big range over a slow line takes as long as it takes
        }
        if self.headers:
            options["default_headers"] = dict(self.headers)
        if self.certificates is not None:
            try:
                options["root_certificate"] = Path(self.certificates).read_bytes()
            except OSError as exc:
                raise NotByObstoreError from exc
        return options


@dataclass(frozen=True, slots=True)
class ObstoreBucket:
    """A bucket as one process sees it: shared by its threads, and neither pickled nor used by a process that forks.

    pinned_by: what the etags of its files are. not_in_keys: characters that the service takes for others.
    """

    store: Any = field(repr=False)
    pinned_by: Literal["etag", "generation"]
    not_in_keys: str = ""

    @classmethod
    def open(
        cls,
        kind: Literal["S3Store", "GCSStore", "AzureStore"],
        name: str,
        endpoint: ObstoreEndpoint,
        config: Mapping[str, Any],
        *,
        provide: Callable[[], Any] | None,
        not_in_keys: str = "",
    ) -> "ObstoreBucket":
        """Asks nobody. provide: returns credentials as the kind of store has them, and when they expire.

        What config does not say obstore takes from the environment. Raises NotByObstoreError, also without obstore.
        """
        try:
            from obstore import store as kinds
            from obstore.exceptions import BaseError
        except ImportError as exc:
            raise NotByObstoreError from exc
        options: dict[str, Any] = {"client_options": endpoint.client_options(), "retry_config": {"max_retries": 0}}
        if provide is not None:
            options["credential_provider"] = provide
        try:
            store = getattr(kinds, kind)(name, config=dict(config), **options)
        except (BaseError, ValueError):
            # Not chained: the text may show what the environment holds.
            raise NotByObstoreError from None
        return cls(store, "generation" if kind == "GCSStore" else "etag", not_in_keys)

    def can_name(self, key: str) -> bool:
        """Whether obstore asks for exactly this key: it takes paths, not names."""
        return not _UNNAMEABLE.search(key) and not any(character in key for character in self.not_in_keys)

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[memoryview]:
        """Bytes `[start, end)` of the listed version. Raises FileChangedError, TransientError, and, before the first piece
        only, NotByObstoreError."""
        import obstore
        from obstore.exceptions import BaseError

        if not self.can_name(file.uri):
            raise NotByObstoreError
        options = {"range": (start, end), **self._pin(file)}
        try:
            result = obstore.get(self.store, file.uri, options=options)  # type: ignore[arg-type]
        except (BaseError, OSError, ValueError) as exc:
            # Not chained: the text shows the URL, which may have a signature in it.
            raise _translated(exc, file) from None
        # A server may ignore which version and range it was asked for.
        meta = result.meta
        if meta["size"] != file.size_bytes or self._is_another(file, meta):
            raise file_changed(file.uri)
        if tuple(result.range) != (start, end):
            raise TransientError("the server sent another range than was asked for", uri=file.uri)
        yield from exact_bytes(_pieces(result, end - start, file), end - start, file.uri)

    def _pin(self, file: RemoteFile) -> Mapping[str, str]:
        if not file.etag or file.etag.startswith("W/"):
            return {}
        return {"version": file.etag} if self.pinned_by == "generation" else {"if_match": f'"{file.etag}"'}

    def _is_another(self, file: RemoteFile, meta: Mapping[str, Any]) -> bool:
        found = meta.get("version" if self.pinned_by == "generation" else "e_tag")
        return bool(file.etag and found) and str(found).strip(' "') != str(file.etag).strip(' "')


def _pieces(result: Any, wanted: int, file: RemoteFile) -> Iterator[memoryview]:
    from obstore.exceptions import BaseError

    try:
        for piece in [result.bytes()] if wanted <= _SMALL_BYTES else result.stream(_PIECE_BYTES):
            yield memoryview(piece)
    except (BaseError, OSError) as exc:
        raise TransientError(f"the body broke off ({type(exc).__name__})", uri=file.uri) from None


def _translated(exc: Exception, file: RemoteFile) -> Exception:
    text = str(exc).partition("Debug source")[0]
    status = _STATUS.search(text)
    if status is not None:
        if int(status[1]) in TRANSIENT_STATUSES:
            return TransientError(f"the server answered {status[1]}", uri=file.uri)
        # 412 among them: it may also mean that there is no such object any more.
        return NotByObstoreError()
    if _NETWORK.search(text) and not _CERTIFICATE.search(str(exc)):
        return TransientError("the connection failed", uri=file.uri)
    return NotByObstoreError()


# Stores that read by obstore first


_MAX_REFUSALS = 5
"""Maximum number of files in a row that obstore was refused and the SDK was given, after which obstore is asked no more."""

Settings_co = TypeVar("Settings_co", covariant=True)
Settings = TypeVar("Settings", bound="_Named")


class RangeClient(Protocol):
    """A vendor's SDK, opened for one bucket."""

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes | bytearray]:
        """As ObjectStore.get does."""


class BucketClients(Protocol[Settings_co]):
    """What one process opens of one bucket, each thing once, when it is first asked for; a store asks under a lock."""

    @property
    def settings(self) -> Settings_co:
        """As they turned out to be: what other processes are given, so that they need not search for credentials again."""

    @property
    def sdk(self) -> RangeClient: ...

    def open_obstore(self) -> ObstoreBucket:
        """Raises NotByObstoreError where obstore cannot be used."""

    def list_page(self, prefix: str, token: str | None) -> Page:
        """As ObjectStore.list_page does, by `sdk`, which is open."""


class _Named(Protocol):
    @property
    def origin(self) -> str: ...


@dataclass(slots=True)
class _Opened(Generic[Settings_co]):
    lock: threading.RLock = field(default_factory=threading.RLock)
    clients: BucketClients[Settings_co] | None = None
    sdk: RangeClient | None = None
    fast: ObstoreBucket | None = None
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class ObstoreFirst(Generic[Settings]):
    """One bucket, listed by the vendor's SDK, and read by obstore what obstore can name and is given, by the SDK the rest;
    implements ObjectStore. A copy that travels to another process has the settings only.

    connect: makes what a process opens, and asks nobody. by_obstore: False to read everything by the SDK.
    """

    settings: Settings
    connect: Callable[[Settings], BucketClients[Settings]] = field(repr=False)
    by_obstore: bool = True
    _opened: _Opened[Settings] = field(default_factory=_Opened, init=False, repr=False, compare=False)

    @property
    def origin(self) -> str:
        return str(self.settings.origin)

    def list_page(self, prefix: str, token: str | None) -> Page:
        self._sdk()
        return self._clients().list_page(prefix, token)

    def get(self, file: RemoteFile, start: int, end: int) -> Iterator[Piece]:
        bucket = self._fast() if self.by_obstore else None
        if bucket is not None:
            try:
                yield from bucket.get(file, start, end)
            except NotByObstoreError:
                pass
            else:
                self._opened.refusals = 0
                return
        yield from self._sdk().get(file, start, end)
        if bucket is not None and bucket.can_name(file.uri):
            self._refused(bucket)

    def _clients(self) -> BucketClients[Settings]:
        with self._opened.lock:
            if self._opened.clients is None:
                self._opened.clients = self.connect(self.settings)
            return self._opened.clients

    def _sdk(self) -> RangeClient:
        opened = self._opened
        with opened.lock:
            if opened.sdk is None:
                # SDKs make tens of thousands of objects from their models of a service, and none of them is garbage.
                with without_collecting():
                    opened.sdk = self._clients().sdk
            return opened.sdk

    def _fast(self) -> ObstoreBucket | None:
        opened = self._opened
        with opened.lock:
            if opened.fast is None and opened.refusals < _MAX_REFUSALS:
                try:
                    opened.fast = self._clients().open_obstore()
                except NotByObstoreError:
                    opened.refusals = _MAX_REFUSALS
            return opened.fast

    def _refused(self, bucket: ObstoreBucket) -> None:
        """obstore is opened again, since the SDK may have another token by now; but what stands at the endpoint may also
        not speak as obstore does."""
        with self._opened.lock:
            if self._opened.fast is bucket:
                self._opened.fast = None
                self._opened.refusals += 1

    def __reduce__(self) -> tuple[Any, ...]:
        clients = self._opened.clients
        settings = self.settings if clients is None else clients.settings
        return ObstoreFirst, (settings, self.connect, self.by_obstore)
