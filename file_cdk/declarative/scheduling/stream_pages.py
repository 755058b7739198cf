"""What is to be asked for next of one stream, and what of it can be given out: its slices in order, those above it feeding them.

Asks for nothing itself, and is not for several threads at once: see `threads`.
"""

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from file_cdk.core.errors import InternalError
from file_cdk.declarative.pages import Page, PageReader, Token
from file_cdk.declarative.scheduling.bounds import Bounds
from file_cdk.declarative.scheduling.chain import Chain, Request
from file_cdk.declarative.scheduling.events import PageReady, ReadDone, SliceDone, StreamCounts, said
from file_cdk.declarative.scheduling.waiting import Held, HeldPages
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import digest_of, merged, partitions_of, slice_key
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, Router, SlicedStream
from file_cdk.declarative.states.progress import StreamProgress

_NO_MORE: Any = object()
_MORE_BEHIND = "at a page that was not full, and the API has other records behind it"
_OPEN_SLICES = 10_000
"""Maximum of slices whose pages wait for their turn, whatever these hold."""


class Begun(msgspec.Struct, frozen=True):
    """A slice of which an earlier run committed pages. token: of the page after them. highest: of their cursor values."""

    token: Token
    highest: Any = None


class Resumed(msgspec.Struct, frozen=True):
    """What earlier runs of the same attempt committed, by the slices' keys. done: of whole slices, the highest cursor value.
    seconds: since the attempt began."""

    done: Mapping[bytes, Any] = msgspec.field(default_factory=dict)
    begun: Mapping[bytes, Begun] = msgspec.field(default_factory=dict)
    seconds: float = 0.0


class Shared(msgspec.Struct, frozen=True):
    """What the streams of a read have in common. pages_of: what a stream's pages are asked of, given its progress. progress_of:
    of a parent whose state nobody keeps. clock: seconds since anything."""

    bounds: Bounds
    held: HeldPages
    pages_of: Callable[[SlicedStream, StreamProgress], PageReader]
    progress_of: Callable[[SlicedStream], StreamProgress]
    clock: Callable[[], float] = time.monotonic


