"""The container as an ObjectStore: listed by the SDK, whose pages are parsed here; read through obstore where it can be, else by
the SDK."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree

from file_cdk import (
    ObstoreBucket,
    ObstoreEndpoint,
    ObstoreFirst,
    Page,
    RemoteFile,
    TransientError,
    plain_etag,
    requests_certificates,
)
from source_azure_blob_storage.access import Access, NoIdentityError, Target, Tokens

if TYPE_CHECKING:
    from source_azure_blob_storage.sdk import Sdk

PAGE_SIZE = 5000
"""Maximum number of blobs in a page that the service gives."""

# What nearly every entry looks like. Searched for in one entry at a time, so that nothing is taken from its neighbour.
_ENTRY = re.compile(
    r"<Name>([^<]+)</Name>.*?<Last-Modified>([^<]+)</Last-Modified><Etag>([^<]+)</Etag>.*?"
    r"<Content-Length>([0-9]+)</Content-Length>",
    re.DOTALL,
)
_MARKER = re.compile(r"<NextMarker>([^<]+)</NextMarker>")
_REFERENCE = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|([a-z]+));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_DIRECTORY = "<ResourceType>directory</ResourceType>"
_FOLDER = re.compile(r"<hdi_isfolder>true</hdi_isfolder>", re.IGNORECASE)
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}


def open_container(target: Target) -> ObstoreFirst[Target]:
    """Asks nobody."""
    return ObstoreFirst(target, _Clients)


class _Clients:
    """What one process opens of a container; implements file_cdk.BucketClients. settings: as they turned out to be."""

    def __init__(self, target: Target) -> None:
        self.settings = target

    @cached_property
    def _tokens(self) -> Tokens | None:
        """With a first token; None where none are needed."""
        if not self.settings.access.has_tokens:
            return None
        tokens = Tokens(self.settings.access)
        try:
            tokens.get_token()
        except NoIdentityError:
            self.settings = replace(self.settings, access=Access("anonymous"))
            return None
        return tokens

    @cached_property
    def sdk(self) -> "Sdk":
        from source_azure_blob_storage.sdk import Sdk

        tokens = self._tokens
        return Sdk(self.settings, tokens)

    def list_page(self, prefix: str, token: str | None) -> Page:
        return page_of(self.sdk.list_blobs(prefix, token, PAGE_SIZE))

    def open_obstore(self) -> ObstoreBucket:
        """Everything is given explicitly, since obstore would take what is missing from AZURE_… variables, and credentials
        as a function, so that others from there do not go before them."""
        tokens, target = self._tokens, self.settings
        access = target.access
        endpoint = ObstoreEndpoint(target.endpoint, requests_certificates())
        config = {
            "account_name": target.account,
            "endpoint": target.endpoint,
            "use_emulator": False,
            "use_fabric_endpoint": False,
            "skip_signature": access.kind == "anonymous",
        }

        def provide() -> Any:
            if tokens is None:
                return {"access_key" if access.kind == "key" else "sas_token": access.secret, "expires_at": None}
            token, expires_on = tokens.get_token()
            return {"token": token, "expires_at": datetime.fromtimestamp(expires_on, UTC)}

        given = None if access.kind == "anonymous" else provide
        # The service takes a backslash for a slash.
        return ObstoreBucket.open("AzureStore", target.container, endpoint, config, provide=given, not_in_keys="\\")


# Pages: a container may have millions of blobs


def page_of(body: bytes) -> Page:
    """Directories, what other programs put in their place, and keys that end with a slash are left out.

    Raises TransientError for a page that is not whole.
    """
    try:
        text = body.decode()
        entries = text.split("</Blob>")
        end = entries.pop()
        if not end.rstrip().endswith("</EnumerationResults>"):
            raise TransientError("the server's listing broke off")
        if "</ResourceType>" in text or "_isfolder>" in text:
            entries = [entry for entry in entries if _DIRECTORY not in entry and not _FOLDER.search(entry)]
        marker = _MARKER.search(end)
        return Page(_files(entries), None if marker is None else _unescaped(marker[1]))
    except (ValueError, LookupError, ElementTree.ParseError, OverflowError):
        raise TransientError("the server's listing is damaged") from None


def _files(entries: list[str]) -> list[RemoteFile]:
    files: list[RemoteFile] = []
    times: dict[str, datetime] = {}
    for entry in entries:
        found = _ENTRY.search(entry)
        name, modified, etag, size = _parsed(entry) if found is None else found.groups()
        if found is not None and "&" in name:
            name = _unescaped(name)
        if not name or name[-1] == "/":
            continue
        try:
            if (modified_at := times.get(modified)) is None:
                modified_at = times[modified] = _time(modified)
            files.append(RemoteFile(name, int(size), modified_at, plain_etag(etag)))
        except (ValueError, LookupError, OverflowError):
            files.append(RemoteFile.unusable(name, "the server does not tell its size and modification time"))
    return files


def _parsed(entry: str) -> tuple[str, str, str, str]:
    """Of an entry in another order, or with a name that XML cannot hold and that is percent-encoded instead."""
    # The reader of XML gets an entry of the service that the user trusts with the files, and entities need a DOCTYPE before.
    blob = ElementTree.fromstring(entry[entry.index("<Blob>") :] + "</Blob>")  # noqa: S314
    name = blob.find("Name")
    if name is None:
        raise ValueError("an entry without a name")
    text = name.text or ""
    if name.get("Encoded") == "true":
        text = unquote(text, errors="strict")
    modified, etag, size = (
        blob.findtext(f"Properties/{each}") or "" for each in ("Last-Modified", "Etag", "Content-Length")
    )
    return text, modified, etag, size


def _unescaped(text: str) -> str:
    return _REFERENCE.sub(_character, text)


def _character(reference: re.Match[str]) -> str:
    in_hex, in_decimal, name = reference.groups()
    if name is not None:
        return _NAMED[name]
    return chr(int(in_hex, 16) if in_hex else int(in_decimal))


def _time(text: str) -> datetime:
    """Of `Mon, 23 Nov 2026 11:56:55 GMT`."""
    day, month, year = int(text[5:7]), _MONTHS[text[8:11]], int(text[12:16])
    return datetime(year, month, day, int(text[17:19]), int(text[20:22]), int(text[23:25]), tzinfo=UTC)
