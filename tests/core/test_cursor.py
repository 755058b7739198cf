import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.state.cursor import Cursor, SkipReason, StateThrottle, format_instant, renamed_state

NOW = datetime(2024, 6, 30, 12, tzinfo=UTC)


def file(uri: str, days_old: float) -> RemoteFile:
    return RemoteFile(uri, 10, NOW - timedelta(days=days_old))


def cursor(state: Mapping[str, object] | None = None, *, limit: int = 3, days: int = 3) -> Cursor:
    return Cursor(state, now=NOW, history_limit=limit, days_to_sync_if_history_is_full=days)


FULL_STATE = {
    "history": {
        "b": "2024-06-10T00:00:00.000000Z",
        "c": "2024-06-20T00:00:00.000000Z",
        "d": "2024-06-25T00:00:00.000000Z",
    },
    "_ab_source_file_last_modified": "2024-06-25T00:00:00.000000Z_d",
}


def at(uri: str, day: str) -> RemoteFile:
    return RemoteFile(uri, 10, datetime.fromisoformat(f"2024-{day}T00:00:00+00:00"))


def test_without_state_everything_is_read() -> None:
    assert cursor().decide(file("a", 1000)) is None
    assert cursor().knows_all


def test_state_has_the_form_that_the_field_has_stored() -> None:
    fresh = cursor()
    fresh.add(RemoteFile("x_1.csv", 1, datetime(2024, 1, 2, 3, 4, 5, 6, UTC)))
    fresh.add(RemoteFile("a.csv", 1, datetime(2024, 1, 3, tzinfo=UTC)))
    assert fresh.to_state() == {
        "history": {"x_1.csv": "2024-01-02T03:04:05.000006Z", "a.csv": "2024-01-03T00:00:00.000000Z"},
        "_ab_source_file_last_modified": "2024-01-03T00:00:00.000000Z_a.csv",
    }


def test_a_file_in_the_history_is_read_again_only_when_modified_later() -> None:
    c = cursor(FULL_STATE)
    assert c.decide(at("c", "06-20")) is SkipReason.ALREADY_SYNCED
    assert c.decide(at("c", "06-21")) is None
    assert c.decide(at("c", "06-19")) is SkipReason.OLDER_THAN_SYNCED


def test_a_full_history_reads_what_is_later_than_its_earliest() -> None:
    c = cursor(FULL_STATE)
    assert not c.knows_all
    assert c.decide(at("new", "06-11")) is None
    assert c.decide(at("new", "06-09")) is SkipReason.BEFORE_WINDOW
    assert c.decide(at("bb", "06-10")) is None, "same time as the earliest, uri after it"
    assert c.decide(at("a", "06-10")) is SkipReason.BEFORE_WINDOW, "same time as the earliest, uri before it"


def test_a_full_history_reads_older_files_inside_the_window() -> None:
    state = {"history": {"b": "2024-06-29T00:00:00.000000Z"}}
    c = cursor(state, limit=1, days=3)
    assert c.decide(at("late", "06-28")) is None
    assert c.decide(at("late", "06-26")) is SkipReason.BEFORE_WINDOW
    assert cursor(state, limit=1, days=10).decide(at("late", "06-26")) is None


def test_the_window_counts_for_files_of_the_time_at_which_the_cursor_is_held() -> None:
    """Their names tell nothing: what is before the cursor may have come late, as it may at any other time of the window."""
    held = {
        "history": {"n": "2024-06-29T00:00:00.000000Z"},
        "_ab_source_file_last_modified": "2024-06-28T00:00:00.000000Z_m",
    }
    c = cursor(held, limit=1, days=3)
    assert c.decide(at("m", "06-28")) is None, "it failed"
    assert c.decide(at("z", "06-28")) is None
    assert c.decide(at("a", "06-28")) is None
    assert c.decide(at("a", "06-29")) is None, "after the cursor"
    assert c.decide(at("a", "06-26")) is SkipReason.BEFORE_WINDOW


def test_an_older_file_is_read_while_the_history_is_not_full() -> None:
    assert cursor(FULL_STATE, limit=4).decide(at("late", "01-01")) is None


