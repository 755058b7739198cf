"""Iceberg tables, on this machine or in a bucket, and what of them can be asked while no sync has them open."""

from contextlib import suppress
from typing import cast

from file_cdk.core.errors import DestinationError
from file_cdk.destinations.files.agreeing import AgreeingDestination
from file_cdk.destinations.files.kind import Kind
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.iceberg.commits import IcebergCommits
from file_cdk.destinations.iceberg.library import check_library
from file_cdk.destinations.iceberg.place import TablesUrl
from file_cdk.destinations.iceberg.table import IcebergStreamTable
from file_cdk.destinations.iceberg.vacuum import vacuum
from file_cdk.destinations.sql.database import Database


class IcebergDestination(AgreeingDestination):
    """An Iceberg table for each stream, below a folder that has the ledger in `_file_cdk`: the files' columns, then `_file_url`,
    `_file_modified_at`, `_file_row`.

    A commit of a table counts with the manifest of its number, and the manifest with it: see files/manifest.py.
    """

    table_class = IcebergStreamTable

    def __init__(self, url: str, *, run: str | None = None) -> None:
        """url: see TablesUrl. Raises ConfigError."""
        check_library()
        self.url = TablesUrl.parse(url)
        super().__init__(self.url.root, run=run)

    def commit_point(self, storage: Storage) -> IcebergCommits:
        return IcebergCommits(self.url, storage)

    def kind(self) -> Kind:
        return Kind("iceberg", self.url.catalog, ".".join(self.url.namespace))

    def before_closing(self, database: Database) -> None:
        super().before_closing(database)
        commits = cast(IcebergCommits, self._point)
        for stream in sorted(commits.changed):
            with suppress(DestinationError):  # the next run that changes the table tries again
                vacuum(commits, stream)

    def let_go(self) -> None:
        cast(IcebergCommits, self._point).close()
        super().let_go()
