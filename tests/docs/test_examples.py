r"""The console examples of docs, run as they are written.

A ```console block holds commands after `$ ` (a line that ends in `\` goes on) and the output they have; in it, `…` stands
for anything within a line, and a line that is only `…` for any lines. The blocks of a page run in order in one folder.
Pages about a kind of store run against a server of that kind: see test_store_guides.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guide"
STORES = ("azure", "gcs", "http", "s3", "sftp")
SERVERS = ("postgres",)
"""Guides to databases of servers, which run against one, too."""
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if "```console\n" in page.read_text(encoding="utf-8") and page.stem not in (*STORES, *SERVERS)
]


@dataclass(frozen=True)
class Example:
    command: str
    output: tuple[str, ...]


def examples(page: str) -> list[Example]:
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            match = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", command, re.DOTALL)
            assert match is not None
            found.append(Example(match[1], tuple(line for line in match[2].splitlines() if line)))
    return found


def files(page: str) -> dict[str, str]:
    """Fenced blocks whose info string names a file, such as ```yaml shop.yaml."""
    return dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))


_PROGRESS = re.compile(r"\d+%  .* of \d+ files?\b")


def matches(output: str, expected: tuple[str, ...]) -> bool:
    """Lines of progress come every five seconds, so on slow machines alone."""
    lines = [re.escape(line).replace("…", ".*") + r"\n" if line != "…" else r"(?:.*\n)*" for line in expected]
    shown = [line for line in output.splitlines() if line and not _PROGRESS.match(line)]
    return re.fullmatch("".join(lines), "".join(f"{line}\n" for line in shown)) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run_as_written(page: Path, tmp_path: Path) -> None:
    run_examples(page.read_text(encoding="utf-8"), tmp_path, {})


def run_examples(text: str, tmp_path: Path, settings: Mapping[str, str]) -> None:
    """settings: of the environment, besides what is there."""
    for name, content in files(text).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "120",
        "FILE_CDK_PROGRESS": "off",  # on a slow machine there would be lines of it
        **settings,
    }
    for example in examples(text):
        ran = subprocess.run(
            ["sh", "-c", example.command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert matches(ran.stdout, example.output), f"$ {example.command}\n{ran.stdout}"


def test_there_are_examples() -> None:
    assert "sync.md" in [page.name for page in PAGES]


def test_what_counts_as_the_same_output() -> None:
    assert matches("a 1.5 s\nb\n", ("a … s", "b"))
    assert matches("x\ny\nb\n", ("…", "b"))
    assert not matches("a\nb\n", ("a",))
    assert not matches("a\nb\n", ("b", "a"))
    assert matches("a\n49%  50 bytes of 103 bytes  1 row  0 rows/s  0 of 2 files  8.26 s left\nb\n", ("a", "b"))
