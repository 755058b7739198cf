"""Progress inside a large file: its rows so far in a table of their own, and in `_file_cdk_parts` how far it was read.

No row of them is in the stream's table before the file is whole; then all move there in one transaction, and both are gone.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import os
from collections.abc import Sequence
from dataclasses import replace

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import LoadedFile
from file_cdk.core.progress import LoadProgress
from file_cdk.destinations.duckdb.engine import take_arrow
from file_cdk.destinations.duckdb.insert import Piece
from file_cdk.destinations.duckdb.kept_parts import PART_PREFIX, add_entry, forget_entry
from file_cdk.destinations.duckdb.layout import Layout, read_layout
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.limits import ROW_GROUP_ROWS
from file_cdk.destinations.duckdb.memory import VECTOR_ROWS
from file_cdk.destinations.duckdb.present import columns_of
from file_cdk.destinations.duckdb.session import INPUT, PARTS, Session, as_stored, declared
from file_cdk.destinations.duckdb.writer import TableWriter
from file_cdk.destinations.names import quoted
from file_cdk.destinations.sql.database import transaction

_DOING = "keeping the progress of a file"

_MOVED_BYTES = 64 << 20
"""Maximum of rows that are moved at a time, in bytes: a row group, or fewer where rows are long."""


class Part:
    """The rows of a load in a table of their own, within the transactions of the stream's writer.

    `insert` and `keep` raise duckdb.Error, RowsRefusedError or DestinationError, and so does `finish`; then cancel the writer.
    """

    def __init__(self, writer: TableWriter, table: str, layout: Layout) -> None:
        """layout: of the table as it is outside of the writer's transaction."""
        self._writer = writer
        self._ledger = writer.ledger
        self.table = table
        self._rows = TableWriter(replace(self._ledger, stream=table), layout)

    @classmethod
    def kept(cls, writer: TableWriter, table: str) -> "Part":
        """The rows of an earlier run."""
        return cls(writer, table, read_layout(replace(writer.ledger, stream=table)))

    @classmethod
    def begin(cls, writer: TableWriter) -> "Part":
        """For a file of which nothing is written."""
        part = cls(writer, _new_name(), Layout())
        writer.begin()
        if writer.layout.exists:
            _create(writer.ledger, part.table, writer.layout, writer.ledger.session)
            part._rows.layout = writer.layout
        return part

    @classmethod
    def of_written(cls, writer: TableWriter, progress: LoadProgress) -> "Part":
        """For a file whose rows are in the stream's table, in the writer's transaction: they are moved, and it is rolled back.

        Durable when it returns. A transaction has no savepoints, so the rows leave it through another connection.
        """
        table, ledger = _new_name(), writer.ledger
        other = ledger.session.another()
        try:
            with transaction(other, _DOING):
                _create(ledger, table, writer.layout, other)
                _copy(ledger, progress.file, table, other)
                add_entry(replace(ledger, database=other), table, progress)
        finally:
            other.close()
        writer.cancel()
        return cls.kept(writer, table)

    def insert(self, pieces: Sequence[Piece]) -> None:
        self._writer.begin()
        self._rows.insert(pieces)

    def keep(self, progress: LoadProgress) -> None:
        """Durable when it returns."""
        self._writer.begin()
        self._ledger.session.execute(f"DELETE FROM {PARTS} WHERE table_name = ?", [self.table])
        add_entry(self._ledger, self.table, progress)
        self._writer.commit()

    def finish(self, file: RemoteFile, loaded: LoadedFile, pieces: Sequence[Piece]) -> None:
        """All rows of the file, `pieces` last, take the place of those of older versions. Commits."""
        self._writer.start([file])
        if self._rows.layout.exists:
            self._writer.take_over(self.table, self._rows.layout)
        self._writer.insert(pieces)
        forget_entry(self._ledger, self.table)
        self._writer.finish([(file, loaded)])


def _new_name() -> str:
    return f"{PART_PREFIX}{os.urandom(8).hex()}"


def _create(ledger: DuckDBLedger, table: str, layout: Layout, session: Session) -> None:
    """An empty table with the columns that the stream's has in the transaction of the ledger's session."""
    like = columns_of(ledger.session.connection, quoted(ledger.stream))
    columns = {name: str(kind) for name, kind in like.items()}
    session.run(_DOING, f"CREATE TABLE {quoted(table)} ({declared(columns)})")
    own = replace(ledger, database=session, stream=table)
    own.set_renamed_columns({name: column for name, column in layout.columns.items() if name != column})


def _copy(ledger: DuckDBLedger, file: RemoteFile, table: str, session: Session) -> None:
    """The file's rows in the stream's table, as the ledger's session sees them, in their order."""
    take_arrow()

    tail = ledger.session.memory.tails.get(ledger.stream)
    row_bytes = (tail.heaviest_bytes if tail is not None else 0) / VECTOR_ROWS
    rows = max(VECTOR_ROWS, min(ROW_GROUP_ROWS, int(_MOVED_BYTES / max(row_bytes, 1))))
    written = ledger.session.connection.sql(
        f"SELECT * FROM {quoted(ledger.stream)} WHERE _file_url = ?", params=[as_stored(file.uri)]
    )
    session.execute(f"INSERT INTO {quoted(table)} SELECT * FROM {INPUT}", rows=written.to_arrow_reader(rows))
