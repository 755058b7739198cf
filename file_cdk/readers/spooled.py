"""Files that can only be had as a whole, kept in temporary files while they are read."""

import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

from file_cdk.core.errors import FileAccessError
from file_cdk.core.files import RemoteFile

MAX_FILES = 4
"""Maximum number of files kept at a time, per process: as many as are read at a time, with a few to spare."""

_PIECE_BYTES = 1 << 20


class _SpooledFile:
    """A finished temporary file, which has no name and goes away with this object; any thread may read it."""

    def __init__(self, uri: str, pieces: Iterable[bytes]) -> None:
        self._file = tempfile.TemporaryFile(prefix="file_cdk-spool-", buffering=0)  # noqa: SIM115 - __del__ closes it
        for piece in pieces:
            rest = memoryview(piece)
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as exc:
                raise FileAccessError(
                    f"cannot be kept in a temporary file: {exc.strerror}",
                    uri=uri,
                    remedy="Make room in the folder for temporary files, or name another one in TMPDIR",
                ) from exc

    def read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            piece = os.pread(self._file.fileno(), min(_PIECE_BYTES, end - start), start)
            if not piece:
                return
            start += len(piece)
            yield piece

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


@dataclass(slots=True)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    file: _SpooledFile | None = None


class SpooledFiles:
    """The last MAX_FILES of them. Threads that want the same one wait for whoever fetches it."""

    def __init__(self) -> None:
        self._slots: OrderedDict[RemoteFile, _Slot] = OrderedDict()
        self._lock = Lock()

    def find(self, file: RemoteFile) -> _SpooledFile | None:
        with self._lock:
            slot = self._slots.get(file)
            return None if slot is None else slot.file

    def get(self, file: RemoteFile, fetch: Callable[[], Iterable[bytes]]) -> _SpooledFile:
        """fetch: gives all of the file, unless it is here; what it raises leaves nothing behind. Raises FileAccessError when
        the disk for temporary files does not take it."""
        with self._lock:
            slot = self._slots.setdefault(file, _Slot())
            self._slots.move_to_end(file)
            while len(self._slots) > MAX_FILES:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.file is None:
                slot.file = _SpooledFile(file.uri, fetch())
            return slot.file
