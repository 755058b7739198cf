"""What is known of a member between the listing of its archive and its opening, and how the member's version carries it."""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum

from file_cdk.compression.plain import ALWAYS_ALLOWED_BYTES, expands_too_far
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.core.uris import escape_name, split_member

_log = logging.getLogger("file_cdk.readers")

_VERSION = re.compile(
    r"member:(?:(?P<tar>[0-9a-f]+)|(?P<zip>[0-9a-f]+(?:,[0-9a-f]+){4})):(?P<size>[0-9a-f]+)(?:=(?P<etag>.*))?",
    re.DOTALL,
)
_DOT_SEGMENTS = re.compile(r"\A(?:\.?/)+")


@dataclass(frozen=True, slots=True)
class ZipPlace:
    """header_offset: of the member's local header. stored_bytes: size of its compressed data. The rest as in the zip."""

    header_offset: int
    stored_bytes: int
    method: int
    flags: int
    crc32: int


SPARSE_AT = (1 << 64) - 1
"""In place of an offset: the member's data does not lie in one piece."""


@dataclass(frozen=True, slots=True)
class TarPlace:
    """offset: of the member's data in the unpacked archive, or SPARSE_AT."""

    offset: int


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size_bytes: int
    place: ZipPlace | TarPlace


class Left(Enum):
    """An entry of an archive that is no member to read: a folder or a device, or a link."""

    OTHER = 0
    LINK = 1


@dataclass(frozen=True, slots=True)
class Limits:
    max_members: int
    max_expansion_ratio: int


def member_file(archive: RemoteFile, member: Member) -> RemoteFile:
    """Its etag holds its place and all that tells the archive's version, so that opening it need not list the archive."""
    place = member.place
    if isinstance(place, ZipPlace):
        numbers = (place.header_offset, place.stored_bytes, place.method, place.flags, place.crc32)
        where = ",".join(f"{number:x}" for number in numbers)
    else:
        where = f"{place.offset:x}"
    version = f"member:{where}:{archive.size_bytes:x}" + ("" if archive.etag is None else f"={archive.etag}")
    return RemoteFile(f"{archive.uri}!{member.name}", member.size_bytes, archive.modified_at, version)


def parse_member(file: RemoteFile) -> tuple[RemoteFile, ZipPlace | TarPlace] | None:
    """The archive as it was listed, and the member's place in it; None for a file that `member_file` did not make."""
    parted = split_member(file.uri)
    version = _VERSION.fullmatch(file.etag or "")
    if parted is None or version is None:
        return None
    archive = replace(file, uri=parted[0], size_bytes=int(version["size"], 16), etag=version["etag"])
    if version["tar"]:
        return archive, TarPlace(int(version["tar"], 16))
    return archive, ZipPlace(*(int(number, 16) for number in version["zip"].split(",")))


def clean_name(name: str) -> str:
    """The path inside the archive as a uri has it: no leading `/` and `./`, bytes that are not UTF-8 as `%E9` and the like.

    What is left of `..` is text like any other, since nothing is written under this name.
    """
    return escape_name(_DOT_SEGMENTS.sub("", name.partition("\0")[0]))


def counted(entries: Iterable[Member | Left], archive: RemoteFile, limits: Limits) -> Iterator[Member]:
    """Those that are regular files with a name. Raises MalformedFileError beyond the limits."""
    total = links = 0
    allowed = max(ALWAYS_ALLOWED_BYTES, limits.max_expansion_ratio * archive.size_bytes)
    for count, entry in enumerate(entries, 1):
        if count > limits.max_members:
            raise MalformedFileError(
                f"has more than {limits.max_members} members", uri=archive.uri, remedy="Pack them into several archives"
            )
        if isinstance(entry, Left):
            links += entry is Left.LINK
            continue
        total += entry.size_bytes
        if total > allowed:
            raise expands_too_far(limits.max_expansion_ratio, archive.uri)
        if entry.name:
            yield entry
    if links:
        _log.warning("left out %d links in %r", links, archive.uri)
