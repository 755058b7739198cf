"""States: the forms that others write, what is left of them, and how they grow."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slice_pages import Pages, daily, day

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.cursors.highest import highest
from file_cdk.declarative.scheduling import SliceDone, read
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, SlicedStream
from file_cdk.declarative.states import partitioned
from file_cdk.declarative.states.known import PARTITIONS_FIELD, KnownPartitions
from file_cdk.declarative.states.legacy import of_parent, per_partition
from file_cdk.declarative.states.rate import StateRate


def users(parents: list[Any], **facts: Any) -> SlicedStream:
    """A stream below `teams`, of which each partition has a record of March."""
    teams = SlicedStream("teams", Pages(lambda of: [[{"id": key} for key in parents]]))
    router = ParentRouter((Parent(teams, ("id",), "team"),))
    return SlicedStream("users", Pages(lambda of: [[{"at": "2024-03-02"}]]), (router,), daily(**facts))


def begins(stream: SlicedStream, state: Any) -> tuple[dict[Any, str], Any]:
    """Where each partition was begun, and the state that was left."""
    with read(stream, state, clock=lambda: 0) as events:
        slices = [event.slice for event in events if isinstance(event, SliceDone)]
        return {of.partition.get("team"): of.interval["start_time"] for of in slices}, events.state()


def test_a_state_of_older_versions_is_that_of_partitions_without_parents() -> None:
    stored = per_partition({"7": {"at": "2024-02-05"}, "x": {"at": "2024-02-06"}}, "team", "at")
    assert stored == {
        "states": [
            {"partition": {"team": "7"}, "cursor": {"at": "2024-02-05"}},
            {"partition": {"team": "x"}, "cursor": {"at": "2024-02-06"}},
        ]
    }
    where, state = begins(users([7, 8, "x"]), stored)
    assert where == {7: "2024-02-05", 8: "2024-01-01", "x": "2024-02-06"}
    assert [each["partition"] for each in state["states"]] == [{"parent_slice": {}, "team": key} for key in (7, 8, "x")]
    for other in ({"at": "2024-02-05"}, {"a": {"at": "2024-02-05", "b": 1}}, stored, {}):
        assert per_partition(other, "team", "at") is other


def test_a_state_of_all_partitions_is_where_each_begins() -> None:
    where, state = begins(users([7]), {"at": "2024-02-05", "else": 1})
    assert where == {7: "2024-02-05"}
    assert PARTITIONS_FIELD not in state


@pytest.mark.parametrize(
    ("stored", "state"),
    [
        ({"parent_state": {"teams": {"at": "2024-02-05"}}, "state": {"at": "2024-03-01"}}, {"at": "2024-02-05"}),
        ({"parent_state": {"others": {}}, "state": {"at": "2024-03-01"}}, {"at": "2024-03-01"}),
        ({"at": "2024-03-01"}, {"updated": "2024-03-01"}),
        ({"__ab_no_cursor_state_message": True}, {}),
        ({"states": []}, {}),
        ({}, {}),
    ],
)
def test_the_state_of_a_parent(stored: Any, state: Any) -> None:
    assert of_parent(stored, "teams", "updated") == state


def test_a_run_that_ends_early_loses_no_partition_and_reads_none_twice() -> None:
    """Whatever number of slices came out, the state leads to the others, and to no partition that is behind."""
    stream = users(list(range(6)))
    for taken in range(7):
        with read(stream) as events:
            ends = (event for event in events if isinstance(event, SliceDone))
            for _ in range(taken):
                next(ends)
            state = json.loads(json.dumps(events.state()))
        where, _ = begins(stream, state)
        assert where == {key: "2024-03-02" if key < taken else "2024-01-01" for key in range(6)}


def test_above_the_limit_a_run_that_ends_early_loses_no_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioned, "PARTITIONS", 2)
    _, state = begins(users(list(range(5))), {})
    assert state["use_global_cursor"]
    assert "states" not in state
    stream = users(list(range(9)))
    with read(stream, state) as events:
        ends = (event for event in events if isinstance(event, SliceDone))
        for _ in range(7):
            next(ends)
        state = events.state()
    where, state = begins(stream, state)
    assert where == {key: "2024-03-02" if key < 7 else "2024-01-01" for key in range(9)}
    assert begins(stream, state)[0] == dict.fromkeys(range(9), "2024-03-02")


def test_a_partition_that_was_left_in_its_midst_is_not_taken_for_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the limit is reached by others before it is read on, and this run ends early too."""
    monkeypatch.setattr(partitioned, "PARTITIONS", 2)
    _, state = begins(users([0]), {})
    state["states"].append({"partition": {"parent_slice": {}, "team": 9}, "cursor": {"at": "2024-01-10"}})
    stream = users([0, 1, 2, 3, 9])
    with read(stream, state) as events:
        ends = (event for event in events if isinstance(event, SliceDone))
        for _ in range(4):
            next(ends)
        state = events.state()
    assert state["use_global_cursor"]
    assert begins(stream, state)[0] == {**dict.fromkeys(range(4), "2024-03-02"), 9: "2024-01-01"}


