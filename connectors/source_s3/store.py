"""The bucket as an ObjectStore: listings by the SDK, whose pages are parsed here, and objects by obstore (a seventh of the SDK's
CPU for each small one).

A page that is written as servers write it is taken apart by four regular expressions, one for each element needed, in any
order: 2-3 µs per key where an SDK takes 50. Anything else (prefixes, comments, CDATA, an entry that lacks an element) goes
through a real XML parser.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

from file_cdk import (
    AccessError,
    NotByObstoreError,
    ObstoreBucket,
    ObstoreEndpoint,
    ObstoreFirst,
    Page,
    RemoteFile,
    TransientError,
    plain_etag,
)
from source_s3.access import S3Settings, known_target

if TYPE_CHECKING:
    from source_s3.sdk import Sdk

_BY_TOKEN = "t"  # noqa: S105 - says what kind of page token follows
_BY_KEY = "k"

_RENEW_AFTER = timedelta(minutes=10)
"""obstore asks again five minutes before this has passed; the SDK's credentials are good for ten at the least."""


def store_of(settings: S3Settings) -> ObstoreFirst[S3Settings]:
    return ObstoreFirst(settings, _Clients)


class _Clients:
    """What one process opens of a bucket; implements file_cdk.BucketClients."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings

    @cached_property
    def sdk(self) -> "Sdk":
        from source_s3.sdk import Sdk

        return Sdk(self.settings)

    def list_page(self, prefix: str, token: str | None) -> Page:
        body = self.sdk.list_page(prefix, _after(token))
        try:
            listed = parse_page(body)
        except NotAListingError as exc:
            message = f"bucket {self.settings.bucket!r}: {exc}"
            raise TransientError(message, remedy="Check that `endpoint` is that of an S3 service") from None
        if not listed.truncated:
            return Page(listed.files)
        following: str | None = token
        if listed.next_token is not None:
            following = _BY_TOKEN + listed.next_token
        elif listed.last_key is not None:
            following = _BY_KEY + listed.last_key
        if following == token:
            raise AccessError(f"{self.settings.origin}: the server says that its listing goes on, but not where")
        return Page(listed.files, following)

    def open_obstore(self) -> ObstoreBucket:
        """Everything is given explicitly, since obstore would take what is missing from AWS_… variables, and keys as a
        function, so that a session token from there does not join them."""
        settings, name = self.settings, self.settings.bucket
        target = known_target(settings)
        is_known = target is not None
        if not settings.is_plain_bucket or (target is None and self.sdk.answers_itself):
            raise NotByObstoreError
        target = target or self.sdk.target
        is_anonymous = not is_known and self.sdk.is_anonymous

        def provide() -> Any:
            key_id, secret, token = settings.access_key_id, settings.secret_access_key, None
            expires_at = None if is_known else datetime.now(UTC) + _RENEW_AFTER
            if not is_known:
                key_id, secret, token = self.sdk.frozen_credentials()
            return {"access_key_id": key_id, "secret_access_key": secret, "token": token, "expires_at": expires_at}

        virtual = target.virtual(name)
        config = {
            "endpoint": target.bucket_url if virtual else target.bucket_url.removesuffix(f"/{name}"),
            "region": target.region,
            "virtual_hosted_style_request": virtual,
            "skip_signature": is_anonymous,
        }
        endpoint = ObstoreEndpoint(target.bucket_url, target.ca_bundle)
        return ObstoreBucket.open("S3Store", name, endpoint, config, provide=None if is_anonymous else provide)


def _after(token: str | None) -> dict[str, str]:
    """Parameters that go on from there."""
    if token is None:
        return {}
    if token.startswith(_BY_TOKEN):
        return {"ContinuationToken": token.removeprefix(_BY_TOKEN)}
    return {"StartAfter": token.removeprefix(_BY_KEY)}


# Pages


_KEY = re.compile(r"<Key>([^<]*)</Key>")
_MODIFIED = re.compile(r"<LastModified>\s*([^<\s]*)\s*</LastModified>")
_QUOTE = r"(?:&quot;|&#34;|&#x22;|\")?"
_ETAG = re.compile(rf"<ETag>\s*{_QUOTE}([^<&\"]*){_QUOTE}\s*</ETag>")
_SIZE = re.compile(r"<Size>\s*(\d+)\s*</Size>")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]+)|([0-9]+));")
_NAMED = {"&quot;": '"', "&apos;": "'"}
_UNTOLD = "the server does not tell its size and modification time"
_Entry = tuple[str, str, str | None, str]


class NotAListingError(ValueError):
    """The answer is not (all of) a listing. Holds nothing of it."""


@dataclass(frozen=True, slots=True)
class ListedPage:
    """files: folder markers left out. last_key: of all entries. truncated: more follows. next_token: the server's, if any."""

    files: list[RemoteFile]
    truncated: bool
    next_token: str | None
    last_key: str | None


