"""The slices of APIs in a SQL database, beside the rows that came of them.

`_file_cdk_slices` has a row for each slice that was read; `_file_cdk_slice_rejects` one for each record that was left out
of one. Both are made when the first slice is kept. Of attempts before the last ones nothing is kept.
"""

# ruff: noqa: S608 - names are constant, and values are parameters

from collections.abc import Iterator
from dataclasses import astuple, fields, replace

from file_cdk.core.ledger import SliceEntry, SliceReject, SlicesRead
from file_cdk.destinations.names import RESERVED_PREFIX
from file_cdk.destinations.sql.database import Database, transaction
from file_cdk.destinations.sql.ledger import moment, of_moment

SLICES, SLICE_REJECTS = f"{RESERVED_PREFIX}_slices", f"{RESERVED_PREFIX}_slice_rejects"

_COLUMNS = ", ".join(each.name for each in fields(SliceEntry))
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {SLICES} (stream TEXT, attempt BIGINT, slice TEXT, pages BIGINT, records BIGINT, "
    "filtered BIGINT, rejected BIGINT, highest TEXT, read_at TEXT, run TEXT)",  # times as in the ledger's other tables
    f"CREATE TABLE IF NOT EXISTS {SLICE_REJECTS} (stream TEXT, attempt BIGINT, slice TEXT, page BIGINT, record BIGINT, "
    "reason TEXT, rejected_at TEXT, run TEXT)",
)
_DOING = "keeping the slices of a source"


def read_slices(database: Database, stream: str, attempt: int | None = None) -> Iterator[SliceEntry]:
    with database.translating("reading the ledger of slices"):
        if not database.declared(SLICES):
            return
        of_attempt, named = ("", []) if attempt is None else (" AND attempt = ?", [attempt])
        found = database.stream(
            f"SELECT {_COLUMNS} FROM {SLICES} WHERE stream = ?{of_attempt} ORDER BY attempt, read_at", [stream, *named]
        )
        for row in found:
            entry = SliceEntry(*row)
            yield replace(entry, read_at=of_moment(entry.read_at))


def write_slices(database: Database, slices: SlicesRead) -> None:
    with transaction(database, _DOING), database.translating(_DOING):
        if slices.entries or slices.rejects:
            if not database.declared(SLICES):
                for create in _CREATE:
                    database.execute(create)
            _insert(database, SLICES, [_row(each) for each in slices.entries])
            _insert(database, SLICE_REJECTS, [_row(each) for each in slices.rejects])
        if slices.obsolete and database.declared(SLICES):
            for stream, attempt in slices.obsolete.items():
                for table in (SLICES, SLICE_REJECTS):
                    database.execute(f"DELETE FROM {table} WHERE stream = ? AND attempt < ?", [stream, attempt])


def _row(entry: SliceEntry | SliceReject) -> tuple[object, ...]:
    """As the tables have it: with its time as text."""
    *facts, at, run = astuple(entry)
    return (*facts, moment(at), run)


def _insert(database: Database, table: str, rows: list[tuple[object, ...]]) -> None:
    if rows:
        database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
