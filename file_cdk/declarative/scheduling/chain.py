"""The pages of one slice: asked for one after the other or ahead, given out one after the other.

A page that was asked for ahead counts once the page before it says that it follows. Until then it may lie behind the end.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from file_cdk.declarative.pages import PageReader, Token
from file_cdk.declarative.scheduling.events import Counts
from file_cdk.declarative.scheduling.waiting import Held
from file_cdk.declarative.slices import Slice


class Request(msgspec.Struct, frozen=True, eq=False):
    """For the page at `position` in the slice, from 0. token: None for the first page of a slice, until it is asked for."""

    chain: "Chain"
    position: int
    token: Token | None


class Chain:
    """ordinal: of the slice in its stream. begins: where an earlier run left it, None for its first page.

    goes_on_behind: a page that was asked for ahead has other records than the last one, although it lies behind the end. An API
    that repeats its last page for whatever comes after it has not.
    """

    __slots__ = (
        "_arrived",
        "_asked",
        "_confirmed",
        "_end",
        "_end_first",
        "_following",
        "_given",
        "_reader",
        "counts",
        "failed_at",
        "first_number",
        "goes_on_behind",
        "highest",
        "ordinal",
        "slice",
        "was_begun",
        "why_early",
    )

    def __init__(self, slice: Slice, ordinal: int, reader: PageReader, begins: Token | None = None) -> None:
        self.slice = slice
        self.ordinal = ordinal
        self.first_number = 0 if begins is None else begins.number
        self.counts = Counts()
        self.highest: Any = None
        self.why_early: list[str] = []
        self.was_begun = False
        self.failed_at: int | None = None
        self.goes_on_behind = False
        self._reader = reader
        self._asked: dict[int, Request] = {}
        """Of pages that were not given out, by position."""
        self._arrived: dict[int, Held | BaseException] = {}
        self._confirmed = 0
        """Pages before this position are in the slice."""
        self._following = begins
        """Of the page at `_confirmed`, which was not asked for."""
        self._given = 0
        self._end: int | None = None
        self._end_first: bytes | None = None
        """The first record of the last page."""

    @property
    def is_complete(self) -> bool:
        """Nothing is to be asked for any more."""
        return self._end is not None or self.failed_at is not None

    @property
    def is_done(self) -> bool:
        return self._given == self._end

    @property
    def can_give(self) -> bool:
        return self._given in self._arrived

    def is_next(self, request: Request) -> bool:
        """Whether its page can be given out before any other."""
        return request.position == self._given and request.position < self._confirmed

    def next_request(self) -> Request | None:
        """For the page that is known to follow, unless it was asked for."""
        if self.was_begun and self._following is None:
            return None
        token, self._following, self.was_begun = self._following, None, True
        self._confirmed += 1
        return self._ask(self._confirmed - 1, token)

    def request_ahead(self, most: int) -> Request | None:
        """most: number of pages that may be asked for without knowing whether they follow. Only after a first page that others
        follow."""
        last = self._given + len(self._asked) - 1
        if self.is_complete or self._confirmed < 2 or self._following is not None or last - self._confirmed + 1 >= most:
            return None
        token = self._asked[last].token if last in self._asked else None
        token = None if token is None else self._reader.ahead(self.slice, token)
        return None if token is None else self._ask(last + 1, token)

    def arrive(self, request: Request, result: Held | BaseException) -> list[Held]:
        """Which pages are of no use, this one or others: they turned out to lie behind the end."""
        if self._asked.get(request.position) is not request:
            return self._behind([result])
        self._arrived[request.position] = result
        while not self.is_complete and self._following is None:
            last = self._arrived.get(self._confirmed - 1)
            if last is None:
                return []
            self._go_on_from(last)
        return self._forget_behind()

    def give(self) -> Held | BaseException:
        """The next page, or what came in its place."""
        result = self._arrived.pop(self._given)
        del self._asked[self._given]
        self._given += 1
        return result

    def _ask(self, position: int, token: Token | None) -> Request:
        self.counts.pages_requested += 1
        self._asked[position] = request = Request(self, position, token)
        return request

    def _go_on_from(self, last: Held | BaseException) -> None:
        """last: the last page that is known to be in the slice."""
        if not isinstance(last, Held):
            self.failed_at = self._confirmed - 1
        elif last.following is None:
            self._end, self._end_first = self._confirmed, last.first
        elif (ahead := self._asked.get(self._confirmed)) is not None and ahead.token == last.following:
            self._confirmed += 1
        else:
            self._following = last.following

    def _forget_behind(self) -> list[Held]:
        behind = [position for position in self._asked if position >= self._confirmed]
        if not behind:
            return []
        for position in behind:
            del self._asked[position]
        self.counts.pages_requested -= len(behind)
        self.counts.pages_in_vain += len(behind)
        return self._behind([self._arrived.pop(each, None) for each in behind])

    def _behind(self, results: Sequence[Held | BaseException | None]) -> list[Held]:
        pages = [each for each in results if isinstance(each, Held)]
        if self._end is not None:
            self.goes_on_behind |= any(each.first is not None and each.first != self._end_first for each in pages)
        return pages
