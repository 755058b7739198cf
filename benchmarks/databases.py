"""CSV files into a new table of a Postgres server on this machine, next to psql's own \\copy.

The CPU of a contender is without the server's.
"""

from benchmarks.bench import Bench, ours, script
from benchmarks.generate import ORDER_COLUMNS
from benchmarks.workload import Bar, Contender, Trial, Workload
from file_cdk.testing.servers.postgres import PostgresServer

_COPY = "psql \\copy"
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
    folder = bench.data.orders("csv", bench.sizes.rows)
    server = bench.servers.enter_context(PostgresServer())
    columns = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in ORDER_COLUMNS)
    copying = server.psql("theirs")
    for path in sorted(folder.glob("**/*.csv")):
        copying += ["-c", f"\\copy t FROM '{path}' (FORMAT csv, HEADER)"]
    mine = ours("file-cdk", "sync", str(folder), "--to", server.url("ours"), "--table", "t", "--quiet")
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


WORKLOADS = [Workload("sync-postgres", "CSV, 1M rows, into Postgres", _postgres)]
