"""`file-cdk rejects`: the rejected records that a database keeps, as a table for a person or as JSON lines."""

import base64
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from file_cdk.cli.display import PlainDisplay
from file_cdk.cli.exit_codes import ExitCode, of_error
from file_cdk.cli.stdout import write_lines
from file_cdk.cli.table import WIDEST, table_lines
from file_cdk.cli.wording import escaped, plural
from file_cdk.core.errors import ConfigError, FileCdkError
from file_cdk.destinations.registry import destination_for

if TYPE_CHECKING:
    from file_cdk.destinations.duckdb.destination import DuckDBDestination
    from file_cdk.destinations.duckdb.reading import RejectedRecord

_HEADINGS = ("stream", "url", "row", "byte", "reason", "raw")
_NUMBERS = ("row", "byte")


@dataclass(frozen=True, slots=True)
class RejectsRequest:
    """The command line, as given."""

    database: str
    table: str | None = None
    limit: int | None = None
    as_json: bool = False


def run_rejects(request: RejectsRequest) -> ExitCode:
    """Lists on stdout; errors go to stderr."""
    try:
        database = _database(request.database)
        records = database.rejects(request.table, request.limit)
        if request.as_json:
            write_lines(map(_json_line, records))
        else:
            write_lines(_table_lines(request, database, records))
    except FileCdkError as exc:
        PlainDisplay(sys.stderr).line(f"error: {exc}")
        return of_error(exc)
    return ExitCode.DONE


def hint(destination: str) -> str | None:
    """`see: file-cdk rejects shop.duckdb`, for a destination that the command can list."""
    try:
        _database(destination)
    except ConfigError:
        return None
    return f"see: file-cdk rejects {shlex.quote(destination)}"


def _database(url: str) -> "DuckDBDestination":
    """Not opened. Raises ConfigError."""
    destination = destination_for(url)
    from file_cdk.destinations.duckdb.destination import DuckDBDestination

    if not isinstance(destination, DuckDBDestination):
        raise ConfigError(f"rejected records in {url!r} cannot be listed", remedy="Name a DuckDB database")
    return destination


def _json_line(record: "RejectedRecord") -> str:
    """`raw` is null, and `raw_base64` has the record, when it is no UTF-8; both are null when it was not kept."""
    raw = record.raw
    document: dict[str, Any] = {
        "stream": record.stream,
        "url": record.url,
        "modified_at": record.modified_at.isoformat(),
        "row": record.row,
        "byte": record.byte,
        "reason": record.reason,
        "raw": raw if isinstance(raw, str) else None,
        "raw_base64": base64.b64encode(raw).decode() if isinstance(raw, bytes) else None,
        "rejected_at": record.rejected_at.isoformat(),
        "run": record.run,
    }
    return json.dumps(document)


def _table_lines(
    request: RejectsRequest, database: "DuckDBDestination", records: Iterator["RejectedRecord"]
) -> Iterator[str]:
    shown = -2  # the headings and the rule below them are no records
    for line in table_lines(_HEADINGS, map(_cells, records), right=_NUMBERS):
        yield line
        shown += 1
    # Asked when the listing is at its end, since a database takes one connection of a kind at a time.
    if (counted := database.rejected(request.table)) > max(shown, 0):
        yield f"{plural(counted, 'rejected record')} in all"
    elif shown < 0:
        yield "no rejected records"


def _cells(record: "RejectedRecord") -> tuple[str, ...]:
    return (
        escaped(record.stream),
        escaped(record.url),
        "" if record.row is None else str(record.row),
        "" if record.byte is None else str(record.byte),
        escaped(record.reason),
        _shortened(record.raw),
    )


def _shortened(raw: str | bytes | None) -> str:
    if raw is None:
        return ""
    cut = raw[: WIDEST + 1]  # escaping makes nothing shorter
    text = escaped(cut if isinstance(cut, str) else cut.decode("utf-8", "backslashreplace"))
    return text if len(text) <= WIDEST and len(cut) == len(raw) else text[: WIDEST - 1] + "…"
