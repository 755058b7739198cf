"""Delta tables, on this machine or in a bucket, and what of them can be asked while no sync has them open."""

from contextlib import suppress
from typing import cast

from file_cdk.core.errors import DestinationError
from file_cdk.core.merging import no_merge
from file_cdk.core.ports import TableName
from file_cdk.destinations.delta.commits import DeltaCommits
from file_cdk.destinations.delta.table import DeltaStreamTable
from file_cdk.destinations.files.agreeing import AgreeingPlace
from file_cdk.destinations.files.destination import FilesDestination
from file_cdk.destinations.files.kind import Kind
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.sql.database import Database


class DeltaDestination(FilesDestination):
    """A Delta table for each stream, below a folder that has the ledger in `_file_cdk`: the files' columns, then `_file_url`,
    `_file_modified_at` (UTC), `_file_row`.

    A commit of a table counts with the manifest of its number, and the manifest with it: see files/manifest.py.
    """

    table_class = DeltaStreamTable
    place_class = AgreeingPlace
    take_place = None  # type: ignore[assignment]
    """It is no core.ledger.Replacing: a table is replaced by one commit of its own."""

    def commit_point(self, storage: Storage) -> DeltaCommits:
        return DeltaCommits(storage)

    def kind(self) -> Kind:
        return Kind("delta")

    def table(self, table: TableName, *, anew: bool = False) -> FilesTable:
        if table.merge is not None:
            raise no_merge(table)
        if table.stream not in self._tables and self._writing is not None:
            self._writing.flush()  # what the ledger learns of one table is no part of another's commit
        return super().table(table, anew=anew)

    def before_closing(self, database: Database) -> None:
        super().before_closing(database)
        commits = cast(DeltaCommits, self._point)
        for stream in sorted(commits.changed):
            with suppress(DestinationError):  # the next run that changes the table tries again
                commits.vacuum(stream)
