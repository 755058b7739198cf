"""The law of slices: whichever request is answered first, the pages of each slice come out once, in the order in which one
request after the other would give them, and a page that fails ends the read where it stands."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slice_trees import Api, Tree, expected, stream_of, trees

from file_cdk.core.errors import TransientError
from file_cdk.declarative.scheduling import Bounds, OrderedRead, PageReady, Room, SliceDone, read

SMALL = 1_000
"""Bytes that may wait in memory: less than two of the large pages."""
LARGEST_PAGE = 2 * 700

orders: st.SearchStrategy[Callable[[int], int]] = st.one_of(
    st.just(lambda waiting: 0),
    st.just(lambda waiting: waiting - 1),
    st.integers(0, 1 << 30).map(lambda seed: Random(seed).randrange),
)


def outcome(events: Iterable[tuple[str, Any, Any]]) -> list[Any]:
    result: list[Any] = []
    try:
        result.extend(events)
    except TransientError as error:
        result.append(str(error))
    return result


def came(events: OrderedRead) -> Iterable[tuple[str, Any, Any]]:
    for event in events:
        match event:
            case PageReady(of, number, page):
                yield "page", of.partition, (number, page.records)
            case SliceDone(of, counts):
                assert counts.pages == counts.pages_requested
                assert counts.found == counts.emitted + counts.filtered + counts.rejected
                yield "end", of.partition, None


def page_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("pages-")]


def wait_for_threads() -> None:
    for thread in page_threads():
        thread.join(10)
    assert page_threads() == []


@given(
    trees(),
    orders,
    st.booleans(),
    st.sampled_from([SMALL, 1 << 20]),
    st.sampled_from([0, 4]),
    st.sampled_from([0, 1 << 20]),
    st.sampled_from([0, 0.001, 3600]),
)
@settings(max_examples=30)
def test_order_does_not_depend_on_what_is_answered_first(
    tree: Tree,
    order: Callable[[int], int],
    is_held_back: bool,
    waiting_bytes: int,
    pages_ahead: int,
    spilled_bytes: int,
    quick_s: float,
) -> None:
    wanted = outcome(expected(tree))
    for slices in (1, 8):
        bounds = Bounds(slices, pages_ahead, waiting_bytes, spilled_bytes, quick_s)
        with Api(order, is_held_back) as api, read(stream_of(tree, api), bounds=bounds) as events:
            assert outcome(came(events)) == wanted
            assert api.most_at_once <= slices
            assert events.most_waiting_bytes <= waiting_bytes + (slices + 1 + 3) * LARGEST_PAGE
        wait_for_threads()


@given(trees("one"), trees("two"), orders, st.sampled_from([2, 5]))
@settings(max_examples=10)
def test_streams_that_are_read_at_once_have_their_own_order_and_share_requests(
    one: Tree, two: Tree, order: Callable[[int], int], most: int
) -> None:
    room = Room(most, streams=2)
    with Api(order) as api, ThreadPoolExecutor(2) as pool:
        reads = [read(stream_of(tree, api), bounds=Bounds(most, quick_s=0), room=room) for tree in (one, two)]
        outcomes = list(pool.map(lambda events: outcome(came(events)), reads))
    assert outcomes == [outcome(expected(tree)) for tree in (one, two)]
    assert api.most_at_once <= most
    wait_for_threads()


@given(trees(), st.integers(0, 20))
@settings(max_examples=10)
def test_who_stops_does_not_wait_for_answers(tree: Tree, taken: int) -> None:
    with Api(lambda waiting: 0) as api:
        events = read(stream_of(tree, api))
        outcome(islice(came(events), taken))
        api.pause()
        events.close()
        assert list(events) == []
        api.go_on()
    wait_for_threads()


@pytest.mark.parametrize("spilled_bytes", [1 << 20, 0])
def test_pages_that_wait_go_to_a_file_while_the_first_slice_takes_long(spilled_bytes: int) -> None:
    tree = Tree("top", 1, (["a", "b", "c"], ["d", "e", "f"]), 0, False)
    wanted = outcome(expected(tree))
    bounds = Bounds(4, 0, waiting_bytes=1, spilled_bytes=spilled_bytes)
    with Api(lambda waiting: 0, is_held_back=True) as api, read(stream_of(tree, api), bounds=bounds) as events:
        assert outcome(came(events)) == wanted
        assert (events.pages_spilled > 3) == bool(spilled_bytes)
