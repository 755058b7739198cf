"""openpyxl over the first sheet of the workbooks of a folder.

    python openpyxl_rows.py FOLDER [STREAM]

Without STREAM it only goes through the rows, which is what is timed; with it, it prints them.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl


def main() -> None:
    folder = Path(sys.argv[1])
    for path in sorted(folder.rglob("*.xlsx")):
        url = {"_ab_source_file_url": path.relative_to(folder).as_posix()}
        with path.open("rb") as file:
            sheet = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0]
            rows = sheet.iter_rows(values_only=True)
            names = [str(name) for name in next(rows)]
            for row in rows:
                if len(sys.argv) > 2:
                    data = {name: _plain(value) for name, value in zip(names, row, strict=True)} | url
                    print(json.dumps({"type": "RECORD", "record": {"stream": sys.argv[2], "data": data}}))


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value


main()
