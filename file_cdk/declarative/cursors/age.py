"""Which records of a stream count, by their cursor's value."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec


class AgeRange(msgspec.Struct, frozen=True):
    """Moments from `low` to `high`, both of them included. parse: gives None for a value that is no moment."""

    low: datetime
    high: datetime
    parse: Callable[[Any], datetime | None]

    def holds(self, value: Any) -> bool:
        """Whether a record counts. It does without a value that could tell."""
        moment = self.parse(value)
        return moment is None or self.low <= moment <= self.high

    def is_too_old(self, value: Any) -> bool:
        moment = self.parse(value)
        return moment is not None and moment < self.low
