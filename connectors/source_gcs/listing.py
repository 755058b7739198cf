"""A page of a listing made into files, fast: a bucket may have millions."""

from datetime import datetime

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


# Not strict: sizes are numbers in quotes.
_DECODER = msgspec.json.Decoder(_Objects, strict=False)


def page_of(body: bytes) -> Page:
    """Keys that stand for folders (empty, or ending with a slash) are left out."""
    try:
        found = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TransientError("the server's listing is damaged") from None
    files = [
        RemoteFile(each.name, each.size, each.updated, each.generation)
        for each in found.items
        if each.name and each.name[-1] != "/"
    ]
    return Page(files, found.nextPageToken or None)
