"""The process that receives: events through it, its end, and the ends of those around it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from file_cdk.core.errors import ConfigError, InvalidMessageError, SystemLimitError
from file_cdk.pipeline.receiving.columns import DecodedRecords, Widening
from file_cdk.pipeline.receiving.process import Receiver
from file_cdk.pipeline.receiving.worker import DecodedEvent, ReceivingOrder
from file_cdk.protocol.receiving.events import LinePassedOver, StateReceived, StreamDescriptor

pytestmark = pytest.mark.process

A = StreamDescriptor("a")
STATE = b'{"type":"STATE","state":{"data":{}}}'
ORDER = ReceivingOrder({A: pa.schema([("n", pa.int64())])})
LENIENT = ReceivingOrder(ORDER.schemas, lenient=True)
WAITS_S = 30

ENDLESS = r"""
import sys
line = b'{"type":"RECORD","record":{"stream":"a","data":{"n":1,"text":"%s"},"emitted_at":5}}\n' % (b"x" * 300)
while True:
    sys.stdout.buffer.write(line * 1000)
"""


def record(n: int | str) -> bytes:
    return b'{"type":"RECORD","record":{"stream":"a","data":{"n":%b},"emitted_at":5}}' % str(n).encode()


def received(tmp_path: Path, text: bytes, order: ReceivingOrder = ORDER) -> Iterator[DecodedEvent]:
    (tmp_path / "messages").write_bytes(text)
    with (tmp_path / "messages").open("rb") as source, Receiver(source.fileno()) as receiver:
        yield from answered(receiver.events(order))


def answered(events: Iterator[DecodedEvent]) -> Iterator[DecodedEvent]:
    for event in events:
        if isinstance(event, Widening):
            event.answer(event.columns)
        else:
            yield event


def test_events_come_decoded_and_in_order(tmp_path: Path) -> None:
    """Records that states stand between come together where they were read together, before the states."""
    text = b"\n".join([record(1), record(2), STATE, record('"x"'), STATE, record(3)])
    records, state, later, last = received(tmp_path, text)
    assert isinstance(records, DecodedRecords)
    assert records.batch == pa.record_batch({"n": ["1", "2", "x"]})
    assert list(records.emitted_at_ms) == [5, 5, 5]
    assert isinstance(state, StateReceived)
    assert (state.raw, state.line) == (STATE, 3)
    assert isinstance(later, StateReceived)
    assert (later.raw, later.line) == (STATE, 5)
    assert isinstance(last, DecodedRecords)
    assert last.batch == pa.record_batch({"n": ["3"]})


def test_a_line_that_is_refused_comes_as_an_error_behind_what_was_before_it(tmp_path: Path) -> None:
    text = b"\n".join([record(1), STATE, b"password", record(2)])
    found: list[DecodedEvent] = []
    with pytest.raises(InvalidMessageError) as caught:
        found.extend(received(tmp_path, text))
    assert [type(each) for each in found] == [DecodedRecords, StateReceived]
    assert caught.value.line == 3
    assert "password" not in str(caught.value)

    told = [each for each in received(tmp_path, text, LENIENT) if isinstance(each, LinePassedOver)]
    assert [each.line for each in told] == [3]


def test_a_stream_that_was_not_ordered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'b', which the configured catalog does not have"):
        list(received(tmp_path, record(1).replace(b'"a"', b'"b"')))


@pytest.fixture
def endless() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as source:
        yield source
        source.kill()


def _fd(source: subprocess.Popen[bytes]) -> int:
    assert source.stdout is not None
    return source.stdout.fileno()


def test_nothing_is_read_ahead_of_one_who_takes_no_events(endless: subprocess.Popen[bytes]) -> None:
    with Receiver(_fd(endless)) as receiver:
        events = answered(receiver.events(ORDER))
        for _ in range(20):
            next(events)
        process = psutil.Process(receiver.pid)
        time.sleep(1)
        before = process.io_counters().read_chars
        time.sleep(1)
        assert process.io_counters().read_chars == before
        for _ in range(200):
            next(events)
        assert process.memory_info().rss < 300 << 20


def test_one_who_is_killed_is_told_of(endless: subprocess.Popen[bytes]) -> None:
    with Receiver(_fd(endless)) as receiver:
        events = answered(receiver.events(ORDER))
        next(events)
        os.kill(receiver.pid, signal.SIGKILL)
        with pytest.raises(SystemLimitError, match="ended from outside"):
            for _ in events:
                pass


def test_an_interrupt_of_the_group_leaves_the_decision_to_the_one_who_writes(endless: subprocess.Popen[bytes]) -> None:
    with Receiver(_fd(endless)) as receiver:
        os.kill(receiver.pid, signal.SIGINT)
        events = answered(receiver.events(ORDER))
        next(events)
        os.kill(receiver.pid, signal.SIGINT)
        for _ in range(5):
            next(events)


PARENT = """
import sys
import pyarrow as pa
from file_cdk.pipeline.receiving.columns import Widening
from file_cdk.pipeline.receiving.process import Receiver
from file_cdk.pipeline.receiving.worker import ReceivingOrder
from file_cdk.protocol.receiving.events import StreamDescriptor
receiver = Receiver(0)
for event in receiver.events(ReceivingOrder({StreamDescriptor("a"): pa.schema([])})):
    if isinstance(event, Widening):
        event.answer(event.columns)
    print(receiver.pid, flush=True)
"""


def test_it_ends_with_the_one_who_started_it_and_so_does_the_source(endless: subprocess.Popen[bytes]) -> None:
    assert endless.stdout is not None
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=endless.stdout, stdout=subprocess.PIPE) as parent:
        endless.stdout.close()
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    _gone(process)
    endless.wait(WAITS_S)


def test_it_ends_with_the_one_who_started_it_while_the_source_is_silent() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as source:
        source.write(record(1) + b"\n")
        with subprocess.Popen([sys.executable, "-c", PARENT], stdin=reading, stdout=subprocess.PIPE) as parent:
            os.close(reading)
            assert parent.stdout is not None
            process = psutil.Process(int(parent.stdout.readline()))
            parent.kill()
        _gone(process)


def _gone(process: psutil.Process) -> None:
    deadline = time.monotonic() + WAITS_S
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_silent_source_holds_nothing_back() -> None:
    reading, writing = os.pipe()
    taken = threading.Event()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as sink:
            sink.write(record(1) + b"\n" + STATE + b"\n")
            taken.wait(WAITS_S)

    writer = threading.Thread(target=write)
    writer.start()
    with Receiver(reading) as receiver:
        os.close(reading)
        events = answered(receiver.events(ORDER))
        assert [type(next(events)) for _ in range(2)] == [DecodedRecords, StateReceived]
        assert not taken.is_set()
        taken.set()
        assert list(events) == []
    writer.join()
