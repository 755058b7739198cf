"""CSV files into a new Delta or Iceberg table by the format's own library, of one Arrow table that pyarrow reads.

python lake_write.py delta|iceberg FOLDER PATH
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv


def main() -> None:
    kind, folder, path = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    table = pa.concat_tables(pyarrow.csv.read_csv(file) for file in sorted(folder.rglob("*.csv")))
    if kind == "delta":
        import deltalake

        deltalake.write_deltalake(path / "t", table)
        return
    from pyiceberg.catalog.sql import SqlCatalog

    path.mkdir()
    catalog = SqlCatalog("default", uri=f"sqlite:///{path}/catalog.sqlite", warehouse=f"file://{path}")
    catalog.create_namespace("default")
    catalog.create_table("default.t", schema=table.schema).append(table)


if __name__ == "__main__":
    main()
