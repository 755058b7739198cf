"""The files of a folder in memory as columns of polars, or counted batch by batch.

python python_read.py file_cdk|polars|batches csv|jsonl|parquet FOLDER [--print]

--print: their rows as RECORD messages. Every value is printed as text, since readers give the same value different types.
"""

import json
import sys
from decimal import Decimal
from typing import Any


def main() -> None:
    reader, filetype, folder, *more = sys.argv[1:]
    if reader == "batches":
        import file_cdk

        print(sum(batch.num_rows for batch in file_cdk.read(folder)))
        return
    frame = by_file_cdk(folder) if reader == "file_cdk" else by_polars(filetype, f"{folder}/*.{filetype}")
    if not more:
        print(frame.height)
        return
    for row in frame.iter_rows(named=True):
        data = {name: spelled(value) for name, value in row.items()}
        print(json.dumps({"type": "RECORD", "record": {"data": data}}))


def by_file_cdk(folder: str) -> Any:
    import file_cdk

    return file_cdk.read(folder).to_polars()


def by_polars(filetype: str, pattern: str) -> Any:
    import polars as pl

    match filetype:
        case "csv":
            return pl.read_csv(pattern, try_parse_dates=True)
        case "jsonl":
            return pl.read_ndjson(pattern)
    return pl.read_parquet(pattern)


def spelled(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, float | Decimal) and not isinstance(value, bool):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value).removesuffix(".000000").replace("T", " ")


main()
