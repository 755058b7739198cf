"""Reads of streams in slices: what is counted and told, what is read once, where a read goes on, and how it ends."""

import errno
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from slice_pages import Json, Pages, daily, day

from file_cdk.core.errors import ConfigError, InternalError, TransientError
from file_cdk.declarative.durations import Duration
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.scheduling import (
    Begun,
    Bounds,
    KeptPages,
    OrderedRead,
    PageReady,
    ReadDone,
    Resumed,
    SliceDone,
    read,
)
from file_cdk.declarative.scheduling.page_file import PageFile, Place
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import slice_key
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, SlicedStream


def records(events: OrderedRead) -> list[Any]:
    return [json.loads(record) for event in events if isinstance(event, PageReady) for record in event.page.records]


def partitions(events: OrderedRead) -> list[Any]:
    return [dict(event.slice.partition) for event in events if isinstance(event, SliceDone)]


def children(parents: Sequence[Any], reader: Any, **facts: Any) -> SlicedStream:
    parent = SlicedStream("parents", Pages(lambda of: [parents]), kept_as="parents")
    return SlicedStream("children", reader, (ParentRouter((Parent(parent, ("id",), "of", **facts),)),))


def test_a_stream_without_partitions_and_cursor_is_one_slice() -> None:
    stream = SlicedStream("things", Pages(lambda of: [[{"id": 1}, {"id": 2}], [{"id": 3}]]))
    with read(stream) as events:
        assert [type(event) for event in events] == [PageReady, PageReady, SliceDone, ReadDone]
        assert events.state() == {"__ab_no_cursor_state_message": True}


def by_number(*sizes: int, repeats: bool = False) -> ReadDone:
    """Reads a slice of pages of at most two records. The first that is not full comes after the one behind it."""
    pages = [[{"id": f"{n}.{i}"} for i in range(size)] for n, size in enumerate(sizes)]
    short = next(number for number, size in enumerate(sizes) if size < 2)
    if repeats:
        pages += [pages[-1]] * 5
    is_behind = threading.Event()

    def before(of: Slice, token: Token) -> None:
        if token.number == short:
            assert is_behind.wait(10)
        elif token.number == short + 2:  # of two requests at a time, the one before it is done
            is_behind.set()

    reader = Pages(lambda of: pages, numbered_to=2, before=before)
    with read(SlicedStream("things", reader), bounds=Bounds(slices=2, quick_s=0.0)) as events:
        *_, done = events
    assert isinstance(done, ReadDone)
    return done


@pytest.mark.parametrize("sizes", [(2, 2, 1, 2, 2), (2, 2, 0, 1)])
def test_a_short_page_in_the_middle_is_told(sizes: tuple[int, ...]) -> None:
    done = by_number(*sizes)
    reason = "at a page that was not full, and the API has other records behind it"
    assert done.warnings == (f"stream 'things': 1 slices ended early: {reason}",)


@pytest.mark.parametrize(
    "facts", [{"sizes": (2, 2, 2, 1)}, {"sizes": (2, 2, 2, 0)}, {"sizes": (2, 2, 1), "repeats": True}]
)
def test_a_short_page_at_the_end_is_not(facts: dict[str, Any]) -> None:
    assert by_number(*facts.pop("sizes"), **facts).warnings == ()


def test_what_is_passed_over_is_counted_and_told() -> None:
    reader = Pages(lambda of: [[{"id": 1}]], ended_early={0: "status 404"})
    parents = [{"id": 1, "k": {"x": 5}}, {"name": "a"}, {"id": 1}, {"id": None}, {"id": 2}]
    with read(children(parents, reader, extra_fields=(("k", "x"),))) as events:
        came = list(events)
    slices = [(event.slice, event.warnings) for event in came if isinstance(event, SliceDone)]
    assert slices == [
        (Slice({"of": 1, "parent_slice": {}}, {}, {"k.x": 5}), ("status 404",)),
        (Slice({"of": 2, "parent_slice": {}}, {}, {"k.x": None}), ("status 404",)),
    ]
    done = came[-1]
    assert isinstance(done, ReadDone)
    assert (done.counts.partitions, done.counts.partitions_again, done.counts.slices) == (2, 1, 2)
    assert done.counts.parents_without_key == {"parents": 2}
    assert (done.counts.read.found, done.counts.read.emitted, done.counts.read.pages) == (2, 2, 2)
    assert [(name, counts.read.found) for name, counts in done.counts.parents] == [("parents", 5)]
    assert done.warnings == (
        "stream 'children': 2 slices ended early: status 404",
        "stream 'children': 1 partitions were met again, and read once",
        "stream 'children': 2 records of its parent 'parents' have no key, and no slice",
    )


