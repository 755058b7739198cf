import io
import json
import os
from pathlib import Path

from file_cdk.cli.progress import Tally
from file_cdk.cli.screen.display import PlainDisplay
from file_cdk.cli.screen.json_lines import JsonDisplay


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_is_a_line_every_few_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    tally = Tally(clock)
    tally.size_bytes = 100
    display = PlainDisplay(stream, interval_s=5.0, clock=clock)
    for second in range(1, 13):
        clock.now = float(second)
        tally.size_bytes_done = second
        display.show(tally)
    shown = stream.getvalue().splitlines()
    assert [line.split()[0] for line in shown] == ["5%", "10%"]


def test_quiet_shows_no_progress() -> None:
    clock, stream = Clock(), io.StringIO()
    display = PlainDisplay(stream, interval_s=None, clock=clock)
    clock.now = 1e6
    display.show(Tally(clock))
    assert stream.getvalue() == ""


def test_a_name_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    PlainDisplay(stream).line("loaded a\nerror: \x1b[2Jb")
    assert stream.getvalue() == "loaded a\\x0aerror: \\x1b[2Jb\n"


def test_lines_to_a_reader_that_has_gone_are_dropped() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        display = PlainDisplay(stream)
        display.line("nobody hears this")
        display.line("nor this")
    # Closing flushed without BrokenPipeError: reaching this line is the assertion.


def test_lines_reach_a_file_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as stream:
        PlainDisplay(stream).line("first")
        assert log.read_text() == "first\n"


def test_lines_as_json_have_their_level_and_progress_its_counts() -> None:
    clock, stream = Clock(), io.StringIO()
    display = JsonDisplay(stream, interval_s=5.0, clock=clock)
    tally = Tally(clock)
    tally.rejected, tally.of("orders").rows = 2, 7
    for line in ('warning: it\'s \x1b[2J "late"', "internal error: x", "orders: 1 file to read"):
        display.line(line)
    display.show(tally)
    clock.now = 6.0
    display.show(tally)
    warning, error, info, progress = map(json.loads, stream.getvalue().splitlines())
    assert (warning["level"], warning["message"]) == ("warning", 'it\'s \x1b[2J "late"')
    assert (error["level"], error["message"]) == ("error", "x")
    assert (info["level"], info["message"]) == ("info", "orders: 1 file to read")
    assert progress["progress"]["rejected"] == 2
    assert progress["progress"]["streams"]["orders"]["rows"] == 7
    assert "\x1b" not in stream.getvalue()