def parse_page(body: bytes) -> ListedPage:
    """Keys are as they are in the store. Raises NotAListingError."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotAListingError("the listing is not UTF-8") from None
    if not text.rstrip().endswith("ListBucketResult>"):
        raise NotAListingError("the listing ends early")
    entries = _plain_entries(text)
    if entries is None:
        return _parsed(text)
    outside = text[: text.find("<Contents>")] + text[text.rfind("</Contents>") :]
    return _page(entries, partial(_element, outside))


def _element(text: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return "" if match is None else _unescaped(match[1])


def _plain_entries(text: str) -> Iterable[_Entry] | None:
    count = text.count("<Contents>")
    if not count or "<!" in text:
        return None
    keys = _KEY.findall(text)
    modified, etags, sizes = _MODIFIED.findall(text), _ETAG.findall(text), _SIZE.findall(text)
    if not count == len(keys) == len(modified) == len(etags) == len(sizes):
        return None
    if "&" in text:
        keys = [_unescaped(key) if "&" in key else key for key in keys]
    return zip(keys, modified, etags, sizes, strict=True)


def _unescaped(text: str) -> str:
    if "&#" in text:
        text = _REFERENCE.sub(lambda found: chr(int(found[1], 16) if found[1] else int(found[2])), text)
    return unescape(text, _NAMED)


def _parsed(text: str) -> ListedPage:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise NotAListingError("the listing has a document type")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except ElementTree.ParseError:
        raise NotAListingError("the listing is not well-formed") from None
    if _local(root) != "ListBucketResult":
        raise NotAListingError("the answer is not a listing")
    top = {_local(child): child.text or "" for child in root}
    return _page(_tree_entries(root), lambda name: top.get(name, ""))


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _tree_entries(root: ElementTree.Element) -> Iterator[_Entry]:
    for contents in root:
        if _local(contents) == "Contents":
            entry = {_local(child): child.text or "" for child in contents}
            if "Key" not in entry:
                raise NotAListingError("the listing has an entry without a key")
            yield entry["Key"], entry.get("LastModified", "").strip(), entry.get("ETag"), entry.get("Size", "")


def _page(entries: Iterable[_Entry], told: Callable[[str], str]) -> ListedPage:
    """told: gives the text of an element of the page itself, which may be empty."""
    encoded = told("EncodingType").strip() == "url"
    files: list[RemoteFile] = []
    key = None
    for key, modified, etag, size in entries:
        if encoded and ("%" in key or "+" in key):
            key = unquote_plus(key)
        if key and not key.endswith("/"):
            try:
                files.append(RemoteFile(key, int(size), _instant(modified), plain_etag(etag)))
            except (ValueError, OverflowError):
                files.append(RemoteFile.unusable(key, _UNTOLD))
    if next_marker := told("NextMarker"):
        key = unquote_plus(next_marker) if encoded else next_marker
    return ListedPage(files, told("IsTruncated").strip().lower() == "true", told("NextContinuationToken") or None, key)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is UTC:
        return instant
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