def test_a_parent_of_several_streams_is_asked_once() -> None:
    stream = children([{"id": 1}, {"id": 2}], Pages(lambda of: [[]]))
    router = stream.routers[0]
    assert isinstance(router, ParentRouter)
    parent = router.parents[0].stream
    kept = KeptPages()
    for each in (stream, parent, stream):
        with read(each, kept=kept) as events:
            assert len(list(events)) > 2
    kept.close()
    assert isinstance(parent.reader, Pages)
    assert list(parent.reader.asked.values()) == [1]
    assert (kept.kept, kept.taken) == (1, 2)


def test_who_wants_a_page_that_another_asks_for_waits_for_it() -> None:
    are_two = threading.Barrier(2)

    def first(of: Slice) -> Token:
        are_two.wait(20)
        return Token(0)

    parent = SlicedStream("parents", Pages(lambda of: [[{"id": 1}]], before=lambda *_: time.sleep(0.05)), kept_as="p")
    parent.reader.first = first  # type: ignore[method-assign]
    kept = KeptPages()
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: records(read(parent, kept=kept)), range(2)):
            assert found == [{"id": 1}]
    assert isinstance(parent.reader, Pages)
    assert list(parent.reader.asked.values()) == [1]
    kept.close()


def test_what_has_no_room_to_be_kept_is_asked_again() -> None:
    stream = children([{"id": 1}, {"id": 2}], Pages(lambda of: [[]]))
    router = stream.routers[0]
    assert isinstance(router, ParentRouter)
    reader = router.parents[0].stream.reader
    kept = KeptPages(max_bytes=100)
    for _ in range(2):
        with read(stream, kept=kept) as events:
            assert len(list(events)) == 5
    kept.close()
    assert isinstance(reader, Pages)
    assert list(reader.asked.values()) == [2]
    assert (kept.kept, kept.taken) == (0, 0)


