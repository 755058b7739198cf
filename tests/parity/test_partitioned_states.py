"""Streams with partitions through airbyte-cdk's cursor and our reads: the same slices in the same order, and the same state at
the end, run after run, each with the state that the other side left."""

import copy
import itertools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.connector_state_manager import (  # type: ignore[import-not-found, unused-ignore]
        ConnectorStateManager,
    )
    from airbyte_cdk.sources.declarative.incremental.concurrent_partition_cursor import (  # type: ignore[import-not-found, unused-ignore]
        ConcurrentPerPartitionCursor,
    )
    from airbyte_cdk.sources.declarative.models.declarative_component_schema import (  # type: ignore[import-not-found, unused-ignore]
        DatetimeBasedCursor as PeerCursor,
    )
    from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (  # type: ignore[import-not-found, unused-ignore]
        ModelToComponentFactory,
    )
    from airbyte_cdk.sources.declarative.partition_routers import (  # type: ignore[import-not-found, unused-ignore]
        CartesianProductStreamSlicer,
        ListPartitionRouter,
        SubstreamPartitionRouter,
    )
    from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (  # type: ignore[import-not-found, unused-ignore]
        ParentStreamConfig,
    )
    from airbyte_cdk.sources.message import NoopMessageRepository  # type: ignore[import-not-found, unused-ignore]
    from airbyte_cdk.sources.streams.concurrent.cursor import (  # type: ignore[import-not-found, unused-ignore]
        FinalStateCursor,
    )
    from airbyte_cdk.sources.streams.concurrent.state_converters import (  # type: ignore[import-not-found, unused-ignore]
        datetime_stream_state_converter as peer_converter,
    )
    from airbyte_cdk.sources.types import Record, StreamSlice  # type: ignore[import-not-found, unused-ignore]

from file_cdk.declarative.components.cursors import DatetimeBasedCursor
from file_cdk.declarative.cursors.evaluating import cursor_of
from file_cdk.declarative.pages import Page, Token
from file_cdk.declarative.scheduling import ReadDone, SliceDone, read
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, SlicedStream
from file_cdk.declarative.states import partitioned
from file_cdk.declarative.states.known import PARTITIONS_FIELD

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

NOW = datetime(2024, 6, 12, tzinfo=UTC)
DAYS = st.sampled_from(["2024-01-05", "2024-02-01", "2024-03-03", "2024-03-31", "2024-05-09", "2024-06-10"])
KEYS = st.sampled_from([1, 2, 3, "x", None])


def component(step: str | None, is_global: bool = False) -> dict[str, Any]:
    steps = {"step": step, "cursor_granularity": "P1D"} if step else {}
    return {
        "type": "DatetimeBasedCursor",
        "cursor_field": "at",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": "2024-01-01",
        "global_substream_cursor": is_global,
        **steps,
    }


@dataclass(frozen=True)
class World:
    """parents: (key, day, group) of the parent's records, no key twice: a partition that is met again when its first slices
    have ended is read again by the peer. children: (parent's key, day). groups: the parent's partitions, if it has any.
    groups_are_records: of a stream above the parent, in place of values of a list. values: a list beside the parent, if there
    is one."""

    step: str | None
    parent_step: str | None
    parent_has_cursor: bool
    is_incremental: bool
    is_global: bool
    groups: tuple[str, ...]
    groups_are_records: bool
    values: tuple[str, ...]
    parents: tuple[tuple[Any, str, str], ...]
    children: tuple[tuple[Any, str], ...]

    def records(self, stream: str, partition: Mapping[str, Any], interval: Mapping[str, Any]) -> list[dict[str, Any]]:
        start, end = interval.get("start_time", ""), interval.get("end_time", "9")
        if stream == "child":
            return [{"at": day} for key, day in self.children if key == partition["of"] and start <= day <= end]
        if stream == "grand":
            days = {"a": "2024-01-05", "b": "2024-05-09"}
            return [{"g": group, "at": days[group]} for group in self.groups if start <= days[group] <= end]
        group = partition.get("group", self.groups[0] if self.groups else "a")
        return [
            {"id": key, "at": day, "name": {"first": f"n{key}"}}
            for key, day, of in self.parents
            if of == group and start <= day <= end
        ]


worlds = st.builds(
    World,
    step=st.sampled_from([None, "P1M", "P90D"]),
    parent_step=st.sampled_from([None, "P1M"]),
    parent_has_cursor=st.booleans(),
    is_incremental=st.booleans(),
    is_global=st.sampled_from([False, False, True]),
    groups=st.sampled_from([(), ("a", "b"), ("a", "b")]),
    groups_are_records=st.booleans(),
    values=st.sampled_from([(), (), ("v", "w")]),
    parents=st.lists(
        st.tuples(KEYS, DAYS, st.sampled_from(["a", "b"])), max_size=6, unique_by=lambda each: each[0]
    ).map(tuple),
    children=st.lists(st.tuples(KEYS, DAYS), max_size=8).map(tuple),
)


