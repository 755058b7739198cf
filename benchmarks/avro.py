"""Time of `source-local read` on Avro files into a pipe, next to one process of fastavro over the same files.

    python benchmarks/avro.py [DATA] [--runs 5]

DATA is a folder with *.avro files; without it, 1M rows of 11 nullable fields (deflate, four files) are written to a temporary
one. Contenders take turns; each run is a process of its own. "fastavro" iterates over its reader and does nothing with the
records; "fastavro, json" prints them with json.dumps; "file_cdk, fastavro only" is what a user without polars-avro gets.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import fastavro
from generate import _MACROS as MACROS
from generate import _ROWS as ROWS
from measuring import Command, Run, exit_codes, into_pipe, median, print_table, spread
from source_files import write_source_files

HEADER = ("contender", "seconds", "range", "rows/s", "ratio", "lines", "MB out", "exit")

NOT_FOUND = "raise ImportError('left out for a benchmark')\n"
ITERATE = """
import sys, fastavro
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        for record in fastavro.reader(file):
            pass
"""
PRINT = """
import json, sys, fastavro
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        for record in fastavro.reader(file):
            sys.stdout.write(json.dumps(record, default=str) + "\\n")
"""
SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": name, "type": ["null", kind]}
        for name, kind in {
            "id": "long",
            "customer_id": "long",
            "quantity": "int",
            "amount": "double",
            "tax": "double",
            "status": "string",
            "comment": "string",
            "flag": "boolean",
            "ship_date": {"type": "int", "logicalType": "date"},
            "created_at": {"type": "long", "logicalType": "timestamp-micros"},
            "note": "string",
        }.items()
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--source", default="source-local", help="the command to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or Path(scratch, "avro")
        if arguments.data is None:
            write_files(data, rows=1_000_000, files=4)
        paths = [str(path) for path in sorted(data.glob("**/*.avro"))]
        source = [arguments.source]
        (Path(scratch) / "without").mkdir()
        (Path(scratch) / "without" / "polars_avro.py").write_text(NOT_FOUND)
        read = write_source_files(source, data, "avro", Path(scratch, "config")).read(source)
        commands: dict[str, Command] = {
            "fastavro": [sys.executable, "-c", ITERATE, *paths],
            "fastavro, json": [sys.executable, "-c", PRINT, *paths],
            "file_cdk": read,
            "file_cdk, fastavro only": ["env", f"PYTHONPATH={scratch}/without", *read],
        }
        print_table(HEADER, compare(commands, arguments.runs, count(paths)))


def compare(commands: dict[str, Command], runs: int, records: int) -> Iterator[tuple[object, ...]]:
    into_pipe(commands["file_cdk"])  # the files are in the page cache for all that follow
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(into_pipe(command))
    base = median(found["fastavro"])
    for name, done in found.items():
        seconds, last = median(done), done[-1]
        ratio = f"{base / seconds:.2f}x as fast"
        speed, size = f"{records / seconds:,.0f}", f"{last.size_bytes / 1e6:.0f}"
        yield (name, f"{seconds:.2f}", spread(done), speed, ratio, f"{last.lines:,}", size, exit_codes(done))


def count(paths: list[str]) -> int:
    records = 0
    for path in paths:
        with Path(path).open("rb") as file:
            records += sum(block.num_records for block in fastavro.block_reader(file))
    return records


def write_files(out: Path, *, rows: int, files: int) -> None:
    """The rows of generate.py."""
    out.mkdir(parents=True)
    for part in range(files):
        with duckdb.connect() as connection, (out / f"part-{part:04}.avro").open("wb") as file:
            connection.execute(MACROS)
            chosen = connection.execute(ROWS.format(first=rows * part // files, last=rows * (part + 1) // files))
            fastavro.writer(file, SCHEMA, records_of(chosen), codec="deflate")


def records_of(chosen: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in chosen.description or ()]
    while found := chosen.fetchmany(10_000):
        for values in found:
            record = dict(zip(names, values, strict=True))
            created_at: datetime = record["created_at"]
            yield record | {
                "created_at": created_at.replace(tzinfo=UTC),
                "tax": float(record["tax"]),
                "amount": float(record["amount"]),
            }


if __name__ == "__main__":
    main()
