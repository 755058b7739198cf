"""Progress inside a large file: its rows so far in a table of their own, and in `_file_cdk_parts` how far it was read.

No row of them is in the stream's table before the file is whole; then all move there in one transaction, and both are gone.
`position` is the byte to go on at; `found` is JSON: what was skipped, warned of and rejected, whose raw bytes are in base64.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import json
import os
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import EPOCH
from file_cdk.core.ports import LoadedFile, Reject, Rejects
from file_cdk.core.progress import LoadProgress
from file_cdk.core.uris import well_formed
from file_cdk.destinations.duckdb.engine import take_arrow
from file_cdk.destinations.duckdb.insert import Piece
from file_cdk.destinations.duckdb.layout import Layout, read_layout
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.memory import VECTOR_ROWS
from file_cdk.destinations.duckdb.session import INPUT, PARTS, Session, as_stored, declared
from file_cdk.destinations.duckdb.types import columns_of
from file_cdk.destinations.duckdb.writer import TableWriter
from file_cdk.destinations.names import RESERVED_PREFIX, ROWS_OF, quoted
from file_cdk.destinations.sql.database import transaction
from file_cdk.destinations.sql.ledger import COLUMNS, now, version_of

PART_PREFIX = f"{RESERVED_PREFIX}_part_"

_DOING = "keeping the progress of a file"

_MOVED_ROWS = 122_880
"""Maximum rows that are moved at a time: what DuckDB keeps together."""

_MOVED_BYTES = 64 << 20
"""Maximum of them where rows are long, in bytes."""


@dataclass(frozen=True, slots=True)
class KeptPart:
    """What an earlier run left of a file. table: holds its rows."""

    table: str
    progress: LoadProgress


class Part:
    """The rows of a load in a table of their own, within the transactions of the stream's writer.

    `insert` and `keep` raise duckdb.Error, RowsRefusedError or DestinationError, and so does `finish`; then cancel the writer.
    """

    def __init__(self, writer: TableWriter, ledger: DuckDBLedger, table: str, layout: Layout) -> None:
        """layout: of the table as it is outside of the writer's transaction."""
        self._writer = writer
        self._ledger = ledger
        self.table = table
        self._rows = TableWriter(replace(ledger, stream=table), layout)

    @classmethod
    def kept(cls, writer: TableWriter, ledger: DuckDBLedger, table: str) -> "Part":
        """The rows of an earlier run."""
        return cls(writer, ledger, table, read_layout(replace(ledger, stream=table)))

    @classmethod
    def begin(cls, writer: TableWriter, ledger: DuckDBLedger) -> "Part":
        """For a file of which nothing is written."""
        part = cls(writer, ledger, _new_name(), Layout())
        writer.begin()
        if writer.layout.exists:
            _create(ledger, part.table, writer.layout, ledger.session)
            part._rows.layout = writer.layout
        return part

    @classmethod
    def of_written(cls, writer: TableWriter, ledger: DuckDBLedger, progress: LoadProgress) -> "Part":
        """For a file whose rows are in the stream's table, in the writer's transaction: they are moved, and it is rolled back.

        Durable when it returns. A transaction has no savepoints, so the rows leave it through another connection.
        """
        table = _new_name()
        other = ledger.session.another()
        try:
            with transaction(other, _DOING):
                _create(ledger, table, writer.layout, other)
                _copy(ledger, progress.file, table, other)
                _add_entry(replace(ledger, database=other), table, progress)
        finally:
            other.close()
        writer.cancel()
        return cls.kept(writer, ledger, table)

    def insert(self, pieces: Sequence[Piece]) -> None:
        self._writer.begin()
        self._rows.insert(pieces)

    def keep(self, progress: LoadProgress) -> None:
        """Durable when it returns."""
        self._writer.begin()
        self._ledger.session.execute(f"DELETE FROM {PARTS} WHERE table_name = ?", [self.table])
        _add_entry(self._ledger, self.table, progress)
        self._writer.commit()

    def finish(self, file: RemoteFile, loaded: LoadedFile, pieces: Sequence[Piece]) -> None:
        """All rows of the file, `pieces` last, take the place of those of older versions. Commits."""
        self._writer.start([file])
        if self._rows.layout.exists:
            self._writer.take_over(self.table, self._rows.layout)
        self._writer.insert(pieces)
        _forget_entry(self._ledger, self.table)
        self._writer.finish([(file, loaded)])


