"""One stream's Delta table."""

from collections.abc import Sequence
from typing import ClassVar, cast

import pyarrow as pa

from file_cdk.destinations.delta.commits import METADATA, DeltaCommits
from file_cdk.destinations.delta.place import folder_of
from file_cdk.destinations.delta.types import table_type, wider
from file_cdk.destinations.files.agreeing import AgreeingTable
from file_cdk.destinations.files.database import FilesDatabase


class DeltaStreamTable(AgreeingTable):
    """A StreamTable."""

    metadata: ClassVar[Sequence[pa.Field]] = METADATA

    def table_type(self, kind: pa.DataType) -> pa.DataType:
        return table_type(kind)

    def wider(self, stored: pa.DataType, kind: pa.DataType) -> pa.DataType:
        return wider(stored, kind)

    @staticmethod
    def folder_of(stream: str) -> str:
        return folder_of(stream)

    def must_retype(self, path: str) -> bool:
        """All of the table, for one commit to overwrite it with its new schema, where types change."""
        is_wider = any(self.layout.types[name] != kind for name, kind in self._typed.items())
        return is_wider and not self._ledger.merges and path in _commits(self._database).active(self._ledger.stream)


def _commits(database: FilesDatabase) -> DeltaCommits:
    assert database.publisher is not None
    return cast(DeltaCommits, database.publisher.point)
