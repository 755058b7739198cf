"""A landing in a folder of Parquet files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from file_cdk.destinations.files import FilesDestination
from file_cdk.destinations.files.folder import Folder
from file_cdk.destinations.files.manifest import latest


@dataclass(frozen=True)
class FilesLanding:
    path: str

    def destination(self) -> FilesDestination:
        return FilesDestination(self.path)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        files = latest(Folder(self.path)).tables.get(stream, [])
        tables = [pq.read_table(Path(self.path, file.path), partitioning=None) for file in files]
        if not tables:
            return []
        table = pa.concat_tables(tables, promote_options="permissive")
        return [
            {name: value for name, value in row.items() if not name.startswith("_file_")} for row in table.to_pylist()
        ]

    def delete_row(self, stream: str, uri: str) -> None:
        for file in latest(Folder(self.path)).tables[stream]:
            path = Path(self.path, file.path)
            table = pq.read_table(path, partitioning=None)
            at = pc.index(table["_file_url"], uri).as_py()
            if at >= 0:
                path.unlink()
                pq.write_table(pa.concat_tables([table.slice(0, at), table.slice(at + 1)]), path)
                return
