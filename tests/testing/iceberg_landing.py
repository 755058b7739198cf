"""A landing in Iceberg tables, on this machine or in a bucket."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyiceberg.catalog.sql
import pyiceberg.io.pyarrow  # noqa: F401 - a second of imports, else made anew by each process that is killed

from file_cdk.destinations.iceberg import IcebergDestination


@dataclass(frozen=True)
class IcebergLanding:
    url: str

    def destination(self) -> IcebergDestination:
        return IcebergDestination(self.url)

    def table(self, stream: str) -> pa.Table | None:
        """In the order in which files were loaded, which the ledger has, and a table has not."""
        destination = self.destination()
        commits = destination.commit_point(destination._storage)
        table = commits.table(stream)
        if table is None:
            return None
        # By pyarrow: pyiceberg 0.12 makes an empty list of a list of structs that is null.
        files = [table.io.new_input(task.file.file_path).open() for task in table.scan().plan_files()]
        tables = [pq.read_table(file) for file in files] or [table.schema().as_arrow().empty_table()]
        found = pa.concat_tables(tables, promote_options="permissive")
        with destination._place.reading() as db:
            rows = next(name for name in (stream, f"_file_cdk_rows_of_{stream}") if name in db.tables())
            by_data_file = (
                f'SELECT _file_url FROM "{rows}" s JOIN _file_cdk_data d USING (path) ORDER BY d.rowid, s.rowid'
            )
            order = {url: number for number, (url,) in enumerate(db.execute(by_data_file).fetchall())}
        commits.close()
        places = zip(found["_file_url"].to_pylist(), found["_file_row"].to_pylist(), strict=True)
        keys = [(order[url], row) for url, row in places]
        return found.take(pa.array(sorted(range(len(keys)), key=keys.__getitem__), pa.int64()))

    def rows(self, stream: str) -> list[dict[str, Any]]:
        found = self.table(stream)
        if found is None:
            return []
        return [
            {name: value for name, value in row.items() if not name.startswith("_file_")} for row in found.to_pylist()
        ]

    def delete_row(self, stream: str, uri: str) -> None:
        destination = self.destination()
        commits = destination.commit_point(destination._storage)
        table = commits.table(stream)
        assert table is not None
        rows = table.scan().to_arrow()
        at = pc.index(rows["_file_url"], uri).as_py()
        table.overwrite(pa.concat_tables([rows.slice(0, at), rows.slice(at + 1)]))
        commits.close()
