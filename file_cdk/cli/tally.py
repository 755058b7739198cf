"""What a sync has done so far, and the one line that says so."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from file_cdk.cli.wording import duration, plural, size


class Progress(Protocol):
    """What a display can show."""

    @property
    def fraction(self) -> float | None:
        """Share that is done, from 0 to 1; None where nobody knows how much there is."""

    def status(self) -> str:
        """One line."""


@dataclass(slots=True)
class ListingTally:
    """How much of a listing was seen."""

    files: int = 0
    size_bytes: int = 0
    fraction: float | None = None

    def status(self) -> str:
        """`listing: 12,000 files, 3.4 GB`."""
        return f"listing: {plural(self.files, 'file')}, {size(self.size_bytes)}"


@dataclass(slots=True)
class Tally:
    """Counts over all streams. `clock` gives seconds; time runs from the first stream's listing.

    files_over_limit: of files_failed, those with too many rejected records and no other fault.
    """

    clock: Callable[[], float] = time.monotonic
    files: int = 0
    files_loaded: int = 0
    files_failed: int = 0
    files_over_limit: int = 0
    size_bytes: int = 0
    size_bytes_done: int = 0
    rows: int = 0
    started_at: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.started_at = self.clock()

    @property
    def fraction(self) -> float:
        """Share of the bytes that is done. Cut off at 1: a file may be longer by now than it was when it was listed."""
        return min(1.0, self.size_bytes_done / self.size_bytes) if self.size_bytes else 0.0

    def status(self) -> str:
        """`34%  36.4 MB of 107 MB  340,000 rows  410,000 rows/s  12 of 36 files  1 failed  4.2 s left`."""
        elapsed_s = self.clock() - self.started_at
        parts = [
            f"{self.fraction:.0%}",
            f"{size(self.size_bytes_done)} of {size(self.size_bytes)}",
            plural(self.rows, "row"),
        ]
        if elapsed_s > 0:
            parts.append(f"{self.rows / elapsed_s:,.0f} rows/s")
        parts.append(f"{self.files_loaded + self.files_failed:,} of {plural(self.files, 'file')}")
        if self.files_failed:
            parts.append(f"{self.files_failed:,} failed")
        if 0 < self.fraction < 1:
            parts.append(f"{duration(elapsed_s * (1 / self.fraction - 1))} left")
        return "  ".join(parts)
