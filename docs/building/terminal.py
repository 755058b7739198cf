"""docs/pictures/terminal.svg and progress.svg: what a terminal shows of commands that run in one.

    python -m pip install pyte
    python docs/building/terminal.py

The commands are real, in a pseudo-terminal and in a folder of their own; pyte makes of their output what a screen has, and rich
a picture of that. Times differ from run to run, so nothing checks whether the pictures are fresh.
"""

import fcntl
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pyte
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 104
STORY = (
    "file-cdk sync flights --to flights.duckdb",
    "sed -i 's/,UA,/,UAL,/' flights/2013-01-02.csv  # somebody corrects a file",
    "file-cdk sync flights --to flights.duckdb",
    "file-cdk status flights.duckdb",
)
TEMPLATE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own fetches a font from elsewhere."""


class Terminal:
    def __init__(self, lines: int) -> None:
        self.screen = pyte.Screen(COLUMNS, lines)
        self._stream = pyte.ByteStream(self.screen)

    def run(self, command: str, folder: Path) -> Iterator[None]:
        """Gives what is on the screen a chance to be looked at after each piece of output."""
        self._stream.feed(f"\x1b[1;32m$\x1b[0m {command}\r\n".encode())
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.lines, COLUMNS, 0, 0))
        environ = {
            **os.environ,
            "TERM": "xterm-256color",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        with subprocess.Popen(
            ["sh", "-c", command],
            cwd=folder,
            env=environ,
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
        ):
            os.close(child)
            while data := _read(parent):
                self._stream.feed(data)
                yield
        os.close(parent)

    def picture(self, title: str) -> str:
        lines = [self.screen.buffer[row] for row in range(self.screen.lines)]
        while lines and not "".join(lines[-1][column].data for column in range(COLUMNS)).strip():
            lines.pop()
        segments = []
        for line in lines:
            segments += [Segment(line[column].data, _style(line[column])) for column in range(COLUMNS)]
            segments.append(Segment.line())
        console = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True, color_system="truecolor")
        console.print(Segments(segments), end="")
        return console.export_svg(title=title, code_format=TEMPLATE, unique_id="terminal")


def _read(parent: int) -> bytes:
    try:
        return os.read(parent, 65536)
    except OSError:  # the other end is closed
        return b""


def _style(cell: pyte.screens.Char) -> Style:
    def color(name: str) -> str | None:
        if name == "default":
            return None
        return (
            f"#{name}"
            if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name)
            else name.replace("brown", "yellow")
        )

    return Style(
        color=color(cell.fg), bgcolor=color(cell.bg), bold=cell.bold, italic=cell.italics, underline=cell.underscore
    )


def story(folder: Path) -> str:
    shutil.copytree(ROOT / "fixtures" / "flights", folder / "flights")
    terminal = Terminal(lines=40)
    for command in STORY:
        for _ in terminal.run(command, folder):
            pass
    return terminal.picture("file-cdk")


def progress(folder: Path) -> str:
    """The first screen on which more than a third is done."""
    numbers = random.Random(1)
    (folder / "orders").mkdir()
    for month in range(1, 13):
        rows = "".join(
            f"{month * 10**6 + row},{numbers.random():.12f},{numbers.random():.12f},text {row}\n"
            for row in range(60_000)
        )
        (folder / "orders" / f"2024-{month:02}.csv").write_text("id,price,weight,note\n" + rows)
    terminal = Terminal(lines=20)
    shown = ""
    for _ in terminal.run("file-cdk sync orders --to shop.duckdb", folder):
        text = "\n".join(terminal.screen.display)
        if not shown and re.search(r"\b(3[3-9]|[4-8][0-9])%", text):
            shown = terminal.picture("file-cdk, at work")
    return shown


def main() -> None:
    """Of the names on the command line, or all."""
    for name, made in (("terminal", story), ("progress", progress)):
        if len(sys.argv) > 1 and name not in sys.argv:
            continue
        with tempfile.TemporaryDirectory() as folder:
            (PICTURES / f"{name}.svg").write_text(made(Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
