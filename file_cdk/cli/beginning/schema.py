"""`file-cdk schema`: the columns and types that a sync would give a table, for a person, a program or a database."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from file_cdk.cli.arguments import SOURCES, add_all_text, add_json, add_source, add_talk, names
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, plural, table_lines
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import without_collecting

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.pipeline.tables.exploring import Exploration

DATABASES = ("duckdb", "postgres", "sqlite")
"""As destinations.definitions has them."""

_FORMS = ("table", "json-schema", "arrow", "sql")
_OF_ROWS = ("json-schema", "arrow")

DESCRIPTION = f"""\
Says which columns and types a table of SOURCE would get from a sync, found in the beginnings of the ten latest files.

  --as table        a table of the columns (the default)
  --as json-schema  the JSON Schema of the rows that `sync --to -` writes, for one stream
  --as arrow        an Arrow field a line, as `sync --to - --output-format arrow` has them
  --as sql          CREATE TABLE, as a sync into the database of --for gives it

{SOURCES}"""

EPILOG = """\
examples:
  file-cdk schema orders
  file-cdk schema orders --as sql --for postgres
  file-cdk schema 's3://exports/orders/*.parquet' --as json-schema > orders.schema.json
  file-cdk schema orders --json | jq -r '.columns[].name'

exit codes:
  0    told
  2    wrong usage or configuration
  3    the source cannot be reached or listed, or no file would be read
  5    none of the files that were looked at can be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser, "what to look at (see above)")
    parser.add_argument("--as", dest="form", choices=_FORMS, default="table", help="what to print (default: table)")
    parser.add_argument(
        "--for",
        dest="database",
        choices=DATABASES,
        default="duckdb",
        help="the database whose types are meant, with --as table and sql (default: duckdb)",
    )
    add_all_text(parser)
    add_json(parser, "a JSON object per stream")
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Tells on stdout; a summary and warnings go to stderr."""
    from file_cdk.core.errors import ConfigError
    from file_cdk.pipeline.tables.exploring import explorations_of
    from file_cdk.pipeline.tables.options import SyncOptions

    if arguments.json and arguments.form != "table":
        raise ConfigError(f"--json is for the table, and --as {arguments.form} is none", remedy="Leave one of them out")
    display = PlainDisplay(sys.stderr)
    level = log_level(quiet=arguments.quiet, verbose=arguments.verbose)
    options = SyncOptions(
        filetype=arguments.format,
        stream=arguments.table,
        connector=arguments.connector,
        only=names(arguments.stream),
        all_text=arguments.all_text,
    )
    database = None if arguments.form in _OF_ROWS else arguments.database
    with logs_to(display.line, level), without_collecting():
        for number, exploration in enumerate(explorations_of(arguments.source, options, database)):
            if not len(exploration.definition.schema) and exploration.unreadable:
                raise exploration.unreadable[0]
            if number and not arguments.json and not write_lines([""]):
                break
            if not write_lines(_document(exploration) if arguments.json else _FUNCTIONS[arguments.form](exploration)):
                break
            if not arguments.quiet:
                _summarize(exploration, display)
    return ExitCode.DONE


def _summarize(exploration: "Exploration", display: PlainDisplay) -> None:
    looked_at = exploration.sampled
    whole = "" if looked_at == exploration.files else f" of {exploration.files:,}"
    columns = plural(len(exploration.definition.schema), "column")
    display.line(f"{exploration.name}: {columns}, found in {plural(looked_at, 'file')}{whole}")
    for warning in (*exploration.warnings, *exploration.unreadable):
        display.line(f"warning: {exploration.name}: {warning}")


def _table(exploration: "Exploration") -> Iterator[str]:
    database = exploration.definition.database
    rows = (
        (escaped(column.name) or "''", str(column.type or ""), column.declared)
        for column in exploration.definition.columns()
    )
    yield from table_lines(("column", "type", str(database)), rows)


def _sql(exploration: "Exploration") -> Iterator[str]:
    yield from exploration.definition.statement(exploration.name).splitlines()


def _arrow(exploration: "Exploration") -> Iterator[str]:
    for field in exploration.definition.schema:
        yield f"{escaped(field.name)}: {field.type}"


def _json_schema(exploration: "Exploration") -> Iterator[str]:
    from file_cdk.protocol.row_schema import row_schema

    schema = row_schema(exploration.definition.schema, exploration.name)
    yield from json.dumps(schema, indent=2, ensure_ascii=False).splitlines()


_FUNCTIONS = {"table": _table, "json-schema": _json_schema, "arrow": _arrow, "sql": _sql}


def _document(exploration: "Exploration") -> Iterator[str]:
    """`source`, `type`: null for the columns that say where a row came from."""
    document = {
        "stream": exploration.name,
        "files": exploration.files,
        "files_sampled": exploration.sampled,
        "format": exploration.format,
        "database": exploration.definition.database,
        "columns": [
            {
                "name": column.name,
                "source": column.source,
                "type": None if column.type is None else str(column.type),
                "declared": column.declared,
            }
            for column in exploration.definition.columns()
        ],
        "warnings": [str(each) for each in (*exploration.warnings, *exploration.unreadable)],
    }
    yield json.dumps(document)