@dataclass(frozen=True)
class Partition:
    world: World
    stream: str
    slice: Any

    def to_slice(self) -> Any:
        return self.slice

    def read(self) -> Iterator[Any]:
        for record in self.world.records(self.stream, self.slice.partition, self.slice.cursor_slice):
            yield Record(record, self.stream, self.slice)


@dataclass(frozen=True)
class PeerParent:
    world: World
    cursor: Any
    router: Any
    name: str = "parent"

    def generate_partitions(self) -> Iterator[Partition]:
        slicer = self.router if isinstance(self.cursor, FinalStateCursor) else self.cursor
        for each in slicer.stream_slices():
            yield Partition(self.world, self.name, each)


class Single:
    def stream_slices(self) -> Iterator[Any]:
        yield StreamSlice(partition={}, cursor_slice={})


def peer_cursor(name: str, written: dict[str, Any], state: Mapping[str, Any], router: Any) -> Any:
    shared: dict[str, Any] = {
        "model_type": PeerCursor,
        "component_definition": written,
        "stream_name": name,
        "stream_namespace": None,
        "stream_state": copy.deepcopy(dict(state)),
        "config": {},
    }
    factory = ModelToComponentFactory()
    if isinstance(router, Single):
        return factory.create_concurrent_cursor_from_datetime_based_cursor(
            **shared, message_repository=NoopMessageRepository()
        )
    return factory.create_concurrent_cursor_from_perpartition_cursor(
        **shared, state_manager=ConnectorStateManager(), partition_router=router
    )


def peer_grand_router(world: World, parent_state: Mapping[str, Any]) -> Any:
    is_incremental = world.is_incremental and world.parent_has_cursor
    state = parent_state.get("parent_state", {}).get("grand", {}) if is_incremental else {}
    grand = PeerParent(world, peer_cursor("grand", component("P1M"), state, Single()), Single(), "grand")
    config = ParentStreamConfig(
        stream=grand,
        parent_key="g",
        partition_field="group",
        incremental_dependency=world.is_incremental,
        config={},
        parameters={},
    )
    return SubstreamPartitionRouter(parent_stream_configs=[config], config={}, parameters={})


def peer_run(world: World, state: Mapping[str, Any]) -> tuple[list[Any], Any]:
    groups = ListPartitionRouter(values=list(world.groups), cursor_field="group", config={}, parameters={})
    parent_router = groups if world.groups else Single()
    parent_state = state.get("parent_state", {}).get("parent", {}) if world.is_incremental else {}
    if world.groups and world.groups_are_records:
        parent_router = peer_grand_router(world, parent_state)
    parent_cursor: Any = FinalStateCursor("parent", None, NoopMessageRepository())
    if world.parent_has_cursor:
        parent_cursor = peer_cursor("parent", component(world.parent_step), parent_state, parent_router)
    router: Any = SubstreamPartitionRouter(
        parent_stream_configs=[
            ParentStreamConfig(
                stream=PeerParent(world, parent_cursor, parent_router),
                parent_key="id",
                partition_field="of",
                extra_fields=[["name", "first"], ["gone"]],
                incremental_dependency=world.is_incremental,
                config={},
                parameters={},
            )
        ],
        config={},
        parameters={},
    )
    if world.values:
        values = ListPartitionRouter(values=list(world.values), cursor_field="value", config={}, parameters={})
        router = CartesianProductStreamSlicer([router, values], parameters={})
    cursor = peer_cursor("child", component(world.step, world.is_global), state, router)
    slices = []
    for each in cursor.stream_slices():
        slices.append((dict(each.partition), dict(each.cursor_slice), dict(each.extra_fields)))
        partition = Partition(world, "child", each)
        for record in partition.read():
            cursor.observe(record)
        cursor.close_partition(partition)
    cursor.ensure_at_least_one_state_emitted()
    return slices, cursor.state


@dataclass(frozen=True)
class Reader:
    world: World
    stream: str

    def first(self, of: Slice) -> Token:
        return Token(0)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return None

    def page(self, of: Slice, token: Token) -> Page:
        records = self.world.records(self.stream, of.partition, of.interval)
        texts = [msgspec.json.encode(record) for record in records]
        return Page(texts, [record["at"] for record in records], len(texts), 0, [], None)


