"""The ledger of a folder whose data files count by commits of tables, made to agree with what others did to those tables.

Of a stream whose rows are merged, the table has those that are shown. All rows are in data files of no table, which count by
manifests, as in a folder of Parquet files. So a commit that loads files changes no table, and a merge changes one.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, Self, cast

from file_cdk.core.errors import DestinationError
from file_cdk.core.ports import TableName
from file_cdk.destinations.files.data import rows_by_file
from file_cdk.destinations.files.database import DATA, FilesDatabase
from file_cdk.destinations.files.destination import FilesDestination, FilesPlace
from file_cdk.destinations.files.manifest import MERGED_ROWS, latest
from file_cdk.destinations.files.table import FilesTable
from file_cdk.destinations.merge_rules import mark_all, rows_of
from file_cdk.destinations.names import BESIDE, ROWS_OF, quoted
from file_cdk.destinations.sql.database import transaction
from file_cdk.destinations.sql.ledger import COLUMNS, Ledger
from file_cdk.destinations.sql.merging import SqlMerges
from file_cdk.destinations.sql.table import SqlTable

_TRIES = 5


class Tables(Protocol):
    """What a CommitPoint knows of its tables."""

    def active(self, stream: str, *, anew: bool = False) -> Mapping[str, int]:
        """The sizes of the data files of the stream's table, in bytes, by their names below the root: as this run has found
        them, with what it has committed since; or as they are now."""

    def exists(self, stream: str) -> bool: ...


class AgreeingPlace(FilesPlace):
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
            if not stream.startswith((BESIDE, ROWS_OF)):
                agree(db, cast(Tables, self.point), stream)


def agree(database: FilesDatabase, commits: Tables, stream: str) -> bool:
    """Makes the ledger name the data files that the table has: others may have compacted them, or deleted rows, or dropped the
    table. Answers false where the ledger knows nothing of a table that has rows."""
    rows, active = rows_of(SqlMerges(database), stream), commits.active(stream, anew=True)
    table, is_merged = database.table_name(rows), rows != stream
    if table not in database.tables():
        return not active
    is_dropped = not active and not commits.exists(stream)
    known = {path for (path,) in database.execute(f"SELECT path FROM {DATA} WHERE stream = ?", [stream]).fetchall()}
    if known == active.keys() and not (is_dropped and not is_merged):
        return True
    counted = {path: rows_by_file(database.storage, path) for path in sorted(active.keys() - known)}
    with transaction(database, "reading the table's log"):
        for path in sorted(known - active.keys()):
            database.execute(f"DELETE FROM {DATA} WHERE path = ?", [path])
        for path, counts in counted.items():
            count = sum(count for _, count in counts)
            database.execute(f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", [stream, path, count, active[path]])
        if is_merged:
            mark_all(SqlMerges(database), stream)
            return True
        for path in sorted(known - active.keys()):
            database.execute(f"DELETE FROM {quoted(table)} WHERE path = ?", [path])
        for path, counts in counted.items():
            database.executemany(
                f"INSERT INTO {quoted(table)} VALUES (?, ?, NULL, ?)", [(path, url, count) for url, count in counts]
            )
        if is_dropped:
            database.execute(f"DROP TABLE {quoted(table)}")
    return True


class AgreeingTable(FilesTable):
    """A StreamTable whose data files a table's own log names."""

    takes_row_groups = False

    @classmethod
    def of(cls, ledger: Ledger, table: TableName, begins: Callable[[SqlTable], None]) -> Self:
        database = cast(FilesDatabase, ledger.database)
        ledger.check_name()
        assert database.publisher is not None
        if not agree(database, cast(Tables, database.publisher.point), ledger.name):
            raise DestinationError(
                f"{ledger.where} has rows, but the ledger knows none",
                remedy="Loading again would double them: drop the table, or give the stream another name",
            )
        return super().of(ledger, table, begins)

    @classmethod
    def rows_folder(cls, stream: str) -> str:
        return f"{MERGED_ROWS}/{FilesTable.folder_of(stream)}"

    def _partition_of(self, path: str) -> str:  # noqa: ARG002 - tables of a format have none
        return ""

    def _new_path(self, partition: str = "", *, is_shown: bool = False) -> str:
        path = super()._new_path(partition, is_shown=is_shown)
        return path.replace(":", "")  # which readers would take for the end of a URL's scheme


class AgreeingDestination(FilesDestination):
    """A Destination of such tables."""

    place_class = AgreeingPlace
    take_place = None  # type: ignore[assignment]
    """It is no core.ledger.Replacing: a table is replaced by one commit of its own."""

    def table(self, table: TableName, *, anew: bool = False) -> FilesTable:
        if table.stream not in self._tables and self._writing is not None:
            self._writing.flush()  # what the ledger learns of one table is no part of another's commit
        return super().table(table, anew=anew)
