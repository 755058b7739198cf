"""Pages by number and by offset: what comes next follows from the page before and how many records it had."""

from typing import Any

import msgspec

from file_cdk.declarative.paging.sizes import PageSize
from file_cdk.declarative.paging.turn import Turn


class PageNumbers(msgspec.Struct, frozen=True):
    """first: None where the first request sends no number, although its page has one."""

    start: int
    first: int | None
    size: PageSize
    names: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()

    def next(self, value: Any, turn: Turn) -> int | None:
        return None if self.size.is_last(turn) else self.after(value)

    def after(self, value: Any) -> int | None:
        """The page after a full one."""
        return (self.start if value is None else value) + 1


class Offsets(msgspec.Struct, frozen=True):
    first: int | None
    size: PageSize

    @property
    def names(self) -> frozenset[str]:
        return self.size.names

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.size.said.expression,) if self.size.said else ()

    def next(self, value: Any, turn: Turn) -> int | None:
        return None if self.size.is_last(turn) else (value or 0) + turn.found

    def after(self, value: Any) -> int | None:
        """After a full page; None where nothing says how many records that has, as a size of -1 for all does not."""
        size = self.size.number
        return (value or 0) + size if size is not None and size > 0 else None
