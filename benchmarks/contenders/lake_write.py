"""CSV files into a new Delta or Iceberg table by the format's own library, of one Arrow table that file_cdk reads.

python lake_write.py delta|iceberg FOLDER PATH
"""

import sys
from pathlib import Path

import file_cdk


def main() -> None:
    kind, folder, path = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    table = file_cdk.read(folder).to_arrow()
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
