from typing import Any

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.protocol.state import parse_state

A = {"history": {"a.csv": "2024-01-01T00:00:00.000000Z"}}
B: dict[str, Any] = {"history": {}}


def stream(name: str, state: Any) -> dict[str, Any]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": state}}


@pytest.mark.parametrize("nothing", [None, [], {}])
def test_no_state(nothing: Any) -> None:
    assert parse_state(nothing) == {}


def test_a_list_of_stream_states() -> None:
    with_stats = {**stream("b", B), "sourceStats": {"recordCount": 3.0}}
    assert parse_state([stream("a", A), with_stats]) == {"a": A, "b": B}


def test_the_last_state_of_a_stream_counts() -> None:
    assert parse_state([stream("a", A), stream("a", B)]) == {"a": B}


def test_messages_as_a_sync_printed_them() -> None:
    printed = {"type": "STATE", "state": stream("a", A)}
    assert parse_state([printed]) == {"a": A}
    assert parse_state(printed) == {"a": A}
    assert parse_state(stream("a", A)) == {"a": A}


def test_global_and_legacy_states() -> None:
    streams = [stream("a", A)["stream"], stream("b", B)["stream"]]
    assert parse_state([{"type": "GLOBAL", "global": {"stream_states": streams}}]) == {"a": A, "b": B}
    assert parse_state([{"type": "LEGACY", "data": {"a": A}}]) == {"a": A}


def test_a_stream_without_state() -> None:
    assert parse_state([stream("a", None)]) == {"a": {}}


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ("state", "JSON list"),
        (7, "JSON list"),
        (["x"], "[0] must be an object"),
        ([stream("a", A), {"type": "STREAM"}], "[1] has neither"),
        ([{"stream": {}}], "[0].stream.stream_descriptor must be an object"),
        ([{"stream": {"stream_descriptor": {}}}], "[0].stream.stream_descriptor.name must be a string"),
        ([stream("a", [])], "[0].stream.stream_state must be an object"),
        ([{"state": {"stream": 3}}], "[0].state.stream must be an object"),
        ([{"global": {}}], "[0].global.stream_states must be a list"),
        ([{"data": {"a": 1}}], "[0].data['a'] must be an object"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, named: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_state(raw)
    assert named in str(error.value)


def test_other_messages_of_an_output_are_passed_over() -> None:
    record = {"type": "RECORD", "record": {"stream": "a", "data": {"note": "STATE"}, "emitted_at": 0}}
    printed = [record, {"type": "STATE", "state": stream("a", A)}, {"type": "LOG", "log": {}}]
    assert parse_state(printed) == {"a": A}


def test_an_output_without_any_state_is_not_a_state() -> None:
    with pytest.raises(ConfigError, match="none of its messages is a state"):
        parse_state([{"type": "LOG", "log": {}}])
