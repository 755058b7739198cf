"""`file-cdk ls`: what a sync would read and what it would skip, as a table for a person or as JSON lines."""

import argparse
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from file_cdk.cli.arguments import (
    SOURCES,
    add_config,
    add_json,
    add_limit,
    add_period,
    add_source,
    add_talk,
    add_to,
    names,
    refuse_config,
)
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.display import Display, PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.json_text import json_text, version_members
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, plural, reasons, second, size, table_lines
from file_cdk.core.dataclass import dataclass
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import without_collecting
from file_cdk.pipeline.apis.recognising import is_manifest

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.files import RemoteFile
    from file_cdk.pipeline.inspection import InspectedFile, Inspection

_HEADINGS = ("modified", "size", "format", "decision", "uri")

DESCRIPTION = f"""\
Lists the files of SOURCE in the order in which a sync would read them, and says of each whether it would be read, or why
it would be skipped. No file is opened, but archives, whose members are files of their own.

{SOURCES}"""

EPILOG = """\
examples:
  file-cdk ls orders
  file-cdk ls orders --to shop.duckdb            what is new
  file-cdk ls 'logs/2024-*/*.jsonl' --all        also what the pattern leaves out
  file-cdk ls orders --json --sort none | jq -r 'select(.decision == "skip") | .uri'

exit codes:
  0    listed, or nothing matches
  2    wrong usage or configuration
  3    the source cannot be reached or listed, or the database cannot be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser, "what to list (see above)")
    add_config(parser)
    add_to(parser, "What it has loaded is told; it is read, never changed")
    parser.add_argument(
        "--all", action="store_true", help="also files that match no pattern, below where listing begins"
    )
    add_period(parser)
    parser.add_argument(
        "--sort",
        choices=["modified", "uri", "none"],
        default="modified",
        help="modified: in the order of a sync; none: as they are listed, at once, and no more than --limit (default: modified)",
    )
    add_limit(parser)
    add_json(parser)
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Lists on stdout; progress, a summary and warnings go to stderr."""
    if is_manifest(arguments.source):
        from file_cdk.cli.manifest_looks import list_manifest

        return list_manifest(arguments)
    refuse_config(arguments)
    level = log_level(quiet=arguments.quiet, verbose=arguments.verbose)
    with _Screen(quiet=arguments.quiet) as screen, logs_to(screen.line, level), without_collecting():
        _list(arguments, screen)  # where its objects are gone before Python looks for cycles again
    return ExitCode.DONE


def _list(arguments: argparse.Namespace, screen: "_Screen") -> None:
    from file_cdk.pipeline.inspection import InspectionOptions, Order, inspections_of

    with ExitStack() as opened:
        options = InspectionOptions(
            filetype=arguments.format,
            stream=arguments.table,
            connector=arguments.connector,
            only=names(arguments.stream),
            destination=arguments.to,
            everything=arguments.all,
            order=Order(arguments.sort),
            since=arguments.since,
            until=arguments.until,
            settle_s=arguments.settle,
        )
        inspections = inspections_of(arguments.source, options)
        parts = [part for each in inspections for part in each.parts(opened, screen.seen)]
        listing = _Listing(parts, arguments, screen)
        with closing(listing.files()) as files:
            written = write_lines(listing.lines(files), all_at_hand=options.order is not Order.NONE)
        screen.stop_progress()
        if written and not arguments.quiet:
            for line in listing.summary():
                screen.line(line)


class _Screen:
    """Progress on stderr for as long as no lines of ours come between on the same terminal."""

    def __init__(self, *, quiet: bool) -> None:
        from file_cdk.cli.progress import ListingTally

        self._quiet = quiet
        self._tally = ListingTally()
        self._open = ExitStack()
        self._display: Display = PlainDisplay(sys.stderr, interval_s=None)

    def __enter__(self) -> "_Screen":
        from file_cdk.cli.progress import display_for

        self._display = self._open.enter_context(display_for(sys.stderr, "off" if self._quiet else "auto"))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_progress()

    def seen(self, file: "RemoteFile") -> None:
        self._tally.files += 1
        self._tally.size_bytes += file.size_bytes
        self._display.show(self._tally)

    def line(self, text: str) -> None:
        self._display.line(text)

    def output_begins(self) -> None:
        if sys.stdout.isatty():
            self.stop_progress()

    def stop_progress(self) -> None:
        self._open.close()
        self._display = PlainDisplay(sys.stderr, interval_s=None)


@dataclass(slots=True)
class _Listing:
    inspections: "Sequence[Inspection]"
    arguments: argparse.Namespace
    screen: _Screen
    shown: int = 0
    stopped: bool = False
    """Whether the listing ended at the limit, with nothing known of what would have followed."""

    def files(self) -> "Generator[InspectedFile, None, None]":
        """What is to be shown; goes on to the end all the same, for the counts, unless that is not known to be near."""
        limit: int | None = self.arguments.limit
        for inspection in self.inspections:
            with closing(inspection.files(self.screen.seen)) as files:
                for file in files:
                    if limit is None or self.shown < limit:
                        self.shown += 1
                        yield file
                    elif self.arguments.sort == "none":
                        self.stopped = True
                        return

    def lines(self, files: "Iterator[InspectedFile]") -> Iterator[str]:
        lines = iter(map(_json_line, files) if self.arguments.json else self._table_lines(files))
        if (first := next(lines, None)) is not None:
            self.screen.output_begins()
            yield first
            yield from lines

    def _table_lines(self, files: "Iterator[InspectedFile]") -> Iterator[str]:
        if len(self.inspections) > 1:
            rows = ((escaped(file.stream), *_cells(file)) for file in files)
            return table_lines(("stream", *_HEADINGS), rows, right=("size",))
        return table_lines(_HEADINGS, map(_cells, files), right=("size",))

    def summary(self) -> Iterator[str]:
        if self.stopped:
            yield f"listing ended at --limit {self.arguments.limit}: there are more files"
            return
        for inspection in self.inspections:
            left_out = f"; skipped: {reasons(inspection.skipped)}" if inspection.skipped else ""
            to_read = f"{plural(inspection.files_read, 'file')} to read, {size(inspection.size_bytes)}"
            yield f"{inspection.stream.name}: {to_read}{left_out}"
        listed = sum(each.files_read + each.skipped.total() for each in self.inspections)
        if self.shown < listed:
            yield f"shown: {self.shown:,} of {plural(listed, 'file')} (--limit)"
        for inspection in self.inspections:
            for warning in inspection.warnings():
                several = f"{inspection.stream.name}: " if len(self.inspections) > 1 else ""
                yield f"warning: {several}{warning}"


def _cells(each: "InspectedFile") -> tuple[str, ...]:
    file, reason = each.file, each.reason
    return (
        second(file.modified_at),
        size(file.size_bytes),
        each.format or "",
        "read" if reason is None else f"skipped: {reason}",
        escaped(file.uri),
    )


def _json_line(each: "InspectedFile") -> str:
    file, reason = each.file, each.reason
    kind = "null" if each.format is None else json_text(each.format)
    decision = '"read", "reason": null' if reason is None else f'"skip", "reason": {json_text(reason)}'
    return (
        f'{{"stream": {json_text(each.stream)}, "uri": {json_text(file.uri)}, {version_members(file)}, '
        f'"format": {kind}, "decision": {decision}}}'
    )
