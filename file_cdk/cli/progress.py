"""How far a command has come: counts, and the display that they are shown on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, TextIO

from file_cdk.cli.screen.display import Display, PlainDisplay
from file_cdk.cli.screen.wording import duration, escaped, plural, reasons, size
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError, RowsRefusedError
from file_cdk.core.files import RemoteFile

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.cli.report import RunReport
    from file_cdk.engine.effort import Effort

Shown = Literal["auto", "bar", "lines", "off"]
"""Of progress, as `--progress` has it."""

_STREAMS_SHOWN = 8
"""Maximum number of streams with a line of their own on a terminal, the last that were begun."""


def display_for(stream: TextIO, progress: Shown = "auto", log_format: Literal["text", "json"] = "text") -> Display:
    """One that redraws on a terminal; lines in a log."""
    if log_format == "json":
        from file_cdk.cli.screen.json_lines import JsonDisplay

        return JsonDisplay(stream) if progress in ("auto", "lines") else JsonDisplay(stream, interval_s=None)
    if progress in ("auto", "bar") and stream.isatty():
        from file_cdk.cli.screen.live import LiveDisplay, can_redraw

        if can_redraw(stream):
            return LiveDisplay(stream)
    return PlainDisplay(stream) if progress in ("auto", "lines") else PlainDisplay(stream, interval_s=None)


def lines_on(stream: TextIO, log_format: Literal["text", "json"]) -> Display:
    """For what is said when all is done."""
    return display_for(stream, "off", log_format)


@dataclass(slots=True)
class ListingTally:
    """How much of a listing was seen."""

    files: int = 0
    size_bytes: int = 0
    fraction: float | None = None

    def status(self) -> str:
        """`listing: 12,000 files, 3.4 GB`."""
        return f"listing: {plural(self.files, 'file')}, {size(self.size_bytes)}"

    def details(self) -> list[str]:
        return []

    def facts(self) -> dict[str, Any]:
        return {"files_listed": self.files, "size_bytes_listed": self.size_bytes}


@dataclass(slots=True, kw_only=True)
class StreamTally:
    """Counts of one stream."""

    files: int = 0
    files_loaded: int = 0
    files_failed: int = 0
    size_bytes: int = 0
    size_bytes_done: int = 0
    rows: int = 0
    rejected: int = 0

    @property
    def fraction(self) -> float:
        """Share of the bytes that is done. Cut off at 1: a file may be longer by now than it was when it was listed."""
        return min(1.0, self.size_bytes_done / self.size_bytes) if self.size_bytes else 0.0

    def amounts(self) -> list[str]:
        return [
            f"{self.fraction:.0%}",
            f"{size(self.size_bytes_done)} of {size(self.size_bytes)}",
            plural(self.rows, "row"),
        ]

    def outcomes(self) -> list[str]:
        parts = [f"{self.files_loaded + self.files_failed:,} of {plural(self.files, 'file')}"]
        if self.files_failed:
            parts.append(f"{self.files_failed:,} failed")
        if self.rejected:
            parts.append(f"{self.rejected:,} rejected")
        return parts


@dataclass(slots=True)
class Tally(StreamTally):
    """Counts over all streams. `clock` gives seconds; time runs from the first stream's listing. rows_resumed,
    size_bytes_resumed: what of the rows and bytes done an earlier run did, which says nothing of how fast this one is. streams:
    the counts of each. effort: who is asked what the run waits for. names_workers: so that it is told what each worker is at."""

    clock: Callable[[], float] = time.monotonic
    rows_resumed: int = 0
    size_bytes_resumed: int = 0
    started_at: float = field(default=0.0)
    streams: dict[str, StreamTally] = field(default_factory=dict)
    effort: "Effort | None" = None
    names_workers: bool = False

    def __post_init__(self) -> None:
        self.started_at = self.clock()

    def of(self, stream: str) -> StreamTally:
        return self.streams.setdefault(stream, StreamTally())

    def status(self) -> str:
        """`34%  36.4 MB of 107 MB  340,000 rows  410,000 rows/s  12 of 36 files  1 failed  4.2 s left  waits for the source`."""
        parts = self.amounts()
        elapsed_s = self.clock() - self.started_at
        if elapsed_s > 0:
            parts.append(f"{self._rows_per_s(elapsed_s):,.0f} rows/s")
        parts += self.outcomes()
        if (left_s := self._left_s(elapsed_s)) is not None:
            parts.append(f"{duration(left_s)} left")
        if self.effort is not None and (waits := self.effort.waits_for()) is not None:
            parts.append(f"waits for {waits}")
        return "  ".join(parts)

    def details(self) -> list[str]:
        """A line for each stream, where there are several, and for each worker, where these are asked for."""
        streams = list(self.streams.items())[-_STREAMS_SHOWN:] if len(self.streams) > 1 else []
        lines = [f"{escaped(name)}:  {'  '.join([*each.amounts(), *each.outcomes()])}" for name, each in streams]
        if self.names_workers and self.effort is not None:
            lines += [f"worker {pid}: {escaped(uri) or 'idle'}" for pid, uri in self.effort.workers()]
        return lines

    def facts(self) -> dict[str, Any]:
        """The same for a program."""
        elapsed_s = self.clock() - self.started_at
        left_s = self._left_s(elapsed_s)
        waits = None if self.effort is None else self.effort.waits_for()
        return {
            **_facts(self),
            "rows_per_second": round(self._rows_per_s(elapsed_s)) if elapsed_s > 0 else None,
            "seconds_left": None if left_s is None else round(left_s, 1),
            "waits_for": None if waits is None else waits.removeprefix("the "),
            "streams": {name: _facts(each) for name, each in self.streams.items()},
        }

    def _rows_per_s(self, elapsed_s: float) -> float:
        return (self.rows - self.rows_resumed) / elapsed_s

    def _left_s(self, elapsed_s: float) -> float | None:
        done_now = self.size_bytes_done - self.size_bytes_resumed
        if done_now <= 0 or self.fraction >= 1:
            return None
        return elapsed_s * (self.size_bytes - self.size_bytes_done) / done_now


def _facts(tally: StreamTally) -> dict[str, Any]:
    return {
        "files": tally.files,
        "files_loaded": tally.files_loaded,
        "files_failed": tally.files_failed,
        "size_bytes": tally.size_bytes,
        "size_bytes_done": tally.size_bytes_done,
        "rows": tally.rows,
        "rejected": tally.rejected,
    }


class ProgressObserver:
    """The pipeline's SyncObserver. report: is told of the files that ended, too. quiet: keeps all but the counts to itself.
    verbose: names every file as it ends."""

    def __init__(
        self,
        display: Display,
        tally: Tally,
        report: "RunReport | None" = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self.tally = tally
        self.tally.names_workers = verbose
        self._display = display
        self._report = report
        self._quiet = quiet
        self._verbose = verbose

    def begins(self, effort: "Effort") -> None:
        self.tally.effort = effort

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        for tally in (self.tally, self.tally.of(stream)):
            tally.files += files
            tally.size_bytes += size_bytes
        if not self._quiet:
            left_out = f"; skipped: {reasons(skipped)}" if any(skipped.values()) else ""
            self._display.line(f"{stream}: {plural(files, 'file')} to read, {size(size_bytes)}{left_out}")
        self._display.show(self.tally)

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:  # noqa: ARG002 - the port's names
        for tally in (self.tally, self.tally.of(stream)):
            tally.rows += rows
            tally.size_bytes_done += size_bytes
        self._display.show(self.tally)

    def resumed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:  # noqa: ARG002 - the port's names
        self.tally.rows_resumed += rows
        self.tally.size_bytes_resumed += size_bytes

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        for tally in (self.tally, self.tally.of(stream)):
            tally.files_loaded += 1
        if self._verbose:
            self._display.line(f"{stream}: loaded {uri!r}, {plural(rows, 'row')}")
        self._display.show(self.tally)

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        # The summary names the failed files; said here as well, each would stand twice in a log.
        for tally in (self.tally, self.tally.of(stream)):
            tally.files_failed += 1
            tally.files_loaded -= isinstance(error, RowsRefusedError) and error.was_committed
        if self._verbose:
            what = f" {uri!r}" if uri else ""  # empty where it is not a file that failed
            self._display.line(f"{stream}: failed{what}: {error}")
        self._display.show(self.tally)

    def file_ended(
        self, stream: str, file: RemoteFile, rows: int, rejected: int, skipped: int, error: FileCdkError | None
    ) -> None:
        for tally in (self.tally, self.tally.of(stream)):
            tally.rejected += rejected
        if self._report is not None:
            self._report.file_ended(stream, file, rows, rejected, skipped, error)

    def warned(self, message: str) -> None:
        if not self._quiet:
            self._display.line(f"warning: {message}")
