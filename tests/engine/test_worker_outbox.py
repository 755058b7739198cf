"""What a worker cannot hand over yet waits in memory first, then in a file, and leaves in the order it was made."""

import os
from typing import Any

import pytest

from file_cdk.core.ports import SplitReport
from file_cdk.core.system.connection import Connection
from file_cdk.engine import worker
from file_cdk.engine.work import Began, Ended, Output


@pytest.mark.parametrize("spill_bytes", [1 << 30, 40_000, 0])
def test_output_beyond_the_limit_waits_in_a_file(monkeypatch: pytest.MonkeyPatch, spill_bytes: int) -> None:
    monkeypatch.setattr(worker, "OUTBOX_BYTES", 10_000)
    monkeypatch.setattr(worker, "SPILL_BYTES", spill_bytes)
    here, there = Connection.pair()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    outbox = worker._Outbox(there, writing, 65_536)
    blocks = [bytes([number]) * (number * 50 + 1) for number in range(200)]
    items: list[Any] = [Began(0), *(Output(block, 1) for block in blocks), Ended(SplitReport())]
    for item in items:
        outbox.put(item)
    spilled = sum(isinstance(item, worker._Spilled) for item in outbox.waiting)
    assert (spilled > 100) is (spill_bytes > 1_000_000)
    assert outbox.waiting_bytes + outbox.spill.waiting_bytes == sum(map(len, blocks))
    received, messages = b"", []
    while outbox.waiting or outbox.untold:
        outbox.flush(until_bytes=None)
        outbox.tell()
        while here.poll(0):
            for message in here.recv():
                messages.append(type(message).__name__)
                if isinstance(message, worker.BlockReady):
                    part = b""
                    while len(part) < message.size_bytes:
                        part += os.read(reading, message.size_bytes - len(part))
                    received += part
    assert received == b"".join(blocks)
    assert messages == ["Began", *["BlockReady"] * len(blocks), "Ended"]
    assert (outbox.waiting_bytes, outbox.spill.waiting_bytes, outbox.spill.end) == (0, 0, 0)
    for fd in (reading, writing):
        os.close(fd)
    for end in (here, there):
        end.close()
    if outbox.spill.file is not None:
        outbox.spill.file.close()
