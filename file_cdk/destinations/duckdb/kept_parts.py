"""What `_file_cdk_parts` has of files that are loaded in part; parts.py writes their rows.

`position` is the byte to go on at; `found` is JSON: what was skipped, warned of and rejected, whose raw bytes are in base64.
"""

# ruff: noqa: S608 - names are quoted or constant, and values are parameters

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import EPOCH
from file_cdk.core.ports import Reject, Rejects
from file_cdk.core.progress import LoadProgress
from file_cdk.core.uris import well_formed
from file_cdk.destinations.duckdb.ledger import DuckDBLedger
from file_cdk.destinations.duckdb.present import present_columns
from file_cdk.destinations.duckdb.session import PARTS
from file_cdk.destinations.names import RESERVED_PREFIX, ROWS_OF, quoted
from file_cdk.destinations.sql.database import transaction
from file_cdk.destinations.sql.ledger import COLUMNS, now, version_of

PART_PREFIX = f"{RESERVED_PREFIX}_part_"

_DOING = "keeping the progress of a file"


@dataclass(frozen=True, slots=True)
class KeptPart:
    """What an earlier run left of a file. table: holds its rows."""

    table: str
    progress: LoadProgress


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
    if not present_columns(replace(ledger, stream=part.table)):
        return part.progress.rows == 0
    [(rows,)] = ledger.session.run(_DOING, f"SELECT count(*) FROM {quoted(part.table)}")
    return bool(rows == part.progress.rows)


def forget_parts(ledger: DuckDBLedger, tables: Sequence[str]) -> None:
    """Drops the rows, and what is known of them. Durable when it returns. Raises DestinationError."""
    with transaction(ledger.session, _DOING):
        for table in tables:
            ledger.session.run(_DOING, f"DROP TABLE IF EXISTS {quoted(table)}")
            forget_entry(ledger, table)


def forget_all_parts(ledger: DuckDBLedger) -> None:
    """Of files of the stream that were being loaded, be its rows merged or not."""
    for each in (ledger, replace(ledger, stream=ROWS_OF + ledger.name)):
        if tables := [part.table for part in kept_parts(each)]:
            forget_parts(each, tables)


def add_entry(ledger: DuckDBLedger, table: str, progress: LoadProgress) -> None:
    url, modified_at, size_bytes, etag = version_of(progress.file)
    counts = progress.position, progress.rows, progress.rejects.total()
    found = json.dumps(_facts(progress)), progress.meaning and well_formed(progress.meaning)
    entry = ledger.stream, url, etag, modified_at, size_bytes, table, *counts, *found, now(), ledger.run
    ledger.session.run(_DOING, f"INSERT INTO {PARTS} VALUES ({', '.join('?' * len(entry))})", entry)


def forget_entry(ledger: DuckDBLedger, table: str) -> None:
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
