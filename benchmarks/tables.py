"""Files into a new DuckDB database, next to DuckDB's own readers, dlt, and PyAirbyte with airbyte-source-s3."""

from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, files_of, ours, protocol_files, with_environment
from benchmarks.generate import ORDER_COLUMNS
from benchmarks.workload import Bar, Contender, Trial, Workload

_DUCKDB = "DuckDB's own reader"


def sync(source: str, database: Path, *more: str) -> list[str]:
    return ours("file-cdk", "sync", source, "--to", str(database), "--table", "t", "--quiet", *more)


def _local(filetype: str, to_duckdb: float, bench: Bench) -> Trial:
    folder = bench.data.orders(filetype, bench.sizes.rows)
    mine, duckdb, dlt = (bench.scratch / f"{name}.duckdb" for name in ("ours", "duckdb", "dlt"))
    contenders = [Contender("file_cdk", sync(str(folder), mine), database=mine)]
    contenders += bench.peer(_DUCKDB, "duckdb", "duckdb_load.py", filetype, str(folder), str(duckdb), database=duckdb)
    contenders += bench.peer("dlt", "dlt", "dlt_load.py", filetype, str(folder), str(dlt), database=dlt)
    bars = [Bar("file_cdk", _DUCKDB, to_duckdb), Bar("file_cdk", "dlt", 1 / 2)]
    return Trial(contenders, bars, bench.sizes.rows)


def _from_s3(filetype: str, bench: Bench) -> Trial:
    config = bench.bucket(f"sync-{filetype}", files_of(bench.data.orders(filetype, bench.sizes.rows)))
    environment = with_environment(
        AWS_ENDPOINT_URL=config["endpoint"],
        AWS_REGION=config["region_name"],
        AWS_ACCESS_KEY_ID=config["aws_access_key_id"],
        AWS_SECRET_ACCESS_KEY=config["aws_secret_access_key"],
    )
    mine, theirs = (bench.scratch / f"{name}.duckdb" for name in ("ours", "theirs"))
    source = f"s3://{config['bucket']}/**/*.{filetype}"
    contenders = [Contender("file_cdk", sync(source, mine), environment=environment, database=mine)]
    executable = bench.peers.command("airbyte-source-s3", "source-s3")
    if executable is not None:
        given = protocol_files(bench.scratch, "airbyte-load", config, filetype, ORDER_COLUMNS)[1]
        contenders += bench.peer(
            "PyAirbyte", "airbyte", "airbyte_load.py", executable, given, str(theirs), database=theirs
        )
    return Trial(contenders, [Bar("file_cdk", "PyAirbyte", 1 / 40)], bench.sizes.rows)


_FORMATS = {"csv": ("CSV", 1.5), "jsonl": ("JSON lines", 1.8), "parquet": ("Parquet", 1.5)}

WORKLOADS = [
    *(
        Workload(f"sync-{filetype}", f"{said}, 1M rows, into DuckDB", partial(_local, filetype, to_duckdb))
        for filetype, (said, to_duckdb) in _FORMATS.items()
    ),
    *(
        Workload(f"sync-s3-{filetype}", f"{said}, 1M rows, from S3 into DuckDB", partial(_from_s3, filetype))
        for filetype, (said, _) in _FORMATS.items()
    ),
]
