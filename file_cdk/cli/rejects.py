"""`file-cdk rejects`: the rejected records that a database keeps, as a table for a person or as JSON lines."""

import argparse
import base64
import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import add_json, add_limit, add_stream
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import WIDEST, escaped, plural, table_lines
from file_cdk.core.errors import ConfigError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.uris import redacted

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.ports import Inspectable, RejectedRecord

_HEADINGS = ("stream", "url", "row", "byte", "reason", "raw")
_NUMBERS = ("row", "byte")


DESCRIPTION = """\
Lists the records that were rejected, and so are not in the tables: where each stands, what is wrong with it, and its
beginning. They are those of the version of a file that was loaded, or that failed for them, last.

DATABASE is what --to was for the sync: x.duckdb, or duckdb:///x.db. It is opened to read only. After the files were
corrected, sync again; the corrected versions are loaded as any modified file is. Where it is not the files that had to be
corrected, sync with --retry-rejects.
"""

EPILOG = """\
examples:
  file-cdk rejects shop.duckdb --limit 20
  file-cdk rejects shop.duckdb --stream orders --json > rejected.jsonl

exit codes:
  0    listed, or there are none
  2    wrong usage, or no such table
  3    the database cannot be opened or read
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", metavar="DATABASE", help="the database (see above)")
    add_stream(parser, also=["--table"])
    add_limit(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Lists on stdout."""
    database = _database(arguments.database)
    records = database.rejects(arguments.stream, arguments.limit)
    if arguments.json:
        write_lines(map(_json_line, records))
    else:
        write_lines(_table_lines(arguments.stream, database, records))
    return ExitCode.DONE


def hint(destination: str) -> str | None:
    """`see: file-cdk rejects shop.duckdb`, for a destination that the command can list."""
    try:
        _database(destination)
    except ConfigError:
        return None
    return f"see: file-cdk rejects {shlex.quote(redacted(destination))}"


def _database(url: str) -> "Inspectable":
    """Not opened. Raises ConfigError."""
    from file_cdk.core.ports import Inspectable
    from file_cdk.destinations.registry import destination_for

    destination = destination_for(url)
    if not isinstance(destination, Inspectable):
        raise ConfigError(
            f"rejected records in {redacted(url)!r} cannot be listed",
            remedy="Name a DuckDB, SQLite or Postgres database",
        )
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


def _table_lines(table: str | None, database: "Inspectable", records: "Iterator[RejectedRecord]") -> Iterator[str]:
    shown = -2  # the headings and the rule below them are no records
    for line in table_lines(_HEADINGS, map(_cells, records), right=_NUMBERS):
        yield line
        shown += 1
    # Asked when the listing is at its end, since a database takes one connection of a kind at a time.
    if (counted := database.rejected(table)) > max(shown, 0):
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
