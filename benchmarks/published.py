"""What the documentation shows of a run: `python -m benchmarks chart FILE … --docs docs` writes it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.chart import svg

HEADLINES = ("csv", "jsonl", "parquet", "excel", "s3-csv", "s3-small", "sync-csv", "sync-parquet", "sync-s3-csv")
"""Of the chart in the README."""

_SECTIONS: Mapping[str, Sequence[str]] = {
    "Starts": ("startup",),
    "Files into the Airbyte protocol": (
        *("csv", "jsonl", "parquet", "avro", "excel", "gzip", "per-core", "wide", "nested", "long", "small", "growth"),
        *("workers-csv", "workers-jsonl", "workers-avro", "workers-gz"),
    ),
    "From S3": ("s3-csv", "s3-jsonl", "s3-parquet", "s3-small", "s3-large", "s3-listing"),
    "Into tables": (
        *("sync-csv", "sync-jsonl", "sync-parquet", "sync-s3-csv", "sync-s3-jsonl", "sync-s3-parquet"),
        *("sync-postgres", "sync-sqlite", "sync-files", "sync-delta", "sync-iceberg", "destination-write"),
    ),
    "From Python": ("python-read-csv", "python-read-jsonl", "python-read-parquet"),
    "APIs": ("api-pages", "api-cursor", "api-substreams", "api-streams"),
    "Memory": (
        *("memory-read", "memory-sync", "memory-s3", "memory-budget", "memory-python-read", "destination-memory"),
        *("apis-memory", "apis-memory-sync"),
    ),
}
_BEGIN, _END = "<!-- measured -->\n", "<!-- /measured -->\n"


def publish(docs: Path, workloads: Sequence[report.Json], machine: report.Json, started_at: str) -> None:
    """Writes the figures, the chart of the headlines, and the tables of docs/benchmarks.md, between its two marks."""
    pictures = docs / "pictures"
    results = {"started_at": started_at, "machine": machine, "quick": False, "workloads": list(workloads)}
    report.write(pictures / "benchmarks.json", results)
    (pictures / "benchmarks.svg").write_text(chart(workloads), encoding="utf-8")
    page = docs / "benchmarks.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}{tables(results)}{_END}{after}", encoding="utf-8")


def chart(workloads: Iterable[report.Json]) -> str:
    named = {workload["name"]: workload for workload in workloads}
    return svg(named[name] for name in HEADLINES if name in named)


def tables(results: report.Json) -> str:
    """The figures of a run as sections of the page."""
    return "".join(_lines(results))


def _lines(results: report.Json) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"\nMeasured on {results['started_at'][:10]}, on a machine with {machine['cores']} cores ({machine['cpu']}) and "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB of memory, {machine['system']}, Python {machine['python']}.\n"
    )
    named = {workload["name"]: workload for workload in results["workloads"]}
    for title, names in _SECTIONS.items():
        if present := [named[name] for name in names if name in named]:
            yield f"\n## {title}\n\n{report.table(present, with_bars=False)}"
    yield "\n"
