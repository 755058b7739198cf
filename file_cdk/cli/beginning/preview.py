"""`file-cdk preview`: the first rows of a source, their types, and how its files would be read, on one screen."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import SOURCES, add_json, add_source, add_talk, names
from file_cdk.cli.ending import Interruption
from file_cdk.cli.parser import number as whole_number
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.fitting import fitted_lines, screen_width, wrapped
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, plural, reasons, size
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import without_collecting

if TYPE_CHECKING:  # `--help` needs none of them
    import pyarrow as pa

    from file_cdk.pipeline.tables.exploring import Exploration, FirstRows

MAX_LISTED = 100_000
"""Files that match, after which listing ends."""

_ROWS = 10
_LONGEST_CELL = 200

DESCRIPTION = f"""\
Shows the first rows of the latest file of SOURCE as a sync would load them, the types of its columns, and how its files would
be read and why. Nothing is loaded, and of each file no more than its beginning is read.

{SOURCES}"""

EPILOG = """\
examples:
  file-cdk preview orders
  file-cdk preview 's3://exports/orders/**/*.csv' -n 3
  file-cdk preview orders --json | jq .columns

exit codes:
  0    shown
  2    wrong usage or configuration
  3    the source cannot be reached or listed, or no file would be read
  5    the file cannot be read; what was read of it is shown
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser, "what to look at (see above)")
    parser.add_argument(
        "-n",
        "--rows",
        metavar="ROWS",
        type=whole_number(),
        default=_ROWS,
        help=f"how many rows to show (default: {_ROWS})",
    )
    add_json(parser, "a JSON object per stream")
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Shows on stdout; warnings go to stderr."""
    from file_cdk.pipeline.tables.exploring import explorations_of
    from file_cdk.pipeline.tables.options import SyncOptions

    display = PlainDisplay(sys.stderr)
    level = log_level(quiet=arguments.quiet, verbose=arguments.verbose)
    options = SyncOptions(
        filetype=arguments.format,
        stream=arguments.table,
        connector=arguments.connector,
        only=names(arguments.stream),
    )
    code = ExitCode.DONE
    with logs_to(display.line, level), without_collecting():
        for number, exploration in enumerate(explorations_of(arguments.source, options, max_listed=MAX_LISTED)):
            rows = exploration.rows(arguments.rows)
            if number and not arguments.json and not write_lines([""]):
                break
            told = [_document(exploration, rows)] if arguments.json else _lines(exploration, rows)
            if not write_lines(told):
                break
            if not arguments.quiet:
                for warning in (*exploration.warnings, *exploration.unreadable):
                    display.line(f"warning: {exploration.name}: {warning}")
            if rows.error is not None:
                display.line(f"error: {rows.error}")
                code = ExitCode.FILES_FAILED
    return code


def _lines(exploration: "Exploration", rows: "FirstRows") -> Iterator[str]:
    width = screen_width()
    counted = plural(exploration.files, "file") if exploration.complete else f"the first {exploration.files:,} files"
    left_out = f"; skipped: {reasons(exploration.skipped)}" if exploration.skipped else ""
    yield from wrapped(f"{escaped(exploration.name)}: {counted}, {size(exploration.size_bytes)}{left_out}", width, "  ")
    for name, text in _decisions(exploration, rows):
        yield from wrapped(f"{name:<9}{escaped(text)}", width, " " * 9)
    schema = exploration.definition.schema
    if len(schema):
        yield ""
        yield from _table(rows, schema, width)


def _decisions(exploration: "Exploration", rows: "FirstRows") -> Iterator[tuple[str, str]]:
    stream, reading = exploration.stream, exploration.reading
    why = "as is said" if stream.format is not None else "by its name"
    yield "file", f"{rows.file.uri}, the latest"
    yield "format", f"{exploration.format}, {why}"
    if reading.sniffed is not None:
        yield "dialect", f"{reading.sniffed.describe()}: {reading.sniffed.reason}"
        if not reading.is_usual:
            yield "", f"to keep it, configure format: {json.dumps(reading.options, ensure_ascii=False)}"
    shown = f"{'all ' if rows.is_all and rows.lines else ''}{plural(len(rows.lines), 'row')}"
    rejected = rows.rejects.total()
    noted = f", {plural(rejected, 'record')} rejected: {reasons(rows.rejects.counts)}" if rejected else ""
    yield "shown", f"{shown}, {plural(len(exploration.definition.schema), 'column')}{noted}"


def _table(rows: "FirstRows", schema: "pa.Schema", width: int) -> Iterator[str]:
    import pyarrow as pa

    records = [json.loads(line, parse_float=_Number, parse_int=_Number) for line in rows.lines]
    cells = [[_cell(record.get(name)) for name in schema.names] for record in records]
    names, types = [_heading(name) for name in schema.names], [str(kind) for kind in schema.types]
    right = [pa.types.is_integer(k) or pa.types.is_floating(k) or pa.types.is_decimal(k) for k in schema.types]
    lines, count = fitted_lines([names, types], cells, right, width)
    yield from lines
    if hidden := [f"{name} {kind}" for name, kind in zip(names[count:], types[count:], strict=True)]:
        yield from wrapped(f"and {plural(len(hidden), 'column')} more: {', '.join(hidden)}", width, "  ")


class _Number(str):
    """As the file has it, with all its digits."""

    __slots__ = ()


def _cell(value: Any) -> str:
    match value:
        case None:
            return "null"
        case str():
            return escaped(value[:_LONGEST_CELL])
        case bool():
            return "true" if value else "false"
    return escaped(json.dumps(value, ensure_ascii=False, default=str)[:_LONGEST_CELL])


def _heading(name: str) -> str:
    return escaped(name) or "''"


def _document(exploration: "Exploration", rows: "FirstRows") -> str:
    """Rows are spliced in as they are: their numbers keep all digits."""
    reading, schema = exploration.reading, exploration.definition.schema
    sniffed = reading.sniffed
    dialect: dict[str, Any] | None = (
        None if sniffed is None else {"options": dict(reading.options), "why": sniffed.reason}
    )
    if dialect is not None and sniffed is not None:
        dialect |= {"description": sniffed.describe(), "confidence": sniffed.confidence}
    document = {
        "stream": exploration.name,
        "origin": exploration.stream.origin,
        "files": exploration.files,
        "size_bytes": exploration.size_bytes,
        "skipped": dict(exploration.skipped),
        "complete": exploration.complete,
        "file": rows.file.uri,
        "format": exploration.format,
        "dialect": dialect,
        "columns": [{"name": field.name, "type": str(field.type)} for field in schema],
        "rejected": rows.rejects.total(),
        "error": None if rows.error is None else str(rows.error),
        "warnings": [str(each) for each in (*exploration.warnings, *exploration.unreadable)],
    }
    lines = ", ".join(line.decode() for line in rows.lines)
    return f'{json.dumps(document)[:-1]}, "rows": [{lines}]}}'
