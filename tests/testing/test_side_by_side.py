"""Two programs held against each other: what is the same passes, whatever its order; what differs is told, with the stream."""

import copy
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from file_cdk.testing.mirror.answers import Answer, SeenRequest
from file_cdk.testing.mirror.asked import asked
from file_cdk.testing.side_by_side.comparison import Allowed, Side, compare, report
from file_cdk.testing.side_by_side.program import Outcome, Program, configured

Json = dict[str, Any]

BEGAN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CATALOG: Json = {
    "streams": [{"name": "s", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]}]
}


def outcome(hours: int = 0, **more: Any) -> Outcome:
    began = BEGAN + timedelta(hours=hours)
    facts: Json = {
        "catalog": copy.deepcopy(CATALOG),
        "records": {"s": [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}, {"id": 2, "tags": []}]},
        "states": {"s": {"at": "2026-02-28"}},
        "statuses": {"s": "COMPLETE"},
        **more,
    }
    return Outcome(0, began, began + timedelta(seconds=5), **facts)


def request(
    target: str, body: bytes = b"", *, page: int = 0, records: int = 1, stream: str = "s", **headers: str
) -> SeenRequest:
    one = asked("GET", ("https", "api.example.org"), target, headers, body)
    return SeenRequest(0, one, Answer(200, b"{}", {}, stream, "{}", page if stream else -1, records))


def side(outcome_: Outcome, *seen: SeenRequest) -> Side:
    return Side(outcome_, seen)


