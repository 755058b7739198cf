import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from file_cdk.engine.interrupts import HeldSignals


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def came() -> list[int]:
    """Signals that came through, in order."""
    numbers: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        numbers.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return numbers


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


def test_the_first_signal_waits_and_the_second_does_not(came: list[int]) -> None:
    with HeldSignals() as signals:
        with signals.held():
            kill(signal.SIGTERM)
            assert came == []
            kill(signal.SIGINT)
            assert came == [signal.SIGINT]
        assert came == [signal.SIGINT]  # which has said it all
        with signals.held():
            kill(signal.SIGTERM)
        assert came == [signal.SIGINT, signal.SIGTERM]
        with signals.held():
            pass
    assert came == [signal.SIGINT, signal.SIGTERM]


def test_outside_of_what_is_held_signals_come_through_at_once(came: list[int]) -> None:
    with HeldSignals() as signals:
        kill(signal.SIGINT)
        assert came == [signal.SIGINT]
        with signals.held():
            pass
    kill(signal.SIGTERM)
    assert came == [signal.SIGINT, signal.SIGTERM]


def test_what_the_handler_before_set_for_the_next_signal_stays() -> None:
    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)

    signal.signal(signal.SIGTERM, once)
    with HeldSignals() as signals, signals.held():
        kill(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
