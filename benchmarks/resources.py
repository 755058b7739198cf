"""What the commands take beside the data: memory, and time to start."""

import subprocess
import sys
from pathlib import Path

from benchmarks.bench import Bench, files_of, ours, protocol_files, script
from benchmarks.generate import write_large
from benchmarks.protocol import LARGE, local
from benchmarks.tables import sync
from benchmarks.workload import Bar, Contender, Trial, Workload

_MB = 1_000_000
_GROWS_AT_MOST = 1.1
_BUDGET = "256MB"


def _folders(bench: Bench) -> list[Path]:
    folders = []
    for name, size_bytes in zip(("smaller", "larger"), bench.sizes.memory_bytes, strict=True):
        folder = bench.scratch / name
        folder.mkdir()
        write_large(folder / "large.csv", size_bytes)
        folders.append(folder)
    return folders


def _memory_of_read(bench: Bench) -> Trial:
    smaller, larger = (
        local(bench, folder, "csv", LARGE, name=f"{folder.name} file", alike=None, memory=True)
        for folder in _folders(bench)
    )
    bars = [Bar(larger.name, None, 500 * _MB, "rss"), Bar(larger.name, smaller.name, _GROWS_AT_MOST, "rss")]
    return Trial([smaller, larger], bars)


def _memory_of_sync(bench: Bench) -> Trial:
    contenders = []
    for folder in _folders(bench):
        database = bench.scratch / f"{folder.name}.duckdb"
        command = sync(str(folder), database)
        contenders.append(Contender(f"{folder.name} file", command, database=database, alike=None, memory=True))
    return Trial(contenders, [Bar("larger file", "smaller file", _GROWS_AT_MOST, "rss")])


def _memory_of_s3(bench: Bench) -> Trial:
    contenders = []
    for name, times in (("smaller", 1), ("larger", 4)):
        folder = bench.scratch / name
        folder.mkdir()
        write_large(folder / "large.csv", bench.sizes.object_bytes * times)
        files = protocol_files(bench.scratch, name, bench.bucket(name, files_of(folder)), "csv", LARGE)
        contenders.append(Contender(f"{name} object", ours("source-s3", "read", *files), alike=None, memory=True))
    return Trial(contenders, [Bar("larger object", "smaller object", 1.2, "rss")])


def _budget(bench: Bench) -> Trial:
    """Only the default, as long as the command knows no budget."""
    folder = bench.data.orders("csv", bench.sizes.rows)
    help_ = subprocess.run(ours("file-cdk", "sync", "--help"), check=True, capture_output=True, text=True).stdout
    options: dict[str, list[str]] = {"default": []} | ({_BUDGET: ["--memory", _BUDGET]} if "--memory" in help_ else {})
    contenders = []
    for name, more in options.items():
        database = bench.scratch / f"{name}.duckdb"
        contenders.append(Contender(name, sync(str(folder), database, *more), database=database, memory=True))
    bars = [Bar(_BUDGET, None, 256 * _MB, "rss"), Bar(_BUDGET, "default", 1 / 0.7)]
    return Trial(contenders, bars, bench.sizes.rows)


def _startup(bench: Bench) -> Trial:
    folder = bench.data.orders("csv", 10, 1)
    first, again, alone = (bench.scratch / f"{name}.duckdb" for name in ("first", "again", "alone"))
    unchanged = sync(str(folder), again)
    subprocess.run(unchanged, check=True)
    python, imported = "python -c pass", "import duckdb"
    contenders = [
        Contender("source-s3 spec", ours("source-s3", "spec"), alike=None),
        local(bench, folder, "csv", name="source-local read, 10 rows", alike=None),
        Contender("file-cdk --help", ours("file-cdk", "--help"), alike=None),
        Contender(python, [sys.executable, "-c", "pass"], alike=None),
        Contender("sync, 10 rows", sync(str(folder), first), database=first),
        Contender("duckdb, 10 rows", script("duckdb_load.py", "csv", str(folder), str(alone)), database=alone),
        Contender("sync, nothing new", unchanged, database=again, fresh=False),
        Contender(imported, [sys.executable, "-c", imported], alike=None),
    ]
    bars = [
        Bar("source-s3 spec", python, 6),
        Bar("source-local read, 10 rows", python, 16),
        Bar("sync, 10 rows", "duckdb, 10 rows", 1.8),
        Bar("sync, nothing new", imported, 1.5),
    ]
    return Trial(contenders, bars)


WORKLOADS = [
    Workload("startup", "starting", _startup),
    Workload("memory-read", "memory, CSV of 500 MB and of 5 GB, to protocol", _memory_of_read),
    Workload("memory-sync", "memory, CSV of 500 MB and of 5 GB, into DuckDB", _memory_of_sync),
    Workload("memory-s3", "memory, objects of 500 MB and of 2 GB, to protocol", _memory_of_s3),
    Workload("memory-budget", "CSV, 1M rows, into DuckDB, within 256 MB", _budget),
]
