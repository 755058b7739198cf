"""Time of `file-cdk sync DIR --to x.duckdb`, next to DuckDB's own reading of the same CSV files.

    python benchmarks/sync_duckdb.py [DATA] [--runs 5]

DATA is a folder that generate.py wrote; without it, 1M rows are written to a temporary one. Each run makes a new database
in a process of its own; runs of the two alternate. Seconds are medians. Exits 1 if the tables differ in their rows.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
from generate import generate
from measuring import Run, alone, exit_codes, median, print_table, spread

ONE_STATEMENT = """
import sys, duckdb
duckdb.connect(sys.argv[1]).execute("CREATE TABLE t AS SELECT * FROM read_csv(?)", [sys.argv[2]])
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--command", default="file-cdk", help="the command to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or Path(scratch, "data")
        if arguments.data is None:
            generate(data, rows=1_000_000, files=4, formats=["csv"])
        folder = data / "csv"
        tools: dict[str, Callable[[Path], list[str]]] = {
            "file-cdk sync": lambda database: [
                arguments.command, "sync", str(folder), "--to", str(database), "--table", "t", "--quiet"
            ],
            "duckdb read_csv": lambda database: [
                sys.executable, "-c", ONE_STATEMENT, str(database), f"{folder}/*.csv"
            ],
        }  # fmt: skip
        runs: dict[str, list[Run]] = {name: [] for name in tools}
        counted: dict[str, int | None] = {}
        for number in range(arguments.runs + 1):
            for name, command in tools.items():
                database = Path(scratch, f"{name}-{number}.duckdb")
                run = alone(command(database))
                counted[name] = None if run.exit_code else count_rows(database)
                database.unlink(missing_ok=True)
                if number:  # the first of each only fills the page cache
                    runs[name].append(run)
    reference = median(runs["duckdb read_csv"])
    print_table(
        ("tool", "seconds", "range", "ratio", "rows", "exit"),
        [
            (
                name,
                f"{median(done):.2f}",
                spread(done),
                f"{median(done) / reference:.2f}x",
                counted[name],
                exit_codes(done),
            )
            for name, done in runs.items()
        ],
    )
    return 0 if len(set(counted.values())) == 1 and None not in counted.values() else 1


def count_rows(database: Path) -> int:
    with duckdb.connect(str(database), read_only=True) as connection:
        (number,) = connection.execute("SELECT count(*) FROM t").fetchall()[0]
    return int(number)


if __name__ == "__main__":
    sys.exit(main())
