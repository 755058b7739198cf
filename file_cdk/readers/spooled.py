"""Files that can only be had as a whole, kept in temporary files while they are read."""

import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import IO

MOST_FILES = 4
"""Kept at a time, per process: as many as are read at a time, with a few to spare."""

_PIECE_BYTES = 1 << 20


class SpooledFile:
    """A finished temporary file, which has no name and goes away with this object; any thread may read it."""

    def __init__(self, write: Callable[[IO[bytes]], None]) -> None:
        self._file = tempfile.TemporaryFile(prefix="file_cdk-spool-", buffering=0)  # noqa: SIM115 - __del__ closes it
        write(self._file)

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
    file: SpooledFile | None = None


class SpooledFiles:
    """The last MOST_FILES of them. Threads that want the same one wait for whoever fetches it."""

    def __init__(self) -> None:
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable) -> SpooledFile | None:
        with self._lock:
            slot = self._slots.get(key)
            return None if slot is None else slot.file

    def get(self, key: Hashable, write: Callable[[IO[bytes]], None]) -> SpooledFile:
        """write: puts the file into a temporary one; what it raises leaves nothing behind."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > MOST_FILES:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.file is None:
                slot.file = SpooledFile(write)
            return slot.file
