"""Records and states of a piece, put together."""

import io
import json
from collections.abc import Iterator

import pytest

from file_cdk.core.errors import InvalidMessageError
from file_cdk.pipeline.receiving.grouping import grouped
from file_cdk.protocol.receiving.events import Event, OtherReceived, Records, StateReceived, StatusReceived
from file_cdk.protocol.receiving.receive import receive_by_pieces


def record(number: int, stream: str = "a") -> str:
    changes = {"meta": {"changes": [number]}} if number % 2 == 0 else {}
    message = {"stream": stream, "data": {"n": number}, "emitted_at": number, **changes}
    return json.dumps({"type": "RECORD", "record": message})


def state(at: int) -> str:
    return json.dumps({"type": "STATE", "state": {"data": {"at": at}}})


def stream_state(at: int, stream: str) -> str:
    of = {"stream_descriptor": {"name": stream}, "stream_state": {}}
    return json.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": of, "data": {"at": at}}})


STATUS = '{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":"a"},"status":"RUNNING"}}}'
LOG = '{"type":"LOG","log":{}}'


def received(*lines: str) -> Iterator[Event]:
    [piece] = receive_by_pieces(io.BytesIO("\n".join(lines).encode()))
    return grouped(piece)


def said(event: Event) -> object:
    match event:
        case Records():
            return event.stream.name, [json.loads(line)["n"] for line in event.data.split(b"\n")]
        case StateReceived():
            return json.loads(event.raw)["state"]["data"]["at"], event.with_next
    return type(event)


def test_records_before_the_last_state_come_as_one() -> None:
    found = [*received(record(1), state(1), record(2, "b"), record(4), LOG, state(4), record(5), record(6, "b"))]
    expected = [OtherReceived, ("a", [1, 4]), ("b", [2]), (1, True), (4, False), ("a", [5]), ("b", [6])]
    assert [said(each) for each in found] == expected
    one = found[1]
    assert isinstance(one, Records)
    assert (one.rows, one.first_line, [*one.emitted_at_ms], one.changes) == (2, 1, [1, 4], {1: b"[4]"})


def test_records_wait_for_the_state_of_their_own_stream() -> None:
    of_a, of_b = (stream_state(*each) for each in ((1, "a"), (2, "b")))
    found = [*received(record(1), of_a, record(2), record(3, "b"), of_b, record(4), record(5, "b"))]
    expected = [("a", [1]), ("b", [3]), (1, True), ("a", [2]), (2, False), ("a", [4]), ("b", [5])]
    assert [said(each) for each in found] == expected


def test_nothing_passes_a_status() -> None:
    found = [said(each) for each in received(record(1), state(1), record(2), STATUS, record(3), state(3))]
    assert found == [("a", [1]), (1, False), ("a", [2]), StatusReceived, ("a", [3]), (3, False)]


def test_what_came_before_a_fault_comes_first() -> None:
    found: list[Event] = []
    with pytest.raises(InvalidMessageError):
        found.extend(received(record(1), state(1), record(3), "oops"))
    assert [said(each) for each in found] == [("a", [1]), (1, False), ("a", [3])]
