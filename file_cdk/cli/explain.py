"""`file-cdk explain`: what a sync would do with each file, and why, as a table for a person or as JSON lines."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING

from file_cdk.cli.arguments import (
    SOURCES,
    add_config,
    add_deletes,
    add_json,
    add_period,
    add_source,
    add_talk,
    add_to,
    names,
    refuse_config,
)
from file_cdk.cli.ending import Interruption
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.json_text import json_text, version_members
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, second, size, table_lines
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.system.collecting import without_collecting
from file_cdk.pipeline.apis.recognising import is_manifest

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.pipeline.tables.explaining import ExplainedFile, Explanation

DESCRIPTION = f"""\
Says of each file of SOURCE, and of each that DEST has loaded, what a sync would do with it and why: read it, replace its rows,
skip it, remove it, or keep it though it is gone from SOURCE. No file is read, and DEST is not changed.

{SOURCES}"""

EPILOG = """\
examples:
  file-cdk explain orders --to shop.duckdb
  file-cdk explain orders --to shop.duckdb --on-delete remove
  file-cdk explain orders --to shop.duckdb --json | jq -r 'select(.decision == "replace") | .uri'

exit codes:
  0    told
  2    wrong usage or configuration
  3    the source cannot be reached or listed, or the database cannot be read
  130  interrupted (SIGINT);  143  terminated (SIGTERM);  129  hung up (SIGHUP)
"""

_HEADINGS = ("modified", "size", "decision", "why", "uri")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser, "what to look at (see above)")
    add_config(parser)
    add_to(parser, "It is read, never changed", required=True)
    add_period(parser)
    add_deletes(parser)
    add_json(parser)
    add_talk(parser)


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Tells on stdout; a summary and warnings go to stderr."""
    if is_manifest(arguments.source):
        from file_cdk.cli.manifest_looks import list_manifest

        return list_manifest(arguments)
    refuse_config(arguments)
    display = PlainDisplay(sys.stderr)
    level = log_level(quiet=arguments.quiet, verbose=arguments.verbose)
    with logs_to(display.line, level), without_collecting():
        _explain(arguments, display)  # where its objects are gone before Python looks for cycles again
    return ExitCode.DONE


def _explain(arguments: argparse.Namespace, display: PlainDisplay) -> None:
    from file_cdk.pipeline.inspection import InspectionOptions
    from file_cdk.pipeline.tables.deletes import MaxDeletes
    from file_cdk.pipeline.tables.explaining import explanations_of

    with ExitStack() as opened:
        options = InspectionOptions(
            filetype=arguments.format,
            stream=arguments.table,
            connector=arguments.connector,
            only=names(arguments.stream),
            destination=arguments.to,
            since=arguments.since,
            until=arguments.until,
        )
        limit = MaxDeletes.parse(arguments.max_deletes)
        explanations = explanations_of(arguments.source, options, arguments.on_delete, limit, opened)
        files = chain.from_iterable(explanation.files() for explanation in explanations)
        lines = map(_json_line, files) if arguments.json else _table_lines(explanations, files)
        written = write_lines(lines, all_at_hand=True)
        if written and not arguments.quiet:
            for line in _summary(explanations):
                display.line(line)


def _table_lines(explanations: "Sequence[Explanation]", files: "Iterator[ExplainedFile]") -> Iterator[str]:
    if len(explanations) > 1:
        rows = ((escaped(file.stream), *_cells(file)) for file in files)
        return table_lines(("stream", *_HEADINGS), rows, right=("size",))
    return table_lines(_HEADINGS, map(_cells, files), right=("size",))


def _summary(explanations: "Sequence[Explanation]") -> Iterator[str]:
    for each in explanations:
        counts = ", ".join(f"{count:,} to {decision}" for decision, count in each.counts.items() if count)
        yield f"{each.name}: {counts or 'no files'}"
        if each.refused is not None:
            yield f"warning: {each.name}: {each.refused}"
        for warning in each.inspection.warnings():
            yield f"warning: {each.name}: {warning}"


def _cells(each: "ExplainedFile") -> tuple[str, ...]:
    _, uri, file, decision, why = each
    modified, size_bytes = ("", "") if file is None else (second(file.modified_at), size(file.size_bytes))
    return modified, size_bytes, decision, why, escaped(uri)


def _json_line(each: "ExplainedFile") -> str:
    stream, uri, file, decision, why = each
    return (
        f'{{"stream": {json_text(stream)}, "uri": {json_text(uri)}, {version_members(file)}, '
        f'"decision": "{decision}", "why": {json_text(why)}}}'
    )
