"""Pages that several streams of a run need, as a parent's are: asked for once, and read from a file after that."""

from contextlib import suppress
from dataclasses import dataclass

from file_cdk.declarative.pages import Page, PageReader, Token
from file_cdk.declarative.scheduling.page_file import PageFile, Place
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import slice_key


class KeptPages:
    """Of one run, for several threads. Its file is in the run's folder, without a name, and gone when it is closed.

    kept, taken: numbers of pages, that were asked for and that were not."""

    def __init__(self) -> None:
        self._file = PageFile()
        self._places: dict[tuple[str, bytes, int, str], Place] = {}
        self.kept = 0
        self.taken = 0

    def reader(self, name: str, pages: PageReader) -> PageReader:
        """name: of what gives these pages."""
        return _Kept(name, pages, self)

    def page(self, name: str, pages: PageReader, of: Slice, token: Token) -> Page:
        key = (name, slice_key(of), token.number, repr(token.value))
        if (place := self._places.get(key)) is not None:
            self.taken += 1
            return self._file.page(place)
        page = pages.page(of, token)
        with suppress(OSError):  # without room on the disk it is asked for again
            self._places[key] = self._file.append(page)
            self.kept += 1
        return page

    def close(self) -> None:
        self._places.clear()
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Kept:
    name: str
    pages: PageReader
    kept: KeptPages

    def first(self, of: Slice) -> Token:
        return self.pages.first(of)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return self.pages.ahead(of, token)

    def page(self, of: Slice, token: Token) -> Page:
        return self.kept.page(self.name, self.pages, of, token)
