"""Time of `source-local read` of one sheet of 200,000 rows and 11 columns into a pipe, next to openpyxl alone.

    python benchmarks/excel.py [--rows 200000] [--runs 5] [--source source-local] [--limit 5]

openpyxl only goes through the rows (read_only, values_only); it makes no records of them. Each run is a process of its
own; runs of the two alternate. Seconds are medians. Exits 1 when the median ratio is below `limit`. Needs xlsxwriter.
"""

import argparse
import random
import shlex
import statistics
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import xlsxwriter
from measuring import Run, exit_codes, into_pipe, median, print_table, spread
from source_files import write_source_files

OPENPYXL = """
import sys, openpyxl
sheet = openpyxl.load_workbook(open(sys.argv[1], "rb"), read_only=True, data_only=True).worksheets[0]
print(sum(1 for _ in sheet.iter_rows(values_only=True)))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--source", default="source-local", help="the command to measure")
    parser.add_argument("--limit", type=float, default=5.0, help="openpyxl must take this many times as long")
    arguments = parser.parse_args()
    source = shlex.split(arguments.source)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "data")
        folder.mkdir()
        path = folder / "orders.excel"  # the ending does not matter, and the stream's glob asks for this one
        write_orders(path, arguments.rows)
        files = write_source_files(source, folder, "excel", Path(scratch, "files"))
        ours: list[Run] = []
        theirs: list[Run] = []
        for _ in range(arguments.runs):
            ours.append(into_pipe(files.read(source)))
            theirs.append(into_pipe([sys.executable, "-c", OPENPYXL, str(path)]))
    ratio = statistics.median(slow.seconds / fast.seconds for slow, fast in zip(theirs, ours, strict=True))
    print_table(
        ("tool", "seconds", "range", "rows/s", "median ratio", "lines", "exit"),
        [
            (
                name,
                f"{median(runs):.2f}",
                spread(runs),
                f"{arguments.rows / median(runs):,.0f}",
                "" if runs is ours else f"{ratio:.1f}x",
                f"{runs[-1].lines:,}",
                exit_codes(runs),
            )
            for name, runs in (("file_cdk", ours), ("openpyxl", theirs))
        ],
    )
    return 0 if ratio >= arguments.limit and exit_codes(ours) == "0" else 1


def write_orders(path: Path, rows: int) -> None:
    """Numbers, text, booleans, dates and time stamps; some cells are empty."""
    chance = random.Random(11)
    begin = datetime(2020, 1, 1)  # noqa: DTZ001 - sheets know no time zones
    cities = ["Paris", "Lyon", "New York", "Köln", "São Paulo"]
    names = ["id", "name", "amount", "paid", "day", "at", "city", "code", "quantity", "share", "note"]
    with xlsxwriter.Workbook(path) as workbook:
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        instant = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet = workbook.add_worksheet("orders")
        sheet.write_row(0, 0, names)
        for i in range(1, rows + 1):
            sheet.write_number(i, 0, i)
            sheet.write_string(i, 1, f"customer {i}")
            sheet.write_number(i, 2, round(chance.random() * 1000, 2))
            sheet.write_boolean(i, 3, i % 3 == 0)
            sheet.write_datetime(i, 4, begin + timedelta(days=i % 3000), day)
            sheet.write_datetime(i, 5, begin + timedelta(seconds=37 * i), instant)
            sheet.write_string(i, 6, chance.choice(cities))
            sheet.write_string(i, 7, f"{i % 1000:05}")
            if i % 5:
                sheet.write_number(i, 8, chance.randrange(10**6))
            sheet.write_number(i, 9, chance.random())
            if i % 7:
                sheet.write_string(i, 10, f"note {i % 977}")


if __name__ == "__main__":
    sys.exit(main())
