"""Time of `source-local read` of gzip CSV files, next to reading them plain and to unpacking them and no more.

    python benchmarks/compressed.py [--rows 1000000] [--files N] [--runs 5] [--source source-local]

There are as many files as cores unless --files says otherwise. Unpacking alone is one process per file, with isal's igzip,
the fastest library on PyPI, into nothing. Each run is a process of its own; runs of the three alternate. Seconds are
medians; ratios are to unpacking alone and to the plain files.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from generate import generate
from measuring import Command, Run, alone, exit_codes, into_pipe, median, print_table, spread
from source_files import SourceFiles, write_source_files

_LEVEL = 6
"""What gzip does when it is not told."""

_UNPACK = """
import sys
from isal import igzip
with igzip.open(sys.argv[1]) as stream:
    while stream.read(1 << 20):
        pass
"""


@dataclass(slots=True)
class Contender:
    name: str
    command: Command
    runs: list[Run] = field(default_factory=list)

    def run(self) -> None:
        self.runs.append(into_pipe(self.command) if self.name.startswith("read") else alone(self.command))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in all")
    parser.add_argument("--files", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--source", default="source-local", help="the command to measure")
    parser.add_argument("--unpack", type=Path, nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.unpack:
        sys.exit(unpack(arguments.unpack))
    with tempfile.TemporaryDirectory() as scratch:
        compare(Path(scratch), arguments)


def compare(scratch: Path, arguments: argparse.Namespace) -> None:
    generate(scratch / "data", rows=arguments.rows, files=arguments.files, formats=["csv"])
    packed = pack(scratch / "data/csv", scratch / "data/gz")
    source = [arguments.source]
    plain = write_source_files(source, scratch / "data/csv", "csv", scratch / "plain")
    contenders = [
        Contender("unpack alone", [sys.executable, __file__, "--unpack", *map(str, packed)]),
        Contender("read csv.gz", of_packed(plain, packed[0].parent, scratch).read(source)),
        Contender("read csv", plain.read(source)),
    ]
    for contender in contenders:
        into_pipe(contender.command)  # the files are in the page cache for all that follow
    for _ in range(arguments.runs):
        for contender in contenders:
            contender.run()
    alone_s, _, plain_s = (median(contender.runs) for contender in contenders)
    print_table(
        ("what", "seconds", "range", "to unpacking", "to plain", "lines", "exit"),
        (
            (
                contender.name,
                f"{median(contender.runs):.2f}",
                spread(contender.runs),
                f"{median(contender.runs) / alone_s:.2f}x",
                f"{median(contender.runs) / plain_s:.2f}x",
                f"{contender.runs[-1].lines:,}",
                exit_codes(contender.runs),
            )
            for contender in contenders
        ),
    )


def pack(folder: Path, into: Path) -> list[Path]:
    into.mkdir()
    files = sorted(folder.iterdir())
    with ProcessPoolExecutor() as pool:
        return list(pool.map(pack_one, files, [into / f"{file.name}.gz" for file in files]))


def pack_one(file: Path, into: Path) -> Path:
    into.write_bytes(gzip.compress(file.read_bytes(), _LEVEL))
    return into


def of_packed(plain: SourceFiles, folder: Path, into: Path) -> SourceFiles:
    """The same stream over the compressed files."""
    config = json.loads(plain.config.read_text())
    config["path"] = str(folder.resolve())
    config["streams"][0]["globs"] = ["**/*.csv.gz"]
    path = into / "packed.json"
    path.write_text(json.dumps(config))
    return SourceFiles(path, plain.catalog)


def unpack(files: list[Path]) -> int:
    """One process per file."""
    processes = [subprocess.Popen([sys.executable, "-c", _UNPACK, str(file)]) for file in files]
    return max(process.wait() for process in processes)


if __name__ == "__main__":
    main()