class StreamPages:
    """resumed: None for a stream that is read for one below it: all of it is needed."""

    def __init__(
        self, stream: SlicedStream, progress: StreamProgress, shared: Shared, resumed: Resumed | None = None
    ) -> None:
        self.stream = stream
        self.progress = progress
        self.counts = StreamCounts()
        self.reader = shared.pages_of(stream, progress)
        self._shared = shared
        self._began = shared.clock() - (resumed.seconds if resumed else 0)
        self._resumed = resumed
        self._slices = self._all_slices()
        self._source_ended = False
        self._source_error: BaseException | None = None
        self._made = 0
        self._open: deque[Chain] = deque()
        """Slices that were not given out whole, in order."""
        self._fresh: deque[Chain] = deque()
        """Those of them that were not begun, which are the last."""
        self._going: list[Chain] = []
        """Those that were, and have pages to ask for."""
        self._failed: Chain | None = None
        self._parent: StreamPages | None = None
        """The stream whose records make partitions now."""
        self._given = 0
        self._when_given: deque[tuple[int, Callable[[], None]]] = deque()
        """What is to be done once so many slices were given out whole."""
        self._seen: set[int] = set()

    # What to ask for

    def most_wanted(self) -> "Wanted | None":
        """The request without which nothing more can be given out, unless it is under way."""
        self._fill()
        if not self._open:
            return self._parent.most_wanted() if self._parent else None
        head = self._open[0]
        if head.can_give or head.is_done or head.is_complete:
            return None
        return self._wanted(head.next_request()) if head.was_begun else self._begin()

    def request(self) -> "Wanted | None":
        """For a page that will be needed, the soonest one first."""
        self._fill()
        for chain in self._going:
            if self._is_needed(chain) and (request := chain.next_request()):
                return self, request
        if self._fresh and len(self._going) < self._shared.bounds.slices:
            return self._begin()
        if self._parent and len(self._fresh) < self._shared.bounds.slices:
            return self._parent.request()
        return None

    def request_ahead(self) -> "Wanted | None":
        """For one that may be needed."""
        for chain in self._going:
            if self._is_needed(chain) and (request := chain.request_ahead(self._shared.bounds.pages_ahead)):
                return self, request
        return self._parent.request_ahead() if self._parent else None

    @property
    def has_nothing_to_give(self) -> bool:
        return not self._open or not (self._open[0].can_give or self._open[0].is_done)

    def is_next(self, request: Request) -> bool:
        """Whether its page will be given out before any other."""
        return bool(self._open) and self._open[0] is request.chain and request.chain.is_next(request)

    def arrived(self, request: Request, result: Held | BaseException) -> None:
        chain, went_on = request.chain, request.chain.goes_on_behind
        for held in chain.arrive(request, result):
            self._shared.held.drop(held)
        if chain.goes_on_behind and not went_on:
            self.counts.warnings[_MORE_BEHIND] += 1
        if chain.is_complete and chain in self._going:
            self._going.remove(chain)
        if chain.failed_at is not None and (self._failed is None or chain.ordinal < self._failed.ordinal):
            self._failed = chain
            self._fresh.clear()

    # What to give out

    def next_event(self) -> PageReady | SliceDone | ReadDone | None:
        """None: it has yet to come. Raises what a page failed with, in its turn."""
        self._settle_until_given()
        self._fill()
        if not self._open:
            if not self._source_ended:
                return None
            if self._source_error is not None:
                raise self._source_error
            return ReadDone(self.counts, said(self.stream.name, self.counts))
        head = self._open[0]
        if head.can_give:
            return self._page(head)
        if head.is_done:
            self._open.popleft()
            return self._slice_done(head)
        return None

    def settle(self, done: SliceDone) -> None:
        """What was given out whole counts in the state from now on. In the order of slices, each once."""
        self.progress.slice_ended(done.slice, done.highest)
        self._given += 1
        self._settle_until_given()

    def end(self) -> None:
        """Likewise, after all of them."""
        self._settle_until_given()
        self.progress.ended(math.ceil(self._shared.clock() - self._began))

    def _settle_until_given(self) -> None:
        while self._when_given and self._when_given[0][0] <= self._given:
            self._when_given.popleft()[1]()

    def _page(self, chain: Chain) -> PageReady:
        result = chain.give()
        if not isinstance(result, Held):
            raise result
        number = chain.first_number + chain.counts.pages
        page = self._shared.held.take(result)
        if page.found != len(page.records) + page.filtered + len(page.rejected):
            raise InternalError(
                f"stream {self.stream.name!r}: a page had {page.found} records, of which {len(page.records)} came out, "
                f"{page.filtered} were filtered and {len(page.rejected)} rejected",
                remedy="This is a bug in file_cdk or in a plug-in: please report it",
            )
        chain.counts.add_page(page)
        if result.highest is not None:
            chain.highest = result.highest if chain.highest is None else max(chain.highest, result.highest)
        if result.ended_early is not None:
            chain.why_early.append(result.ended_early)
        return PageReady(chain.slice, number, page, chain.highest)

    def _slice_done(self, chain: Chain) -> SliceDone:
        counts = chain.counts
        if counts.pages != counts.pages_requested:
            raise InternalError(
                f"stream {self.stream.name!r}: of {counts.pages_requested} pages of a slice {counts.pages} came out",
                remedy="This is a bug in file_cdk or in a plug-in: please report it",
            )
        self.counts.slices += 1
        self.counts.read.add(counts)
        self.counts.warnings.update(set(chain.why_early))
        return SliceDone(chain.slice, counts, tuple(dict.fromkeys(chain.why_early)), chain.highest)

    # Where slices come from

    def _begin(self) -> "Wanted | None":
        chain = self._fresh.popleft()
        self._going.append(chain)
        return self._wanted(chain.next_request())

    def _wanted(self, request: Request | None) -> "Wanted | None":
        return None if request is None else (self, request)

    def _is_needed(self, chain: Chain) -> bool:
        return self._failed is None or chain.ordinal < self._failed.ordinal

    def _fill(self) -> None:
        """Takes slices from their source until there are enough to begin, as far as they are known."""
        while (
            self._failed is None
            and not self._source_ended
            and len(self._fresh) < self._shared.bounds.slices
            and len(self._open) < _OPEN_SLICES
        ):
            try:
                of = next(self._slices, _NO_MORE)
            except BaseException as error:  # noqa: BLE001 raised again in its turn, after the slices before it
                self._source_ended, self._source_error = True, error
                return
            if of is _NO_MORE:
                self._source_ended = True
            elif of is None:
                return
            else:
                self._add(of)

    def _add(self, of: Slice) -> None:
        begun = None
        if self._resumed is not None:
            key = slice_key(of)
            if key in self._resumed.done:
                self.counts.slices_done_before += 1
                highest = self._resumed.done[key]
                self._when_given.append((self._made, partial(self.progress.slice_ended, of, highest)))
                return
            begun = self._resumed.begun.get(key)
        chain = Chain(of, self._made, self.reader, begun.token if begun else None)
        chain.highest = begun.highest if begun else None
        self._made += 1
        self._open.append(chain)
        self._fresh.append(chain)

    def _all_slices(self) -> Iterator[Slice | None]:
        """None: the next one is not known yet."""
        for partition in self._partitions():
            if partition is None or not self._is_new(partition):
                if partition is None:
                    yield None
                continue
            self.counts.partitions += 1
            for interval in self.progress.intervals(partition.partition):
                yield msgspec.structs.replace(partition, interval=interval)
            self._when_given.append((self._made, partial(self.progress.partition_ended, partition.partition)))

    def _is_new(self, partition: Slice) -> bool:
        if not self.stream.routers:
            return True
        digest = digest_of(partition.partition)
        if digest in self._seen:
            self.counts.partitions_again += 1
            return False
        self._seen.add(digest)
        return True

    def _partitions(self) -> Iterator[Slice | None]:
        if not self.stream.routers:
            yield Slice()
            return
        first, *others = (self._of_router(router) for router in self.stream.routers)
        inner: list[list[Slice]] = []
        for partitions in others:
            inner.append([])
            for partition in partitions:
                if partition is None:
                    yield None
                else:
                    inner[-1].append(partition)
        for outer in first if all(inner) else ():
            if outer is None or not inner:
                yield outer
            else:
                yield from (merged((outer, *rest)) for rest in itertools.product(*inner))

    def _of_router(self, router: Router) -> Iterator[Slice | None]:
        match router:
            case ListRouter(field, values):
                yield from (Slice({field: value}) for value in values)
            case ParentRouter(parents):
                for parent in parents:
                    yield from self._of_parent(parent)

    def _of_parent(self, parent: Parent) -> Iterator[Slice | None]:
        kept = self.progress.parent(parent.stream.name) if parent.is_incremental else None
        pages = StreamPages(parent.stream, kept or self._shared.progress_of(parent.stream), self._shared)
        self._parent = pages
        self.counts.parents.append((parent.stream.name, pages.counts))
        while not isinstance(event := pages.next_event(), ReadDone):
            match event:
                case PageReady(of, _, page):
                    yield from self._of_records(parent, of, page)
                case SliceDone():
                    self._when_given.append((self._made, partial(pages.settle, event)))
                case None:
                    yield None
        self._when_given.append((self._made, pages.end))
        self._parent = None

    def _of_records(self, parent: Parent, of: Slice, page: Page) -> Iterator[Slice]:
        for partition in partitions_of(parent, of, page):
            if partition is None:
                self.counts.parents_without_key[parent.stream.name] += 1
            else:
                yield partition


Wanted = tuple[StreamPages, Request]
