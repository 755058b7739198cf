"""Time of `source-local read` into a pipe, next to airbyte-cdk[file-based] where an environment with it is given.

    python benchmarks/read_protocol.py [DATA] [--formats csv,jsonl,parquet] [--runs 5]
                                       [--peer-python PATH] [--peer-runs 1]

DATA is a folder that generate.py wrote; without it, 1M rows are written to a temporary one. Each run is a process of its
own; runs of the two alternate. Seconds are medians.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from generate import FORMATS, generate
from measuring import Command, Run, exit_codes, into_pipe, median, print_table, spread
from source_files import SourceFiles, write_source_files

HEADER = ("format", "tool", "seconds", "range", "rows/s", "ratio", "lines", "MB out", "exit")


@dataclass(slots=True)
class Contender:
    name: str
    command: Command
    planned: int
    files: SourceFiles
    runs: list[Run] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--formats", default=",".join(FORMATS), help="comma-separated")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--source", default="source-local", help="the command to measure")
    parser.add_argument("--peer-python", type=Path, help="interpreter of an environment with airbyte-cdk[file-based]")
    parser.add_argument("--peer-runs", type=int, default=1)
    arguments = parser.parse_args()
    tools: list[tuple[str, Command, int]] = [("file_cdk", [arguments.source], arguments.runs)]
    if arguments.peer_python:
        script = str(Path(__file__).with_name("peer_local.py"))
        tools.append(("airbyte-cdk", [str(arguments.peer_python), script], arguments.peer_runs))
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or Path(scratch, "data")
        formats = arguments.formats.split(",")
        if arguments.data is None:
            generate(data, rows=1_000_000, files=4, formats=formats)
        rows = [row for filetype in formats for row in compare(filetype, data / filetype, tools, Path(scratch))]
    print_table(HEADER, rows)


def compare(
    filetype: str, folder: Path, tools: list[tuple[str, Command, int]], scratch: Path
) -> Iterator[tuple[object, ...]]:
    records = count(filetype, folder)
    contenders = [
        Contender(name, command, planned, write_source_files(command, folder, filetype, scratch / f"{name}-{filetype}"))
        for name, command, planned in tools
    ]
    into_pipe(contenders[0].files.read(contenders[0].command))  # the files are in the page cache for all that follow
    for number in range(max(contender.planned for contender in contenders)):
        for contender in contenders:
            if number < contender.planned:
                contender.runs.append(into_pipe(contender.files.read(contender.command)))
    ours = median(contenders[0].runs)
    for contender in contenders:
        seconds, last = median(contender.runs), contender.runs[-1]
        yield (
            filetype,
            contender.name,
            f"{seconds:.2f}",
            spread(contender.runs),
            f"{records / seconds:,.0f}",
            f"{seconds / ours:.1f}x",
            f"{last.lines:,}",
            f"{last.size_bytes / 1e6:.0f}",
            exit_codes(contender.runs),
        )


def count(filetype: str, folder: Path) -> int:
    function = {"csv": "read_csv", "jsonl": "read_ndjson_objects", "parquet": "read_parquet"}[filetype]
    (number,) = duckdb.execute(f"SELECT count(*) FROM {function}(?)", [f"{folder}/**/*.{filetype}"]).fetchall()[0]
    return int(number)


if __name__ == "__main__":
    main()
