"""A landing in Delta tables, on this machine or in a bucket."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from file_cdk.destinations.delta import DeltaDestination
from file_cdk.destinations.delta.commits import DeltaCommits
from file_cdk.destinations.delta.place import Tables
from file_cdk.destinations.files.destination import storage_of
from file_cdk.destinations.files.manifest import latest


@dataclass(frozen=True)
class DeltaLanding:
    path: str

    def destination(self) -> DeltaDestination:
        return DeltaDestination(self.path)

    def table(self, stream: str) -> DeltaTable | None:
        return Tables(self.path).opened(stream)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        table = self.table(stream)
        if table is None:
            return []
        data = table.to_pyarrow_dataset()
        # A table has no order; that in which files were loaded is the ledger's.
        storage = storage_of(self.path)
        order = [file.path for file in latest(storage, DeltaCommits(storage)).tables.get(stream, ())]
        fragments = {fragment.path.rpartition("/")[2]: fragment for fragment in data.get_fragments()}
        names = [path.rpartition("/")[2] for path in order]
        names = [name for name in names if name in fragments] + sorted(fragments.keys() - set(names))
        found = pa.concat_tables([fragments[name].to_table(data.schema) for name in names] or [data.to_table()])
        return [
            {name: value for name, value in row.items() if not name.startswith("_file_")} for row in found.to_pylist()
        ]

    def delete_row(self, stream: str, uri: str) -> None:
        table = self.table(stream)
        assert table is not None
        rows = table.to_pyarrow_table()
        at = pc.index(rows["_file_url"], uri).as_py()
        left = pa.concat_tables([rows.slice(0, at), rows.slice(at + 1)])
        write_deltalake(table, left, mode="overwrite")