def our_run(world: World, state: Mapping[str, Any]) -> tuple[list[Any], Any]:
    def cursor(written: dict[str, Any]) -> Any:
        return cursor_of(msgspec.convert(written, DatetimeBasedCursor), {}, "stream", now=NOW)

    grand = SlicedStream("grand", Reader(world, "grand"), (), cursor(component("P1M")))
    above = ParentRouter((Parent(grand, ("g",), "group", (), world.is_incremental),))
    groups = above if world.groups_are_records else ListRouter("group", world.groups)
    parent = SlicedStream(
        "parent",
        Reader(world, "parent"),
        (groups,) if world.groups else (),
        cursor(component(world.parent_step)) if world.parent_has_cursor else None,
    )
    of = Parent(parent, ("id",), "of", (("name", "first"), ("gone",)), world.is_incremental)
    values = (ListRouter("value", world.values),) if world.values else ()
    written = component(world.step, world.is_global)
    child = SlicedStream("child", Reader(world, "child"), (ParentRouter((of,)), *values), cursor(written))
    slices = []
    ticks = itertools.count()
    with read(child, copy.deepcopy(state), clock=lambda: next(ticks) / 1e6) as events:
        for event in events:
            if isinstance(event, SliceDone):
                slices.append((dict(event.slice.partition), dict(event.slice.interval), dict(event.slice.extra)))
        assert isinstance(event, ReadDone)
        return slices, events.state()


def documented(state: Any) -> Any:
    """Without what is ours, at any depth."""
    if isinstance(state, dict):
        return {name: documented(value) for name, value in state.items() if name != PARTITIONS_FIELD}
    return [documented(each) for each in state] if isinstance(state, list) else state


@given(worlds, st.lists(st.tuples(KEYS, DAYS), max_size=4))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_slices_and_final_states_are_the_same(world: World, later: list[tuple[Any, str]]) -> None:
    with patch.object(peer_converter, "ab_datetime_now", lambda: NOW):
        state: Mapping[str, Any] = {}
        for run in range(3):
            theirs, ours = peer_run(world, state), our_run(world, state)
            assert ours[0] == theirs[0]
            assert documented(ours[1]) == theirs[1]
            # In the second run each side goes on from the other's; a global state of ours knows more, see below.
            state = theirs[1] if run or world.is_global else ours[1]
            world = replace(world, children=(*world.children, *later))


def a_world(keys: list[int], is_global: bool = False) -> World:
    parents = tuple((key, "2024-02-01", "a") for key in keys)
    children = tuple((key, f"2024-0{key}-05") for key in keys)
    return World(None, None, False, False, is_global, (), False, (), parents, children)


def starts(slices: list[Any]) -> dict[int, str]:
    return {partition["of"]: interval["start_time"] for partition, interval, _ in slices}


@pytest.mark.parametrize("is_global", [False, True])
def test_a_new_partition_is_read_from_the_start(is_global: bool) -> None:
    """Which is where the peer loses what is older than the others' end."""
    with patch.object(peer_converter, "ab_datetime_now", lambda: NOW):
        _, state = our_run(a_world([1, 4], is_global), {})
        theirs, _ = peer_run(a_world([1, 2, 4], is_global), state)
        ours, _ = our_run(a_world([1, 2, 4], is_global), state)
    # A state for all partitions goes back by the second that the last run took, and so, without hours, by a day.
    first = "2024-04-04" if is_global else "2024-01-05"
    assert starts(theirs) == {1: first, 2: "2024-04-04", 4: "2024-04-04" if is_global else "2024-04-05"}
    assert starts(ours) == {**starts(theirs), 2: "2024-01-01"}


def test_above_the_limit_of_partitions_both_leave_one_cursor_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConcurrentPerPartitionCursor, "SWITCH_TO_GLOBAL_LIMIT", 3)
    monkeypatch.setattr(partitioned, "PARTITIONS", 3)
    with patch.object(peer_converter, "ab_datetime_now", lambda: NOW):
        for number in (3, 4, 5):
            world = a_world([1, 2, 3, 4, 5][:number])
            theirs, ours = peer_run(world, {}), our_run(world, {})
            assert documented(ours[1]) == theirs[1]
            assert ours[1]["use_global_cursor"] == (number > 4)
        again = our_run(a_world([1, 2, 3, 4, 5, 6]), ours[1])
        assert starts(again[0]) == {1: "2024-05-04", 2: "2024-05-04", 3: "2024-05-04", 4: "2024-05-04"} | {
            5: "2024-05-04",
            6: "2024-01-01",
        }
        # From the peer's state it is not known which partitions were read: all of them were, as the peer has it.
        again = our_run(a_world([1, 2, 3, 4, 5, 6]), theirs[1])
        assert set(starts(again[0]).values()) == {"2024-05-04"}
        assert starts(our_run(a_world([1, 2, 3, 4, 5, 6, 7]), again[1])[0])[7] == "2024-01-01"
