"""CSV files into a new table of a Postgres server on this machine, next to psql's own \\copy; into a SQLite database, next to
sqlite-utils; into Parquet files, next to DuckDB's COPY; and into Delta and Iceberg, next to the formats' own libraries, which
write what we read.

The CPU of a contender is without the server's.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, contender, ours, script
from benchmarks.generate import ORDER_COLUMNS
from benchmarks.workload import Bar, Contender, Trial, Workload
from file_cdk.testing.servers.postgres import PostgresServer

_COPY, _DUCKDB = "psql \\copy", "DuckDB's COPY"
_TYPES = {
    "id": "BIGINT",
    "customer_id": "BIGINT",
    "quantity": "BIGINT",
    "amount": "NUMERIC(18, 2)",
    "tax": "NUMERIC(18, 4)",
    "flag": "BOOLEAN",
    "ship_date": "DATE",
    "created_at": "TIMESTAMP",
}
"""As file_cdk finds them; of the other columns TEXT."""


def _postgres(bench: Bench) -> Trial:
    folder = _folder(bench)
    server = bench.servers.enter_context(PostgresServer())
    columns = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in ORDER_COLUMNS)
    copying = server.psql("theirs")
    for path in sorted(folder.glob("**/*.csv")):
        copying += ["-c", f"\\copy t FROM '{path}' (FORMAT csv, HEADER)"]
    mine = _sync(folder, server.url("ours"))
    contenders = [
        _contender(server, "file_cdk", "ours", mine, []),
        _contender(server, _COPY, "theirs", copying, [f"CREATE TABLE t ({columns})"]),
    ]
    return Trial(contenders, [Bar("file_cdk", _COPY, 1.3)], bench.sizes.rows)


def _contender(server: PostgresServer, name: str, database: str, command: list[str], tables: list[str]) -> Contender:
    emptying = [*server.psql(), "-c", "SET client_min_messages = warning"]
    emptying += ["-c", f"DROP DATABASE IF EXISTS {database}", "-c", f"CREATE DATABASE {database}"]
    for sql in tables:
        emptying += ["-c", f"\\connect {database}", "-c", sql]
    rows = script("postgres_rows.py", ",".join(ORDER_COLUMNS), *server.psql(database), "--", *command)
    return Contender(name, command, printing=rows, emptying=emptying)


def _sqlite(bench: Bench) -> Trial:
    folder, mine, theirs = _folder(bench), bench.scratch / "ours.sqlite", bench.scratch / "theirs.sqlite"
    contenders = [_landing("file_cdk", "sqlite", mine, _sync(folder, str(mine)))]
    python = bench.peers.python("sqlite-utils")
    if python is not None:
        command = [python, *contender("sqlite_utils_load.py", str(folder), str(theirs))]
        contenders.append(_landing("sqlite-utils", "sqlite", theirs, command, peer="sqlite-utils", slow=True))
    return Trial(contenders, [Bar("file_cdk", "sqlite-utils", 1 / 3)], bench.sizes.rows)


def _files(bench: Bench) -> Trial:
    folder, mine, theirs = _folder(bench), bench.scratch / "ours", bench.scratch / "theirs.parquet"
    sql = f"COPY (SELECT * FROM read_csv('{folder}/**/*.csv')) TO '{theirs}'"
    copying = [sys.executable, "-c", f"import duckdb; duckdb.sql({sql!r})"]
    contenders = [
        _landing("file_cdk", "parquet", mine, _sync(folder, f"{mine}/"), "/t/*.parquet"),
        _landing(_DUCKDB, "parquet", theirs, copying),
    ]
    return Trial(contenders, [Bar("file_cdk", _DUCKDB, 1.3)], bench.sizes.rows)


def _lake(kind: str, bench: Bench) -> Trial:
    folder, mine, theirs = _folder(bench), bench.scratch / "ours", bench.scratch / "theirs"
    own = f"our read, {kind}'s library"
    contenders = [
        _landing("file_cdk", "parquet", mine, _sync(folder, f"{kind}:{mine}/"), "/**/*.parquet"),
        _landing(own, "parquet", theirs, script("lake_write.py", kind, str(folder), str(theirs)), "/**/*.parquet"),
    ]
    return Trial(contenders, [Bar("file_cdk", own, 1.0)], bench.sizes.rows)


def _folder(bench: Bench) -> Path:
    return bench.data.orders("csv", bench.sizes.rows)


def _sync(folder: Path, to: str) -> list[str]:
    return ours("file-cdk", "sync", str(folder), "--to", to, "--table", "t", "--quiet")


def _landing(name: str, filetype: str, path: Path, command: list[str], pattern: str = "", **more: Any) -> Contender:
    kinds = {column: _TYPES.get(column, "TEXT").partition("(")[0] for column in ORDER_COLUMNS}
    types = ",".join(f"{column}={kind}" for column, kind in kinds.items())
    printing = script("landed_rows.py", filetype, f"{path}{pattern}", types, "--", *command)
    return Contender(name, command, printing=printing, emptying=["rm", "-rf", str(path)], **more)


WORKLOADS = [
    Workload("sync-postgres", "CSV, 1M rows, into Postgres", _postgres),
    Workload("sync-sqlite", "CSV, 1M rows, into SQLite", _sqlite),
    Workload("sync-files", "CSV, 1M rows, into Parquet files", _files),
    Workload("sync-delta", "CSV, 1M rows, into a Delta table", partial(_lake, "delta")),
    Workload("sync-iceberg", "CSV, 1M rows, into an Iceberg table", partial(_lake, "iceberg")),
]
