"""CSV files of a folder as RECORD lines by polars alone, which reads and writes with a thread per core, file after file.

python polars_lines.py FOLDER STREAM
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl


def main() -> None:
    folder, stream = Path(sys.argv[1]), sys.argv[2]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        data = pl.read_csv(path, infer_schema=False, empty_string_is_null=False).with_columns(
            pl.lit(f"{modified:%Y-%m-%dT%H:%M:%S.%fZ}").alias("_ab_source_file_last_modified"),
            pl.lit(path.relative_to(folder).as_posix()).alias("_ab_source_file_url"),
        )
        record = pl.struct(
            pl.lit(stream).alias("stream"),
            pl.struct(pl.all()).alias("data"),
            pl.lit(time.time_ns() // 10**6).alias("emitted_at"),
        )
        data.select(pl.lit("RECORD").alias("type"), record.alias("record")).write_ndjson(sys.stdout.buffer)


main()
