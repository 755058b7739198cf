"""A prefix of a bucket of S3, or of an Azure container, by obstore, with the credentials of the environment."""

import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.system.run_folder import run_folder
from file_cdk.core.uris import redacted
from file_cdk.destinations.files.buckets.lease import Lease, Versioned
from file_cdk.destinations.files.storage import REMEDY, RETRIES_S, NewFile

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_RETRIES = {"retry_timeout": timedelta(seconds=RETRIES_S)}

_CLOCK = "_file_cdk/clock"


def bucket_of(url: str) -> "Bucket":
    """url: `s3://bucket/prefix/` or `az://container/prefix/`. Raises ConfigError."""
    scheme, _, rest = url.partition("://")
    name, _, prefix = rest.partition("/")
    if not name:
        raise ConfigError(f"{redacted(url)!r} names no bucket", remedy=f"Write {scheme}://bucket/prefix/")
    try:
        return Bucket(url.rstrip("/"), _store(scheme, name, prefix.strip("/") or None))
    except BaseError as exc:
        raise ConfigError(f"{redacted(url)!r}: {_reason(exc)}") from exc


_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "az": ("AZURE_STORAGE_ENDPOINT",),
}
"""Variables of the environment that name a server, by scheme."""


def _store(scheme: str, name: str, prefix: str | None) -> "ObjectStore":
    """Settings and credentials are the vendor's variables of the environment."""
    from obstore.store import AzureStore, S3Store

    endpoint = next((found for each in _ENDPOINTS[scheme] if (found := os.environ.get(each))), None)
    plain = {"client_options": {"allow_http": True}} if endpoint and endpoint.startswith("http://") else {}
    settings: dict[str, Any] = {"prefix": prefix, "retry_config": _RETRIES, **plain}
    if scheme == "az":
        return AzureStore(name, **settings | ({"endpoint": endpoint} if endpoint else {}))
    if endpoint:
        settings |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if "AWS_ACCESS_KEY_ID" not in os.environ and "AWS_SKIP_SIGNATURE" not in os.environ:
        with suppress(ImportError):
            from obstore.auth.boto3 import Boto3CredentialProvider

            try:
                settings["credential_provider"] = Boto3CredentialProvider()
            except ValueError as exc:  # of none, of any kind
                raise ConfigError(
                    f"there are no credentials for {redacted(f's3://{name}/')!r}",
                    remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile that has them: AWS_PROFILE",
                ) from exc
    return S3Store(name, **settings)


@dataclass(frozen=True, slots=True)
class Bucket:
    """See Storage."""

    root: str
    store: "ObjectStore" = field(repr=False)

    def read(self, name: str) -> bytes:
        with self._translating(f"reading {name!r}"):
            return bytes(obstore.get(self.store, name).bytes())

    def open(self, name: str) -> BinaryIO:
        with self._translating(f"reading {name!r}"):
            size = obstore.head(self.store, name)["size"]
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, name, size), 1 << 16))

    def put(self, name: str, data: bytes) -> None:
        with self._translating(f"writing {name!r}"):
            obstore.put(self.store, name, data)

    def put_new(self, name: str, data: bytes) -> bool:
        return self.put_over(name, data, None) is not None

    def put_over(self, name: str, data: bytes, version: dict[str, str] | None) -> dict[str, str] | None:
        """See VersionedStore."""
        mode: Any = "create" if version is None else version
        with self._translating(f"writing {name!r}"):
            try:
                return _version(obstore.put(self.store, name, data, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                return None

    def found(self, name: str) -> Versioned | None:
        with self._translating(f"reading {name!r}"), suppress(FileNotFoundError):
            found = obstore.get(self.store, name)
            return Versioned(bytes(found.bytes()), found.meta["last_modified"], _version(cast(Any, found.meta)))
        return None

    def create(self, name: str) -> NewFile:
        return _NewObject(self, name, tempfile.TemporaryFile(dir=run_folder()))

    def listed(self, prefix: str = "") -> Mapping[str, datetime]:
        with self._translating(f"listing {prefix!r}"):
            pages = obstore.list(self.store, prefix=prefix or None)
            return {found["path"]: found["last_modified"] for page in pages for found in page}

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with self._translating(f"removing {name!r}"), suppress(FileNotFoundError):
                obstore.delete(self.store, name)

    def now(self) -> datetime:
        with self._translating("asking for the time"):
            obstore.put(self.store, _CLOCK, b"")
            return obstore.head(self.store, _CLOCK)["last_modified"]

    def check(self) -> None:
        self.now()
        self.remove([_CLOCK])

    def hold(self, run: str) -> "Lease":
        return Lease.hold(self, run)

    @contextmanager
    def _translating(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as exc:
            raise DestinationError(f"{redacted(self.root)!r}: {doing}: {_reason(exc)}", remedy=REMEDY) from exc


def _reason(exc: BaseException) -> str:
    """Without the answer's body, and what obstore adds for its own authors. A URL may be signed."""
    line = str(exc).partition("\n")[0]
    return redacted(line.partition(": {")[0].partition(": <")[0])[:300]


class _Ranges(io.RawIOBase):
    """An object, read by ranges."""

    def __init__(self, bucket: Bucket, name: str, size: int) -> None:
        super().__init__()
        self._bucket, self._name, self._size, self._at = bucket, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._size - self._at)
        if count <= 0:
            return 0
        with self._bucket._translating(f"reading {self._name!r}"):
            data = obstore.get_range(self._bucket.store, self._name, start=self._at, length=count)
        buffer[:count] = memoryview(data)
        self._at += count
        return count


@dataclass(frozen=True, slots=True)
class _NewObject:
    """See NewFile. Nobody sees an object before it is whole."""

    bucket: Bucket
    name: str
    file: BinaryIO

    def finish(self) -> int:
        size = self.file.tell()
        self.file.seek(0)
        with self.bucket._translating(f"writing {self.name!r}"):
            obstore.put(self.bucket.store, self.name, self.file)
        self.file.close()
        return size

    def give_up(self) -> None:
        self.file.close()


def _version(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: found[name] for name in ("e_tag", "version") if found.get(name)}
