"""One stream's Delta table."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Self, cast

import pyarrow as pa

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.delta.commits import METADATA, DeltaCommits
from file_cdk.destinations.delta.place import folder_of
from file_cdk.destinations.delta.types import table_type, wider
from file_cdk.destinations.files.agreeing import agree
from file_cdk.destinations.files.database import FilesDatabase
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.sql.ledger import Ledger
from file_cdk.destinations.sql.table import SqlTable


class DeltaStreamTable(FilesTable):
    """A StreamTable."""

    metadata: ClassVar[Sequence[pa.Field]] = METADATA

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

    @staticmethod
    def folder_of(stream: str) -> str:
        return folder_of(stream)

    def _new_path(self, partition: str = "", *, is_shown: bool = False) -> str:
        path = super()._new_path(partition, is_shown=is_shown)
        return path.replace(":", "")  # which readers would take for the end of a URL's scheme

    def must_retype(self, path: str) -> bool:
        """All, for one commit to overwrite the table with its new schema, where types change."""
        is_wider = any(self.layout.types[name] != kind for name, kind in self._typed.items())
        return is_wider and path in _commits(self._database).active(self._ledger.stream)


def _commits(database: FilesDatabase) -> DeltaCommits:
    assert database.publisher is not None
    return cast(DeltaCommits, database.publisher.point)
