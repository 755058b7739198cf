"""No interval has more requests than its rate, whoever asks and whenever; and everybody gets through in the end."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.declarative.http.windows import FixedWindow, MovingWindow

gaps = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=40)
weights = st.lists(st.integers(1, 3), min_size=40, max_size=40)
rates = st.lists(st.tuples(st.integers(3, 8), st.floats(0.1, 30, allow_nan=False)), min_size=1, max_size=3)
begins = st.floats(1e9, 2e9)


@settings(max_examples=100)
@given(rates, gaps, weights, begins)
def test_moving_windows(rates: list[tuple[int, float]], gaps: list[float], weights: list[int], now_s: float) -> None:
    window = MovingWindow(rates)
    sent: list[tuple[float, int]] = []
    for gap_s, weight in zip(gaps, weights, strict=False):
        now_s = through(window, weight, now_s + gap_s)
        sent.append((now_s, weight))
    for limit, interval_s in rates:
        for at_s, _ in sent:
            assert sum(weight for each_s, weight in sent if at_s <= each_s < at_s + interval_s) <= limit


@settings(max_examples=100)
@given(st.integers(3, 8), st.integers(1, 30), st.lists(st.integers(0, 20), min_size=1, max_size=40), weights, weights)
def test_fixed_windows(limit: int, period_s: int, gaps: list[int], weights: list[int], left: list[int]) -> None:
    """Times are whole, so that this test can tell on which side of a reset a request is."""
    window = FixedWindow(limit, period_s)
    began_s = now_s = through(window, weights[0], 1000.0)
    sent = Counter({0: weights[0]})
    for gap_s, weight, left_then in zip(gaps, weights[1:], left, strict=False):
        now_s = through(window, weight, now_s + gap_s)
        sent[int((now_s - began_s) // period_s)] += weight
        window.learn(left_then, None, now_s)
    assert max(sent.values()) <= limit


@settings(max_examples=50)
@given(st.integers(3, 8), st.floats(0.1, 30), begins)
def test_a_fixed_window_gives_its_limit_and_no_more(limit: int, period_s: float, now_s: float) -> None:
    window = FixedWindow(limit, period_s)
    for _ in range(3):
        assert [window.take(1, now_s) for _ in range(limit)] == [0] * limit
        seconds = window.take(1, now_s)
        assert 0 < seconds <= period_s + 0.001
        now_s = through(window, limit, now_s) + period_s * 1.001


def through(window: MovingWindow | FixedWindow, weight: int, now_s: float) -> float:
    """When the request may be sent, if one waits as one is told. Fails where that goes on and on."""
    for _ in range(1000):
        seconds = window.take(weight, now_s)
        if seconds <= 0:
            return now_s
        now_s += seconds
    raise AssertionError("it never gets through")
