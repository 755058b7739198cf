"""How much may be under way."""

from typing import Self

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """slices: maximum of slices of a stream that are read at once, and of requests under way in all, each in a thread;
    whoever takes pages is one of them.

    pages_ahead: maximum of pages of a slice that are asked for before the one before them came, where tokens follow from one
    another, once its first page was full; 0 switches that off.

    waiting_bytes: of pages that are in memory until their turn comes. In memory in all: these, `slices` + 1 pages that just
    came, and a page of each parent above the stream. spilled_bytes: of those beyond, in a file, which begins anew whenever all
    of it was read, or in files of their own, as those of large answers are. Where that is full, or the disk is, pages are
    asked for only as fast as they are taken.

    quick_s: where answers take less on average, in seconds, one request is under way at a time, by whoever takes pages.
    """

    slices: int = 8
    pages_ahead: int = 4
    waiting_bytes: int = 64 << 20
    spilled_bytes: int = 1 << 30
    quick_s: float = 0.001

    def __post_init__(self) -> None:
        if self.slices < 1:
            raise ValueError("at least one slice is read at a time")

    def shared(self, streams: int) -> Self:
        """Of each of so many streams that are read at once. How many requests they have under way together, their room says."""
        return msgspec.structs.replace(
            self, waiting_bytes=self.waiting_bytes // streams, spilled_bytes=self.spilled_bytes // streams
        )
