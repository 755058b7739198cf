"""How many requests there may be in a time: counted here, by a clock that the caller reads. Pure but for what they count."""

from collections import deque
from typing import Protocol

from file_cdk.core.errors import ConfigError

LEAST_WAIT_S = 0.001
"""Minimum wait, in seconds: what is left of an interval may be less than a clock can tell."""


class Window(Protocol):
    def take(self, weight: int, now_s: float) -> float:
        """Counts that many requests and returns 0, or counts none and returns after how many seconds there may be room."""

    def learn(self, left: int | None, reset_s: float | None, now_s: float) -> None:
        """left: how many the API says there may still be. reset_s: when it counts anew, in seconds since 1970."""


class Unlimited:
    def take(self, weight: int, now_s: float) -> float:  # noqa: ARG002 -- as the port has it
        return 0.0

    def learn(self, left: int | None, reset_s: float | None, now_s: float) -> None:
        pass


class FixedWindow:
    """limit requests from one reset to the next, of which the first is a period after the first request, unless the API says
    another."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit = limit
        self._period_s = period_s
        self._used = 0
        self._reset_s: float | None = None

    def take(self, weight: int, now_s: float) -> float:
        reset_s = self._turned(now_s)
        if self._used + weight > self._limit:
            return max(reset_s - now_s, LEAST_WAIT_S)
        self._used += weight
        return 0.0

    def learn(self, left: int | None, reset_s: float | None, now_s: float) -> None:
        """The API may only lower what is left: the manifest's limit may be meant to be below the API's own."""
        self._turned(now_s)
        if left is not None:
            self._used = max(self._used, self._limit - left)
        if reset_s is not None:
            self._reset_s = reset_s

    def _turned(self, now_s: float) -> float:
        if self._reset_s is None:
            self._reset_s = now_s + self._period_s
        if now_s >= self._reset_s:
            self._reset_s += (1 + (now_s - self._reset_s) // self._period_s) * self._period_s
            if self._reset_s <= now_s:  # the sum was rounded
                self._reset_s = now_s + self._period_s
            self._used = 0
        return self._reset_s


class MovingWindow:
    """rates: at most so many requests in any interval of so many seconds."""

    def __init__(self, rates: list[tuple[int, float]]) -> None:
        self._rates = [_Interval(limit, interval_s) for limit, interval_s in rates]

    def take(self, weight: int, now_s: float) -> float:
        seconds = max(rate.wait_s(weight, now_s) for rate in self._rates)
        if seconds > 0:
            return max(seconds, LEAST_WAIT_S)
        for rate in self._rates:
            rate.count(weight, now_s)
        return 0.0

    def learn(self, left: int | None, reset_s: float | None, now_s: float) -> None:
        """Where the API has none left and does not say until when, the strictest rate is taken to be used up now."""
        if left != 0 or reset_s is not None:
            return
        room = min(rate.room(now_s) for rate in self._rates)
        if room > 0:
            for rate in self._rates:
                rate.count(room, now_s)


class _Interval:
    def __init__(self, limit: int, interval_s: float) -> None:
        self._limit = limit
        self._interval_s = interval_s
        self._counted: deque[tuple[float, int]] = deque()
        self._used = 0

    def room(self, now_s: float) -> int:
        while self._counted and self._counted[0][0] + self._interval_s <= now_s:
            self._used -= self._counted.popleft()[1]
        return self._limit - self._used

    def wait_s(self, weight: int, now_s: float) -> float:
        """Until enough of what was counted is out of the interval."""
        missing = weight - self.room(now_s)
        if missing <= 0:
            return 0.0
        for at_s, counted in self._counted:
            missing -= counted
            if missing <= 0:
                return at_s + self._interval_s - now_s
        raise ConfigError(f"a request counts as {weight}, and there may be no more than {self._limit} of them")

    def count(self, weight: int, now_s: float) -> None:
        self._counted.append((now_s, weight))
        self._used += weight
