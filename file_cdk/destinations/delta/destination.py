"""Delta tables, on this machine or in a bucket, and what of them can be asked while no sync has them open."""

# ruff: noqa: S608 - names are constant

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from file_cdk.core.errors import DestinationError
from file_cdk.core.merging import no_merge
from file_cdk.core.ports import TableName
from file_cdk.destinations.delta.commits import DeltaCommits
from file_cdk.destinations.delta.table import DeltaStreamTable, agree
from file_cdk.destinations.files.database import DATA, FilesDatabase
from file_cdk.destinations.files.destination import FilesDestination, FilesPlace
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.files.storage import Storage
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.names import BESIDE
from file_cdk.destinations.sql.database import Database
from file_cdk.destinations.sql.ledger import COLUMNS

_TRIES = 5


class DeltaPlace(FilesPlace):
    """A copy of the ledger names the data files that the tables have."""

    @contextmanager
    def reading(self) -> Iterator[FilesDatabase]:
        for tries_left in reversed(range(_TRIES)):
            number = latest(self.storage, self.point).number
            with super().reading() as db:
                self._agree(db)
                # Else a run has committed meanwhile, and the tables are not those of this ledger.
                if latest(self.storage, self.point).number == number or not tries_left:
                    yield db
                    return

    @contextmanager
    def correcting(self) -> Iterator[FilesDatabase]:
        with super().correcting() as db:
            self._agree(db)
            yield db

    def _agree(self, db: FilesDatabase) -> None:
        if not db.tables().keys() >= db.layouts.keys():
            return
        sql = f"SELECT stream FROM {DATA} UNION SELECT stream FROM {COLUMNS} ORDER BY 1"
        for (stream,) in db.execute(sql).fetchall():
            if not stream.startswith(BESIDE):
                agree(db, cast(DeltaCommits, self.point), stream)


class DeltaDestination(FilesDestination):
    """A Delta table for each stream, below a folder that has the ledger in `_file_cdk`: the files' columns, then `_file_url`,
    `_file_modified_at` (UTC), `_file_row`.

    A commit of a table counts with the manifest of its number, and the manifest with it: see files/manifest.py.
    """

    table_class = DeltaStreamTable
    place_class = DeltaPlace

    def commit_point(self, storage: Storage) -> DeltaCommits:
        return DeltaCommits(storage)

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
