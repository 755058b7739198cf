"""Progress on a terminal: a bar, where there is a measure, and a line below it, redrawn in place; lasting lines above."""

import time
from collections.abc import Callable
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from file_cdk.cli.screen.display import Progress
from file_cdk.cli.screen.wording import printable

_INTERVAL_S = 0.1


def can_redraw(stream: TextIO) -> bool:
    """Whether the terminal can move its cursor; one inside an editor or a serial line may not."""
    return not Console(file=stream).is_dumb_terminal


class LiveDisplay:
    """Redraws when progress is reported and not by a thread of its own: workers may be forked from this process."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._clock = clock
        self._shown_at = float("-inf")

    def line(self, text: str) -> None:
        # Text, not str: a file may be called "[bold]". soft_wrap leaves the breaking of long lines to the terminal.
        self._console.print(Text(printable(text)), soft_wrap=True)

    def show(self, progress: Progress) -> None:
        if self._clock() - self._shown_at < _INTERVAL_S:
            return
        self._shown_at = self._clock()
        status = Text(progress.status(), no_wrap=True, overflow="ellipsis")
        rows = Table.grid(expand=True)
        if progress.fraction is not None:
            rows.add_row(ProgressBar(total=1.0, completed=progress.fraction))
        rows.add_row(status)
        for line in progress.details():
            rows.add_row(Text(printable(line), no_wrap=True, overflow="ellipsis"))
        self._live.update(rows, refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
