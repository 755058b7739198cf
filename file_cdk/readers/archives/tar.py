"""The members of tar archives, and compressed ones unpacked into temporary files."""

import io
import os
import tarfile
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import IO, cast

from file_cdk.core.errors import MalformedFileError, no_room_to_unpack
from file_cdk.core.files import RemoteFile
from file_cdk.readers.archives.members import SPARSE_AT, Left, Limits, Member, TarPlace, clean_name, counted

_BLOCK_BYTES = tarfile.BLOCKSIZE
_READ_AHEAD_BYTES = 64 << 10
_MAX_HEADER_BYTES = 1 << 20
"""Extended headers hold names and attributes; one that is longer is an attack or damage."""

_KEPT_TARS = 2
_COPY_BYTES = 1 << 20


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
    except tarfile.TarError as exc:
        raise _damaged(headers, archive) from exc
    except (
        ValueError,
        OverflowError,
        IndexError,
        KeyError,
    ) as exc:  # tarfile's own on numbers in headers that are none
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
    if len(headers.last_block) < _BLOCK_BYTES:
        return MalformedFileError("is not a whole tar archive: it is cut off", uri=archive.uri, byte=headers.tell())
    return MalformedFileError(
        "is damaged: a header of the tar archive cannot be read", uri=archive.uri, byte=headers.tell()
    )


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


class UnpackedTars:
    """The last few compressed tars that this process unpacked. Pickles empty: another process unpacks its own."""

    def __init__(self) -> None:
        self._kept: OrderedDict[RemoteFile, UnpackedTar] = OrderedDict()

    def get(self, archive: RemoteFile, unpack: Callable[[], IO[bytes]]) -> "UnpackedTar":
        """unpack: opens the plain data. Raises what that raises, and FileError when there is no room for it."""
        tar = self._kept.pop(archive, None)
        if tar is None:
            while len(self._kept) >= _KEPT_TARS:
                self._kept.popitem(last=False)  # whoever still reads it keeps it until then
            with closing(unpack()) as plain:
                tar = _unpack(plain, archive.uri)
        self._kept[archive] = tar
        return tar

    def __reduce__(self) -> tuple[type["UnpackedTars"], tuple[()]]:
        return UnpackedTars, ()


class UnpackedTar:
    """The plain data of a compressed tar in a temporary file without a name, gone when nobody refers to it any more."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        # Before the file itself is found to be unreachable and open, in whatever order a cycle is taken apart.
        weakref.finalize(self, file.close)

    def read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)

    def close(self) -> None:
        """Nothing: others may read it."""


def _unpack(plain: IO[bytes], uri: str) -> UnpackedTar:
    # The class closes it, also when it is only half written.
    file = tempfile.TemporaryFile(buffering=0, prefix="file_cdk-unpacked-")  # noqa: SIM115
    tar = UnpackedTar(cast(IO[bytes], file))
    while data := plain.read(_COPY_BYTES):
        _write(file, data, uri)
    return tar


def _write(file: io.FileIO, data: bytes, uri: str) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as exc:
        raise no_room_to_unpack(exc, uri) from exc
