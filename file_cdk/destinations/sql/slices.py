"""What a SQL database that no sync has open says about slices of APIs; see core.ledger.SliceLedger."""

# ruff: noqa: S608 - names are constant, and values are parameters

from collections.abc import Iterator
from dataclasses import replace

from file_cdk.core.ledger import KeptState, SliceEntry, SlicesStatus
from file_cdk.core.ports import RejectedRecord
from file_cdk.destinations.sql.database import Database, Place
from file_cdk.destinations.sql.ledger import of_moment
from file_cdk.destinations.sql.ledger_of_slices import SLICE_REJECTS, SLICES, read_slices
from file_cdk.destinations.sql.states import STATES, read_states

_READING = "reading the ledger of slices"


def slices_read(place: Place, stream: str | None) -> list[SlicesStatus]:
    if place.is_absent():
        return []
    with place.reading() as db, db.translating(_READING):
        if SLICES not in db.tables():
            return []
        sums = ", ".join(f"CAST(sum({each}) AS BIGINT)" for each in ("pages", "records", "filtered", "rejected"))
        found = db.execute(
            f"SELECT stream, count(*), {sums}, max(read_at), "
            f"(SELECT run FROM {SLICES} l WHERE l.stream = s.stream ORDER BY read_at DESC LIMIT 1) "
            f"FROM {SLICES} s WHERE ? OR stream = ? GROUP BY stream ORDER BY stream",
            [stream is None, stream],
        ).fetchall()
    counted = [SlicesStatus(*row) for row in found]
    return [replace(each, read_at=of_moment(each.read_at)) for each in counted]


def entries(place: Place, stream: str) -> Iterator[SliceEntry]:
    if place.is_absent():
        return
    with place.reading() as db:
        yield from read_slices(db, stream)


def states_kept(place: Place, source: str | None) -> list[KeptState]:
    if place.is_absent():
        return []
    with place.reading() as db:
        if STATES not in db.tables():
            return []
        names = [source]
        if source is None:
            with db.translating(_READING):
                names = [name for (name,) in db.execute(f"SELECT DISTINCT source FROM {STATES}").fetchall()]
        return [state for name in names if name is not None for state in read_states(db, name)]


def rejected_of_slices(db: Database, stream: str | None) -> int:
    if SLICES not in db.tables():
        return 0
    [(count,)] = db.execute(
        f"SELECT CAST(coalesce(sum(rejected), 0) AS BIGINT) FROM {SLICES} WHERE ? OR stream = ?",
        [stream is None, stream],
    ).fetchall()
    return int(count)


def rejects_of_slices(db: Database, stream: str | None, limit: int) -> Iterator[RejectedRecord]:
    """In place of a file, each has its slice and page."""
    if SLICE_REJECTS not in db.tables():
        return
    found = db.stream(
        f"SELECT stream, slice, page, record, reason, rejected_at, run FROM {SLICE_REJECTS} WHERE ? OR stream = ? "
        "ORDER BY stream, slice, page, record LIMIT ?",
        [stream is None, stream, limit],
    )
    for name, of, page, record, reason, at, run in found:
        when = of_moment(at)
        yield RejectedRecord(name, f"slice {of}, page {page}", when, record + 1, None, reason, None, when, run)
