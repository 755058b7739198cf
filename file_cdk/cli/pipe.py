"""`file-cdk pipe`: runs a source's command into a destination, and says what came of it."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import (
    add_config,
    add_full_refresh,
    add_report,
    add_streams,
    add_talk,
    add_to,
    add_wait,
    names,
)
from file_cdk.cli.ending import Interruption, failure_of
from file_cdk.cli.environment import given
from file_cdk.cli.screen.display import Display, log_level, logs_to
from file_cdk.cli.screen.wording import plural
from file_cdk.core.dataclass import dataclass
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.uris import redacted

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.pipeline.piping.pipe import PipeObserver, PipeOptions, PipeResult

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
    add_talk(parser, is_long=True)
    add_report(parser)


def run(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Reports on stderr; stdout stays empty but for `--report -`."""
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
    """slices: see PipeOptions. arguments: with config (None for an empty one), to, stream, full_refresh, wait, quiet, verbose,
    progress, log_format and report. Raises ConfigError and DestinationError for the report; all other errors are reported."""
    from file_cdk.cli.messages import load_object
    from file_cdk.cli.progress import display_for, lines_on
    from file_cdk.cli.report import PipeReport
    from file_cdk.cli.summary import forget_old_report, write_report
    from file_cdk.pipeline.piping.naming import source_name, words_of
    from file_cdk.pipeline.piping.pipe import pipe

    target: str | None = arguments.report
    if target is not None:
        forget_old_report(target)
    report = PipeReport(name or source_name(words_of(command)), arguments.to, given(arguments.parser, arguments))
    options = replace(pipe_options(arguments, name=name), lenient=lenient, slices=slices)
    result, failure = None, None
    with (
        display_for(sys.stderr, "off" if arguments.quiet else arguments.progress, arguments.log_format) as display,
        logs_to(display.line, log_level(quiet=arguments.quiet, verbose=arguments.verbose)),
    ):
        try:
            config = {} if arguments.config is None else load_object(arguments.config, "config")
            result = pipe(command, config, arguments.to, options, observer_on(display, quiet=arguments.quiet))
            code = interruption.exit_code or ExitCode.DONE
        except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the report is to say of every end what it was
            failure = failure_of(exc, interruption)
            code = failure.code
    last = lines_on(sys.stderr, arguments.log_format)
    for line in _closing_lines(result, arguments.to) if result is not None and not arguments.quiet else ():
        last.line(line)
    for line in failure.lines(verbose=arguments.verbose) if failure is not None else ():
        last.line(line)
    if code.is_interruption:
        last.line("interrupted: what the source's last states stand for is kept, and the next run goes on from there")
    if target is not None:
        write_report(target, report.text(code, result, None if failure is None else failure.message))
    return code


def _closing_lines(result: "PipeResult", destination: str) -> Iterator[str]:
    for stream, rows in result.rows.items():
        yield f"{stream}: {plural(rows, 'record')}"
    for stream in result.complete:
        yield f"{stream}: complete in the run before, which did not come to its end; not read again"
    for reason, count in result.passed_over.items():
        yield f"warning: lines that were passed over: {count}: {reason}"
    yield f"{plural(sum(result.rows.values()), 'record')} loaded into {redacted(destination)}"


def pipe_options(arguments: argparse.Namespace, *, name: str | None) -> "PipeOptions":
    """arguments: of a command that has some of the options, and config and stream."""
    from file_cdk.pipeline.piping.pipe import PipeOptions

    return PipeOptions(
        name=name,
        streams=names(arguments.stream),
        full_refresh=getattr(arguments, "full_refresh", False),
        wait_s=getattr(arguments, "wait", 0),
        config_file=None if arguments.config is None else Path(arguments.config),
    )


def observer_on(display: Display, *, quiet: bool) -> "PipeObserver":
    return _Observer(display, quiet=quiet)


@dataclass(slots=True)
class _Tally:
    """How far a source is, of which nobody knows how much it has. stream: that came last."""

    stream: str = ""
    slices: int = 0
    pages: int = 0
    records: int = 0
    others: int = 0
    fraction: float | None = None

    def status(self) -> str:
        """`orders: 3 slices, 41 pages, 4,100 records; 900 records of others`."""
        counts = [(self.slices, "slice"), (self.pages, "page"), (self.records, "record")]
        told = ", ".join(plural(number, noun) for number, noun in counts if number or noun == "record")
        others = f"; {plural(self.others, 'record')} of others" if self.others else ""
        return f"{self.stream}: {told}{others}"

    def details(self) -> list[str]:
        return []

    def facts(self) -> dict[str, Any]:
        return {"stream": self.stream, "slices": self.slices, "pages": self.pages, "records": self.records}


class _Observer:
    """A PipeObserver."""

    def __init__(self, display: Display, *, quiet: bool) -> None:
        self._display, self._quiet = display, quiet
        self._tally = _Tally()

    def received(self, stream: str, records: int, slices: int, pages: int) -> None:
        tally = self._tally
        if tally.stream != stream:
            tally.others, tally.stream, tally.records = tally.others + tally.records, stream, 0
        tally.records, tally.slices, tally.pages = tally.records + records, slices, pages
        if not self._quiet:
            self._display.show(tally)

    def warned(self, message: str) -> None:
        if not self._quiet:
            self._display.line(f"warning: {message}")

    def source_said(self, line: str) -> None:
        if not self._quiet:
            self._display.line(f"source: {line}")