def test_decisions_do_not_change_when_the_history_fills_up_meanwhile() -> None:
    c = cursor(FULL_STATE, limit=4)
    c.add(at("e", "06-26"))
    c.add(at("f", "06-27"))
    assert c.decide(at("late", "01-01")) is None
    assert c.decide(at("e", "06-26")) is SkipReason.ALREADY_SYNCED


def test_the_oldest_files_leave_a_full_history() -> None:
    c = cursor(FULL_STATE)
    c.add(at("e", "06-26"))
    c.add(at("c", "06-27"))
    assert list(c.to_state()["history"]) == ["c", "d", "e"]
    assert len(c) == 4, "b is remembered by its hash"


def test_replacing_a_file_many_times_keeps_memory_bounded() -> None:
    c = cursor(limit=2)
    c.add(RemoteFile("same", 1, NOW))
    tracemalloc.start()
    try:
        for minute in range(1000):
            c.add(RemoteFile("same", 1, NOW + timedelta(minutes=minute)))
        # Not what other threads of the process take meanwhile.
        held = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(True, "*/file_cdk/*"), tracemalloc.Filter(True, __file__)]
        )
    finally:
        tracemalloc.stop()
    held_bytes = sum(trace.size for trace in held.traces)
    assert held_bytes < 8_000, "more than the last few of a thousand versions"
    assert c.to_state()["history"] == {"same": format_instant(NOW + timedelta(minutes=999))}


def test_a_failed_file_holds_the_cursor_back_until_it_is_read() -> None:
    first = cursor()
    first.leave_unread(at("a", "01-01"))
    for uri, day in (("b", "02-01"), ("c", "02-02"), ("d", "02-03"), ("e", "02-04")):
        first.add(at(uri, day))
    first.finish()
    state = first.to_state()
    assert state["_ab_source_file_last_modified"] == "2024-01-01T00:00:00.000000Z_a"

    second = cursor(state)
    assert second.decide(at("a", "01-01")) is None, "although the history is full and begins after it"
    second.add(at("a", "01-01"))
    second.finish()
    assert second.to_state()["_ab_source_file_last_modified"] == "2024-02-04T00:00:00.000000Z_e"


def test_a_sync_cut_short_does_not_lose_the_files_that_failed_before_it() -> None:
    first = cursor()
    first.leave_unread(at("a", "01-01"))
    first.leave_unread(at("b", "01-02"))
    for uri, day in (("c", "02-01"), ("d", "02-02"), ("e", "02-03"), ("f", "02-04")):
        first.add(at(uri, day))
    first.finish()

    second = cursor(first.to_state())
    second.add(at("a", "01-01"))  # and then the process is killed: no finish()

    third = cursor(second.to_state())
    assert third.decide(at("b", "01-02")) is None


@pytest.mark.parametrize(
    "nothing", [None, {}, {"history": {}}, {"history": None, "_ab_source_file_last_modified": None}]
)
def test_forms_of_no_state(nothing: dict[str, object] | None) -> None:
    c = cursor(nothing, limit=1)
    assert c.decide(file("a", 1000)) is None
    assert c.to_state() == {"history": {}, "_ab_source_file_last_modified": None}


@pytest.mark.parametrize("year_one", ["1-01-01T00:00:00.000000Z_", "0001-01-01T00:00:00.000000Z_"])
def test_the_cursor_of_an_empty_sync_by_another_writer(year_one: str) -> None:
    assert cursor({"history": {}, "_ab_source_file_last_modified": year_one}).decide(file("a", 1000)) is None


