"""What a run of the benchmarks says: JSON, from which the table and the chart are drawn."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measuring import Run
from benchmarks.workload import Trial, Workload

Json = dict[str, Any]
_HEADER = ("workload", "contender", "seconds", "range", "CPU s", "rows/s", "memory MB", "to the first", "bar")


def machine() -> Json:
    cpu = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal:")]
    return {
        "cpu": cpu[0] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory[0] if memory else None,
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "commit": _commit(),
    }


def outcome(workload: Workload, trial: Trial, runs: Mapping[str, Sequence[Run]], versions: Mapping[str, str]) -> Json:
    """Of one workload. load: the machine's, when it ended."""
    return {
        "name": workload.name,
        "title": workload.title,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": round(os.getloadavg()[0], 2),
        "rows": trial.rows,
        "contenders": [
            {
                "name": contender.name,
                "version": versions.get(contender.peer or ""),
                "seconds": [round(run.seconds, 4) for run in runs[contender.name]],
                "cpu_seconds": [round(run.cpu_seconds, 4) for run in runs[contender.name]],
                "rss": [run.rss for run in runs[contender.name]],
                "pss": [run.pss for run in runs[contender.name]],
            }
            for contender in trial.contenders
        ],
        "bars": [
            {"of": bar.of, "to": bar.to, "figure": bar.figure, "what": bar.what, "at_most": bar.at_most, "value": value}
            for bar in trial.bars
            if (value := bar.value(runs)) is not None
        ],
    }


def write(path: Path, results: Json) -> None:
    making = path.with_suffix(".making")
    making.write_text(json.dumps(results, indent=1) + "\n")
    making.replace(path)


def load(paths: Iterable[Path]) -> list[Json]:
    """The workloads of several files; where two have the same one, that of the later."""
    found: dict[str, Json] = {}
    for path in paths:
        found |= {workload["name"]: workload for workload in load_run(path)["workloads"]}
    return list(found.values())


def load_run(path: Path) -> Json:
    run: Json = json.loads(path.read_text(encoding="utf-8"))
    return run


def missed(workload: Json) -> list[Json]:
    return [bar for bar in workload["bars"] if bar["value"] > bar["at_most"]]


def table(workloads: Iterable[Json], *, with_bars: bool = True) -> str:
    """Markdown, aligned. Medians; the range is from the fastest run to the slowest."""
    count = len(_HEADER) if with_bars else -1
    cells = [row[:count] for row in (_HEADER, *(row for workload in workloads for row in _rows(workload)))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def _rows(workload: Json) -> Iterator[tuple[str, ...]]:
    first = statistics.median(workload["contenders"][0]["seconds"])
    for number, contender in enumerate(workload["contenders"]):
        seconds = statistics.median(contender["seconds"])
        named = contender["name"] + (f" {contender['version']}" if contender["version"] else "")
        yield (
            workload["title"] if number == 0 else "",
            named,
            f"{seconds:.3f}",
            f"{min(contender['seconds']):.2f}-{max(contender['seconds']):.2f}",
            f"{statistics.median(contender['cpu_seconds']):.2f}",
            f"{workload['rows'] / seconds:,.0f}" if workload["rows"] else "",
            f"{statistics.median(contender['rss']) / 1e6:.0f}" if any(contender["rss"]) else "",
            f"{seconds / first:.2f}",
            "; ".join(_bar(bar) for bar in workload["bars"] if bar["of"] == contender["name"]),
        )


def _bar(bar: Json) -> str:
    value, at_most = (_number(bar[key], bar) for key in ("value", "at_most"))
    beside = f" of {bar['to']}" if bar["to"] else ""
    what = f" {bar['what']}" if bar["what"] else {"rss": " memory"}.get(bar["figure"], "")
    return f"{value}{what}{beside}, {'at most' if bar['value'] <= bar['at_most'] else 'MISSES'} {at_most}"


def _number(value: float, bar: Json) -> str:
    if bar["to"] is None:
        return f"{value / 1e6:.0f} MB" if bar["figure"] == "rss" else f"{value * 1e6:.0f} µs"
    return f"{value:.2f}" if value > 0.5 else f"1/{1 / value:.1f}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _commit() -> str | None:
    """None outside of a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
