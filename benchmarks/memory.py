"""Peak memory of `source-local read` and `file-cdk sync` on a small and a large CSV file: it must not grow with the file.

    python benchmarks/memory.py [--sizes-mb 500,2000] [--limit 1.2] [--scratch DIR]

Exits 1 if a command takes more than `limit` times as much for the larger file as for the smaller. Linux only; needs about
twice the sizes in free space under DIR.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from generate import CSV_BYTES_PER_ROW, generate
from measuring import peak_memory, print_table
from source_files import write_source_files

MB = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes-mb", default="500,2000", help="smaller,larger")
    parser.add_argument("--limit", type=float, default=1.2, help="allowed ratio")
    parser.add_argument("--scratch", type=Path, help="folder for the data; a temporary one by default")
    parser.add_argument("--source", default="source-local", help="the source command to measure")
    parser.add_argument("--command", default="file-cdk", help="the sync command to measure")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes_mb.split(",")]
    commands: dict[str, Callable[[Path, Path], list[str]]] = {
        f"{arguments.source} read": lambda data, scratch: write_source_files(
            [arguments.source], data, "csv", scratch
        ).read([arguments.source]),
        f"{arguments.command} sync": lambda data, scratch: [
            arguments.command, "sync", str(data), "--to", str(scratch / "x.duckdb"), "--table", "t", "--quiet"
        ],
    }  # fmt: skip
    rows: list[tuple[object, ...]] = []
    exceeded = False
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        folders = [make(Path(scratch), size) for size in sizes]
        for name, command in commands.items():
            peaks = []
            for size, folder in zip(sizes, folders, strict=True):
                with tempfile.TemporaryDirectory(dir=scratch) as own:
                    peaks.append(peak_memory(command(folder, Path(own))))
                ratios = [f"{peaks[-1].rss / peaks[0].rss:.2f}x", f"{peaks[-1].pss / peaks[0].pss:.2f}x"]
                exceeded |= peaks[-1].rss > arguments.limit * peaks[0].rss or peaks[-1].exit_code != 0
                rows.append((name, size, *describe(peaks[-1].rss, peaks[-1].pss), *ratios, peaks[-1].processes,
                             f"{peaks[-1].seconds:.1f}", peaks[-1].exit_code))  # fmt: skip
    header = ("command", "file MB", "RSS MB", "PSS MB", "RSS ratio", "PSS ratio", "processes", "seconds", "exit")
    print_table(header, rows)
    return 1 if exceeded else 0


def describe(*sizes: int) -> list[str]:
    return [f"{size / MB:.0f}" for size in sizes]


def make(scratch: Path, size_mb: int) -> Path:
    folder = scratch / f"{size_mb}"
    generate(folder, rows=size_mb * MB // CSV_BYTES_PER_ROW, files=1, formats=["csv"])
    return folder


if __name__ == "__main__":
    sys.exit(main())
