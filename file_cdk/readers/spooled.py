"""Files that can only be had as a whole, kept in temporary files while they are read."""

import os
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from threading import Lock
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileAccessError, FileError
from file_cdk.core.files import RemoteFile

_PIECE_BYTES = 1 << 20

NoRoom = Callable[[OSError, str], FileError]


def _cannot_be_kept(cause: OSError, uri: str) -> FileError:
    return FileAccessError(
        f"cannot be kept in a temporary file: {cause.strerror}",
        uri=uri,
        remedy="Make room in the folder for temporary files, or name another one in TMPDIR",
    )


class SpooledFile:
    """A finished temporary file, which has no name and goes away with this object; any thread may read it."""

    def __init__(self, uri: str, pieces: Iterable[bytes], no_room: NoRoom) -> None:
        file = tempfile.TemporaryFile(prefix="file_cdk-spool-", buffering=0)  # noqa: SIM115 - the next line closes it
        # Before the file itself is found to be unreachable and open, in whatever order a cycle is taken apart.
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        for piece in pieces:
            rest = memoryview(piece)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as exc:
                raise no_room(exc, uri) from exc

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; none at the end only."""
        return os.pread(self._descriptor, size, offset)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end and (piece := self.read_at(start, min(_PIECE_BYTES, end - start))):
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Nothing: others may read it."""


@dataclass(slots=True)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    file: SpooledFile | None = None


class SpooledFiles:
    """The last ones of this process; pickles empty. Threads that want the same one wait for whoever fetches it.

    max_files: maximum number kept at a time; the default is as many as are read at a time, with a few to spare.
    no_room: makes the error for a disk that does not take a file of this uri.
    """

    def __init__(self, max_files: int = 4, no_room: NoRoom = _cannot_be_kept) -> None:
        self._max_files = max_files
        self._no_room = no_room
        self._slots: OrderedDict[RemoteFile, _Slot] = OrderedDict()
        self._lock = Lock()

    def find(self, file: RemoteFile) -> SpooledFile | None:
        with self._lock:
            slot = self._slots.get(file)
            return None if slot is None else slot.file

    def get(self, file: RemoteFile, fetch: Callable[[], Iterable[bytes]]) -> SpooledFile:
        """fetch: gives all of the file, unless it is here; what it raises leaves nothing behind."""
        with self._lock:
            slot = self._slots.setdefault(file, _Slot())
            self._slots.move_to_end(file)
            while len(self._slots) > self._max_files:
                self._slots.popitem(last=False)  # whoever still reads it keeps it until then
        with slot.lock:
            if slot.file is None:
                slot.file = SpooledFile(file.uri, fetch(), self._no_room)
            return slot.file

    def __reduce__(self) -> tuple[Any, ...]:
        return SpooledFiles, (self._max_files, self._no_room)
