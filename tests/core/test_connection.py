import os
import threading

import pytest

from file_cdk.core.system.connection import Connection


def test_messages_arrive_whole_and_in_order() -> None:
    here, there = Connection.pair()
    sent = [None, ["x" * 3_000_000], {"a": b"\0" * 70_000}, 7]

    def send() -> None:
        for message in sent:
            here.send(message)

    assert not there.poll()
    thread = threading.Thread(target=send)  # what is larger than the socket's buffer waits for who receives
    thread.start()
    assert there.poll(None)
    received = [there.recv() for _ in sent]
    thread.join()
    assert received == sent
    here.close()
    assert there.poll(None)
    with pytest.raises(EOFError):
        there.recv()
    there.close()


def test_a_part_of_a_message_is_none() -> None:
    here, there = Connection.pair()
    here.send("first")
    os.write(here.fileno(), (100).to_bytes(4, "little") + b"cut short")
    here.close()
    assert there.recv() == "first"
    with pytest.raises(EOFError):
        there.recv()
    with pytest.raises(BrokenPipeError):
        there.send("nobody is there")
    there.close()
