"""Reads a stream: its pages in order, and its state."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from file_cdk.declarative.cursors.highest import highest
from file_cdk.declarative.cursors.recent import RecentPages
from file_cdk.declarative.page_records import in_pieces
from file_cdk.declarative.pages import Page, PageReader
from file_cdk.declarative.scheduling.bounds import Bounds
from file_cdk.declarative.scheduling.events import PageReady, ReadDone, SliceDone
from file_cdk.declarative.scheduling.kept import KeptPages
from file_cdk.declarative.scheduling.room import Room
from file_cdk.declarative.scheduling.stream_pages import Resumed, Shared, StreamPages
from file_cdk.declarative.scheduling.threads import RequestThreads
from file_cdk.declarative.scheduling.waiting import HeldPages
from file_cdk.declarative.slicing.stream import SlicedStream
from file_cdk.declarative.states.progress import StreamProgress
from file_cdk.declarative.states.progress_of import progress_of


class OrderedRead:
    """An iterator of events: for each slice in order its pages in order and its SliceDone, at the end ReadDone.

    Raises what a page failed with, in the place of that page: all before it came out. Asks for nothing before the first
    `next`, and has no threads after the last, after an error, or once it is closed; what is under way then ends by itself.
    """

    def __init__(self, top: StreamPages, shared: Shared, room: Room) -> None:
        self._top = top
        self._held = shared.held
        self._threads = RequestThreads(top, shared, room, _highest)
        self._is_closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PageReady | SliceDone | ReadDone:
        if self._is_closed:
            raise StopIteration
        try:
            event = self._threads.next_event()
        except BaseException:
            self.close()
            raise
        if isinstance(event, ReadDone):
            self.close()
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Asks for nothing more; waits at most a moment."""
        if not self._is_closed:
            self._is_closed = True
            self._threads.stop()
            self._held.close()

    def state(self) -> dict[str, Any]:
        """As a state message has it: all slices count whose SliceDone came out, and no others. As large as the number of
        partitions: see `states.rate`."""
        with self._threads.lock:
            return self._top.progress.value()

    @property
    def pages_spilled(self) -> int:
        """Pages that went through the file, because they came long before their turn."""
        return self._held.pages_spilled

    @property
    def most_waiting_bytes(self) -> int:
        """Of the pages that waited in memory at one time."""
        return self._held.most_memory_bytes


_BOUNDS = Bounds()


def read(
    stream: SlicedStream,
    state: Mapping[str, Any] | None = None,
    *,
    bounds: Bounds = _BOUNDS,
    kept: KeptPages | None = None,
    resumed: Resumed | None = None,
    room: Room | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> OrderedRead:
    """state: of the run before, in any of the forms of `states`. kept: of this run, for the streams whose pages others need as
    well. resumed: what an earlier run committed of what its state does not tell. room: for the requests of all streams that are
    read at once; None: the bounds alone count. Raises ConfigError where the state is malformed.
    """

    def pages_of(of: SlicedStream, progress: StreamProgress) -> PageReader:
        pages = of.reader if kept is None or of.kept_as is None else kept.reader(of.kept_as, of.reader)
        if of.cursor is None or not (of.cursor.is_client_side or of.cursor.is_data_feed):
            return pages
        return RecentPages(pages, lambda slice: progress.ages(slice.partition), of.cursor.is_data_feed)

    shared = Shared(bounds, HeldPages(bounds), pages_of, progress_of, clock)
    pages = StreamPages(stream, progress_of(stream, state), shared, resumed)
    return OrderedRead(pages, shared, room or Room(bounds.slices))


def _highest(pages: StreamPages, page: Page) -> Any:
    cursor = pages.stream.cursor
    if cursor is None:
        return None
    found = (highest(cursor, values) for values in in_pieces(page.cursor_values))
    return max((moment for moment in found if moment is not None), default=None)
