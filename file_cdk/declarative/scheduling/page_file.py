"""Pages in a file without a name in the run's folder: gone with the process, however that ends."""

import errno
import os
import threading
from typing import IO

import msgspec

from file_cdk.core.system.run_folder import run_folder
from file_cdk.declarative.pages import Page


class Place(msgspec.Struct, frozen=True):
    """Where a page is: an offset and a length, in bytes."""

    offset: int
    length: int


class PageFile:
    """For several threads. The file is made with its first page."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        return self._end

    def append(self, page: Page) -> Place:
        """Raises OSError, for one where the disk is full."""
        import pickle  # with tempfile it takes 3 ms, and few reads need either

        pickled = pickle.dumps(page, pickle.HIGHEST_PROTOCOL)
        with self._lock:  # for as long as it takes: a file that is closed meanwhile may give its number to another
            if self._is_closed:
                raise OSError(errno.EBADF, "closed")
            if self._file is None:
                import tempfile

                self._file = tempfile.TemporaryFile(dir=run_folder())  # noqa: SIM115 as long as this object
            place = Place(self._end, len(pickled))
            view, offset = memoryview(pickled), place.offset
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written
            self._end = offset
        return place

    def page(self, place: Place) -> Page:
        assert self._file is not None
        parts, offset, left = [], place.offset, place.length
        while left:
            data = os.pread(self._file.fileno(), left, offset)
            if not data:
                raise EOFError("a page's file is shorter than what was written to it")
            parts.append(data)
            offset, left = offset + len(data), left - len(data)
        import pickle

        page: Page = pickle.loads(b"".join(parts))
        return page

    def empty(self) -> None:
        """Gives the space back. None of its pages is read again."""
        with self._lock:
            self._end = 0
            if self._file is not None:
                self._file.truncate(0)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                self._file.close()
