"""What is said on stderr as JSON, an object per line, for whatever collects logs."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TextIO

from file_cdk.cli.screen.display import PLAIN_INTERVAL_S, PlainDisplay, Progress
from file_cdk.cli.screen.wording import instant

_LEVEL = re.compile(r"(debug|info|warning|error|critical|internal error): ")


class JsonDisplay:
    """A Display. `level` is what a line begins with, such as `warning: `, and else info."""

    def __init__(
        self, stream: TextIO, interval_s: float | None = PLAIN_INTERVAL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lines = PlainDisplay(stream, None)
        self._interval_s, self._clock, self._shown_at = interval_s, clock, clock()

    def line(self, text: str) -> None:
        found = _LEVEL.match(text)
        level = "info" if found is None else found[1].rpartition(" ")[2]
        self._write(level, text if found is None else text[found.end() :])

    def show(self, progress: Progress) -> None:
        if self._interval_s is not None and self._clock() - self._shown_at >= self._interval_s:
            self._shown_at = self._clock()
            self._write("info", progress.status(), progress=progress.facts())

    def _write(self, level: str, message: str, **facts: object) -> None:
        self._lines.line(json.dumps({"time": instant(datetime.now(UTC)), "level": level, "message": message, **facts}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
