"""Pages that several streams of a run need, as a parent's are: asked for once, and read from a file after that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from file_cdk.declarative.page_records import RecordsInFile
from file_cdk.declarative.pages import Page, PageReader, Token
from file_cdk.declarative.scheduling.page_file import PageFile, Place
from file_cdk.declarative.scheduling.waiting import size_bytes
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import slice_key

_Key = tuple[str, bytes, int, str]


class _Asking:
    """threads: that want the page."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0


class KeptPages:
    """Of one run, for several threads. Its file is in the run's folder, without a name, and gone when it is closed.

    max_bytes: of all that is kept; what has no room there, or on the disk, is asked for again. kept, taken: numbers of pages that
    came here, and that were taken from here."""

    def __init__(self, max_bytes: int = 4 << 30) -> None:
        self._file = PageFile()
        self._max_bytes = max_bytes
        self._places: dict[_Key, Place | Page] = {}
        """A page whose records are in a file of their own is kept as it is."""
        self._in_files_bytes = 0
        self._under_way: dict[_Key, _Asking] = {}
        self._lock = threading.Lock()
        self.kept = 0
        self.taken = 0

    def reader(self, name: str, pages: PageReader) -> PageReader:
        """name: of what gives these pages."""
        return _Kept(name, pages, self)

    def page(self, name: str, pages: PageReader, of: Slice, token: Token) -> Page:
        key = (name, slice_key(of), token.number, repr(token.value))
        with self._asking(key):
            if (place := self._places.get(key)) is not None:
                self.taken += 1
                return place if isinstance(place, Page) else self._file.page(place)
            page = pages.page(of, token)
            with suppress(OSError):  # without room on the disk it is asked for again
                if (kept := self._kept(page)) is not None:
                    self._places[key] = kept
                    self.kept += 1
        return page

    @contextmanager
    def _asking(self, key: _Key) -> Iterator[None]:
        """One thread at a time, while others that want the same page wait for it."""
        with self._lock:
            asking = self._under_way.setdefault(key, _Asking())
            asking.threads += 1
        try:
            with asking.lock:
                yield
        finally:
            with self._lock:
                asking.threads -= 1
                if not asking.threads:
                    del self._under_way[key]

    def _kept(self, page: Page) -> Place | Page | None:
        """None where there is no room. Raises OSError."""
        is_in_file = isinstance(page.records, RecordsInFile)
        size = page.records.size_bytes if isinstance(page.records, RecordsInFile) else size_bytes(page)
        with self._lock:
            if self._in_files_bytes + self._file.size_bytes + size > self._max_bytes:
                return None
            if is_in_file:
                self._in_files_bytes += size
        return page if is_in_file else self._file.append(page)

    def close(self) -> None:
        self._places.clear()
        self._file.close()


class _Kept(msgspec.Struct, frozen=True):
    name: str
    pages: PageReader
    kept: KeptPages

    def first(self, of: Slice) -> Token:
        return self.pages.first(of)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return self.pages.ahead(of, token)

    def page(self, of: Slice, token: Token) -> Page:
        return self.kept.page(self.name, self.pages, of, token)
