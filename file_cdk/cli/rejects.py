"""`file-cdk rejects`: the rejected records that a database keeps, as a table for a person or as JSON lines."""

import base64
import io
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TextIO

from file_cdk.cli.display import PlainDisplay, discard
from file_cdk.cli.exit_codes import ExitCode, of_error
from file_cdk.cli.wording import escaped, plural
from file_cdk.core.errors import ConfigError, DestinationError, FileCdkError
from file_cdk.destinations.registry import destination_for

if TYPE_CHECKING:
    from file_cdk.destinations.duckdb import DuckDBDestination
    from file_cdk.destinations.duckdb_rejected import RejectedRecord

_HEADINGS = ("stream", "url", "row", "byte", "reason", "raw")
_NUMBERS = ("row", "byte")
_MEASURED = 1000
"""So many records decide how wide the columns are; no more are held at once."""

_WIDEST = 60
"""Of `raw` no more is shown; cells of other columns are shown whole, but a longer one pushes the rest of its line."""


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
            _write(map(_json_line, records))
        else:
            _write(_table_lines(request, database, records))
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
    from file_cdk.destinations.duckdb import DuckDBDestination

    if not isinstance(destination, DuckDBDestination):
        raise ConfigError(f"rejected records in {url!r} cannot be listed", remedy="Name a DuckDB database")
    return destination


def _write(lines: Iterable[str]) -> None:
    """Raises DestinationError; that nobody reads on (`| head`) is none."""
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # a terminal may not know every character of a record
    try:
        for line in lines:
            stdout.write(line + "\n")
        stdout.flush()
    except BrokenPipeError:
        discard(stdout)
    except OSError as exc:
        _give_up(stdout, exc)


def _give_up(stdout: TextIO, cause: OSError) -> None:
    discard(stdout)
    raise DestinationError(f"cannot write to stdout: {cause.strerror}") from cause


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
    cells = map(_cells, records)
    first = list(islice(cells, _MEASURED))
    if not first and not database.rejected(request.table):
        yield "no rejected records"
        return
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(_HEADINGS, *first, strict=True)]
    yield _line(_HEADINGS, widths)
    yield _line(["-" * width for width in widths], widths)
    shown = 0
    for row in chain(first, cells):
        yield _line(row, widths)
        shown += 1
    # Asked when the listing is at its end, since a database takes one connection of a kind at a time.
    if (counted := database.rejected(request.table)) > shown:
        yield f"{plural(counted, 'rejected record')} in all"


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
    cut = raw[: _WIDEST + 1]  # escaping makes nothing shorter
    text = escaped(cut if isinstance(cut, str) else cut.decode("utf-8", "backslashreplace"))
    return text if len(text) <= _WIDEST and len(cut) == len(raw) else text[: _WIDEST - 1] + "…"


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (
        cell.rjust(width) if heading in _NUMBERS else cell.ljust(width)
        for heading, cell, width in zip(_HEADINGS, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()
