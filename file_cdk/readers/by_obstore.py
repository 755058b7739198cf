"""Ranges of objects by obstore, which takes a fraction of the CPU time of the vendors' SDKs for each small object.

It takes paths where stores have keys, and not every configuration. So whoever uses it has another way, which is also the
one that knows what a refusal means. obstore is imported when a bucket is opened.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from file_cdk.core.errors import FileChangedError, TransientError
from file_cdk.core.files import RemoteFile

_SMALL_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_STATUS = re.compile(r"status code: (\d{3})")
_TRANSIENT_STATUS = frozenset({"408", "425", "429", "500", "502", "503", "504"})
_NETWORK = re.compile(
    r"error sending request|timed out|error decoding response|request or response body error|HTTP error"
)
_CERTIFICATE = re.compile(r"certificate|UnknownIssuer", re.IGNORECASE)
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|\Z)")
"""Control characters, and segments that are empty, `.` or `..`."""


class NotByObstoreError(Exception):
    """The other way is to be taken: it can do it, or knows what is wrong."""


@dataclass(frozen=True, slots=True)
class ObstoreEndpoint:
    """How a service is reached. connect and read: seconds until there must be a connection, and for which nothing may come.

    certificates: path of a PEM file of authorities that are trusted besides the usual ones. headers: sent with each request.
    """

    url: str
    connect_timeout_s: int
    read_timeout_s: int
    certificates: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def client_options(self) -> Mapping[str, Any]:
        """Raises NotByObstoreError for certificates that cannot be read."""
        options: dict[str, Any] = {
            "allow_http": self.url.lower().startswith("http:"),
            "connect_timeout": f"{self.connect_timeout_s}s",
            "read_timeout": f"{self.read_timeout_s}s",
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
            raise _changed(file)
        if tuple(result.range) != (start, end):
            raise TransientError("the server sent another range than was asked for", uri=file.uri)
        yield from _pieces(result, end - start, file)

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
            view = memoryview(piece)
            wanted -= len(view)
            if wanted < 0:
                raise TransientError("the server sent more than was asked for", uri=file.uri)
            yield view
    except (BaseError, OSError) as exc:
        raise TransientError(f"the body broke off ({type(exc).__name__})", uri=file.uri) from None
    if wanted:
        raise TransientError("the server sent less than was asked for", uri=file.uri)


def _changed(file: RemoteFile) -> FileChangedError:
    return FileChangedError(
        "it was replaced since it was listed", uri=file.uri, remedy="The next sync takes the new version"
    )


def _translated(exc: Exception, file: RemoteFile) -> Exception:
    text = str(exc).partition("Debug source")[0]
    status = _STATUS.search(text)
    if status is not None:
        if status[1] in _TRANSIENT_STATUS:
            return TransientError(f"the server answered {status[1]}", uri=file.uri)
        # 412 among them: it may also mean that there is no such object any more.
        return NotByObstoreError()
    if _NETWORK.search(text) and not _CERTIFICATE.search(str(exc)):
        return TransientError("the connection failed", uri=file.uri)
    return NotByObstoreError()
