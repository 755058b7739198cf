"""What a person at a terminal sees of a sync."""

import fcntl
import os
import pty
import re
import struct
import termios
from pathlib import Path

import pytest
import warm

pytestmark = pytest.mark.scenario

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(200_000)))
    (tmp_path / "mixed" / "b.jsonl").write_text('{"id": 1}\n{"id":\n' + '{"id": 3}\n' * 50_000)
    return tmp_path


def on_a_terminal(folder: Path, *options: str, **settings: str) -> str:
    """All that the screen was sent."""
    screen, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **settings}
    command = ["file-cdk", "sync", "mixed", "--to", "x.duckdb", "--max-rejects", "1", *options]
    parts = []
    with warm.Process(*command, cwd=folder, env=environment, stderr=program, stdout=warm.DEVNULL) as process:
        os.close(program)
        with open(screen, "rb", buffering=0) as sent:
            try:
                while part := sent.read(65536):
                    parts.append(part)
            except OSError:
                pass  # how a terminal says that the program has closed it
    seen = b"".join(parts).decode()
    assert process.returncode == 0, seen
    return seen


def test_a_terminal_shows_a_bar_and_a_table_of_the_streams(folder: Path) -> None:
    sent = on_a_terminal(folder)
    seen = _ESCAPE.sub("", sent)
    assert "━" in seen
    assert re.search(r"mixed_csv:  \d+%  1\.29 MB of 1\.29 MB  200,000 rows  1 of 1 file", seen)
    assert re.search(r"mixed_jsonl:  \d+%  [^\n]* of 500 kB", seen)
    assert re.search(r"[0-9,]+ rows/s  [0-9] of [12] file", seen)
    shown = [line.split() for line in seen.splitlines()]
    assert ["stream", "files", "read", "rows", "rejected", "size"] in shown
    assert ["mixed_jsonl", "1", "50,001", "1", "500", "kB"] in shown
    assert re.search(r"\x1b\[[0-9;]*m", sent) is not None, "the bar has colours"


def test_progress_that_is_off_is_not_drawn(folder: Path) -> None:
    sent = on_a_terminal(folder, "--progress", "off")
    assert _ESCAPE.search(sent) is None
    assert "━" not in sent
    assert "done: 250,001 rows" in sent