def test_a_product_varies_its_last_router_fastest() -> None:
    stream = SlicedStream(
        "things", Pages(lambda of: [[]]), (ListRouter("a", (1, 2)), ListRouter("b", ("x", "y")), ListRouter("a", (9,)))
    )
    with read(stream) as events:
        assert partitions(events) == [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y")]


def test_a_page_whose_records_are_not_accounted_for_is_refused() -> None:
    class Losing(Pages):
        def page(self, of: Slice, token: Token) -> Page:
            return Page([b"{}"], [], 3, 1, [], None)

    with pytest.raises(InternalError, match="had 3 records, of which 1 came out, 1 were filtered and 0 rejected"):
        list(read(SlicedStream("things", Losing(lambda of: []))))


def test_a_read_goes_on_where_an_earlier_one_ended() -> None:
    """Which slices it committed, and in which one it stopped, an earlier run knows by their keys."""
    reader = Pages(lambda of: [[{"id": number}] for number in range(3)])
    stream = SlicedStream("things", reader, (ListRouter("a", (1, 2, 3)),))
    first, second = (slice_key(Slice({"a": value})) for value in (1, 2))
    resumed = Resumed({first: None}, {second: Begun(Token(1, 1))})
    with read(stream, resumed=resumed) as events:
        came = [(event.slice.partition["a"], event.number) for event in events if isinstance(event, PageReady)]
    assert came == [(2, 1), (2, 2), (3, 0), (3, 1), (3, 2)]


def test_what_an_earlier_run_read_of_an_attempt_counts_in_its_state() -> None:
    reader = Pages(lambda of: [[{"at": of.interval["end_time"]}], [{"at": of.interval["start_time"]}]])
    stream = SlicedStream("things", reader, cursor=daily(step=Duration(months=1), granularity=timedelta(days=1)))
    with read(stream) as events:
        slices = [event.slice for event in events if isinstance(event, SliceDone)]
        whole = events.state()
    january, february, march = map(slice_key, slices)
    begun = {march: Begun(Token(1, 1), day("2024-03-10"))}
    with read(stream, resumed=Resumed({january: day("2024-01-31"), february: day("2024-02-29")}, begun)) as events:
        came = [event.number for event in events if isinstance(event, PageReady)]
        assert events.state() == whole == {"at": "2024-03-10"}
    assert came == [1]


def test_pages_that_are_too_old_or_too_new_are_filtered_and_end_a_feed() -> None:
    pages: list[list[Json]] = [
        [{"at": "2024-03-12"}],
        [{"at": "2024-03-11"}, {"at": "2024-03-10"}, {"id": 1}],
        [{"at": "2024-02-20"}, {"at": "2024-02-01"}],
        [{"at": "2024-01-02"}],
    ]
    state = {"at": "2024-02-10"}
    feed = SlicedStream("feed", Pages(lambda of: pages), cursor=daily(is_data_feed=True))
    with read(feed, state) as events:
        came = list(events)
        assert events.state() == {"at": "2024-03-10"}
    assert [len(event.page.records) for event in came if isinstance(event, PageReady)] == [0, 2, 1]
    done = next(event for event in came if isinstance(event, SliceDone))
    assert (done.counts.found, done.counts.emitted, done.counts.filtered) == (6, 3, 3)
    with read(SlicedStream("all", Pages(lambda of: pages), cursor=daily(is_client_side=True)), state) as events:
        assert len(records(events)) == 3
        assert isinstance(feed.reader, Pages)
    assert sum(feed.reader.asked.values()) == 3


def test_the_state_stands_for_slices_that_came_out_alone() -> None:
    def pages(of: Slice) -> list[list[Json]]:
        return [[{"at": of.interval["start_time"]}]]

    cursor = daily(step=timedelta(days=20), granularity=timedelta(days=1))
    with read(SlicedStream("things", Pages(pages), cursor=cursor)) as events:
        seen = [(type(event).__name__, events.state()["at"]) for event in events]
    assert seen == [
        ("PageReady", "2024-01-01"),
        ("SliceDone", "2024-01-01"),
        ("PageReady", "2024-01-01"),
        ("SliceDone", "2024-01-21"),
        ("PageReady", "2024-01-21"),
        ("SliceDone", "2024-02-10"),
        ("PageReady", "2024-02-10"),
        ("SliceDone", "2024-03-01"),
        ("ReadDone", "2024-03-01"),
    ]


def test_children_are_read_while_their_parent_still_is() -> None:
    """The parent's second page is answered only after a child was."""
    a_child_came = threading.Event()

    def before_parent(of: Slice, token: Token) -> None:
        assert token.number == 0 or a_child_came.wait(20)

    parent = SlicedStream("parents", Pages(lambda of: [[{"id": 1}], [{"id": 2}]], before=before_parent))
    child = Pages(lambda of: [[{}]], before=lambda of, token: a_child_came.set())
    with read(SlicedStream("children", child, (ParentRouter((Parent(parent, ("id",), "of"),)),))) as events:
        assert [each["of"] for each in partitions(events)] == [1, 2]


def test_ctrl_c_ends_a_read_whose_api_does_not_answer() -> None:
    asked, answered = threading.Event(), threading.Event()

    def never(of: Slice, token: Token) -> None:
        asked.set()
        assert answered.wait(20)

    def interrupt() -> None:
        assert asked.wait(20)
        time.sleep(0.1)  # until it waits: of a signal that comes just before, the interpreter learns afterwards
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    events = read(SlicedStream("things", Pages(lambda of: [[]], before=never)))
    with pytest.raises(KeyboardInterrupt):
        next(events)
    assert list(events) == []
    answered.set()
    for thread in threading.enumerate():
        if thread.name.startswith("pages-"):
            thread.join(20)
            assert not thread.is_alive()


def test_an_error_ends_the_read_in_its_turn_and_stops_what_comes_after() -> None:
    def pages(of: Slice) -> list[list[Json]]:
        if of.partition["a"] == 5:
            raise TransientError("status 500")
        return [[dict(of.partition)]]

    def before(of: Slice, token: Token) -> None:
        threading.Event().wait(0.001)  # as an API takes its time, so that all threads have theirs

    reader = Pages(pages, before=before)
    with read(SlicedStream("things", reader, (ListRouter("a", tuple(range(1000))),)), bounds=Bounds(4)) as events:
        came: list[Any] = []
        with pytest.raises(TransientError, match="status 500"):
            came.extend(iter(events))
        assert [event.slice.partition["a"] for event in came if isinstance(event, SliceDone)] == [0, 1, 2, 3, 4]
        assert list(events) == []
    assert len(reader.asked) < 20


def test_a_page_that_cannot_wait_on_the_disk_ends_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    came = threading.Event()

    def broken(self: PageFile, page: Page) -> Place:
        came.set()
        raise RecursionError

    def before(of: Slice, token: Token) -> None:
        assert of.partition["a"] > 0 or came.wait(20)

    monkeypatch.setattr(PageFile, "append", broken)
    reader = Pages(lambda of: [[dict(of.partition)]], before=before)
    stream = SlicedStream("things", reader, (ListRouter("a", (0, 1)),))
    with read(stream, bounds=Bounds(2, waiting_bytes=0)) as events, pytest.raises(RecursionError):
        list(events)


def test_slow_takers_keep_nothing_on_the_disk() -> None:
    """Only a slice that takes long lets others go ahead of what memory holds."""
    waits = itertools.count()
    stream = SlicedStream("things", Pages(lambda of: [[{"pad": "x" * 1000}]]), (ListRouter("a", tuple(range(50))),))
    with read(stream, bounds=Bounds(2, waiting_bytes=5000)) as events:
        for _ in events:
            next(waits)
            threading.Event().wait(0.001)
        assert events.most_waiting_bytes < 5000 + 3 * 1300


@pytest.mark.parametrize("is_full", [False, True])
def test_pages_wait_on_the_disk_or_without_room_there_in_memory(monkeypatch: pytest.MonkeyPatch, is_full: bool) -> None:
    others_came = threading.Event()

    def full(self: PageFile, page: Page) -> Place:
        others_came.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    if is_full:
        monkeypatch.setattr(PageFile, "append", full)

    def before(of: Slice, token: Token) -> None:
        if of.partition["a"] == 3:
            others_came.set()
        assert of.partition["a"] > 0 or others_came.wait(20)

    reader = Pages(lambda of: [[{"a": of.partition["a"], "pad": "x" * 1000}]], before=before)
    stream = SlicedStream("things", reader, (ListRouter("a", tuple(range(9))),))
    with read(stream, bounds=Bounds(2, waiting_bytes=2000)) as events:
        assert [record["a"] for record in records(events)] == list(range(9))
        assert events.pages_spilled > 0
        assert events.most_waiting_bytes < 4 * 1300


def test_where_the_system_has_no_more_threads_fewer_do(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def start_two(thread: threading.Thread) -> None:
        if thread.name.startswith("pages-"):
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    stream = SlicedStream("things", Pages(lambda of: [[dict(of.partition)]]), (ListRouter("a", tuple(range(9))),))
    with read(stream, bounds=Bounds(quick_s=0)) as events:
        assert [record["a"] for record in records(events)] == list(range(9))
    assert len(started) == 2


@pytest.mark.parametrize("numbered_to", [0, 1])
@pytest.mark.parametrize("is_quick", [False, True])
def test_who_takes_pages_asks_for_them_where_answers_are_quick(is_quick: bool, numbered_to: int) -> None:
    seen = set()
    reader = Pages(
        lambda of: [[{"id": number}] for number in range(40)],
        numbered_to,
        before=lambda of, token: seen.add(threading.current_thread().name),
    )
    with read(SlicedStream("things", reader), bounds=Bounds(quick_s=3600 if is_quick else 0)) as events:
        assert [record["id"] for record in records(events)] == [*range(40)]
    assert (seen == {"MainThread"}) is is_quick


def test_a_malformed_state_is_refused_before_anything_is_asked() -> None:
    stream = SlicedStream("things", Pages(lambda of: [[]]), cursor=daily())
    with pytest.raises(ConfigError, match="the state holds no moment of the cursor 'at'"):
        read(stream, {"at": "yesterday"})
    with pytest.raises(ConfigError, match="is not one of a stream with partitions"):
        read(SlicedStream("things", stream.reader, (ListRouter("a", (1,)),), daily()), {"states": [{"partition": 1}]})
