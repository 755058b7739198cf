"""How `file-cdk sync`, what may be asked of its ledger, and an incremental `source-local read` grow with the number of files,
each a CSV file of 1 KB.

    python -m benchmarks.growth [--sizes 1000,10000,100000] [--last N] [--no-read] [--peer-python PEER] [--scratch DIR]

Each size: one tree of folders of 1,000 files; a sync into a new DuckDB database, a second one that finds nothing new; `explain`,
`ls --to`, `status` and `state show` of these; a read with an empty state, and the same by airbyte-cdk where PEER, an environment
that has it, is given.

--last N: for a million files in minutes. All files but the last N are entered into the ledger and the table beforehand, by
SQL, and the sync loads N: its CPU, less that of the sync that finds nothing new, is what a file costs at that size.

CPU seconds are of all processes. The table says how busy the machine was: where its load is above its number of CPUs,
seconds say little. Linux only; a million files take 4 GB of space and a million inodes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.bench import contender, protocol_files
from benchmarks.measuring import Command, CommandError, Run, measure
from file_cdk.readers.local import LocalReader

MB = 1_000_000
ROWS_PER_FILE = 16
FILES_PER_FOLDER = 1000
_PART = 50_000
_SAMPLED_EVERY_S = 0.05
_STATE_SIZES = """
import sys
count = last = total = 0
for line in sys.stdin.buffer:
    if line.startswith((b'{"type":"STATE"', b'{"type": "STATE"')):
        count, last, total = count + 1, len(line), total + len(line)
