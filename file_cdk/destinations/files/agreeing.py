"""The ledger of a folder whose data files count by commits of tables, made to agree with what others did to those tables."""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, cast

from file_cdk.destinations.files.data import rows_by_file
from file_cdk.destinations.files.database import DATA, FilesDatabase
from file_cdk.destinations.files.destination import FilesPlace
from file_cdk.destinations.files.manifest import latest
from file_cdk.destinations.names import BESIDE, quoted
from file_cdk.destinations.sql.database import transaction
from file_cdk.destinations.sql.ledger import COLUMNS

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
            if not stream.startswith(BESIDE):
                agree(db, cast(Tables, self.point), stream)


def agree(database: FilesDatabase, commits: Tables, stream: str) -> bool:
    """Makes the ledger name the data files that the table has: others may have compacted them, or deleted rows, or dropped the
    table. Answers false where the ledger knows nothing of a table that has rows."""
    table, active = database.table_name(stream), commits.active(stream, anew=True)
    if table not in database.tables():
        return not active
    is_dropped = not active and not commits.exists(stream)
    known = {path for (path,) in database.execute(f"SELECT path FROM {DATA} WHERE stream = ?", [stream]).fetchall()}
    if known == active.keys() and not is_dropped:
        return True
    counted = {path: rows_by_file(database.storage, path) for path in sorted(active.keys() - known)}
    with transaction(database, "reading the table's log"):
        for path in sorted(known - active.keys()):
            database.execute(f"DELETE FROM {DATA} WHERE path = ?", [path])
            database.execute(f"DELETE FROM {quoted(table)} WHERE path = ?", [path])
        for path, counts in counted.items():
            rows = sum(count for _, count in counts)
            database.execute(f"INSERT INTO {DATA} VALUES (?, ?, ?, ?)", [stream, path, rows, active[path]])
            database.executemany(
                f"INSERT INTO {quoted(table)} VALUES (?, ?, NULL, ?)", [(path, url, count) for url, count in counts]
            )
        if is_dropped:
            database.execute(f"DROP TABLE {quoted(table)}")
    return True
