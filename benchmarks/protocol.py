"""Local files to protocol messages, next to a bare reader and to airbyte-cdk."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, ours, protocol_files, script
from benchmarks.generate import LARGE_COLUMNS, ORDER_COLUMNS, WIDE_COLUMNS
from benchmarks.workload import Bar, Contender, Trial, Workload

CORES = len(os.sched_getaffinity(0))
LARGE = dict.fromkeys(LARGE_COLUMNS, "string")
_BARE = f"bare, {CORES} processes"
_PEER = "airbyte-cdk"
_SHEET = {
    "id": "number",
    "name": "string",
    "amount": "number",
    "paid": "boolean",
    "day": "string",
    "at": "string",
    "city": "string",
    "code": "string",
    "quantity": "number",
    "share": "number",
    "note": "string",
}
_NESTED = {"id": "integer", "customer": "object", "items": "array", "attributes": "object"}


def local(
    bench: Bench,
    folder: Path,
    filetype: str,
    columns: Mapping[str, str] = ORDER_COLUMNS,
    *,
    name: str = "file_cdk",
    workers: int | None = None,
    alike: str | None = "data",
    memory: bool = False,
) -> Contender:
    files = protocol_files(bench.scratch, folder.name, {"path": str(folder.resolve())}, filetype, columns)
    more = [] if workers is None else ["--workers", str(workers)]
    return Contender(name, ours("source-local", "read", *files, *more), alike=alike, memory=memory)


def bare(folder: Path, filetype: str, *, name: str = _BARE, workers: int = CORES, alike: str = "data") -> Contender:
    return Contender(name, script("floor.py", filetype, str(folder), "t", str(workers)), alike=alike)


def _orders(filetype: str, to_bare: float, to_peer: float | None, bench: Bench) -> Trial:
    folder = bench.data.orders(filetype, bench.sizes.rows)
    contenders = [local(bench, folder, filetype), bare(folder, filetype)]
    bars = [Bar("file_cdk", _BARE, to_bare)]
    if filetype == "csv":
        contenders += bench.peer("polars", "polars", "polars_lines.py", str(folder), "t")
    if filetype == "avro":
        only = script("fastavro_rows.py", str(folder))
        contenders.append(Contender("fastavro, nothing printed", only, printing=[*only, "t"]))
    if to_peer is not None:
        files = protocol_files(
            bench.scratch, f"peer-{filetype}", {"path": str(folder.resolve())}, filetype, ORDER_COLUMNS
        )
        contenders += bench.peer(_PEER, _PEER, "airbyte_folder.py", "read", *files)
        bars.append(Bar("file_cdk", _PEER, to_peer))
    return Trial(contenders, bars, bench.sizes.rows)


def _sheet(bench: Bench) -> Trial:
    folder = bench.data.workbook(bench.sizes.sheet_rows)
    contenders = [local(bench, folder, "excel", _SHEET)]
    python = bench.peers.python("openpyxl")
    if python is not None:
        only = [python, *script("openpyxl_rows.py", str(folder))[1:]]
        contenders.append(Contender("openpyxl, nothing printed", only, peer="openpyxl", printing=[*only, "t"]))
    return Trial(contenders, [Bar("file_cdk", "openpyxl, nothing printed", 1 / 7)], bench.sizes.sheet_rows)


def _gzip(bench: Bench) -> Trial:
    rows = bench.sizes.rows
    packed = local(bench, bench.data.orders("gz", rows), "csv", name="gzip")
    plain = local(bench, bench.data.orders("csv", rows), "csv", name="plain")
    return Trial([packed, plain], [Bar("gzip", "plain", 1.2)], rows)


def _per_core(bench: Bench) -> Trial:
    rows = bench.sizes.many_rows
    folder = bench.data.orders("csv", rows)
    one = "bare, 1 process"
    contenders = [local(bench, folder, "csv"), bare(folder, "csv", name=one, workers=1)]
    return Trial(contenders, [Bar("file_cdk", one, 1 / 0.9, times=CORES, what="per core")], rows)


def _wide(bench: Bench) -> Trial:
    columns = {f"column_{column:04}": "string" for column in range(WIDE_COLUMNS)}
    folder = bench.data.wide(bench.sizes.wide_rows)
    return Trial([local(bench, folder, "csv", columns), bare(folder, "csv")], rows=bench.sizes.wide_rows)


def _nested(bench: Bench) -> Trial:
    folder = bench.data.nested(bench.sizes.nested_rows)
    return Trial([local(bench, folder, "jsonl", _NESTED), bare(folder, "jsonl")], rows=bench.sizes.nested_rows)


def _long(bench: Bench) -> Trial:
    folder = bench.data.long_strings(bench.sizes.long_rows)
    columns = {"id": "integer", "text": "string"}
    return Trial([local(bench, folder, "jsonl", columns), bare(folder, "jsonl")], rows=bench.sizes.long_rows)


def _small(bench: Bench) -> Trial:
    count = bench.sizes.small_files
    folder = bench.data.small(count)
    bar = Bar("file_cdk", None, 300e-6, "cpu_seconds", times=1 / count, what="CPU a file")
    return Trial([local(bench, folder, "csv", LARGE), bare(folder, "csv")], [bar], count)


def _grown(bench: Bench) -> Trial:
    contenders = []
    for times in bench.sizes.grown:
        folder, alike = bench.data.orders("csv", bench.sizes.rows * times, 4 * times), f"{times}"
        contenders.append(local(bench, folder, "csv", name=f"file_cdk, data × {times}", alike=alike))
        contenders.append(bare(folder, "csv", name=f"bare, data × {times}", alike=alike))
    return Trial(contenders)


def _workers(filetype: str, bench: Bench) -> Trial:
    folder = bench.data.orders(filetype, bench.sizes.rows, 16)
    format_ = "csv" if filetype == "gz" else filetype
    one, two = (local(bench, folder, format_, name=f"{n} worker{'s' * (n > 1)}", workers=n) for n in (1, 2))
    return Trial([two, one], [Bar(two.name, one.name, 1 / 1.8)], bench.sizes.rows)


WORKLOADS = [
    Workload("csv", "CSV, 1M rows, to protocol", partial(_orders, "csv", 1.0, 1 / 40)),
    Workload("jsonl", "JSON lines, 1M rows, to protocol", partial(_orders, "jsonl", 1.2, 1 / 45)),
    Workload("parquet", "Parquet, 1M rows, to protocol", partial(_orders, "parquet", 1.2, 1 / 125)),
    Workload("avro", "Avro, 1M rows, to protocol", partial(_orders, "avro", 0.95, None)),
    Workload("excel", "a workbook of 200,000 rows, to protocol", _sheet),
    Workload("gzip", "CSV packed by gzip, 1M rows, to protocol", _gzip),
    Workload("per-core", "CSV, 10M rows, to protocol, per core", _per_core),
    Workload("wide", "CSV of 1,000 columns, 10,000 rows, to protocol", _wide),
    Workload("nested", "nested JSON lines, 400,000 rows, to protocol", _nested),
    Workload("long", "JSON lines of 100 KB, 2,000 rows, to protocol", _long),
    Workload("small", "20,000 CSV files of 4 KB, to protocol", _small),
    Workload("growth", "CSV, 1M, 2M and 4M rows, to protocol", _grown),
    *(
        Workload(f"workers-{kind}", f"{said}, 1M rows in 16 files, 1 and 2 workers", partial(_workers, kind))
        for kind, said in {"csv": "CSV", "jsonl": "JSON lines", "avro": "Avro", "gz": "CSV packed by gzip"}.items()
    ),
]