@pytest.mark.parametrize(
    ("state", "key"),
    [
        ({"history": ["a"]}, "'history'"),
        ({"history": {"a.csv": "yesterday"}}, "history['a.csv']"),
        ({"history": {"a.csv": 5}}, "history['a.csv']"),
        ({"_ab_source_file_last_modified": "2024-01-01T00:00:00.000000Z"}, "_ab_source_file_last_modified"),
        ({"_ab_source_file_last_modified": "soon_a.csv"}, "_ab_source_file_last_modified"),
        ({"_ab_source_file_last_modified": 7}, "_ab_source_file_last_modified"),
    ],
)
def test_a_malformed_state_is_named(state: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        cursor(state)
    assert key in str(error.value).replace('"', "")


def test_times_before_year_1000_keep_four_digits() -> None:
    assert format_instant(datetime(7, 1, 2, tzinfo=UTC)) == "0007-01-02T00:00:00.000000Z"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_state_waits_for_its_interval() -> None:
    clock = Clock()
    throttle = StateThrottle(clock, interval_s=10)
    throttle.count(files=1, record_bytes=10**9)
    clock.now += 9.9
    assert not throttle.due(state_bytes=1000, history_files=1)
    clock.now += 0.1
    assert throttle.due(state_bytes=1000, history_files=1)
    throttle.emitted()
    throttle.count(files=1, record_bytes=10**9)
    assert not throttle.due(state_bytes=1000, history_files=1)


def test_a_state_waits_until_it_is_small_beside_the_records_or_the_files() -> None:
    clock = Clock()
    throttle = StateThrottle(clock)
    clock.now += 60
    throttle.count(files=1, record_bytes=15_999)
    assert not throttle.due(state_bytes=1000, history_files=65)
    assert throttle.due(state_bytes=1000, history_files=64), "one of 64 files"
    throttle.count(record_bytes=1)
    assert throttle.due(state_bytes=1000, history_files=65), "16 bytes of records per byte of state"


def test_a_state_that_says_nothing_new_is_never_due() -> None:
    clock = Clock()
    throttle = StateThrottle(clock)
    clock.now += 60
    throttle.count(record_bytes=10**9)
    assert not throttle.due(state_bytes=0, history_files=0)


def test_any_number_of_days_is_a_window() -> None:
    state = {
        "history": {"a": "2024-01-01T00:00:00.000000Z"},
        "_ab_source_file_last_modified": "2024-01-01T00:00:00.000000Z_a",
    }
    now = datetime(2024, 1, 2, tzinfo=UTC)
    cursor = Cursor(state, now=now, history_limit=1, days_to_sync_if_history_is_full=999_999_999)
    assert cursor.decide(RemoteFile("old", 1, datetime(1970, 1, 1, tzinfo=UTC))) is None


def test_what_older_versions_synced_stays_synced() -> None:
    state = {"history": {"a": "2024-06-10T00:00:00.000000Z"}, "v3_min_sync_date": "2024-06-01T00:00:00.000000Z"}
    going_on = cursor(state, limit=10)
    assert going_on.decide(at("old", "05-31")) is SkipReason.BEFORE_HISTORY
    assert going_on.decide(at("new", "06-01")) is None
    assert going_on.decide(at("a", "06-10")) is SkipReason.ALREADY_SYNCED
    going_on.add(at("new", "06-01"))
    assert going_on.to_state()["v3_min_sync_date"] == "2024-06-01T00:00:00.000000Z"
    assert cursor(going_on.to_state(), limit=10).decide(at("old", "05-31")) is SkipReason.BEFORE_HISTORY


def test_an_archive_that_is_synced_has_its_members_synced() -> None:
    going_on = cursor({"history": {"in/a.zip": "2024-06-10T00:00:00.000000Z"}}, limit=10)
    assert going_on.decide(at("in/a.zip!x.csv", "06-10")) is SkipReason.ALREADY_SYNCED
    assert going_on.decide(at("in/a.zip!x.csv", "06-11")) is None
    assert going_on.decide(at("in/b.zip!x.csv", "06-10")) is None


def test_a_state_with_other_names() -> None:
    early, late = "2024-06-01T00:00:00.000000Z", "2024-06-02T00:00:00.000000Z"
    state = {"history": {"X:a": late, "X:b": early, "a": early}, "_ab_source_file_last_modified": f"{late}_X:a_b"}
    assert renamed_state({**state, "more": 1}, lambda uri: uri.removeprefix("X:")) == {
        "history": {"a": late, "b": early},
        "_ab_source_file_last_modified": f"{late}_a_b",
        "more": 1,
    }
    assert state["history"] == {"X:a": late, "X:b": early, "a": early}


def test_of_two_names_that_become_one_the_later_time_stays_with_or_without_a_fraction() -> None:
    earlier, later = "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.500000Z"
    for history in ({"a": earlier, "X:a": later}, {"X:a": later, "a": earlier}):
        assert renamed_state({"history": history}, lambda uri: uri.removeprefix("X:")) == {"history": {"a": later}}
