"""The members of archives as files of their own: a reader around another reader."""

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO, Protocol, cast

from file_cdk.core.errors import FileChangedError, FileError, MalformedFileError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.core.uris import is_archive, split_member, tar_compression
from file_cdk.readers.archives_members import (
    MAX_MEMBERS,
    Limits,
    Member,
    TarPlace,
    ZipPlace,
    member_file,
    parse_member,
)
from file_cdk.readers.archives_tar import UnpackedTars, list_tar
from file_cdk.readers.archives_window import ClosingBoth, StreamBytes, Window, naming
from file_cdk.readers.archives_zip import data_start, list_zip
from file_cdk.readers.globbing import GlobPatterns

_log = logging.getLogger("file_cdk.readers")

_ENCRYPTED = 1


class Unpacker(Protocol):
    """Opens compressed streams; neither method closes the stream it is given."""

    @property
    def max_expansion_ratio(self) -> int: ...

    def open_compressed(self, stream: IO[bytes], codec: str, uri: str) -> IO[bytes]:
        """codec: as core.uris names it. Reads from what it returns raise MalformedFileError."""

    def open_zip_member(
        self, stream: IO[bytes], uri: str, *, method: int, flags: int, size_bytes: int, crc32: int
    ) -> IO[bytes]:
        """The plain data of a member; size and checksum are verified while it is read."""


@dataclass(frozen=True, slots=True)
class ArchiveReader:
    """The files of `inner`, and in place of each archive that `matcher` wants opened its members; a StreamReader.

    A member is `archive.zip!path/inside`, as old as its archive, and another version when the archive is. An archive is
    known by its name alone: zip, tar, and tar compressed with gzip, bzip2, xz or zstd. Archives inside archives are not
    opened. Of two members with one name the later counts. Nothing is ever unpacked under the name of a member.

    An archive that cannot be listed to its end is listed as a file, and opening that says why: the others go on.

    Listing reads a zip's directory, a tar's headers, and all of a compressed tar. Reading a member of a compressed tar
    unpacks that into a temporary file, once per process, of which two are kept; zip members and those of a plain tar are
    read where they lie.
    """

    inner: StreamReader
    matcher: GlobPatterns
    unpacker: Unpacker
    max_members: int = MAX_MEMBERS
    _tars: UnpackedTars = field(default_factory=UnpackedTars, init=False, repr=False, compare=False)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        """Members that `matcher` wants, files that are no archives. Raises what `inner.list_files` raises."""
        member = split_member(prefix)
        for file in self.inner.list_files(prefix if member is None else member[0]):
            if self._is_opened(file):
                yield from self._list(file)
            else:
                yield file

    def open(self, file: RemoteFile) -> IO[bytes]:
        """A member's plain bytes, readable and seekable (backwards in a compressed one by beginning anew).

        Raises FileAccessError and FileChangedError as `inner.open`, MalformedFileError for a member that is encrypted or
        compressed in a way that is not known; so do reads from what it returns, for damage.
        """
        if (known := parse_member(file)) is not None:
            archive, place = known
            with naming(file.uri):
                if isinstance(place, ZipPlace):
                    return self._open_zip_member(file, archive, place)
                return self._open_tar_member(file, archive, place)
        if self._is_opened(file):
            self._members(file)
            raise FileChangedError(
                "the archive could not be listed, and now it can",
                uri=file.uri,
                remedy="The next sync reads its members",
            )
        return self.inner.open(file)

    def _is_opened(self, file: RemoteFile) -> bool:
        return is_archive(file.uri) and self.matcher.opens(file.uri)

    def _list(self, archive: RemoteFile) -> Iterator[RemoteFile]:
        try:
            members = self._members(archive)
        except (FileError, TransientError, OSError):
            yield archive
            return
        nested = 0
        for member in members:
            file = member_file(archive, member)
            if self.matcher.matches(file.uri):
                if is_archive(member.name):
                    nested += 1
                else:
                    yield file
        if nested:
            _log.warning("left out %d archives inside %r: only the outermost is opened", nested, archive.uri)

    def _members(self, archive: RemoteFile) -> list[Member]:
        """All regular members, in the archive's order, each name once."""
        limits = Limits(self.max_members, self.unpacker.max_expansion_ratio)
        with naming(archive.uri), closing(self.inner.open(archive)) as stream:
            if archive.uri.lower().endswith(".zip"):
                members = list(list_zip(stream, archive, limits))
            elif codec := tar_compression(archive.uri):
                with self.unpacker.open_compressed(stream, codec, archive.uri) as plain:
                    members = list(list_tar(plain, archive, limits))
            else:
                members = list(list_tar(stream, archive, limits))
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

    def _open_zip_member(self, file: RemoteFile, archive: RemoteFile, place: ZipPlace) -> IO[bytes]:
        if place.flags & _ENCRYPTED:
            raise MalformedFileError(
                "is encrypted, and archives with a password cannot be read",
                uri=file.uri,
                remedy="Unpack it, or pack it without a password",
            )
        stream = self.inner.open(archive)
        try:
            window = Window(StreamBytes(stream), data_start(stream, place, archive), place.stored_bytes, file.uri)
        except BaseException:
            stream.close()
            raise
        plain = self.unpacker.open_zip_member(
            cast(IO[bytes], window),
            file.uri,
            method=place.method,
            flags=place.flags,
            size_bytes=file.size_bytes,
            crc32=place.crc32,
        )
        return cast(IO[bytes], ClosingBoth(plain, window))

    def _open_tar_member(self, file: RemoteFile, archive: RemoteFile, place: TarPlace) -> IO[bytes]:
        codec = tar_compression(archive.uri)
        if codec is None:
            return cast(
                IO[bytes], Window(StreamBytes(self.inner.open(archive)), place.offset, file.size_bytes, file.uri)
            )

        def unpack() -> IO[bytes]:
            stream = self.inner.open(archive)
            return cast(IO[bytes], ClosingBoth(self.unpacker.open_compressed(stream, codec, archive.uri), stream))

        unpacked = self._tars.get(archive, unpack)
        return cast(IO[bytes], Window(unpacked, place.offset, file.size_bytes, file.uri))
