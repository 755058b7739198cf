"""What a destination makes of the lines that a source writes: messages in order, and lines that are none."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from file_cdk.core.errors import InvalidMessageError
from file_cdk.protocol import messages as sent
from file_cdk.protocol.messages import StreamStatus
from file_cdk.protocol.receiving import messages as words
from file_cdk.protocol.receiving.events import (
    Event,
    LinePassedOver,
    OtherReceived,
    Records,
    StateKind,
    StateReceived,
    StatusReceived,
    StreamDescriptor,
)
from file_cdk.protocol.receiving.lines import PIECE_BYTES
from file_cdk.protocol.receiving.receive import receive

A, B = StreamDescriptor("a"), StreamDescriptor("b", "of b")


def record(data: str, stream: str = "a", emitted_at: int = 5, **members: Any) -> bytes:
    more = "".join(f", {json.dumps(name)}: {json.dumps(value)}" for name, value in members.items())
    text = f'{{"type": "RECORD", "record": {{"stream": "{stream}", "data": {data}, "emitted_at": {emitted_at}{more}}}}}'
    return text.encode()


def lines(*messages: bytes) -> bytes:
    return b"\n".join(messages) + b"\n"


def events(text: bytes, **options: Any) -> list[Event]:
    return list(receive(io.BytesIO(text), **options))


def refused(text: bytes, **options: Any) -> InvalidMessageError:
    """The error that the text ends in."""
    with pytest.raises(InvalidMessageError) as caught:
        events(text, **options)
    return caught.value


def until_refused(text: bytes) -> tuple[list[Event], int]:
    """What was yielded before the line that is refused, and its number."""
    found: list[Event] = []
    try:
        found.extend(receive(io.BytesIO(text)))
    except InvalidMessageError as error:
        return found, error.line
    raise AssertionError("no line was refused")


def test_records_keep_their_bytes_and_times() -> None:
    odd = '{"b":1.0, "a" : 1E400,"big":123456789012345678901234567890,"b":-0,"text":"\\u0000\\u00e9é"}'
    [found] = events(lines(record(odd, emitted_at=7), record("{}", emitted_at=9)))
    assert isinstance(found, Records)
    assert (found.stream, found.first_line, found.rows) == (A, 1, 2)
    assert found.data == odd.encode() + b"\n{}"
    assert list(found.emitted_at_ms) == [7, 9]
    assert (found.changes, found.lone_surrogates) == ({}, 0)


@pytest.mark.parametrize(
    "text",
    [
        b'{"record":{"emitted_at":5,"data":{"x":1},"stream":"a"},"type":"RECORD"}',
        b'{"type":"RECORD","record":{"namespace":null,"stream":"a","emitted_at":5,"data":{"x":1},"unknown":[1]},"more":{}}',
        b' {"type" : "RECORD" ,\t"record" : { "stream" : "a" , "data" : {"x":1} , "emitted_at" : 5 } } ',
        b'{"type":"RECORD","record":{"stream":"\\u0061","data":{"x":1},"emitted_at":5}}\r',
        b'{"type":"LOG","record":{"stream":"b","data":0,"emitted_at":1},"type":"RECORD","record":{"stream":"a","data":{"x":1},"emitted_at":5}}',
        b'\xef\xbb\xbf{"type":"RECORD","record":{"stream":"a","data":{"x":1},"emitted_at":5}}',
        b'{"type":"RECORD",\r"record":{"stream":"a","data":{"x":1},"emitted_at":5}}',
    ],
)
def test_members_come_in_any_order_and_with_blanks(text: bytes) -> None:
    for whole in (text, text + b"\n", text + b"\n\n \r\n"):
        [found] = events(whole)
        assert isinstance(found, Records)
        assert (found.stream, found.data, list(found.emitted_at_ms)) == (A, b'{"x":1}', [5])


def test_blank_lines_are_passed_over_and_counted() -> None:
    [first, state] = events(b"\n \r\n" + lines(record("{}"), b"", b'{"type":"STATE","state":{"data":{}}}'))
    assert isinstance(first, Records)
    assert isinstance(state, StateReceived)
    assert (first.first_line, state.line) == (3, 5)


def test_records_of_streams_between_each_other_are_grouped_and_stay_before_their_state() -> None:
    def number(count: int) -> Iterator[bytes]:
        for each in range(count):
            yield record(f'{{"n":{each}}}', "a", each)
            yield record(f'{{"n":{each}}}', "b", each, namespace="of b")

    state = sent.to_line(sent.stream_state("a", {"x": 1}, record_count=3)).rstrip()
    log = sent.to_line(sent.log(20, "three")).rstrip()
    text = lines(*number(3), log, record('{"n":3}'), state, record('{"n":4}', "b", namespace="of b"))
    first, *others = events(text)
    assert isinstance(first, OtherReceived)
    assert (first.kind, first.raw) == ("LOG", log)
    [of_a, of_b, told, last] = others
    assert isinstance(of_a, Records)
    assert isinstance(of_b, Records)
    assert isinstance(told, StateReceived)
    assert isinstance(last, Records)
    assert (of_a.stream, of_a.first_line, of_a.data) == (A, 1, b'{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}')
    assert (of_b.stream, of_b.first_line, of_b.data) == (B, 2, b'{"n":0}\n{"n":1}\n{"n":2}')
    assert (told.raw, told.kind, told.streams, told.line) == (state, StateKind.STREAM, (A,), 9)
    assert (last.stream, last.first_line, last.rows) == (B, 10, 1)


def test_changes_are_told_of_the_records_that_have_any() -> None:
    changes = [{"field": "x", "change": "NULLED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}]
    text = lines(
        record("{}"),
        record("{}", meta={"changes": changes}),
        record("{}", meta={"changes": []}),
        record("{}", meta={"changes": None}),
        record("{}", meta=None),
        record("{}", meta={}),
    )
    [found] = events(text)
    assert isinstance(found, Records)
    assert {index: json.loads(each) for index, each in found.changes.items()} == {1: changes}


def test_halves_of_surrogate_pairs_are_replaced_and_counted() -> None:
    text = lines(record('{"x":"\\ud800"}'), record('{"x":"\\ud83d\\ude00"}'), record('{"x":"\\uDC00!"}'))
    [found] = events(text)
    assert isinstance(found, Records)
    assert found.data == b'{"x":"\\ufffd"}\n{"x":"\\ud83d\\ude00"}\n{"x":"\\ufffd!"}'
    assert found.lone_surrogates == 2


def test_states_of_every_kind_are_told_apart() -> None:
    def state(**members: Any) -> bytes:
        return json.dumps({"type": "STATE", "state": members}).encode()

    of_a, of_b = {"stream_descriptor": {"name": "a"}}, {"stream_descriptor": {"name": "b", "namespace": "of b"}}
    text = lines(
        state(type="STREAM", stream={**of_a, "stream_state": {"x": "\ud800"}}),
        state(stream=of_b),
        state(type="GLOBAL", **{"global": {"shared_state": {}, "stream_states": [of_a, of_b]}}),
        state(type="LEGACY", data={"a": {}}),
        state(data={}),
    )
    found = events(text)
    assert [(each.kind, each.streams) for each in found if isinstance(each, StateReceived)] == [
        (StateKind.STREAM, (A,)),
        (StateKind.STREAM, (B,)),
        (StateKind.GLOBAL, (A, B)),
        (StateKind.LEGACY, ()),
        (StateKind.LEGACY, ()),
    ]
    assert [each.raw for each in found if isinstance(each, StateReceived)] == text.splitlines()


def test_statuses_and_what_is_neither() -> None:
    text = b"".join(
        map(
            sent.to_line,
            [
                sent.stream_status("a", StreamStatus.COMPLETE, emitted_at_ms=1),
                sent.error_trace(InvalidMessageError("x"), emitted_at_ms=1),
                {"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG"}},
            ],
        )
    )
    status, error, control = events(text)
    assert status == StatusReceived(1, A, StreamStatus.COMPLETE)
    assert isinstance(error, OtherReceived)
    assert isinstance(control, OtherReceived)
    assert (error.kind, control.kind) == ("TRACE", "CONTROL")
    assert error.raw == text.splitlines()[1]


DEEP = 50_000

FAULTS = [
    (b"not JSON", words.NOT_JSON),
    (b'{"type":"LOG"}{"type":"LOG"}', words.GOES_ON),
    (b'{"type":"LOG"', words.INCOMPLETE),
    (b'{"type":"LOG","log":{"message":"\xff"}}', words.NOT_UTF8),
    (record('{"x":"\xe9"}').decode().encode("latin-1"), words.NOT_UTF8),
    (b"[]", words.NOT_AN_OBJECT),
    (b'"RECORD"', words.NOT_AN_OBJECT),
    (b"{}", words.NO_TYPE),
    (b'{"type":5}', words.NO_TYPE),
    (b'{"type":"SCHEMA","stream":"a"}', words.UNKNOWN_TYPE),
    (b'{"type":"record"}', words.UNKNOWN_TYPE),
    (b'{"type":"RECORD"}', words.NO_RECORD),
    (b'{"type":"RECORD","record":null}', words.NO_RECORD),
    (b'{"type":"RECORD","record":[]}', words.NO_RECORD),
    (b'{"type":"RECORD","record":{"data":{},"emitted_at":1}}', words.NO_STREAM),
    (b'{"type":"RECORD","record":{"stream":null,"data":{},"emitted_at":1}}', words.NO_STREAM),
    (b'{"type":"RECORD","record":{"stream":"a","emitted_at":1}}', words.NO_DATA),
    (record("null"), words.NO_DATA),
    (record("[{}]"), words.NO_DATA),
    (record('{"x":NaN}'), words.NOT_JSON),
    (record('{"x":01}'), words.NOT_JSON),
    (record('{"x":"\x01"}'), words.NOT_JSON),
    (record('{"a":' * DEEP + "1" + "}" * DEEP), words.TOO_DEEP),
    (b'{"type":"RECORD","record":{"stream":"a","data":{}}}', words.NO_TIME),
    (b'{"type":"RECORD","record":{"stream":"a","data":{},"emitted_at":"1"}}', words.NO_TIME),
    (record("{}", emitted_at=2**70), words.NO_TIME),
    (record("{}", emitted_at=2**60), words.NO_TIME),
    (record("{}", namespace=5), words.ODD_MEMBER),
    (record("{}", meta=[]), words.ODD_MEMBER),
    (record("{}", file_reference={"staging_file_url": "/secret"}), words.FILE_REFERENCE),
    (b'{"type":"STATE"}', words.NO_STATE),
    (b'{"type":"STATE","state":{"type":"STREAM","data":{}}}', words.NO_STATE),
    (b'{"type":"STATE","state":{"type":"GLOBAL","global":{}}}', words.NO_STATE),
    (b'{"type":"STATE","state":{"type":"OTHER","data":{}}}', words.NO_STATE),
    (b'{"type":"TRACE","trace":{}}', words.NO_TRACE),
    (b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"status":"COMPLETE"}}}', words.NO_STATUS),
    (
        b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":"a"},"status":"X"}}}',
        words.NO_STATUS,
    ),
]


@pytest.mark.parametrize(("fault", "reason"), FAULTS, ids=lambda each: each if isinstance(each, str) else None)
def test_a_line_that_is_refused_is_told_with_its_number_and_not_its_content(fault: bytes, reason: str) -> None:
    text = lines(record('{"n":1}'), b"", record('{"n":2}'), fault, record('{"n":3}'))
    found, line = until_refused(text)
    assert line == 4
    assert [each.data for each in found if isinstance(each, Records)] == [b'{"n":1}\n{"n":2}']
    assert str(refused(text)) == f"line 4 of the source's output is refused: {reason}"

    before, told, after = events(text, lenient=True)
    assert before == found[0]
    assert told == LinePassedOver(4, reason)
    assert isinstance(after, Records)
    assert (after.data, after.first_line) == (b'{"n":3}', 5)


def test_a_message_that_is_cut_off_at_the_end_is_refused() -> None:
    text = lines(record("{}")) + record("{}")[:-3]
    found, line = until_refused(text)
    assert (len(found), line) == (1, 2)


def test_objects_over_several_lines_are_no_messages_even_where_two_share_the_next_line() -> None:
    text = b'{"type":\n"LOG"}{"type":"LOG"}\n'
    assert [each.line for each in events(text, lenient=True) if isinstance(each, LinePassedOver)] == [1, 2]
    text = b'{"type":"LOG","a":[{}\n,{}]}\n{"type":"LOG"}{"type":"LOG"}\n'
    assert [each.line for each in events(text, lenient=True) if isinstance(each, LinePassedOver)] == [1, 2, 3]


def test_lines_longer_than_the_limit_are_not_held() -> None:
    short, long = record("{}"), record('{"x":"' + "x" * 200 + '"}')
    text = lines(short, long, short, long, long, short)
    found = events(text, max_line_bytes=200, lenient=True)
    assert [(type(each), each.line) for each in found if isinstance(each, LinePassedOver)] == [
        (LinePassedOver, line) for line in (2, 4, 5)
    ]
    assert [each.first_line for each in found if isinstance(each, Records)] == [1, 3, 6]
    assert refused(text, max_line_bytes=200).line == 2
    assert len(events(text, max_line_bytes=len(long))) == 1
    assert refused(text, max_line_bytes=len(long) - 1).line == 2


class Trickle(io.BytesIO):
    """Gives at most so many bytes at a time."""

    def __init__(self, text: bytes, size: int) -> None:
        super().__init__(text)
        self._size = size

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(min(size, self._size) if size and size > 0 else self._size)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_long_lines_are_told_alike_however_the_bytes_come(size: int) -> None:
    text = lines(*(record('{"x":"' + "x" * length + '"}') for length in range(0, 300, 13))) + record("{}")
    limit = 250
    whole = events(text, max_line_bytes=limit, lenient=True)
    parts = list(receive(Trickle(text, size), max_line_bytes=limit, lenient=True))
    assert _flat(parts) == _flat(whole)


def _flat(found: Sequence[Event]) -> list[Any]:
    """Records one by one, in place of how they happened to come together."""
    flat: list[Any] = []
    for event in found:
        flat += event.data.split(b"\n") if isinstance(event, Records) else [event]
    return flat


def test_a_line_of_many_megabytes_is_one_record() -> None:
    size = 3 * PIECE_BYTES
    long = record('{"x":"' + "x" * size + '"}')
    found = events(lines(record("{}"), long, record("{}")))
    assert sum(each.rows for each in found if isinstance(each, Records)) == 3
    assert sum(len(each.data) for each in found if isinstance(each, Records)) > size


def test_records_come_in_pieces_and_lines_are_counted_over_them() -> None:
    count = 3 * PIECE_BYTES // len(record('{"n":100000}'))
    text = lines(*(record(f'{{"n":{each}}}', emitted_at=each) for each in range(count)), b"x")
    found, line = until_refused(text)
    records = [each for each in found if isinstance(each, Records)]
    assert line == count + 1
    assert len(records) > 2
    before = [sum(each.rows for each in records[:index]) for index in range(len(records))]
    assert [each.first_line for each in records] == [1 + rows for rows in before]
    assert [at for each in records for at in each.emitted_at_ms] == list(range(count))
    assert b"\n".join(each.data for each in records) == b"\n".join(b'{"n":%d}' % each for each in range(count))


def test_messages_of_a_slow_source_are_not_held_back() -> None:
    reading, writing = os.pipe()
    arrived = threading.Event()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as sink:
            sink.write(lines(record("{}"), b'{"type":"STATE","state":{"data":{}}}') + b'{"type":')
            arrived.wait(30)
            sink.write(b'"LOG"}')

    writer = threading.Thread(target=write)
    writer.start()
    started = time.monotonic()
    with os.fdopen(reading, "rb") as source:
        received = receive(source)
        assert isinstance(next(received), Records)
        assert isinstance(next(received), StateReceived)
        assert not arrived.is_set()
        assert time.monotonic() - started < 10
        arrived.set()
        assert [type(each) for each in received] == [OtherReceived]
    writer.join()


def test_a_process_is_read_as_far_as_events_are_asked_for() -> None:
    program = f"import sys\nwhile True: sys.stdout.buffer.write({lines(record('{}')) * 1000!r})"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        received = receive(process.stdout)
        first, second = next(received), next(received)
        assert isinstance(first, Records)
        assert isinstance(second, Records)
        assert second.first_line == first.rows + 1
        process.kill()
