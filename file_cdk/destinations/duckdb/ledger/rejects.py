"""Rejected records: `_file_cdk_rejects`, beside the ledger, written in the same transactions.

It holds a row for each record that Rejects kept; all are counted in the ledger's `rejected`. Of a file there are those of one
version, which `modified_at` names: the last that was loaded, or that failed with rejects since. `raw` is the record as the
file has it if that is UTF-8, else it is null and `raw_bytes` has it; both are null when it has no bytes of its own or they
were too many to keep. Times are UTC.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Rejects
from file_cdk.destinations.duckdb.session import INPUT, Session, blobs, integers, reader, texts
from file_cdk.destinations.rejects import text_or_bytes

REJECTS = "_file_cdk_rejects"

REJECTS_LAYOUT: Mapping[str, str] = {
    "stream": "VARCHAR",
    "url": "VARCHAR",
    "modified_at": "TIMESTAMP",
    "row": "BIGINT",
    "byte_offset": "BIGINT",
    "reason": "VARCHAR",
    "raw": "VARCHAR",
    "raw_bytes": "BLOB",
    "rejected_at": "TIMESTAMP",
    "run": "VARCHAR",
}

_REJECT_BYTES = 300
"""Memory that one takes besides its raw bytes, about, in bytes."""

_DOING = "updating the rejected records"


def size_bytes(rejects: Rejects) -> int:
    """Memory that they take, about."""
    return rejects.raw_bytes + _REJECT_BYTES * len(rejects.first)


def add_rejects(session: Session, run: str, stream: str, files: Sequence[tuple[RemoteFile, Rejects]]) -> None:
    """In one statement. The files have none there. run: names this run in each row."""
    kept = [(file, reject) for file, rejects in files for reject in rejects.first]
    if not kept:
        return
    raws = [text_or_bytes(reject) for _, reject in kept]
    rows = {
        "url": texts([file.uri for file, _ in kept]),
        "modified_at": integers([file.modified_us for file, _ in kept], pa.timestamp("us")),
        "row": integers([reject.row for _, reject in kept]),
        "byte_offset": integers([reject.byte for _, reject in kept]),
        "reason": texts([reject.reason for _, reject in kept]),
        "raw": texts([text for text, _ in raws]),
        "raw_bytes": blobs([other for _, other in raws]),
    }
    session.run(
        _DOING,
        f'INSERT INTO {REJECTS} SELECT ?, url, modified_at, "row", byte_offset, reason, raw, raw_bytes, ?, ? FROM {INPUT}',
        [stream, datetime.now(UTC).replace(tzinfo=None), run],
        reader(rows),
    )


def forget_rejects(session: Session, stream: str, uris: Sequence[str]) -> None:
    """Removes those of all versions of these files."""
    session.run(
        _DOING,
        f"DELETE FROM {REJECTS} WHERE stream = ? AND url IN (SELECT url FROM {INPUT})",
        [stream],
        reader({"url": texts(uris)}),
    )
