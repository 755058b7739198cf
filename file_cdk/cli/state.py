"""`file-cdk state`: a ledger's entries shown, exported as the state of a connector, made of such a state, or forgotten."""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import add_json, add_limit, add_naming, add_stream, add_to, operations_of
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.display import PlainDisplay
from file_cdk.cli.screen.json_text import entry_object
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, plural, second, size, table_lines
from file_cdk.core.errors import ConfigError
from file_cdk.core.exit_codes import ExitCode

if TYPE_CHECKING:  # `--help` does not need it
    from file_cdk.core.ledger import LedgerEntry

DESCRIPTION = """\
What a database's ledger has of each file, and what may be done with it besides syncing:

  show    lists its entries
  export  prints it as the state of an Airbyte connector, which then reads what is not in the ledger
  import  has a new database take what such a state says was read as loaded, so that a sync goes on from there
  reset   has the next sync load files again, in place of the rows that are there until then
"""

EPILOG = """\
examples:
  file-cdk state show shop.duckdb --file 2024-01.csv
  file-cdk state reset shop.duckdb --table orders --file 2024-01.csv
  file-cdk state export shop.duckdb > state.json
  file-cdk state import state.json s3.yaml --to shop.duckdb

exit codes:
  0    done
  2    wrong usage, or no such table, file or state
  3    the database or the source cannot be opened or read
"""

_HEADINGS = ("table", "url", "modified", "size", "rows", "rejected", "skipped", "status", "loaded", "run")
_NUMBERS = ("size", "rows", "rejected", "skipped")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    operation = operations_of(parser)

    show = operation("show", "list the entries of the ledger", _show)
    _add_database(show)
    show.add_argument("--file", metavar="URL", help="only this file, as `_file_url` has it")
    show.add_argument("--failed", action="store_true", help="only files that failed")
    add_limit(show)
    add_json(show)
    export = operation("export", "print the ledger as the state of an Airbyte connector, a JSON list", _export)
    _add_database(export)
    load = operation("import", "have a database take what a connector's state says was read as loaded", _import)
    load.add_argument("state", metavar="STATE", help="the state file: STATE messages in a JSON list, or as JSON lines")
    load.add_argument("source", metavar="SOURCE", help="the files it is about, as for sync")
    add_to(load, "It is created when missing", required=True)
    add_naming(load)
    reset = operation("reset", "have the next sync load files again; their rows stay until then", _reset)
    _add_database(reset)
    reset.add_argument(
        "--file",
        metavar="URL",
        action="append",
        default=[],
        help="only this file, as `_file_url` has it; may be repeated",
    )


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", metavar="DATABASE", help="what --to was for the sync: x.duckdb, or duckdb:///x.db")
    add_stream(parser, also=["--table"])


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    arguments.operation(arguments)
    return ExitCode.DONE


def _show(arguments: argparse.Namespace) -> None:
    from file_cdk.pipeline.tables.explaining import ledger_keeper

    ledger = ledger_keeper(arguments.database)
    streams = ledger.streams(arguments.stream)  # refuses what does not exist
    stream = arguments.stream and streams[0].stream
    entries = ledger.entries(stream, arguments.file and [arguments.file], failed=arguments.failed)
    entries = islice(entries, arguments.limit)
    if arguments.json:
        write_lines((json.dumps(entry_object(entry)) for entry in entries), all_at_hand=True)
    else:
        lines = table_lines(_HEADINGS, map(_cells, entries), right=_NUMBERS)
        write_lines(_or("no entries", lines), all_at_hand=True)


def _or(text: str, lines: Iterator[str]) -> Iterator[str]:
    yield next(lines, text)
    yield from lines


def _cells(entry: "LedgerEntry") -> tuple[str, ...]:
    again = entry.status == "loaded" and entry.size_bytes is None
    return (
        escaped(entry.stream),
        escaped(entry.url),
        second(entry.modified_at),
        "" if entry.size_bytes is None else size(entry.size_bytes),
        "" if entry.rows is None else f"{entry.rows:,}",
        "" if entry.rejected is None else f"{entry.rejected:,}",
        "" if entry.skipped is None else f"{entry.skipped:,}",
        "to be loaded again" if again else entry.status,
        second(entry.loaded_at),
        entry.run,
    )


def _export(arguments: argparse.Namespace) -> None:
    from file_cdk.pipeline.tables.explaining import ledger_keeper
    from file_cdk.pipeline.tables.states import exported

    messages = exported(ledger_keeper(arguments.database), arguments.stream)
    write_lines([json.dumps([message["state"] for message in messages])])


def _import(arguments: argparse.Namespace) -> None:
    from file_cdk.pipeline.tables.states import import_state

    raw = _state(arguments.state)
    display = PlainDisplay(sys.stderr)
    for each in import_state(raw, arguments.source, arguments.to, arguments.table, arguments.connector):
        taken = f"{plural(each.files, 'file')} taken as loaded"
        display.line(f"{each.stream}: {taken}, {each.left:,} left to load")


def _state(path: str) -> Any:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise ConfigError(f"the state {path!r} cannot be read: {reason}") from exc
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise ConfigError(f"the state {path!r} is not JSON") from None


def _reset(arguments: argparse.Namespace) -> None:
    from file_cdk.pipeline.tables.explaining import ledger_keeper

    ledger = ledger_keeper(arguments.database)
    streams = ledger.streams(arguments.stream)
    if arguments.stream is None and len(streams) > 1:
        known = ", ".join(repr(each.stream) for each in streams)
        raise ConfigError("the database has several tables", remedy=f"Say which with --table: {known}")
    for stream in streams:
        for url in arguments.file:
            if next(ledger.entries(stream.stream, [url]), None) is None:
                raise ConfigError(
                    f"the ledger of table {stream.stream!r} has no file {url!r}", remedy="See: file-cdk state show"
                )
        count = ledger.reset(stream.stream, arguments.file)
        PlainDisplay(sys.stderr).line(f"{stream.stream}: the next sync loads {plural(count, 'file')} again")
