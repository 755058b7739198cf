"""Try again what may pass: back-off with jitter, bounded in tries and in time, logged."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import TransientError

_log = logging.getLogger("file_cdk.readers")

_Result = TypeVar("_Result")

_jitter = random.Random()  # noqa: S311 - no secret
"""Of its own: what a program seeds or draws from the module's generator is not disturbed by requests in other threads."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one request is tried again before its TransientError is final.

    The n-th wait is drawn from the upper half of `first_wait_s * 2**n`, at most `longest_wait_s`; a server that says when
    to come back (TransientError.retry_after_s) is heeded up to that. Waits add up to at most `total_wait_s`. With the
    defaults a server that is gone for good is given up after less than half a minute of waiting.

    last_try_after_s: seconds, with waiting and with requests, after which there is no further try.
    """

    tries: int = 8
    first_wait_s: float = 0.2
    longest_wait_s: float = 8.0
    total_wait_s: float = 30.0
    last_try_after_s: float | None = None

    def run(self, request: Callable[[], _Result], what: str) -> _Result:
        """What `request` returns. Raises its last TransientError; any other error at once.

        what: names the request in the log, for example `listing bucket 'b'`; no secrets.
        """
        waits = self.waits()
        while True:
            try:
                return request()
            except TransientError as exc:
                self.wait(exc, waits, what)

    def wait(
        self, error: TransientError, waits: Iterator[float], what: str, pause: Callable[[float], object] | None = None
    ) -> None:
        """Waits before the next try. Raises `error` when there is to be none. waits: of `self.waits()`, one per request. pause:
        waits so many seconds, or fewer where that can be cut short; None: not to be cut short."""
        wait_s = next(waits, None)
        if wait_s is None:
            raise error
        if error.retry_after_s is not None:
            wait_s = min(max(wait_s, error.retry_after_s), self.longest_wait_s)
        # The first failure of a request is nothing to worry about; a second one is.
        level = logging.INFO if wait_s <= self.first_wait_s else logging.WARNING
        _log.log(level, "%s: %s; trying again in %.1f s", what, error.message.removeprefix(f"{what}: "), wait_s)
        (pause or time.sleep)(wait_s)

    def waits(self) -> Iterator[float]:
        """Seconds to wait before each further try of a request that begins now."""
        return self._waits(time.monotonic())

    def _waits(self, began_s: float) -> Iterator[float]:
        waited = 0.0
        for number in range(self.tries - 1):
            longest = min(self.first_wait_s * 2**number, self.longest_wait_s)
            wait_s = _jitter.uniform(longest / 2, longest)
            waited += wait_s
            late = self.last_try_after_s is not None and time.monotonic() - began_s + wait_s > self.last_try_after_s
            if late or waited > self.total_wait_s:
                return
            yield wait_s


HASTY = RetryPolicy(tries=4, first_wait_s=0.2, longest_wait_s=1.0, total_wait_s=3.0, last_try_after_s=3.0)
"""Where a person waits for whether a store is there: waits of 3 s at most, whatever the server asks for."""
