"""DuckDB's own reader into a new table `t`, of the files of a folder.

python duckdb_load.py csv|jsonl|parquet FOLDER DATABASE
"""

import sys

import duckdb

READERS = {
    "csv": "read_csv(?)",
    "jsonl": "read_json(?, format = 'newline_delimited')",
    "parquet": "read_parquet(?)",
}


def main() -> None:
    filetype, folder, database = sys.argv[1:]
    with duckdb.connect(database) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT * FROM {READERS[filetype]}", [f"{folder}/**/*.{filetype}"])


main()
