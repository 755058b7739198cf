"""A prefix of a bucket of Google Cloud Storage, by google-cloud-storage, with the credentials of the environment."""

import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from datetime import datetime
from typing import Any, BinaryIO, cast

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.system.run_folder import run_folder
from file_cdk.core.uris import redacted
from file_cdk.destinations.files.buckets.lease import Lease, Versioned
from file_cdk.destinations.files.storage import REMEDY, RETRIES_S, NewFile

_CLOCK = "_file_cdk/clock"
_RETRY = DEFAULT_RETRY.with_timeout(RETRIES_S)
"""Of requests for little."""

_BUFFER_BYTES = 1 << 16
_ABSENT = 0
"""The generation that an object has which is not there."""


def gcs_of(url: str) -> "GcsBucket":
    """url: `gs://bucket/prefix/`. Raises ConfigError, DestinationError."""
    name, _, prefix = url.removeprefix("gs://").partition("/")
    if not name:
        raise ConfigError(f"{redacted(url)!r} names no bucket", remedy="Write gs://bucket/prefix/")
    prefix = prefix.strip("/")
    try:
        bucket = storage.Client().bucket(name)
    except (GoogleAuthError, OSError, ValueError) as exc:
        raise DestinationError(
            f"{redacted(url)!r}: there are no credentials for Google Cloud Storage, or they cannot be read",
            remedy="Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to the path of a key",
        ) from exc
    return GcsBucket(url.rstrip("/"), f"{prefix}/" if prefix else "", bucket)


@dataclass(frozen=True, slots=True)
class GcsBucket:
    """See Storage. prefix: empty, or with a slash at its end."""

    root: str
    prefix: str
    bucket: Any = field(repr=False)

    def read(self, name: str) -> bytes:
        with self._translating(f"reading {name!r}"):
            return cast(bytes, self._blob(name).download_as_bytes(retry=_RETRY))

    def open(self, name: str) -> BinaryIO:
        blob = self._blob(name)
        with self._translating(f"reading {name!r}"):
            blob.reload(retry=_RETRY)
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, name, blob), _BUFFER_BYTES))

    def put(self, name: str, data: bytes) -> None:
        with self._translating(f"writing {name!r}"):
            self._blob(name).upload_from_string(data, content_type=_TYPE, retry=_RETRY)

    def put_new(self, name: str, data: bytes) -> bool:
        # The client tries again where an answer is lost: then its first try has made the object.
        return self.put_over(name, data, None) is not None or self.read(name) == data

    def put_over(self, name: str, data: bytes, version: Any) -> Any:
        """See VersionedStore."""
        blob = self._blob(name)
        with self._translating(f"writing {name!r}"):
            try:
                blob.upload_from_string(data, content_type=_TYPE, if_generation_match=version or _ABSENT, retry=_RETRY)
            except PreconditionFailed:
                return None
        return blob.generation

    def found(self, name: str) -> Versioned | None:
        blob = self._blob(name)
        with self._translating(f"reading {name!r}"), suppress(NotFound):
            blob.reload(retry=_RETRY)
            data = blob.download_as_bytes(if_generation_match=blob.generation, retry=_RETRY)
            return Versioned(data, blob.updated, blob.generation)
        return None

    def create(self, name: str) -> NewFile:
        return _NewObject(self, name, tempfile.TemporaryFile(dir=run_folder()))

    def listed(self, prefix: str = "") -> Mapping[str, datetime]:
        within = self.prefix + (f"{prefix}/" if prefix else "")
        with self._translating(f"listing {prefix!r}"):
            found = self.bucket.client.list_blobs(
                self.bucket, prefix=within, fields="items(name,updated),nextPageToken", retry=_RETRY
            )
            return {blob.name.removeprefix(self.prefix): blob.updated for blob in found}

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with self._translating(f"removing {name!r}"), suppress(NotFound):
                self._blob(name).delete(retry=_RETRY)

    def now(self) -> datetime:
        blob = self._blob(_CLOCK)
        with self._translating("asking for the time"):
            blob.upload_from_string(b"", retry=_RETRY)
            return cast(datetime, blob.updated)

    def check(self) -> None:
        self.now()
        self.remove([_CLOCK])

    def hold(self, run: str) -> Lease:
        """With a client of its own: it is renewed in a thread."""
        return Lease.hold(gcs_of(self.root), run)

    def _blob(self, name: str) -> Any:
        return self.bucket.blob(self.prefix + name)

    @contextmanager
    def _translating(self, doing: str) -> Iterator[None]:
        try:
            yield
        except NotFound as exc:
            raise DestinationError(f"{redacted(self.root)!r}: {doing}: it is not there") from FileNotFoundError(
                str(exc)
            )
        except (GoogleAPIError, GoogleAuthError, RequestException, OSError) as exc:
            cause = exc.cause if isinstance(exc, RetryError) else exc
            code = getattr(cause, "code", None)
            if isinstance(code, int):
                reason = f"the store answers {int(code)}"
            elif isinstance(cause, ConnectionError | RequestsConnectionError):
                reason = "it cannot be reached"
            else:
                reason = type(cause).__name__
            raise DestinationError(
                f"{redacted(self.root)!r}: {doing}: {reason}",
                remedy=REMEDY,
            ) from exc


_TYPE = "application/octet-stream"


class _Ranges(io.RawIOBase):
    """An object, read by ranges."""

    def __init__(self, bucket: GcsBucket, name: str, blob: Any) -> None:
        super().__init__()
        self._bucket, self._name, self._blob, self._at = bucket, name, blob, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blob.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._blob.size - self._at)
        if count <= 0:
            return 0
        with self._bucket._translating(f"reading {self._name!r}"):
            data = self._blob.download_as_bytes(start=self._at, end=self._at + count - 1, checksum=None)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@dataclass(frozen=True, slots=True)
class _NewObject:
    """See NewFile. Nobody sees an object before it is whole."""

    bucket: GcsBucket
    name: str
    file: BinaryIO

    def finish(self) -> int:
        size = self.file.tell()
        with self.bucket._translating(f"writing {self.name!r}"):
            self.bucket._blob(self.name).upload_from_file(self.file, rewind=True, size=size, content_type=_TYPE)
        self.file.close()
        return size

    def give_up(self) -> None:
        self.file.close()
