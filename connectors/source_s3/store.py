"""The bucket as an ObjectStore: listings by the SDK, whose pages are parsed here, and objects by obstore (a seventh of the SDK's
CPU for each small one).

A page whose entries are all written alike, in whatever order of elements, is taken apart by one regular expression, made from
its first entry: 1 µs per key where an SDK takes 50. Where some have other elements than the first, there is one for each
element needed, 2-3 µs. Anything else (prefixes, comments, CDATA, an entry that lacks an element) goes through a real XML parser.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

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


# As text, which `re` compiles when it is first used: most listings need the first two alone.
_LEAF = r"<(\w+)>([^<]*)</\1>"
_OPENING_QUOTE = '&quot;|&#34;|&#x22;|"|'
_TAGGED = "([!#-%'-;=-~]+)"
"""A tag as servers write it: of printable ASCII, without what XML or a quote would end it with."""
_WANTED = ("Key", "LastModified", "ETag", "Size")

_KEY = r"<Key>([^<]*)</Key>"
_MODIFIED = r"<LastModified>\s*([^<\s]*)\s*</LastModified>"
_QUOTE = r"(?:&quot;|&#34;|&#x22;|\")?"
_ETAG = rf"<ETag>\s*{_QUOTE}([^<&\"]*){_QUOTE}\s*</ETag>"
_SIZE = r"<Size>\s*(\d+)\s*</Size>"
_REFERENCE = "&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(lt|gt|quot|apos|amp));"
_NAMED = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
_UNTOLD = "the server does not tell its size and modification time"


class _Entries(NamedTuple):
    """What a page says of its objects, a column for each element. etags: without their quotes. All else as it is written."""

    keys: Sequence[str]
    modified: Sequence[str]
    etags: Sequence[str | None]
    sizes: Sequence[str]


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


def _plain_entries(text: str) -> _Entries | None:
    # The search for one character takes a hundredth of the time of that for two that begin with a frequent one.
    if "<Contents>" not in text or ("!" in text and "<!" in text):
        return None
    entries = _alike_entries(text) or _separate_elements(text)
    if entries is not None and "&" in "".join(entries.keys):
        return entries._replace(keys=[_unescaped(key) if "&" in key else key for key in entries.keys])
    return entries


def _alike_entries(text: str) -> _Entries | None:
    """None when there are entries that are not written as the first one is."""
    start = text.find("<Contents>")
    names, alike = _shape(text[start : text.find("</Contents>", start)])
    if sorted(names) != sorted(_WANTED):
        return None
    # Cut at the entries, the text leaves what stands between them, and a value for each group.
    pieces = re.split(alike + "</Contents>", text)
    step = len(names) + 1
    if len(pieces) < step or "".join(pieces[step:-1:step]).strip() or "<Contents>" in pieces[-1]:
        return None
    columns = {name: pieces[at::step] for at, name in enumerate(names, 1)}
    return _Entries(*(columns[name] for name in _WANTED))


def _shape(entry: str) -> tuple[list[str], str]:
    """The elements that are wanted of an entry, in its order, and a regular expression with a group for each of them, which
    matches entries of the same elements in the same order."""
    names, alike, end = [], "", 0
    for leaf in re.finditer(_LEAF, entry):
        name, value = leaf.groups()
        pattern = "[^<]*"
        if name == "ETag":
            quote = re.match(_OPENING_QUOTE, value)
            assert quote is not None, "it matches nothing too"
            pattern = quote[0] + _TAGGED + quote[0]
        elif name in _WANTED:
            pattern = "([^<]*)"
        if name in _WANTED:
            names.append(name)
        alike += f"{re.escape(entry[end : leaf.start()])}<{name}>{pattern}</{name}>"
        end = leaf.end()
    return names, alike + re.escape(entry[end:])


def _separate_elements(text: str) -> _Entries | None:
    keys, modified, etags, sizes = (re.findall(pattern, text) for pattern in (_KEY, _MODIFIED, _ETAG, _SIZE))
    if not text.count("<Contents>") == len(keys) == len(modified) == len(etags) == len(sizes):
        return None
    return _Entries(keys, modified, list(map(plain_etag, etags)), sizes)


def _unescaped(text: str) -> str:
    return re.sub(_REFERENCE, _character, text)


def _character(reference: re.Match[str]) -> str:
    hexadecimal, decimal, name = reference.groups()
    return _NAMED[name] if name else chr(int(hexadecimal, 16) if hexadecimal else int(decimal))


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


def _tree_entries(root: ElementTree.Element) -> _Entries:
    entries = [
        {_local(child): child.text or "" for child in contents} for contents in root if _local(contents) == "Contents"
    ]
    if any("Key" not in entry for entry in entries):
        raise NotAListingError("the listing has an entry without a key")
    return _Entries(
        [entry["Key"] for entry in entries],
        [entry.get("LastModified", "") for entry in entries],
        [plain_etag(entry.get("ETag")) for entry in entries],
        [entry.get("Size", "") for entry in entries],
    )


def _page(entries: _Entries, told: Callable[[str], str]) -> ListedPage:
    """told: gives the text of an element of the page itself, which may be empty."""
    encoded = told("EncodingType").strip() == "url"
    if encoded and any(sign in "".join(entries.keys) for sign in "%+"):
        entries = entries._replace(keys=list(map(unquote_plus, entries.keys)))
    last_key = entries.keys[-1] if entries.keys else None
    if next_marker := told("NextMarker"):
        last_key = unquote_plus(next_marker) if encoded else next_marker
    files = [file for file in _files(entries) if file.uri and file.uri[-1] != "/"]
    return ListedPage(
        files, told("IsTruncated").strip().lower() == "true", told("NextContinuationToken") or None, last_key
    )


def _files(entries: _Entries) -> list[RemoteFile]:
    keys, modified, etags, sizes = entries
    try:
        # Objects of one page are often of the same second.
        instants = {text: _instant(text) for text in set(modified)}
        return list(map(RemoteFile, keys, map(int, sizes), map(instants.__getitem__, modified), etags))
    except (ValueError, OverflowError):
        return list(map(_file, keys, modified, etags, sizes))


def _file(key: str, modified: str, etag: str | None, size: str) -> RemoteFile:
    try:
        return RemoteFile(key, int(size), _instant(modified), etag)
    except (ValueError, OverflowError):
        return RemoteFile.unusable(key, _UNTOLD)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text.strip())
    if instant.tzinfo is UTC:
        return instant
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
