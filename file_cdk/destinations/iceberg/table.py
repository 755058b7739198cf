"""One stream's Iceberg table: its rows wait, and are written, as those of a folder of data files, see files/table.py."""

from typing import cast

import pyarrow as pa

from file_cdk.destinations.files.agreeing import AgreeingTable
from file_cdk.destinations.files.choice import Choice
from file_cdk.destinations.files.database import FilesDatabase
from file_cdk.destinations.iceberg.commits import IcebergCommits
from file_cdk.destinations.iceberg.place import folder_of
from file_cdk.destinations.iceberg.types import table_type, wider
from file_cdk.destinations.names import BESIDE


class IcebergStreamTable(AgreeingTable):
    """A StreamTable. What a full refresh builds beside a table has ids of that table's, whose place it takes."""

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    def _data_schema(self) -> pa.Schema:
        columns = {self.layout.columns[name]: kind for name, kind in self.layout.types.items()}
        return _commits(self._database).ids(self._ledger.name.removeprefix(BESIDE)).schema(columns)

    @property
    def has(self) -> Choice | None:
        return Choice() if self._paths("LIMIT 1") else None

    @staticmethod
    def folder_of(stream: str) -> str:
        return f"{folder_of(stream)}/data"


def _commits(database: FilesDatabase) -> IcebergCommits:
    assert database.publisher is not None
    return cast(IcebergCommits, database.publisher.point)