def test_order_is_no_difference() -> None:
    theirs = side(outcome(), request("/a?x=1&y=2", b'{"a": 1, "b": 2}'), request("/b"))
    ours = outcome(records={"s": [{"tags": [], "id": 2}, {"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}]})
    assert compare(theirs, side(ours, request("/b"), request("/a?y=2&x=1", b'{"b": 2, "a": 1}'))) == []


def a_stream_less(catalog: Json) -> None:
    catalog["streams"] = []


def another_schema(catalog: Json) -> None:
    catalog["streams"][0]["json_schema"] = {"type": "array"}


@pytest.mark.parametrize(
    ("change", "told"),
    [(a_stream_less, "catalog of s: only theirs"), (another_schema, "catalog of s: json_schema")],
)
def test_catalogs(change: Callable[[Json], None], told: str) -> None:
    ours = outcome()
    assert ours.catalog is not None
    change(ours.catalog)
    assert told in report(compare(side(outcome()), side(ours)))


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([{"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}], "3 theirs, 2 ours"),
        (
            [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}, {"id": 3, "tags": []}],
            'only ours, 1x: {"id": 3, "tags": []}',
        ),
        ([{"id": "1", "tags": ["a"]}, {"id": 2, "tags": []}, {"id": 2, "tags": []}], 'only theirs, 1x: {"id": 1'),
    ],
)
def test_records_are_a_multiset(records: list[Json], told: str) -> None:
    [difference] = compare(side(outcome()), side(outcome(records={"s": records})))
    assert (difference.kind, difference.stream) == ("records", "s")
    assert told in str(difference)


def test_a_field_that_is_null_may_be_missing_but_not_within_another() -> None:
    theirs, ours = (side(outcome(records={"s": [record]})) for record in ({"id": 1}, {"id": 1, "name": None}))
    assert compare(theirs, ours) == []
    theirs, ours = (side(outcome(records={"s": [{"id": below}]})) for below in ({}, {"name": None}))
    assert [difference.kind for difference in compare(theirs, ours)] == ["records"]


def test_fields_that_the_run_makes_up_may_differ() -> None:
    theirs, ours = (side(outcome(records={"s": [{"id": 1, "uuid": value}]})) for value in "ab")
    assert [difference.kind for difference in compare(theirs, ours)] == ["records"]
    assert compare(theirs, ours, Allowed(fields={"s": frozenset({"uuid"})})) == []


def test_states_of_partitions_come_in_any_order() -> None:
    one, other = ({"partition": {"p": p}, "cursor": {"at": p}} for p in (1, 2))
    theirs = outcome(states={"s": {"states": [one, other], "lookback_window": 3}})
    assert compare(side(theirs), side(outcome(states={"s": {"states": [other, one], "lookback_window": 9}}))) == []
    [difference] = compare(side(theirs), side(outcome(states={"s": {"states": [one], "lookback_window": 3}})))
    assert difference.kind == "state"


def test_a_number_is_no_text_in_a_state() -> None:
    theirs, ours = (side(outcome(states={"s": {"at": at}})) for at in (1, "1"))
    assert [difference.kind for difference in compare(theirs, ours)] == ["state"]


@pytest.mark.parametrize("pattern", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%f+0000", "%Y-%m-%d %H:%M:%S", "%s"])
def test_now_is_the_same_in_both_runs_and_nothing_else_is(pattern: str) -> None:
    def at(hours: float) -> str:
        instant = BEGAN + timedelta(hours=hours, seconds=1)
        return str(int(instant.timestamp())) if pattern == "%s" else instant.strftime(pattern)

    def one(hours: int, of: float) -> Side:
        return side(outcome(hours, states={"s": {"at": at(of)}}), request(f"/a?until={at(of).replace('+', '%2B')}"))

    assert compare(one(0, 0), one(7, 7)) == []
    assert {difference.kind for difference in compare(one(0, 0), one(7, 7.5))} == {"state", "requests"}


def test_what_is_equal_as_it_stands_is_no_matter_of_clocks() -> None:
    """A record may have been made while one of the two ran, or just before."""
    at = (BEGAN + timedelta(seconds=1)).isoformat()

    def one(hours: int) -> Side:
        read = outcome(hours, records={"s": [{"at": at}]}, states={"s": {"at": at}})
        return side(read, request(f"/a?since={at.replace('+', '%2B')}"))

    assert compare(one(0), one(7)) == []


@pytest.mark.parametrize("more", [request("/b"), request("/a", b'{"x": 1}'), request("/a", authorization="x")])
def test_requests_of_one_side_alone(more: SeenRequest) -> None:
    [difference] = compare(side(outcome(), request("/a")), side(outcome(), request("/a"), more))
    assert difference.kind == "requests"
    assert "1 theirs, 2 ours" in difference.what
    assert "only ours, 1x: GET https://api.example.org" in difference.what
    [difference] = compare(side(outcome(), request("/a"), more), side(outcome(), request("/a")))
    assert "only theirs, 1x" in difference.what


def test_a_request_that_is_repeated() -> None:
    once, twice = side(outcome(), request("/a")), side(outcome(), request("/a"), request("/a"))
    assert [difference.kind for difference in compare(once, twice)] == ["requests"]
    assert compare(once, twice, Allowed(repeated=frozenset({"s"}))) == []
    token = request("/token", stream="")
    assert compare(side(outcome(), token), side(outcome(), token, token)) == []


def test_tokens_that_the_mirror_gave_are_alike() -> None:
    theirs, ours = (side(outcome(), request("/a", authorization=f"Bearer mirror-access-{n}")) for n in (1, 12))
    assert compare(theirs, ours) == []
    assert compare(theirs, side(outcome(), request("/a", authorization="Bearer other"))) != []


def test_pages_ahead_are_ours_alone() -> None:
    behind = request("/a?page=3", page=2, records=0)
    theirs, ours = side(outcome(), request("/a")), side(outcome(), request("/a"), behind)
    assert compare(theirs, ours) == []
    assert [difference.kind for difference in compare(theirs, ours, Allowed(pages_ahead=False))] == ["requests"]
    assert [difference.kind for difference in compare(ours, theirs)] == ["requests"]
    both = side(outcome(), request("/a"), behind)
    assert compare(ours, both) == []


def test_how_it_ended() -> None:
    failed = replace(outcome(statuses={"s": "INCOMPLETE"}, errors=["no"]), code=1)
    assert [difference.kind for difference in compare(side(outcome()), side(failed))] == ["status", "status", "errors"]


PROGRAM = """
import json, sys, time
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
files = {name: json.load(open(path)) for name, path in arguments.items() if name != "--manifest-path"}
print("not a message")
print(json.dumps({"type": "RECORD", "record": {"stream": "s", "data": {"files": files, "verb": sys.argv[1]}, "emitted_at": 1}}))
state = {"stream_descriptor": {"name": "s"}, "stream_state": {"at": 2}}
print(json.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": state}}))
status = {"stream_descriptor": {"name": "s"}, "status": "INCOMPLETE"}
print(json.dumps({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "stream_status": status}}))
print(json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": "m", "internal_message": "i"}}}), flush=True)
time.sleep(float(open(arguments["--manifest-path"]).read()))
sys.exit(3)
"""


def test_a_program_is_given_files_and_its_messages_are_sorted(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    program = Program([sys.executable, str(tmp_path / "program.py")])
    first = program.read("0", {"key": 1}, {"streams": []}, {})
    assert first.records == {"s": [{"files": {"--config": {"key": 1}, "--catalog": {"streams": []}}, "verb": "read"}]}
    assert (first.code, first.states, first.statuses) == (3, {"s": {"at": 2}}, {"s": "INCOMPLETE"})
    assert (first.errors, first.rest) == (["m (i)"], "not a message")
    second = program.read("0", {}, {"streams": []}, {}, first.state)
    assert second.records["s"][0]["files"]["--state"][0]["stream"]["stream_state"] == {"at": 2}


def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    ended = Program([sys.executable, str(tmp_path / "program.py")], timeout_s=1).read("600", {}, {}, {})
    assert ended.code != 0
    assert "killed after 1 s" in ended.rest


def test_streams_that_cannot_be_incremental_are_configured_as_a_full_refresh() -> None:
    modes = {"a": ["full_refresh"], "b": ["full_refresh", "incremental"], "c": ["full_refresh"]}
    streams = [{"name": name, "supported_sync_modes": possible} for name, possible in modes.items()]
    chosen = configured({"streams": streams}, ["a", "b"], "incremental")
    assert [(one["stream"]["name"], one["sync_mode"]) for one in chosen["streams"]] == [
        ("a", "full_refresh"),
        ("b", "incremental"),
    ]
