"""Streams that are read at once: which begin, which wait, and what an error does."""

import threading
from collections.abc import Callable

import pytest

from file_cdk.core.errors import OutputClosedError
from file_cdk.pipeline.apis.at_once import AtOnce


class Reads:
    """What is read at a time. together: the greatest number of streams."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.together = 0
        self.broken: list[str] = []
        self._reading: set[str] = set()
        self._lock = threading.Lock()

    def of(self, name: str, apart_from: str = "", outcome: bool = True) -> tuple[str, Callable[[], bool]]:
        def read() -> bool:
            with self._lock:
                self.begun.append(name)
                self._reading.add(name)
                self.together = max(self.together, len(self._reading))
                if apart_from in self._reading:
                    self.broken.append(name)
            threading.Event().wait(0.005)
            with self._lock:
                self._reading.discard(name)
            return outcome

        return name, read


def test_as_many_as_wanted_and_each_once() -> None:
    reads = Reads()
    ended = []
    names = [str(number) for number in range(9)]
    assert AtOnce([reads.of(name) for name in names], ()).run(3, lambda: ended.append(1))
    assert sorted(reads.begun) == names
    assert reads.together <= 3
    assert reads.begun[0] in "012"


def test_those_that_are_to_be_apart_are() -> None:
    reads = Reads()
    streams = [reads.of("a", "b"), reads.of("b", "a"), reads.of("c")]
    assert AtOnce(streams * 5, [{"a", "b"}]).run(3, lambda: None)
    assert len(reads.begun) == 15
    assert reads.broken == []


def test_one_that_is_not_complete_lets_the_others_go_on() -> None:
    reads = Reads()
    assert not AtOnce([reads.of("a", outcome=False), reads.of("b"), reads.of("c")], ()).run(2, lambda: None)
    assert sorted(reads.begun) == ["a", "b", "c"]


def test_an_error_ends_the_run_and_begins_nothing_more() -> None:
    reads = Reads()

    def failing() -> bool:
        raise OutputClosedError("nobody reads")

    streams = [("closed", failing), *(reads.of(str(number)) for number in range(50))]
    with pytest.raises(OutputClosedError):
        AtOnce(streams, ()).run(2, lambda: None)
    assert len(reads.begun) < 50
