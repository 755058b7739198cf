"""`file-cdk pipe`: runs a source's command into a destination, and says what came of it."""

import argparse
import sys
from pathlib import Path

from file_cdk.cli.arguments import add_config, add_full_refresh, add_streams, add_talk, add_to, add_wait, names
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.display import Display, PlainDisplay, log_level, logs_to
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.uris import redacted

DESCRIPTION = """\
Runs an Airbyte source, whoever made it, and loads what it sends into tables of DEST, one for each of its streams. How far the
source came is kept in DEST with the rows, so running the same command again loads what is new: each record once, also when a
run was killed.

SOURCE_COMMAND is the source's program, with its arguments if it has any, as one word; it is split as a shell does, but no shell
is started. Streams are read incrementally where the source can: then rows are added, or, where the source names a primary key
and DEST can merge, the latest row of each key is shown. Other streams are read as a whole each time, and replaced at the end.
"""

EPILOG = """\
examples:
  file-cdk pipe source-faker --config faker.json --to shop.duckdb
  file-cdk pipe source-faker --config faker.json --to shop.duckdb --stream users,products
  file-cdk pipe '/opt/faker/bin/source-faker' --config faker.json --to postgres://loader@db/shop
  file-cdk pipe 'python my_source.py' --config my.json --to lake/ --name my-source
  file-cdk pipe source-faker --config faker.json --to shop.duckdb --full-refresh

exit codes:
  0    all streams are complete
  1    internal error: a bug in file_cdk
  2    wrong usage or configuration
  3    the source failed, or the destination cannot be opened or written (another run may have it open: --wait)
  5    the source failed after some of its streams were complete
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
After each, what the source's last states stand for is kept, and the next run goes on from there.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source_command", metavar="SOURCE_COMMAND", help="how to run the source (see above)")
    add_config(parser, required=True)
    add_to(parser, "It is created when missing", required=True)
    add_streams(parser)
    add_full_refresh(parser)
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="what the source is called in DEST, where its states are found again; by default as its program. Two sources that "
        "are called the same, such as one program with two configurations, need names",
    )
    parser.add_argument(
        "--lenient", action="store_true", help="pass over lines that are no messages, and say how many there were"
    )
    add_wait(parser)
    add_talk(parser)


def run(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Reports on stderr; stdout stays empty."""
    return load_source(
        arguments.source_command, arguments, interruption, name=arguments.name, lenient=arguments.lenient
    )


def load_source(
    command: str,
    arguments: argparse.Namespace,
    interruption: Interruption,
    *,
    name: str | None,
    lenient: bool = False,
    slices: bool = False,
) -> ExitCode:
    """slices: see PipeOptions. arguments: with config (None for an empty one), to, stream, full_refresh, wait, quiet and
    verbose."""
    from file_cdk.cli.messages import load_object
    from file_cdk.cli.screen.wording import plural
    from file_cdk.pipeline.piping.pipe import PipeOptions, pipe

    display = PlainDisplay(sys.stderr)
    options = PipeOptions(
        name=name,
        streams=names(arguments.stream),
        full_refresh=arguments.full_refresh,
        lenient=lenient,
        wait_s=arguments.wait,
        config_file=None if arguments.config is None else Path(arguments.config),
        slices=slices,
    )
    with logs_to(display.line, log_level(quiet=arguments.quiet, verbose=arguments.verbose)):
        config = {} if arguments.config is None else load_object(arguments.config, "config")
        observer = _Observer(display, quiet=arguments.quiet)
        result = pipe(command, config, arguments.to, options, observer)
    if not arguments.quiet:
        for stream, rows in result.rows.items():
            display.line(f"{stream}: {plural(rows, 'record')}")
        for stream in result.complete:
            display.line(f"{stream}: complete in the run before, which did not come to its end; not read again")
        for reason, count in result.passed_over.items():
            display.line(f"warning: lines that were passed over: {count}: {reason}")
        display.line(f"{plural(sum(result.rows.values()), 'record')} loaded into {redacted(arguments.to)}")
    return interruption.exit_code or ExitCode.DONE


class _Observer:
    """A PipeObserver."""

    def __init__(self, display: Display, *, quiet: bool) -> None:
        self._display, self._quiet = display, quiet

    def warned(self, message: str) -> None:
        if not self._quiet:
            self._display.line(f"warning: {message}")

    def source_said(self, line: str) -> None:
        if not self._quiet:
            self._display.line(f"source: {line}")
