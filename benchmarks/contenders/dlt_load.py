"""dlt's filesystem source with its fastest reader of each format, into the table `t` of a new DuckDB database.

    python dlt_load.py csv|jsonl|parquet FOLDER DATABASE

Runs in an environment that has `dlt[duckdb,filesystem]` and pyarrow. Its working files are put beside the database.
"""

import sys
from pathlib import Path

import dlt
from dlt.sources.filesystem import filesystem, read_csv_duckdb, read_jsonl, read_parquet

READERS = {
    "csv": lambda: read_csv_duckdb(use_pyarrow=True),
    "jsonl": read_jsonl,
    "parquet": lambda: read_parquet(use_pyarrow=True),
}


def main() -> None:
    filetype, folder, database = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    pipeline = dlt.pipeline(
        pipeline_name="benchmark",
        pipelines_dir=f"{database}.dlt",
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="benchmark",
    )
    files = filesystem(bucket_url=Path(folder).resolve().as_uri(), file_glob=f"**/*.{filetype}")
    pipeline.run((files | READERS[filetype]()).with_name("t"), table_name="t", write_disposition="replace")


main()