print(count, last, total)
"""
"""Prints once, at the end: what it prints is read then, and waits in a pipe until it is."""
_COLUMNS = dict.fromkeys(("id", "name", "amount", "created_at", "note"), "string")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of files")
    parser.add_argument("--last", type=int, metavar="N", help="load only the last N files of each size")
    parser.add_argument("--no-read", action="store_true", help="leave the protocol out")
    parser.add_argument("--peer-python", help="Python of an environment that has airbyte-cdk[file-based]")
    parser.add_argument("--peer-limit", type=int, default=10_000, metavar="N", help="largest size that the peer reads")
    parser.add_argument("--scratch", type=Path, help="folder for the data; a temporary one by default")
    parser.add_argument("--command", default="file-cdk", help="the sync command to measure")
    parser.add_argument("--source", default="source-local", help="the source command to measure")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as made:
        scratch = Path(made)
        print_header()
        for files in sizes:
            folder, database = scratch / f"{files}", scratch / f"{files}.duckdb"
            sync = [arguments.command, "sync", str(folder), "--to", str(database), "--table", "t", "--quiet"]
            measure_sync(folder, database, files, arguments.last, sync)
            measure_questions(arguments.command, folder, database, files)
            if arguments.no_read:
                continue
            sources = {arguments.source: [arguments.source]}
            if arguments.peer_python and files <= arguments.peer_limit:
                sources["airbyte-cdk"] = [arguments.peer_python, *contender("airbyte_folder.py")]
            given = protocol_files(scratch, f"{files}-read", {"path": str(folder)}, "csv", _COLUMNS, "incremental")
            for name, source in sources.items():
                measure_read(name, [*source, "read", *given], files)
    return 0


def measure_sync(folder: Path, database: Path, files: int, last: int | None, sync: list[str]) -> None:
    before = 0
    if last is not None:
        before = files - last
        generate(folder, range(1))
        subprocess.run(sync, check=True)
        generate(folder, range(1, before))
        enter(folder, database)
    generate(folder, range(before, files))
    loading = measure(sync, memory_every_s=_SAMPLED_EVERY_S)
    # Closed, so that all of it is in the one file.
    row("sync", files, files - before, loading, f"database {database.stat().st_size / files:,.0f} B a file")
    again = measure(sync, memory_every_s=_SAMPLED_EVERY_S)
    row("sync, nothing new", files, files, again, "")
    expect(database, files)
    if last is not None:
        print(f"  a file costs {(loading.cpu_seconds - again.cpu_seconds) / last * 1e6:,.0f} µs CPU at {files:,} files")


def measure_questions(command: str, folder: Path, database: Path, files: int) -> None:
    """Those that tell of each file, or count them all; as tables and as JSON."""
    of_source = [str(folder), "--to", str(database), "--table", "t", "--quiet"]
    questions = [
        ["explain", *of_source],
        ["ls", *of_source],
        ["status", str(database)],
        ["state", "show", str(database)],
    ]
    for question in questions:
        for options in [], ["--json"]:
            run = measure([command, *question, *options], memory_every_s=_SAMPLED_EVERY_S)
            words = question[: 2 if question[0] == "state" else 1]
            row(" ".join([*words, *options]), files, files, run, f"{run.said.split()[0].decode()} lines")


def measure_read(name: str, command: Command, files: int) -> None:
    run = measure(command, memory_every_s=_SAMPLED_EVERY_S, reader=[sys.executable, "-c", _STATE_SIZES])
    count, last, total = map(int, run.said.split())
    note = f"{count} states; the last {last / files:,.0f}, all {total / files:,.0f} B a file"
    row(f"read, {name}", files, files, run, note)


def generate(folder: Path, numbers: range) -> None:
    for number in numbers:
        path = folder / f"{number // FILES_PER_FOLDER:04}" / f"{number % FILES_PER_FOLDER:03}.csv"
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        rows = (
            f"{number * ROWS_PER_FILE + row},customer {row:03},{(number + row) % 1000}.25,"
            f"2024-03-{1 + row:02}T10:{number % 60:02}:00Z,note {number:07}\n"
            for row in range(ROWS_PER_FILE)
        )
        path.write_text("id,name,amount,created_at,note\n" + "".join(rows))


def enter(folder: Path, database: Path) -> None:
    """The files that are there, as if they were loaded after the one that is, which the others are like."""
    import pyarrow as pa

    with duckdb.connect(str(database)) as connection:
        listed = sorted(LocalReader(folder).list_files(""), key=lambda file: file.sort_key)
        for start in range(0, len(listed), _PART):
            part = listed[start : start + _PART]
            found = pa.table(
                {
                    "url": [file.uri for file in part],
                    "etag": [file.etag for file in part],
                    "modified_at": [file.modified_at.replace(tzinfo=None) for file in part],
                    "size_bytes": [file.size_bytes for file in part],
                }
            )
            connection.register("found", found)
            connection.execute(
                "INSERT INTO _file_cdk_files SELECT l.* REPLACE (f.url AS url, f.etag AS etag, f.modified_at AS modified_at, "
                "f.size_bytes AS size_bytes) FROM _file_cdk_files l, found f WHERE l.url = '0000/000.csv' AND f.url <> l.url"
            )
            connection.execute(
                "INSERT INTO t SELECT t.* REPLACE (f.url AS _file_url, f.modified_at AS _file_modified_at) "
                "FROM found f, t WHERE t._file_url = '0000/000.csv' AND f.url <> t._file_url"
            )


def expect(database: Path, files: int) -> None:
    with duckdb.connect(str(database), read_only=True) as connection:
        held = connection.execute("SELECT count(*), count(DISTINCT _file_url) FROM t").fetchone()
    if held != (files * ROWS_PER_FILE, files):
        raise SystemExit(f"the table holds {held} rows and files of {(files * ROWS_PER_FILE, files)}")


_HEADER = ("what", "files", "µs CPU a file", "CPU s", "wall s", "load", "RSS MB", "PSS MB", "bytes")


def print_header() -> None:
    print("| " + " | ".join(_HEADER) + " |\n" + "|---" * len(_HEADER) + "|", flush=True)


def row(what: str, files: int, done: int, run: Run, note: str) -> None:
    """One line at a time: the largest sizes take long. done: files that the CPU seconds were spent on."""
    cells = (
        what, f"{files:,}", f"{run.cpu_seconds / done * 1e6:,.0f}", f"{run.cpu_seconds:.1f}", f"{run.seconds:.1f}",
        f"{os.getloadavg()[0]:.1f}", f"{run.rss / MB:.0f}", f"{run.pss / MB:.0f}", note,
    )  # fmt: skip
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as error:
        sys.exit(str(error))
