import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from file_cdk.cli.progress import Shown, Tally, display_for
from file_cdk.cli.screen.live import LiveDisplay, can_redraw
from file_cdk.engine.effort import Effort

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal of 100 columns: `stream` is the program's end, `seen()` what a screen would have been sent."""

    def __init__(self) -> None:
        self._screen, program = pty.openpty()
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.stream: TextIO = os.fdopen(program, "w")

    def seen(self) -> str:
        self.stream.flush()
        os.set_blocking(self._screen, False)
        parts = []
        while True:
            try:
                parts.append(os.read(self._screen, 65536))
            except BlockingIOError:
                return b"".join(parts).decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._screen)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    yield terminal
    terminal.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def half_done(clock: Clock) -> Tally:
    tally = Tally(clock)
    tally.files, tally.files_loaded, tally.size_bytes, tally.size_bytes_done, tally.rows = 4, 2, 1000, 500, 70
    return tally


def test_bar_and_status_are_redrawn_and_taken_away(terminal: Terminal) -> None:
    clock = Clock()
    tally = half_done(clock)
    clock.now = 2.0
    with LiveDisplay(terminal.stream, clock) as display:
        display.show(tally)
        drawn = terminal.seen()
    text = _ESCAPE.sub("", drawn)
    assert "━" in text
    assert "50%  500 bytes of 1.00 kB  70 rows  35 rows/s  2 of 4 files  2.00 s left" in text
    line_up_and_wipe = "\x1b[1A\x1b[2K"
    assert terminal.seen().endswith(2 * line_up_and_wipe)


def test_lasting_lines_stand_above_the_bar(terminal: Terminal) -> None:
    clock = Clock()
    with LiveDisplay(terminal.stream, clock) as display:
        display.show(half_done(clock))
        terminal.seen()
        display.line("warning: [bold]column[/bold] 'x' is text now")
        text = _ESCAPE.sub("", terminal.seen())
    assert text.index("warning: [bold]column[/bold] 'x' is text now") < text.index("50%")


def test_redraws_ten_times_a_second_at_most(terminal: Terminal) -> None:
    clock = Clock()
    tally = half_done(clock)
    with LiveDisplay(terminal.stream, clock) as display:
        display.show(tally)
        terminal.seen()
        clock.now = 0.05
        display.show(tally)
        assert terminal.seen() == ""
        clock.now = 0.11
        display.show(tally)
        assert "50%" in terminal.seen()


def test_a_dumb_terminal_gets_plain_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_redraw(terminal.stream)
    monkeypatch.setenv("TERM", "dumb")
    assert not can_redraw(terminal.stream)


def test_several_streams_have_a_line_each_and_workers_where_they_are_asked_for(terminal: Terminal) -> None:
    clock = Clock()
    tally = half_done(clock)
    for name, done in (("orders", 300), ("[bold]events", 100)):
        stream = tally.of(name)
        stream.files, stream.size_bytes, stream.size_bytes_done, stream.rejected = 2, 400, done, 3
    tally.effort = Effort(lambda: [(4711, "2024/a.csv"), (4712, "")])
    with LiveDisplay(terminal.stream, clock) as display:
        display.show(tally)
        shown = terminal.seen()
        assert "orders:  75%  300 bytes of 400 bytes  0 rows  0 of 2 files  3 rejected" in shown
        assert "[bold]events:  25%" in shown
        assert "worker" not in shown
        clock.now += 1
        tally.names_workers = True
        display.show(tally)
        assert "worker 4711: 2024/a.csv" in (shown := terminal.seen())
        assert "worker 4712: idle" in shown


def test_without_colours_the_bar_has_none(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    with LiveDisplay(terminal.stream, clock) as display:
        display.show(half_done(clock))
    assert re.search(r"\x1b\[[0-9;]*m", terminal.seen()) is not None
    monkeypatch.setenv("NO_COLOR", "1")
    with LiveDisplay(terminal.stream, clock) as display:
        display.show(half_done(clock))
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.seen()) is None


@pytest.mark.parametrize(
    ("progress", "kind"),
    [("auto", "LiveDisplay"), ("bar", "LiveDisplay"), ("lines", "PlainDisplay"), ("off", "PlainDisplay")],
)
def test_the_kind_of_progress_is_chosen(terminal: Terminal, progress: Shown, kind: str) -> None:
    assert type(display_for(terminal.stream, progress)).__name__ == kind
    assert type(display_for(terminal.stream, progress, "json")).__name__ == "JsonDisplay"
