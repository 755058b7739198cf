"""A landing in a folder of Parquet files, on this machine or in a bucket."""

import io
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from file_cdk.destinations.files import FilesDestination
from file_cdk.destinations.files.destination import storage_of
from file_cdk.destinations.files.manifest import latest


@dataclass(frozen=True)
class FilesLanding:
    path: str

    def destination(self) -> FilesDestination:
        return FilesDestination(self.path)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        storage = storage_of(self.path)
        files = latest(storage).tables.get(stream, [])
        tables = [pq.read_table(io.BytesIO(storage.read(file.path))) for file in files]
        if not tables:
            return []
        table = pa.concat_tables(tables, promote_options="permissive")
        return [
            {name: value for name, value in row.items() if not name.startswith("_file_")} for row in table.to_pylist()
        ]

    def delete_row(self, stream: str, uri: str) -> None:
        storage = storage_of(self.path)
        for file in latest(storage).tables[stream]:
            table = pq.read_table(io.BytesIO(storage.read(file.path)))
            at = pc.index(table["_file_url"], uri).as_py()
            if at >= 0:
                data = io.BytesIO()
                pq.write_table(pa.concat_tables([table.slice(0, at), table.slice(at + 1)]), data)
                storage.put(file.path, data.getvalue())
                return
