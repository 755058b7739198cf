"""The members of tar archives."""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, cast

from file_cdk.core.errors import MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.readers.archives.members import SPARSE_AT, Left, Limits, Member, TarPlace, clean_name, counted

_BLOCK_BYTES = tarfile.BLOCKSIZE
_READ_AHEAD_BYTES = 64 << 10
_MAX_HEADER_BYTES = 1 << 20
"""Extended headers hold names and attributes; one that is longer is an attack or damage."""


def list_tar(stream: IO[bytes], archive: RemoteFile, limits: Limits) -> Iterator[Member]:
    """The regular members of a plain tar, in its order; `stream` is read forwards only.

    Raises MalformedFileError where a header is damaged, the archive is cut off or lacks the mark that ends it, and beyond
    the limits; what the stream raises passes unchanged.
    """
    yield from counted(_members(_Headers(stream, archive.uri), archive), archive, limits)


def _members(headers: "_Headers", archive: RemoteFile) -> Iterator[Member | Left]:
    if not headers.read_ahead():
        raise MalformedFileError("is empty: not a tar archive", uri=archive.uri)
    places: dict[str, Member] = {}
    try:
        with tarfile.TarFile(fileobj=cast(IO[bytes], headers), encoding="utf-8", errors="surrogateescape") as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined] # it would keep them all; typeshed does not know it
                yield _member(info, places)
    except (tarfile.TarError, ValueError, OverflowError, LookupError) as exc:
        # All but the first are tarfile's own on numbers in headers that are none.
        raise _damaged(headers, archive) from exc
    if headers.last_block != bytes(_BLOCK_BYTES):
        raise _damaged(headers, archive)


def _member(info: tarfile.TarInfo, places: dict[str, Member]) -> Member | Left:
    """places: regular members so far, by the name that a hard link would give them."""
    name = clean_name(info.name)
    if info.isreg() or info.issparse():
        place = TarPlace(SPARSE_AT if info.issparse() else info.offset_data)
        member = places[info.name] = Member(name, info.size, place)
        return member
    if info.islnk() and (target := places.get(info.linkname)):
        return replace(target, name=name)
    return Left.LINK if info.issym() or info.islnk() else Left.OTHER


def _damaged(headers: "_Headers", archive: RemoteFile) -> MalformedFileError:
    is_cut = len(headers.last_block) < _BLOCK_BYTES
    how = "not a whole tar archive: it is cut off" if is_cut else "damaged: a header of the tar archive cannot be read"
    return MalformedFileError(f"is {how}", uri=archive.uri, byte=headers.tell())


class _Headers:
    """What tarfile reads headers from: forwards, in pieces that fit into memory, small ones from a buffer.

    tarfile takes a header that it cannot read, behind the first, for the end of the archive; so the last block is kept.
    """

    def __init__(self, stream: IO[bytes], uri: str) -> None:
        self._stream = stream
        self._uri = uri
        self._buffer = b""
        self._buffer_at = 0
        self._at = 0
        self.last_block = b""

    def read_ahead(self) -> bool:
        """Whether there is anything."""
        return bool(self._some(1))

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int) -> int:
        if offset < self._at:
            raise MalformedFileError(
                "is damaged: a header of the tar archive points back", uri=self._uri, byte=self._at
            )
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise MalformedFileError(
                "is damaged: a header of the tar archive is too long", uri=self._uri, byte=self._at
            )
        parts = []
        left = size
        while left and (data := self._some(left)):
            parts.append(data)
            self._at += len(data)
            left -= len(data)
        block = b"".join(parts)
        if size == _BLOCK_BYTES or left:
            self.last_block = block
        return block

    def _some(self, size: int) -> bytes:
        begin = self._at - self._buffer_at
        if not 0 <= begin < len(self._buffer):
            self._stream.seek(self._at)
            self._buffer = self._stream.read(_READ_AHEAD_BYTES)
            self._buffer_at = self._at
            begin = 0
        return self._buffer[begin : begin + size]
