"""Runs commands as a user would, and measures their time, output and memory."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Run:
    """One run to its end. seconds: from exec to the end of output, interpreter start included."""

    seconds: float
    exit_code: int
    lines: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Peak:
    """Memory of a process and all its descendants, in bytes, and the CPU seconds that they took.

    rss: the sum of each process's own greatest resident size, so pages they share count once for each of them, and
    processes that were never alive together are added all the same: an upper bound. Processes seen in one sample only
    are left out: a child between fork and exec has its parent's size. pss: the greatest sum, at one time, of the
    resident sizes with shared pages divided among those that share them. cpu_seconds: without what a process did after it was
    sampled last.
    """

    seconds: float
    exit_code: int
    processes: int
    rss: int
    pss: int
    cpu_seconds: float


def into_pipe(command: Command) -> Run:
    """Output goes through a pipe into `wc`, which costs about as much as `cat >/dev/null`."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        counter = subprocess.Popen(["wc", "-lc"], stdin=process.stdout, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()
        counted, _ = counter.communicate()
        exit_code = process.wait()
        seconds = time.perf_counter() - started
        _show_errors(command, exit_code, errors)
    lines, size_bytes = map(int, counted.split())
    return Run(seconds, exit_code, lines, size_bytes)


def alone(command: Command) -> Run:
    """Output is thrown away."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        exit_code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=errors, check=False).returncode
        seconds = time.perf_counter() - started
        _show_errors(command, exit_code, errors)
    return Run(seconds, exit_code)


def peak_memory(
    command: Command, *, interval_s: float = 0.02, reader: Command = ("cat",), kept: Path = Path(os.devnull)
) -> Peak:
    """Output is read by `reader`; what that writes is kept in a file, or thrown away. Linux only."""
    with tempfile.TemporaryFile() as errors, kept.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        reading = subprocess.Popen(reader, stdin=process.stdout, stdout=output)
        assert process.stdout is not None
        process.stdout.close()
        rss: dict[int, int] = {}
        cpu: dict[int, float] = {}
        earlier: set[int] = {process.pid}
        pss = samples = 0
        while process.poll() is None:
            tree = set(_tree(process.pid))
            for pid in tree & earlier:
                rss[pid] = max(rss.get(pid, 0), _kilobytes(f"/proc/{pid}/status", "VmHWM:"))
            cpu |= {pid: max(cpu.get(pid, 0.0), _cpu_seconds(pid)) for pid in tree}
            if samples % 5 == 0:  # costs the process more than reading its status
                pss = max(pss, sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in tree))
            earlier = tree
            samples += 1
            time.sleep(interval_s)
        reading.wait()
        seconds = time.perf_counter() - started
        _show_errors(command, process.returncode, errors)
    return Peak(seconds, process.returncode, len(rss), sum(rss.values()) * 1024, pss * 1024, sum(cpu.values()))


def _tree(pid: int) -> Iterable[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))
    except (FileNotFoundError, ProcessLookupError):
        return  # ended meanwhile


def _cpu_seconds(pid: int) -> float:
    """0 for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kilobytes(path: str, key: str) -> int:
    """0 for a process that has ended."""
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def _show_errors(command: Command, exit_code: int, errors: IO[bytes]) -> None:
    if exit_code:
        errors.seek(0)
        print(f"{command[0]} exited {exit_code}:", errors.read()[-500:].decode(errors="replace"), file=sys.stderr)


def median(runs: Iterable[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def spread(runs: Sequence[Run]) -> str:
    """Fastest and slowest."""
    seconds = [run.seconds for run in runs]
    return f"{min(seconds):.2f}-{max(seconds):.2f}"


def exit_codes(runs: Iterable[Run]) -> str:
    return ",".join(str(code) for code in sorted({run.exit_code for run in runs}))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """As Markdown, aligned."""
    cells = [list(header), *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print("\n".join(lines), flush=True)