def kept_parts(ledger: DuckDBLedger) -> list[KeptPart]:
    """Of all files of the stream. Raises DestinationError."""
    found = ledger.session.run(
        _DOING,
        'SELECT table_name, url, etag, epoch_us(modified_at), size_bytes, "position", "rows", found, meaning '
        f"FROM {PARTS} WHERE stream = ? AND starts_with(table_name, ?) ORDER BY url",
        [ledger.stream, PART_PREFIX],
    )
    return [
        KeptPart(
            table,
            LoadProgress(
                RemoteFile(url, size_bytes, EPOCH + timedelta(microseconds=modified_us), etag),
                position,
                rows,
                **_findings(json.loads(findings)),
                meaning=meaning,
            ),
        )
        for table, url, etag, modified_us, size_bytes, position, rows, findings, meaning in found
    ]


def is_whole(ledger: DuckDBLedger, part: KeptPart) -> bool:
    """Whether its table has all rows that it should; somebody may have dropped it, or deleted some."""
    layout = read_layout(replace(ledger, stream=part.table))
    if not layout.exists:
        return part.progress.rows == 0
    [(rows,)] = ledger.session.run(_DOING, f"SELECT count(*) FROM {quoted(part.table)}")
    return bool(rows == part.progress.rows)


def forget_parts(ledger: DuckDBLedger, tables: Sequence[str]) -> None:
    """Drops the rows, and what is known of them. Durable when it returns. Raises DestinationError."""
    with transaction(ledger.session, _DOING):
        for table in tables:
            ledger.session.run(_DOING, f"DROP TABLE IF EXISTS {quoted(table)}")
            _forget_entry(ledger, table)


def forget_all_parts(ledger: DuckDBLedger) -> None:
    """Of files of the stream that were being loaded, be its rows merged or not."""
    for each in (ledger, replace(ledger, stream=ROWS_OF + ledger.name)):
        if tables := [part.table for part in kept_parts(each)]:
            forget_parts(each, tables)


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
    rows = max(VECTOR_ROWS, min(_MOVED_ROWS, int(_MOVED_BYTES / max(row_bytes, 1))))
    written = ledger.session.connection.sql(
        f"SELECT * FROM {quoted(ledger.stream)} WHERE _file_url = ?", params=[as_stored(file.uri)]
    )
    session.execute(f"INSERT INTO {quoted(table)} SELECT * FROM {INPUT}", rows=written.to_arrow_reader(rows))


def _add_entry(ledger: DuckDBLedger, table: str, progress: LoadProgress) -> None:
    url, modified_at, size_bytes, etag = version_of(progress.file)
    counts = progress.position, progress.rows, progress.rejects.total()
    found = json.dumps(_facts(progress)), progress.meaning and well_formed(progress.meaning)
    entry = ledger.stream, url, etag, modified_at, size_bytes, table, *counts, *found, now(), ledger.run
    ledger.session.run(_DOING, f"INSERT INTO {PARTS} VALUES ({', '.join('?' * len(entry))})", entry)


def _forget_entry(ledger: DuckDBLedger, table: str) -> None:
    for where, column in ((PARTS, "table_name"), (COLUMNS, "stream")):
        ledger.session.run(_DOING, f"DELETE FROM {where} WHERE {column} = ?", [table])


def _facts(progress: LoadProgress) -> dict[str, Any]:
    rejects = progress.rejects
    return {
        "skipped": progress.skipped,
        "warnings": progress.warnings,
        "rejects": rejects.counts,
        "first": [
            [each.row, each.byte, each.reason, None if each.raw is None else b64encode(each.raw).decode()]
            for each in rejects.first
        ],
    }


def _findings(facts: Mapping[str, Any]) -> dict[str, Any]:
    first = [
        Reject(row, byte, reason, None if raw is None else b64decode(raw)) for row, byte, reason, raw in facts["first"]
    ]
    raw_bytes = sum(len(each.raw or b"") for each in first)
    return {
        "skipped": Counter(facts["skipped"]),
        "warnings": Counter(facts["warnings"]),
        "rejects": Rejects(Counter(facts["rejects"]), first, raw_bytes),
    }
