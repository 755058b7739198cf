"""What a notebook shows while rows are read: one line in the output of its cell. Elsewhere nothing is ever shown."""

import sys
import time
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.pipeline.tables.report import Silence

_EVERY_S = 0.2


@dataclass(slots=True)
class Counts(Silence):
    """Of a run so far. Kept by the thread that runs it, and looked at by whoever waits for it."""

    files: int = 0
    files_done: int = 0
    size_bytes: int = 0
    bytes_done: int = 0
    rows: int = 0

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:  # noqa: ARG002
        self.files += files
        self.size_bytes += size_bytes

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:  # noqa: ARG002
        self.rows += rows
        self.bytes_done += size_bytes

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:  # noqa: ARG002
        self.files_done += 1


@dataclass(slots=True)
class Line:
    """The line of one run. A cell's output belongs to the thread that runs the cell: shown from no other.

    verb: what is done, as the last line says it.
    """

    verb: str
    counts: Counts
    _display: Any = None
    _started: float = field(default_factory=time.monotonic)
    _shown_at: float = 0.0

    def show(self) -> None:
        """As it is now, unless that was a moment ago."""
        now = time.monotonic()
        if now - self._shown_at >= _EVERY_S:
            self._shown_at = now
            self._put(self._text(), self.counts.bytes_done)

    def end(self) -> None:
        seconds = time.monotonic() - self._started
        rate = f" ({self.counts.rows / seconds:,.0f} rows/s)" if seconds > 1 else ""
        self._put(f"{self.verb} {self._text()} in {seconds:.1f} s{rate}", None)

    def _text(self) -> str:
        counts = self.counts
        return f"{counts.files_done:,} of {counts.files:,} files, {counts.rows:,} rows"

    def _put(self, text: str, done: int | None) -> None:
        if (display := _notebook_display()) is None:
            return
        from html import escape  # for a notebook alone

        bar = "" if done is None else f'<progress max="{max(self.counts.size_bytes, 1)}" value="{done}"></progress> '
        shown = {"text/plain": text, "text/html": f"{bar}{escape(text)}"}
        if self._display is None:
            self._display = display(shown, raw=True, display_id=True)
        elif self._display is not None:
            self._display.update(shown, raw=True)


@dataclass(slots=True)
class Shown(Counts):
    """Counts of a run in the thread of the cell itself, which shows them as they change."""

    line: Line | None = None

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        Counts.listed(self, stream, files, size_bytes, skipped)
        self._show()

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        Counts.progressed(self, stream, uri, rows, size_bytes)
        self._show()

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:  # noqa: ARG002
        self._show()

    def _show(self) -> None:
        if self.line is not None:
            self.line.show()


def shown(verb: str) -> tuple[Shown, Line]:
    """An observer, and the line that it shows."""
    counts = Shown()
    counts.line = Line(verb, counts)
    return counts, counts.line


def _notebook_display() -> Any:
    """The function that shows something in the output of a cell; None where there is no notebook. Nothing is imported for it."""
    shell: Any = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return None if getattr(running, "kernel", None) is None else shell.display.display
