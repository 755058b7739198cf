"""Ten thousand damaged files per format: each is read or refused in words, none is lost, none takes the process with it.

Native readers that may end the process on bad bytes (`may_crash`) do so in a worker in production; here the child stands
for the worker. FILE_CDK_FUZZ_FILES sets another number of files.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from file_cdk.core.config import SourceConfig, parse_config
from file_cdk.formats.registry import format_for

pytestmark = pytest.mark.fuzz

FILES = int(os.environ.get("FILE_CDK_FUZZ_FILES", "10000"))
BATCH = 2500
SECONDS_PER_FILE = 20
MAX_RSS_KB = 700 << 10


@dataclass(slots=True)
class Tally:
    read: int = 0
    crashed: list[int] = field(default_factory=list)
    hung: list[int] = field(default_factory=list)
    faults: dict[int, list[str]] = field(default_factory=dict)
    max_rss_kb: int = 0


def read_mutants(filetype: str, first: int, end: int) -> Tally:
    """In children, of which each takes up where the one before it ended."""
    tally = Tally()
    while first < end:
        for message in _messages(filetype, first, end):
            if "read" in message:
                assert message["read"] == first
                tally.read += 1
                if message["faults"]:
                    tally.faults[first] = message["faults"]
                first += 1
            elif "hung" in message:
                tally.hung.append(first)
            else:
                tally.max_rss_kb = max(tally.max_rss_kb, message["max_rss_kb"])
        if first < end:
            tally.crashed.append(first)
            first += 1
    return tally


def _messages(filetype: str, first: int, end: int) -> Iterator[dict[str, Any]]:
    command: list[str | Path] = [
        sys.executable,
        Path(__file__).with_name("mutant_reader.py"),
        filetype,
        str(first),
        str(end),
    ]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as child,
        selectors.DefaultSelector() as selector,
    ):
        assert child.stdout is not None
        selector.register(child.stdout, selectors.EVENT_READ)
        begun = b""
        while selector.select(SECONDS_PER_FILE):
            piece = child.stdout.read(1 << 16)
            if not piece:
                return
            *lines, begun = (begun + piece).split(b"\n")
            yield from map(json.loads, lines)
        child.kill()
        yield {"hung": True}


@pytest.mark.parametrize("filetype", ["csv", "jsonl", "parquet", "avro", "excel", "compressed"])
def test_mutated_files(filetype: str) -> None:
    edges = [*range(0, FILES, BATCH), FILES]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        tallies = list(threads.map(lambda first, end: read_mutants(filetype, first, end), edges, edges[1:]))
    crashed = [number for tally in tallies for number in tally.crashed]
    faults = {number: found for tally in tallies for number, found in tally.faults.items()}
    assert [number for tally in tallies for number in tally.hung] == []
    assert faults == {}
    raw = {"streams": [{"name": "s", "format": {"filetype": "jsonl" if filetype == "compressed" else filetype}}]}
    stream = parse_config(SourceConfig, raw).streams[0]
    assert crashed == [] or format_for(stream.format, stream).facts.may_crash, crashed
    assert len(crashed) <= FILES // 100, crashed
    assert sum(tally.read for tally in tallies) == FILES - len(crashed)
    assert max(tally.max_rss_kb for tally in tallies) < MAX_RSS_KB
