"""The threads that ask for pages, and the order in which they do.

Nothing waits for something that waits for it in turn: a thread that has a request needs nothing else, and the request without
which nothing can be given out is always the next one, whatever room pages have. So either something can be given out, or that
request is under way. Whoever takes pages asks for that one rather than wait for a thread to do it, and for all of them where
answers are quick: to hand a page from one thread to another takes as long as to read it.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from file_cdk.declarative.pages import Page
from file_cdk.declarative.scheduling.chain import Request
from file_cdk.declarative.scheduling.events import PageReady, ReadDone, SliceDone
from file_cdk.declarative.scheduling.room import Room
from file_cdk.declarative.scheduling.stream_pages import Shared, StreamPages
from file_cdk.declarative.scheduling.waiting import Held, size_bytes

_WAIT_S = 0.2
"""Maximum time that whoever stops waits for requests under way. Their threads end with them."""

_CONTENDED_S = 0.005
"""Threads wait for one another as long as this, where answers are quick: so of less, each has its part."""

_WEIGHT = 1 / 8
"""Of the last answer in the average time that answers take: after one of 40 ms, threads are needed again at once."""


class RequestThreads:
    """As many as requests may be under way; each is started when there is a request for it."""

    def __init__(
        self, top: StreamPages, shared: Shared, room: Room, highest: Callable[[StreamPages, Page], Any]
    ) -> None:
        """top: the stream whose pages are given out. room: for its requests. highest: of a page's cursor values."""
        self._top = top
        self._shared = shared
        self._room = room
        self._highest = highest
        self.lock = threading.Lock()
        """Held by whoever looks at what the threads change: the stream's pages and its progress."""
        self._changed = threading.Condition(self.lock)
        """Something can be given out, or nothing ever will."""
        self._requests: queue.SimpleQueue[tuple[StreamPages, Request] | None] = queue.SimpleQueue()
        self._under_way = 0
        self._answer_s: float | None = None
        """How long an answer is waited for, on average."""
        self._is_quick = False
        self._is_asking = False
        """Whether whoever takes pages waits for an answer."""
        self._threads: list[threading.Thread] = []
        self._is_stopped = False
        self._broken: BaseException | None = None

    def next_event(self) -> PageReady | SliceDone | ReadDone:
        """Waits for it. What is whole counts in the state once it was returned."""
        while True:
            with self.lock:
                event = self._event()
                if event is not None:
                    self._hand_out()
                    return event
                own = self._own_request()
                self._is_asking = own is not None
                self._hand_out()
                if own is None:
                    self._changed.wait()
            if own is not None:
                self._ask(*own, is_own=True)

    def _event(self) -> PageReady | SliceDone | ReadDone | None:
        if self._broken is not None:
            raise self._broken
        event = self._top.next_event()
        if isinstance(event, SliceDone):
            self._top.settle(event)
        elif isinstance(event, ReadDone):
            self._top.end()
        return event

    def _own_request(self) -> tuple[StreamPages, Request] | None:
        """For the page without which nothing can be given out, unless a thread asks for it."""
        if not self._begin_request():
            return None
        wanted = self._top.most_wanted()
        if wanted is None:
            self._end_request()
        return wanted

    def _begin_request(self) -> bool:
        """Whether there may be one more under way."""
        if self._under_way >= self._shared.bounds.slices or (self._under_way and not self._room.take()):
            return False
        self._under_way += 1
        return True

    def _end_request(self) -> None:
        self._under_way -= 1
        if self._under_way:
            self._room.give_back()

    def stop(self) -> None:
        """Asks for nothing more, and waits a moment for what is under way."""
        with self.lock:
            self._is_stopped = True
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join(_WAIT_S / len(self._threads))

    def _hand_out(self, *, goes_on: bool = False) -> None:
        """With the lock held: gives the threads as many requests as may be under way, where that saves time. goes_on: also where
        answers are quick."""
        while not self._is_stopped and (goes_on or not self._is_quick) and self._begin_request():
            wanted = self._top.most_wanted()
            if wanted is None and self._shared.held.takes_more(self._top.has_nothing_to_give):
                wanted = self._top.request() or self._top.request_ahead()
            if wanted is None:
                self._end_request()
                return
            if self._under_way > len(self._threads):
                self._start_thread()
            self._requests.put(wanted)

    def _start_thread(self) -> None:
        # Daemons: a program that is told to end does not wait for an API that does not answer.
        thread = threading.Thread(target=self._work, name=f"pages-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more: those that there are take the request when they come to it
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        while (wanted := self._requests.get()) is not None:
            try:
                self._ask(*wanted, is_own=False)
            except BaseException as error:  # noqa: BLE001 raised again by whoever waits for what comes next
                with self.lock:
                    self._broken = error
                    self._changed.notify()

    def _ask(self, pages: StreamPages, request: Request, *, is_own: bool) -> None:
        began_s = time.monotonic() - time.thread_time()
        result = self._result(pages, request)
        answer_s = max(0.0, time.monotonic() - time.thread_time() - began_s)  # of two clocks, which differ by a little
        with self.lock:
            self._is_asking = self._is_asking and not is_own
            if answer_s < _CONTENDED_S:
                answer_s /= self._under_way
            before_s = answer_s if self._answer_s is None else self._answer_s
            self._answer_s = before_s + (answer_s - before_s) * _WEIGHT
            self._is_quick = self._answer_s < self._shared.bounds.quick_s
            self._end_request()
            if self._is_stopped:
                return
            pages.arrived(request, result)
            # The answer that whoever takes pages waits for may be a slow one.
            self._hand_out(goes_on=self._is_asking)
            if not self._top.has_nothing_to_give or pages is not self._top:
                self._changed.notify()

    def _result(self, pages: StreamPages, request: Request) -> Held | Exception:
        """The page, or what came in its place."""
        chain = request.chain
        try:
            page = pages.reader.page(chain.slice, request.token or pages.reader.first(chain.slice))
            return self._held(pages, request, page)
        except Exception as error:  # noqa: BLE001 raised again in its turn, by whoever takes pages
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
