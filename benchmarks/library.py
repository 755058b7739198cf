"""Files into the memory of a Python program, next to polars' own readers."""

from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, script
from benchmarks.workload import Bar, Contender, Trial, Workload

_POLARS = "polars' own reader"


def _into_polars(filetype: str, bench: Bench) -> Trial:
    folder = bench.data.orders(filetype, bench.sizes.rows)
    contenders = [_read("file_cdk", "file_cdk", filetype, folder), _read(_POLARS, "polars", filetype, folder)]
    return Trial(contenders, [Bar("file_cdk", _POLARS, 1.5)], bench.sizes.rows)


def _read(name: str, reader: str, filetype: str, folder: Path) -> Contender:
    command = script("python_read.py", reader, filetype, str(folder))
    return Contender(name, command, printing=[*command, "--print"])


def _memory(bench: Bench) -> Trial:
    contenders = []
    for name, times in (("smaller", 1), ("larger", 4)):
        folder = bench.data.orders("csv", bench.sizes.rows * times)
        command = script("python_read.py", "batches", "csv", str(folder))
        contenders.append(Contender(f"{name} folder", command, alike=None, memory=True))
    return Trial(contenders, [Bar("larger folder", "smaller folder", 1.1, "rss")])


WORKLOADS = [
    *(
        Workload(f"python-read-{filetype}", f"{said}, 1M rows, into polars", partial(_into_polars, filetype))
        for filetype, said in (("csv", "CSV"), ("jsonl", "JSON lines"), ("parquet", "Parquet"))
    ),
    Workload("memory-python-read", "CSV, batch by batch: 1M and 4M rows, memory", _memory),
]
