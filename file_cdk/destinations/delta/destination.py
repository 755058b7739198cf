"""Delta tables, on this machine or in a bucket, and what of them can be asked while no sync has them open."""

from contextlib import suppress
from typing import cast

from file_cdk.core.errors import DestinationError
from file_cdk.destinations.delta.commits import DeltaCommits
from file_cdk.destinations.delta.table import DeltaStreamTable
from file_cdk.destinations.files.agreeing import AgreeingDestination
from file_cdk.destinations.files.kind import Kind
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.sql.database import Database


class DeltaDestination(AgreeingDestination):
    """A Delta table for each stream, below a folder that has the ledger in `_file_cdk`: the files' columns, then `_file_url`,
    `_file_modified_at` (UTC), `_file_row`.

    A commit of a table counts with the manifest of its number, and the manifest with it: see files/manifest.py.
    """

    table_class = DeltaStreamTable

    def commit_point(self, storage: Storage) -> DeltaCommits:
        return DeltaCommits(storage)

    def kind(self) -> Kind:
        return Kind("delta")

    def before_closing(self, database: Database) -> None:
        super().before_closing(database)
        commits = cast(DeltaCommits, self._point)
        for stream in sorted(commits.changed):
            with suppress(DestinationError):  # the next run that changes the table tries again
                commits.vacuum(stream)
