"""How often and after which wait a request is sent again.

There are three countings, as in the runner that manifests were written for: of waits that a strategy asks for, of rate limits
without one, and of all else. Each has its maximum, and one that is counted starts those before it anew.
"""

from collections.abc import Callable

STRATEGY_EXTRA_S = 1.0
"""What is added to a strategy's wait, in seconds: servers count in whole ones."""

JITTER = 0.25
"""Maximum part that is added to a wait which nobody asked for, so that threads do not come back all at once."""

_STRATEGY, _RATE_LIMITED, _OTHER = range(3)


class Retries:
    """Of one request. attempt: how often it was sent, from 1."""

    def __init__(self, max_retries: int, max_time_s: float, began_s: float) -> None:
        self.attempt = 1
        self._max_retries = max(0, max_retries)
        self._max_time_s = max_time_s
        self._counts = [0, 0, 0]
        self._began_s = [began_s] * 3

    def next_wait_s(
        self,
        asked_s: float | None,
        elapsed_s: float,
        jitter: Callable[[], float],
        *,
        is_rate_limit: bool,
    ) -> float | None:
        """In seconds; None when it is enough. asked_s: by a strategy. jitter: gives a number from 0 to 1."""
        counting = _STRATEGY if asked_s else _RATE_LIMITED if is_rate_limit else _OTHER
        spent_s = elapsed_s - self._began_s[counting]
        is_late = counting != _RATE_LIMITED and spent_s >= self._max_time_s
        if self._counts[counting] >= self._max_retries or is_late:
            return None
        doubled_s = 2.0 ** self._counts[counting]
        self._counts[counting] += 1
        self.attempt += 1
        seconds = max(0.0, asked_s + STRATEGY_EXTRA_S) if asked_s else doubled_s * (1 + JITTER * jitter())
        if counting == _OTHER:
            seconds = min(seconds, self._max_time_s - spent_s)
        for before in range(counting):
            self._counts[before] = 0
            self._began_s[before] = elapsed_s + seconds
        return seconds
