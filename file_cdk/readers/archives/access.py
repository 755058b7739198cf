"""Listing archives and opening their members."""

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import field
from functools import partial
from typing import IO, cast

from file_cdk.compression.plain import open_plain, open_zip_member
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileChangedError, FileError, MalformedFileError, TransientError, no_room_to_unpack
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Matcher, StreamReader
from file_cdk.core.uris import is_archive, tar_compression
from file_cdk.readers.archives.excerpt import Excerpt, StreamBytes, naming
from file_cdk.readers.archives.kinds import HEAD_BYTES, other_kind
from file_cdk.readers.archives.members import (
    SPARSE_AT,
    Limits,
    Member,
    TarPlace,
    ZipPlace,
    member_file,
    parse_member,
)
from file_cdk.readers.archives.tar import list_tar
from file_cdk.readers.archives.zip import data_start, list_zip
from file_cdk.readers.spooled import SpooledFiles

_log = logging.getLogger("file_cdk.readers")

_ENCRYPTED = 1
_KEPT_TARS = 2
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Archives:
    """The archives of `inner`; see ArchiveReader. Keeps unpacked tars open."""

    inner: StreamReader
    max_expansion_ratio: int
    max_members: int
    _tars: SpooledFiles = field(
        default_factory=partial(SpooledFiles, _KEPT_TARS, no_room_to_unpack), init=False, repr=False, compare=False
    )

    def list_members(self, archive: RemoteFile, matcher: Matcher) -> Iterator[RemoteFile]:
        """Those that `matcher` wants; the archive itself when it cannot be listed to its end."""
        try:
            members = self._members(archive)
        except (FileError, TransientError, OSError):
            yield archive
            return
        nested = 0
        for member in members:
            file = member_file(archive, member)
            if matcher.matches(file.uri):
                if is_archive(member.name):
                    nested += 1
                else:
                    yield file
        if nested:
            _log.warning("left out %d archives inside %r: only the outermost is opened", nested, archive.uri)

    def open(self, file: RemoteFile) -> IO[bytes]:
        """A member, or a file that is only called like one; of an archive that could not be listed, raises why."""
        if (known := parse_member(file)) is None and not is_archive(file.uri):
            return self.inner.open(file)
        if known is None:
            self._members(file)
            raise FileChangedError(
                "the archive could not be listed, and now it can",
                uri=file.uri,
                remedy="The next sync reads its members",
            )
        archive, place = known
        with naming(file.uri):
            if isinstance(place, ZipPlace):
                member = Member(file.uri, file.size_bytes, place)
                return open_zip_entry(self.inner.open(archive), member, archive, file.uri, self.max_expansion_ratio)
            return self._open_tar_member(file, archive, place)

    def _members(self, archive: RemoteFile) -> list[Member]:
        """All regular members, in the archive's order, each name once."""
        with naming(archive.uri), closing(self.inner.open(archive)) as stream:
            try:
                members = self._list(stream, archive)
            except MalformedFileError as exc:
                stream.seek(0)
                if (found := other_kind(stream.read(HEAD_BYTES), archive.uri)) is None:
                    raise
                raise MalformedFileError(
                    f"is not what its name says, but {found}", uri=archive.uri, remedy="Name it as what it is"
                ) from exc
        if members and all(is_archive(member.name) for member in members):
            raise MalformedFileError(
                "holds nothing but archives, which are not opened inside another",
                uri=archive.uri,
                remedy="Unpack it once, so that they are files of their own",
            )
        latest = {member.name: member for member in members}
        if replaced := len(members) - len(latest):
            _log.warning("%d members of %r are replaced by later ones of the same name", replaced, archive.uri)
        return list(latest.values())

    def _list(self, stream: IO[bytes], archive: RemoteFile) -> list[Member]:
        limits = Limits(self.max_members, self.max_expansion_ratio)
        if archive.uri.lower().endswith(".zip"):
            return list(list_zip(stream, archive, limits))
        if (codec := tar_compression(archive.uri)) is None:
            return list(list_tar(stream, archive, limits))
        with open_plain(stream, codec, archive.uri, self.max_expansion_ratio) as plain:
            return list(list_tar(cast(IO[bytes], plain), archive, limits))

    def _open_tar_member(self, file: RemoteFile, archive: RemoteFile, place: TarPlace) -> IO[bytes]:
        if place.offset == SPARSE_AT:
            raise MalformedFileError(
                "is a sparse file in a tar archive, which cannot be read",
                uri=file.uri,
                remedy="Pack it without --sparse",
            )
        codec = tar_compression(archive.uri)
        if codec is None:
            return cast(
                IO[bytes], Excerpt(StreamBytes(self.inner.open(archive)), place.offset, file.size_bytes, file.uri)
            )

        def unpack() -> Iterator[bytes]:
            with (
                closing(self.inner.open(archive)) as stream,
                open_plain(stream, codec, archive.uri, self.max_expansion_ratio) as plain,
            ):
                while piece := plain.read(_COPY_BYTES):
                    yield piece

        unpacked = self._tars.get(archive, unpack)
        return cast(IO[bytes], Excerpt(unpacked, place.offset, file.size_bytes, file.uri))


def open_zip_entry(
    stream: IO[bytes], member: Member, archive: RemoteFile, uri: str, max_expansion_ratio: int
) -> IO[bytes]:
    """The member of a zip archive, plain. stream: of the archive, which is closed with it, or if it cannot be opened. uri: for
    errors. Raises MalformedFileError, as reading it does for damaged data."""
    place = member.place
    assert isinstance(place, ZipPlace)
    try:
        if place.flags & _ENCRYPTED:
            raise MalformedFileError(
                "is encrypted, and archives with a password cannot be read",
                uri=uri,
                remedy="Unpack it, or pack it without a password",
            )
        window = Excerpt(StreamBytes(stream), data_start(stream, place, archive), place.stored_bytes, uri)
    except BaseException:
        stream.close()
        raise
    plain = open_zip_member(
        cast(IO[bytes], window),
        uri,
        max_expansion_ratio,
        method=place.method,
        flags=place.flags,
        size_bytes=member.size_bytes,
        crc32=place.crc32,
    )
    return cast(IO[bytes], plain)
