"""How far a command has come: counts, and the display that they are shown on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

from file_cdk.cli.screen.display import Display, PlainDisplay
from file_cdk.cli.screen.wording import duration, plural, reasons, size
from file_cdk.core.errors import FileCdkError, RowsRefusedError


def display_for(stream: TextIO, *, quiet: bool) -> Display:
    """One that redraws on a terminal; lines in a log. quiet: shows no progress."""
    if quiet:
        return PlainDisplay(stream, interval_s=None)
    if stream.isatty():
        from file_cdk.cli.screen.live import LiveDisplay, can_redraw

        if can_redraw(stream):
            return LiveDisplay(stream)
    return PlainDisplay(stream)


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
    """Counts over all streams. `clock` gives seconds; time runs from the first stream's listing. rows_resumed,
    size_bytes_resumed: what of the rows and bytes done an earlier run did, which says nothing of how fast this one is."""

    clock: Callable[[], float] = time.monotonic
    files: int = 0
    files_loaded: int = 0
    files_failed: int = 0
    size_bytes: int = 0
    size_bytes_done: int = 0
    rows: int = 0
    rows_resumed: int = 0
    size_bytes_resumed: int = 0
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
            parts.append(f"{(self.rows - self.rows_resumed) / elapsed_s:,.0f} rows/s")
        parts.append(f"{self.files_loaded + self.files_failed:,} of {plural(self.files, 'file')}")
        if self.files_failed:
            parts.append(f"{self.files_failed:,} failed")
        done_now = self.size_bytes_done - self.size_bytes_resumed
        if done_now > 0 and self.fraction < 1:
            parts.append(f"{duration(elapsed_s * (self.size_bytes - self.size_bytes_done) / done_now)} left")
        return "  ".join(parts)


class ProgressObserver:
    """The pipeline's SyncObserver. quiet: keeps all but the counts to itself. verbose: names every file as it ends."""

    def __init__(self, display: Display, tally: Tally, *, quiet: bool = False, verbose: bool = False) -> None:
        self.tally = tally
        self._display = display
        self._quiet = quiet
        self._verbose = verbose

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        self.tally.files += files
        self.tally.size_bytes += size_bytes
        if not self._quiet:
            left_out = f"; skipped: {reasons(skipped)}" if any(skipped.values()) else ""
            self._display.line(f"{stream}: {plural(files, 'file')} to read, {size(size_bytes)}{left_out}")
        self._display.show(self.tally)

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:  # noqa: ARG002 - the port's names
        self.tally.rows += rows
        self.tally.size_bytes_done += size_bytes
        self._display.show(self.tally)

    def resumed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:  # noqa: ARG002 - the port's names
        self.tally.rows_resumed += rows
        self.tally.size_bytes_resumed += size_bytes

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        self.tally.files_loaded += 1
        if self._verbose:
            self._display.line(f"{stream}: loaded {uri!r}, {plural(rows, 'row')}")
        self._display.show(self.tally)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        # The summary names the failed files; said here as well, each would stand twice in a log.
        self.tally.files_failed += 1
        self.tally.files_loaded -= isinstance(error, RowsRefusedError) and error.was_committed
        if self._verbose:
            what = f" {uri!r}" if uri else ""  # empty where it is not a file that failed
            self._display.line(f"{stream}: failed{what}: {error}")
        self._display.show(self.tally)

    def warned(self, message: str) -> None:
        if not self._quiet:
            self._display.line(f"warning: {message}")
