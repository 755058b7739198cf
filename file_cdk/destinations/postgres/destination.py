"""Postgres as a destination: a table per stream in one schema of a database, and the ledger beside them."""

from file_cdk.destinations.postgres.encoder import CopyEncoder
from file_cdk.destinations.postgres.session import PostgresDatabase, PostgresPlace
from file_cdk.destinations.postgres.table import PostgresTable
from file_cdk.destinations.sql.destination import SqlDestination


class PostgresDestination(SqlDestination):
    """Tables named after their streams, with the files' columns, then `_file_url`, `_file_modified_at`, `_file_row`; the ledger
    in tables whose names begin with `_file_cdk`.

    One run at a time writes into a schema. Memory: that of a block. url: see PostgresPlace.
    """

    table_class = PostgresTable
    outbox_bytes = 8 << 20
    """What a split of CSV comes to. With more, workers of a server on the same machine take its time and end long before it, and
    fill memory that is new to them: a tenth of the time of a million rows."""

    def __init__(self, url: str, *, run: str | None = None) -> None:
        self._of = PostgresPlace.of(url)
        super().__init__(self._of, run)

    @property
    def url(self) -> str:
        """Without a password."""
        return self._of.name

    @property
    def encoder(self) -> CopyEncoder:
        return CopyEncoder()

    def connect(self) -> PostgresDatabase:
        db = self._of.connected()
        try:
            self._of.hold(db)
        except BaseException:
            db.close()
            raise
        return db
