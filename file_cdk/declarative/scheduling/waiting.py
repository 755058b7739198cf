"""Pages that came before their turn: in memory up to a number of bytes, beyond that in a file."""

import msgspec

from file_cdk.declarative.page_records import RecordsInFile
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.scheduling.bounds import Bounds
from file_cdk.declarative.scheduling.page_file import PageFile, Place

_OBJECT_BYTES = 100
"""Of a record in Python beside its text, and of its cursor's value."""


def size_bytes(page: Page) -> int:
    """In memory, about."""
    if type(page.records) is RecordsInFile:
        return _OBJECT_BYTES * (1 + len(page.rejected))
    return sum(map(len, page.records)) + _OBJECT_BYTES * (1 + len(page.records) + len(page.rejected))


def _own_file_bytes(page: Page) -> int:
    return page.records.size_bytes if type(page.records) is RecordsInFile else 0


class Held(msgspec.Struct, frozen=True):
    """page: None while it is in the file, at `place`. highest: see cursors. following, ended_early: of the page. first: its first
    record, None without one."""

    page: Page | None
    place: Place | None
    size_bytes: int
    highest: object
    following: Token | None
    ended_early: str | None
    first: bytes | None


class HeldPages:
    """Not for several threads at once but for `held`, in which the file is written."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._file = PageFile()
        self._disk_is_full = False
        self._largest_bytes = 0
        self.memory_bytes = 0
        self.most_memory_bytes = 0
        self._own_files_bytes = 0
        """Of pages whose records are in files of their own."""
        self._in_file = 0
        self.pages_spilled = 0

    def takes_more(self, is_waited_for: bool) -> bool:
        """Whether pages may be asked for before their turn. is_waited_for: nothing can be given out meanwhile. The file is for
        a slice that takes long; one who takes pages slowly does not need others sooner."""
        if self._own_files_bytes > self._bounds.spilled_bytes:
            return False
        if self.memory_bytes + self._largest_bytes <= self._bounds.waiting_bytes:
            return True
        return is_waited_for and self._file_takes(self._largest_bytes)

    def reserve(self, page: Page, size: int, is_next: bool) -> bool:
        """Whether a page that came stays in memory: because it can be given out at once (is_next), fits in there, or has its
        records in a file of their own."""
        own_file_bytes = _own_file_bytes(page)
        self._own_files_bytes += own_file_bytes
        self._largest_bytes = max(self._largest_bytes, size)
        fits = self.memory_bytes + size <= self._bounds.waiting_bytes
        if is_next or own_file_bytes or fits or not self._file_takes(size):
            self.memory_bytes += size
            self.most_memory_bytes = max(self.most_memory_bytes, self.memory_bytes)
            return True
        self._in_file += 1
        self.pages_spilled += 1
        return False

    def _file_takes(self, size: int) -> bool:
        return not self._disk_is_full and self._file.size_bytes + size <= self._bounds.spilled_bytes

    def held(self, page: Page, size: int, highest: object, in_memory: bool) -> Held:
        """As `reserve` decided. At any time from any thread."""
        place = None
        if not in_memory:
            try:
                place = self._file.append(page)
            except OSError:  # no room on the disk is the case that the bounds speak of; any other costs memory alone
                self._disk_is_full = True
        first = page.records[0] if page.records else None
        return Held(page if place is None else None, place, size, highest, page.following, page.ended_early, first)

    def arrived(self, held: Held, in_memory: bool) -> None:
        """To be called once for what `held` gave: the disk may have been full."""
        if not in_memory and held.place is None:
            self._in_file -= 1
            self.memory_bytes += held.size_bytes

    def take(self, held: Held) -> Page:
        page = held.page if held.place is None else self._file.page(held.place)
        assert page is not None
        self.drop(held)
        return page

    def drop(self, held: Held) -> None:
        if held.place is None:
            self.memory_bytes -= held.size_bytes
            self._own_files_bytes -= 0 if held.page is None else _own_file_bytes(held.page)
            return
        self._in_file -= 1
        if self._in_file == 0:  # also none that is being written
            self._file.empty()

    def close(self) -> None:
        self._file.close()