def test_a_partition_and_an_interval_are_told_apart_by_their_fields() -> None:
    stream = SlicedStream("things", Pages(lambda of: [[]]), (ListRouter("since", (1,)),), daily(start_field="since"))
    with pytest.raises(ConfigError, match="both have a field 'since'"):
        read(stream)


def test_partitions_that_are_known_take_little_room() -> None:
    known = KnownPartitions(None, others=False)
    for digest in range(3, 1000):
        known.add(digest * 7919)
    stored = json.loads(json.dumps(known.value(with_digests=True)))
    assert len(json.dumps(stored)) < 997 * 11 + 60
    again = KnownPartitions(stored, others=True)
    assert [7919 * digest in again for digest in (2, 3, 999, 1000)] == [False, True, True, False]
    malformed: list[Any] = [
        {},
        {"version": 2, "known": ""},
        {"version": 1, "known": "a"},
        {"version": 1, "known": "AAAA"},
        [],
    ]
    for broken in malformed:
        with pytest.raises(ConfigError, match=PARTITIONS_FIELD):
            KnownPartitions(broken, others=False)


def test_states_of_a_sync_are_linear_in_what_was_read() -> None:
    now = 0.0
    rate, written = StateRate(lambda: now), 0
    for partition in range(1, 20_000):
        now += 0.01
        if rate.is_due():
            written += 100 * partition
            rate.wrote(100 * partition)
    assert 0 < written < now * 20_000 + 100 * 20_000


def test_without_steps_a_partition_that_has_nothing_new_still_counts() -> None:
    stream = SlicedStream(
        "things",
        Pages(lambda of: [[]]),
        (ListRouter("a", (1, 2)),),
        daily(granularity=timedelta(days=1), step=timedelta(30)),
    )
    state = {"states": [{"partition": {"a": 1}, "cursor": {"at": "2024-09-09"}}], "state": {"at": "2024-09-09"}}
    with read(stream, state) as events:
        assert {event.slice.partition["a"] for event in events if isinstance(event, SliceDone)} == {2}
        assert events.state()["states"] == [
            {"partition": {"a": 1}, "cursor": {"at": "2024-09-09"}},
            {"partition": {"a": 2}, "cursor": {"at": "2024-01-01"}},
        ]


formats = st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%d.%m.%Y", "%s", "%Y-%m"])
odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "2024-1-5", "2024-01-01\n", "9999-99-99", 5, 1e3, True, {}, "2024-01-05T10:00:00.5Z", "٢٠٢٤-٠١-٠١"]
)


@given(formats, st.lists(st.timedeltas(timedelta(0), timedelta(days=900)), max_size=5), st.lists(odd, max_size=2))
@settings(max_examples=60)
def test_the_latest_of_a_pages_values_is_that_of_each_by_itself(
    format: str, ages: list[timedelta], others: list[Any]
) -> None:
    cursor = DatetimeCursor("at", format, (format,), day("2020-01-01"), day("2024-01-01"))
    values = [cursor.text(day("2024-03-01") - age) for age in ages] + others
    moments = [moment for value in values if (moment := cursor.moment_or_none(value)) is not None]
    assert highest(cursor, values) == max(moments, default=None)
