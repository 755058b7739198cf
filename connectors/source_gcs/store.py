"""The bucket as an ObjectStore: listed through the SDK; read through obstore where it can be, else through the SDK."""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from file_cdk import (
    ObstoreBucket,
    ObstoreEndpoint,
    ObstoreFirst,
    Page,
    RemoteFile,
    TransientError,
    requests_certificates,
)
from source_gcs.access import Access, GcsSettings, google_credentials, token_of

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from source_gcs.sdk import Sdk

PAGE_SIZE = 5000
"""Number of objects in a page that is asked for. The service gives at most 1000; emulators and later versions may give more."""

_ASK_AFTER = timedelta(minutes=4, seconds=30)
"""obstore asks again four minutes before this has passed, and so every half a minute: google-auth knows when it is time for
another token, also when the SDK has had to get one because the server did not take the last."""


def open_bucket(settings: GcsSettings) -> ObstoreFirst[GcsSettings]:
    """Asks nobody."""
    return ObstoreFirst(settings, _Clients)


class _Clients:
    """What one process opens of a bucket; implements file_cdk.BucketClients."""

    def __init__(self, settings: GcsSettings) -> None:
        self._given = settings

    @property
    def settings(self) -> GcsSettings:
        """Spares each worker the search, which where there is nothing waits for a metadata server."""
        given = self._given
        has_none = given.access.kind == "ambient" and self.__dict__.get("credentials", given) is None
        return GcsSettings(given.bucket, Access("anonymous"), given.endpoint) if has_none else given

    @cached_property
    def credentials(self) -> "Credentials | None":
        """The same for the SDK and obstore: a token that one of them had to get serves the other."""
        return google_credentials(self._given.access)

    @cached_property
    def sdk(self) -> "Sdk":
        from source_gcs.sdk import Sdk

        return Sdk(self._given, self.credentials)

    def list_page(self, prefix: str, token: str | None) -> Page:
        return page_of(self.sdk.list_objects(prefix, token, PAGE_SIZE))

    def open_obstore(self) -> ObstoreBucket:
        """Everything is given explicitly, since obstore would take what is missing from GOOGLE_… variables; and a function
        for credentials always, also where none are to be sent, since it would look for some, at the metadata server of the
        machine in the end."""
        url, credentials = self._given.endpoint, self.credentials
        # Whoever accepts gzip gets an object that was stored with `Content-Encoding: gzip` as it is stored, by ranges.
        headers = {"Accept-Encoding": "gzip"}
        if project := getattr(credentials, "quota_project_id", None):
            headers["x-goog-user-project"] = project

        def provide() -> Any:
            if credentials is None:
                return {"token": "", "expires_at": None}
            return {"token": token_of(credentials, url), "expires_at": datetime.now(UTC) + _ASK_AFTER}

        endpoint = ObstoreEndpoint(url, requests_certificates(), headers)
        config = {"base_url": url, "skip_signature": credentials is None}
        return ObstoreBucket.open("GCSStore", self._given.bucket, endpoint, config, provide=provide)


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
