"""Writes the benchmark data: rows of 11 columns of mixed types, the same ones on every machine.

    python benchmarks/generate.py OUT [--rows 1000000] [--files 4] [--formats csv,jsonl,parquet]

gives OUT/csv/part-0000.csv and so on. About 109 bytes a row as CSV, 217 as JSON lines. DuckDB makes the rows and writes
them as it goes: memory does not grow with the size.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import duckdb

FORMATS = ("csv", "jsonl", "parquet")
CSV_BYTES_PER_ROW = 109
"""Roughly, for sizing."""

# Multiplications modulo 2**32 in place of duckdb's hash(), which may differ between its versions.
_MACROS = """
CREATE MACRO scrambled(x) AS ((xor(x, x >> 15) * 668265263) % 4294967296);
CREATE MACRO drawn(i, salt, n) AS (scrambled(scrambled((i * 2654435 + salt * 374761) % 4294967296)) >> 7) % n;
CREATE MACRO word(k) AS
    ['alpha', 'bravo', 'charlie', 'delta', 'echo, inc', 'fox "trot"', 'golf', 'hôtel', 'india', 'juliet'][k + 1];
"""
_ROWS = """
SELECT i AS id,
       drawn(i, 1, 1000000) AS customer_id,
       1 + drawn(i, 2, 50) AS quantity,
       amount,
       round(amount * 0.19, 4) AS tax,
       word(drawn(i, 4, 3)) AS status,
       concat_ws(' ', word(drawn(i, 5, 10)), word(drawn(i, 6, 10)), word(drawn(i, 7, 10))) AS comment,
       drawn(i, 8, 2) = 1 AS flag,
       created_at::DATE AS ship_date,
       created_at,
       CASE WHEN drawn(i, 9, 2) = 1 THEN 'n' || i END AS note
FROM (
    SELECT range AS i,
           (drawn(range, 3, 20000) + drawn(range, 13, 10000)) / 100 AS amount,
           TIMESTAMP '2024-01-01' + to_seconds(drawn(range, 10, 31536000)) AS created_at
    FROM range({first}, {last})
)
"""
_OPTIONS = {
    "csv": "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S.%f'",
    "jsonl": "FORMAT json, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S'",
    "parquet": "FORMAT parquet, ROW_GROUP_SIZE 100000",
}


def generate(out: Path, *, rows: int, files: int, formats: Sequence[str] = FORMATS) -> None:
    """Writes `rows` rows in all, spread evenly over `files` files of each format."""
    with duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": True}) as connection:
        connection.execute(_MACROS)
        for extension in formats:
            (out / extension).mkdir(parents=True, exist_ok=True)
            for part in range(files):
                selected = _ROWS.format(first=rows * part // files, last=rows * (part + 1) // files)
                path = str(out / extension / f"part-{part:04}.{extension}").replace("'", "''")
                connection.execute(f"COPY ({selected}) TO '{path}' ({_OPTIONS[extension]})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in all")
    parser.add_argument("--files", type=int, default=4, help="of each format")
    parser.add_argument("--formats", default=",".join(FORMATS), help="comma-separated")
    arguments = parser.parse_args()
    formats = arguments.formats.split(",")
    if unknown := set(formats) - set(FORMATS):
        parser.error(f"unknown format: {', '.join(sorted(unknown))}")
    generate(arguments.out, rows=arguments.rows, files=arguments.files, formats=formats)


if __name__ == "__main__":
    main()
