"""The chart of a run: how long each contender takes, as a multiple of the first one of its workload."""

import math
import statistics
from collections.abc import Iterable
from html import escape

from benchmarks.report import Json

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _GAP = 860, 330, 70, 46, 19, 13
_LOWEST = 0.25
_TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 } .small { font-size: 11px; fill: #57606a }
line { stroke: #d0d7de } .one { stroke: #57606a } .range { stroke: #8c959f; stroke-width: 3; stroke-linecap: round }
.first { fill: #0969da } .other { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } line { stroke: #30363d } .one, .range { stroke: #9198a1 }
  .first { fill: #4493f8 } .other { fill: #f0883e }
}
"""


def svg(workloads: Iterable[Json]) -> str:
    """A dot for each median, a line from the fastest to the slowest run, time on a logarithmic scale."""
    shown = [workload for workload in workloads if len(workload["contenders"]) > 1]
    highest = max([2.0, *(_slowest(workload) for workload in shown)])
    ticks = [tick for tick in _TICKS if tick <= highest * 1.3]
    rows = sum(len(workload["contenders"]) + 1 for workload in shown)
    height = _TOP + rows * _ROW + len(shown) * _GAP + 10

    def x(multiple: float) -> float:
        scale = (_WIDTH - _LEFT - _RIGHT) / math.log(highest / _LOWEST)
        return round(_LEFT + scale * math.log(max(multiple, _LOWEST) / _LOWEST), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<style>{_STYLE}</style>",
        f'<text class="small" x="{_LEFT}" y="14">time, as a multiple of the first of each group</text>',
    ]
    for tick in ticks:
        kind = ' class="one"' if tick == 1 else ""
        parts.append(f'<line{kind} x1="{x(tick)}" x2="{x(tick)}" y1="{_TOP - 8}" y2="{height - 6}"/>')
        parts.append(f'<text class="small" x="{x(tick)}" y="{_TOP - 14}" text-anchor="middle">{tick:g}×</text>')
    y = _TOP + 6
    for workload in shown:
        parts.append(f'<text class="title" x="10" y="{y + 4}">{escape(workload["title"])}</text>')
        first = statistics.median(workload["contenders"][0]["seconds"])
        for number, contender in enumerate(workload["contenders"]):
            y += _ROW
            median = statistics.median(contender["seconds"])
            fastest, slowest = x(min(contender["seconds"]) / first), x(max(contender["seconds"]) / first)
            parts += [
                f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(contender["name"])}</text>',
                f'<line class="range" x1="{fastest}" x2="{slowest}" y1="{y}" y2="{y}"/>',
                f'<circle class="{"other" if number else "first"}" cx="{x(median / first)}" cy="{y}" r="5"/>',
                f'<text class="small" x="{max(slowest, x(median / first)) + 9}" y="{y + 4}">{_seconds(median)}</text>',
            ]
        y += _ROW + _GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _slowest(workload: Json) -> float:
    first = statistics.median(workload["contenders"][0]["seconds"])
    return float(max(max(contender["seconds"]) for contender in workload["contenders"]) / first)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.3g} s"
