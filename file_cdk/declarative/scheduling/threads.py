"""The threads that ask for pages, and the order in which they do.

Nothing waits for something that waits for it in turn: a thread that has a request needs nothing else, and the request without
which nothing can be given out is always the next one, whatever room pages have. So either something can be given out, or that
request is under way.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any

from file_cdk.declarative.pages import Page
from file_cdk.declarative.scheduling.chain import Request
from file_cdk.declarative.scheduling.events import PageReady, ReadDone, SliceDone
from file_cdk.declarative.scheduling.stream_pages import Shared, StreamPages
from file_cdk.declarative.scheduling.waiting import Held, size_bytes

_WAIT_S = 0.2
"""Maximum time that whoever stops waits for requests under way. Their threads end with them."""


class RequestThreads:
    """As many as requests may be under way; each is started when there is a request for it."""

    def __init__(self, top: StreamPages, shared: Shared, highest: Callable[[StreamPages, Page], Any]) -> None:
        """top: the stream whose pages are given out. highest: of a page's cursor values."""
        self._top = top
        self._shared = shared
        self._highest = highest
        self.lock = threading.Lock()
        """Held by whoever looks at what the threads change: the stream's pages and its progress."""
        self._changed = threading.Condition(self.lock)
        """Something can be given out, or nothing ever will."""
        self._requests: queue.SimpleQueue[tuple[StreamPages, Request] | None] = queue.SimpleQueue()
        self._under_way = 0
        self._threads: list[threading.Thread] = []
        self._is_stopped = False
        self._broken: BaseException | None = None

    def next_event(self) -> PageReady | SliceDone | ReadDone:
        """Waits for it. What is whole counts in the state once it was returned."""
        with self.lock:
            while True:
                if self._broken is not None:
                    raise self._broken
                event = self._top.next_event()
                if isinstance(event, SliceDone):
                    self._top.settle(event)
                elif isinstance(event, ReadDone):
                    self._top.end()
                self._hand_out()
                if event is not None:
                    return event
                self._changed.wait()

    def stop(self) -> None:
        """Asks for nothing more, and waits a moment for what is under way."""
        with self.lock:
            self._is_stopped = True
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join(_WAIT_S / len(self._threads))

    def _hand_out(self) -> None:
        """With the lock held: gives the threads as many requests as may be under way."""
        while self._under_way < self._shared.bounds.slices and not self._is_stopped:
            wanted = self._top.most_wanted()
            if wanted is None and self._shared.held.takes_more(self._top.has_nothing_to_give):
                wanted = self._top.request() or self._top.request_ahead()
            if wanted is None:
                return
            self._under_way += 1
            if self._under_way > len(self._threads):
                self._start_thread()
            self._requests.put(wanted)

    def _start_thread(self) -> None:
        # Daemons: a program that is told to end does not wait for an API that does not answer.
        thread = threading.Thread(target=self._ask, name=f"pages-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more: those that there are take the request when they come to it
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _ask(self) -> None:
        while (wanted := self._requests.get()) is not None:
            pages, request = wanted
            result = self._result(pages, request)
            with self.lock:
                self._under_way -= 1
                if self._is_stopped:
                    return
                try:
                    pages.arrived(request, result)
                    self._hand_out()
                except BaseException as error:  # noqa: BLE001 raised again by whoever waits for what comes next
                    self._broken = error
                if self._broken is not None or not self._top.has_nothing_to_give or pages is not self._top:
                    self._changed.notify()

    def _result(self, pages: StreamPages, request: Request) -> Held | BaseException:
        """The page, or what came in its place."""
        chain = request.chain
        try:
            page = pages.reader.page(chain.slice, request.token or pages.reader.first(chain.slice))
            return self._held(pages, request, page)
        except BaseException as error:  # noqa: BLE001 raised again in its turn, by whoever takes pages
            return error

    def _held(self, pages: StreamPages, request: Request, page: Page) -> Held:
        highest, size = self._highest(pages, page), size_bytes(page)
        held = self._shared.held
        with self.lock:
            in_memory = held.reserve(page, size, pages.is_next(request))
        result = held.held(page, size, highest, in_memory)
        with self.lock:
            held.arrived(result, in_memory)
        return result
