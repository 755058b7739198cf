"""One stream's Iceberg table: its rows wait, and are written, as those of a folder of data files, see files/table.py."""

from collections.abc import Callable
from typing import Self, cast

import pyarrow as pa

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.files.agreeing import agree
from file_cdk.destinations.files.choice import Choice
from file_cdk.destinations.files.database import FilesDatabase
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.iceberg.commits import IcebergCommits
from file_cdk.destinations.iceberg.place import folder_of
from file_cdk.destinations.iceberg.types import table_type, wider
from file_cdk.destinations.names import BESIDE
from file_cdk.destinations.sql.ledger import Ledger
from file_cdk.destinations.sql.table import SqlTable


class IcebergStreamTable(FilesTable):
    """A StreamTable. What a full refresh builds beside a table has ids of that table's, whose place it takes."""

    @classmethod
    def of(cls, ledger: Ledger, table: TableName, begins: Callable[[SqlTable], None]) -> Self:
        database = cast(FilesDatabase, ledger.database)
        ledger.check_name()
        if not agree(database, _commits(database), ledger.stream):
            raise DestinationError(
                f"{ledger.where} has rows, but the ledger knows none",
                remedy="Loading again would double them: drop the table, or give the stream another name",
            )
        return super().of(ledger, table, begins)

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    def _data_schema(self) -> pa.Schema:
        columns = {self.layout.columns[name]: kind for name, kind in self.layout.types.items()}
        return _commits(self._database).ids(self._ledger.stream.removeprefix(BESIDE)).schema(columns)

    @property
    def has(self) -> Choice | None:
        return Choice() if self._paths("LIMIT 1") else None

    @staticmethod
    def folder_of(stream: str) -> str:
        return f"{folder_of(stream)}/data"

    def _new_path(self, partition: str = "", *, is_shown: bool = False) -> str:
        path = super()._new_path(partition, is_shown=is_shown)
        return path.replace(":", "")  # which readers would take for the end of a URL's scheme


def _commits(database: FilesDatabase) -> IcebergCommits:
    assert database.publisher is not None
    return cast(IcebergCommits, database.publisher.point)
