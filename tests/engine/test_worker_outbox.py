"""What a worker cannot hand over yet waits in memory first, then in a file, and leaves in the order it was made."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from file_cdk.core.ports import SplitReport
from file_cdk.core.system.connection import Connection
from file_cdk.engine.work import Began, Ended, Output
from file_cdk.engine.workers import outbox as outboxes

PIPE_BYTES = 65_536
OUTBOX_BYTES = 10_000


@dataclass
class Parent:
    """The reading ends, and what came out of them."""

    control: Connection
    data_fd: int
    received: bytes = b""
    messages: list[str] = field(default_factory=list)

    def take(self) -> None:
        """What has been announced."""
        while self.control.poll(0):
            for message in self.control.recv():
                self.messages.append(type(message).__name__)
                if isinstance(message, outboxes.BlockReady):
                    self._read(message.size_bytes)

    def _read(self, size: int) -> None:
        while size:
            part = os.read(self.data_fd, size)
            self.received += part
            size -= len(part)


@pytest.fixture
def ends() -> Iterator[tuple[outboxes.Outbox, Parent]]:
    here, there = Connection.pair()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    outbox = outboxes.Outbox(there, writing, PIPE_BYTES, OUTBOX_BYTES)
    yield outbox, Parent(here, reading)
    for fd in (reading, writing):
        os.close(fd)
    for end in (here, there):
        end.close()
    if outbox.spill.file is not None:
        outbox.spill.file.close()


@pytest.mark.parametrize("spill_bytes", [1 << 30, 40_000, 0])
def test_output_beyond_the_limit_waits_in_a_file(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[outboxes.Outbox, Parent], spill_bytes: int
) -> None:
    monkeypatch.setattr(outboxes, "SPILL_BYTES", spill_bytes)
    monkeypatch.setattr(outboxes, "_SPILLS_AFTER_MS", 1)
    outbox, parent = ends
    blocks = [bytes([number]) * (number * 50 + 1) for number in range(200)]
    items: list[Any] = [Began(0), *(Output(block, 1) for block in blocks), Ended(SplitReport())]
    for item in items:
        outbox.put(item)
    spilled = sum(isinstance(item, outboxes.Spilled) for item in outbox.waiting)
    assert (spilled > 100) is (spill_bytes > 1_000_000)
    waiting = sum(len(item.data) for item in outbox.waiting if isinstance(item, Output))
    assert outbox.waiting_bytes == waiting - outbox.written
    while outbox.waiting or outbox.untold:
        outbox.flush(until_bytes=None)
        outbox.tell()
        parent.take()
    assert parent.received == b"".join(blocks)
    assert parent.messages == ["Began", *["BlockReady"] * len(blocks), "Ended"]
    assert (outbox.waiting_bytes, outbox.spill.waiting_bytes, outbox.spill.end) == (0, 0, 0)


@pytest.mark.parametrize("block_bytes", [1_000, 9_000])
def test_output_that_is_taken_goes_to_no_file(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[outboxes.Outbox, Parent], block_bytes: int
) -> None:
    """However much is made meanwhile: its maker waits."""
    monkeypatch.setattr(outboxes, "_SPILLS_AFTER_MS", 60_000)
    outbox, parent = ends
    blocks = [bytes([number]) * block_bytes for number in range(200)]

    def take_slowly() -> None:
        while not parent.messages or parent.messages[-1] != "Ended":
            if parent.control.poll(10):
                time.sleep(0.001)
                parent.take()

    taking = threading.Thread(target=take_slowly)
    taking.start()
    items: list[Any] = [Began(0), *(Output(block, 1) for block in blocks), Ended(SplitReport())]
    for item in items:
        outbox.put(item)
        assert outbox.waiting_bytes <= OUTBOX_BYTES
        outbox.flush(until_bytes=OUTBOX_BYTES)
    while outbox.waiting:
        outbox.flush(until_bytes=0)
    outbox.tell()
    taking.join()
    assert outbox.spill.file is None
    assert parent.received == b"".join(blocks)


def test_output_of_a_file_that_is_not_cut_does_not_wait_for_its_turn(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[outboxes.Outbox, Parent]
) -> None:
    monkeypatch.setattr(outboxes, "_SPILLS_AFTER_MS", None)  # for ever, as the parent takes nothing here
    outbox, _ = ends
    outbox.spills_at_once = True
    for number in range(40):
        outbox.put(Output(bytes([number]) * 5_000, 1))
        outbox.flush(until_bytes=OUTBOX_BYTES)
    assert outbox.waiting_bytes <= OUTBOX_BYTES
    assert outbox.spill.waiting_bytes > 0


def test_what_was_in_the_file_leaves_before_what_is_made_next(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[outboxes.Outbox, Parent]
) -> None:
    """Memory serves again once the parent has come back."""
    monkeypatch.setattr(outboxes, "_SPILLS_AFTER_MS", 1)
    outbox, parent = ends
    blocks = [bytes([number]) * 5_000 for number in range(40)]
    for block in blocks:
        outbox.put(Output(block, 1))
        outbox.flush(until_bytes=OUTBOX_BYTES)
    assert outbox.spill.waiting_bytes > 0
    ended = threading.Event()

    def take() -> None:
        while not ended.is_set():
            if parent.control.poll(0.01):
                parent.take()

    taking = threading.Thread(target=take)
    taking.start()
    outbox.flush(until_bytes=0)
    outbox.put(Output(b"last", 1))
    assert not any(isinstance(item, outboxes.Spilled) for item in outbox.waiting)
    outbox.flush(until_bytes=0)
    outbox.tell()
    while len(parent.received) < 40 * 5_000 + 4:
        time.sleep(0.001)
    ended.set()
    taking.join()
    assert parent.received == b"".join(blocks) + b"last"
