"""A page of a listing made into files, fast: a bucket may have millions."""

from datetime import datetime
from typing import Any

import msgspec

from file_cdk import Page, RemoteFile, TransientError


class _Object(msgspec.Struct, gc=False):
    name: str
    updated: datetime
    size: int = 0
    generation: str | None = None


class _Objects(msgspec.Struct):
    items: list[_Object] = []
    nextPageToken: str | None = None  # noqa: N815 - the server's name


class _LooseObjects(msgspec.Struct):
    items: list[dict[str, Any]] = []
    nextPageToken: str | None = None  # noqa: N815 - the server's name


# Not strict: sizes are numbers in quotes.
_DECODER = msgspec.json.Decoder(_Objects, strict=False)
_LOOSE_DECODER = msgspec.json.Decoder(_LooseObjects, strict=False)


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
