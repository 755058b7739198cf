"""`file-cdk ls`, `explain` and `check` of a manifest: which slices a sync would read, and why; whether it would work."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import names
from file_cdk.cli.ending import Failure, Interruption, failure_of
from file_cdk.cli.manifest_sync import command_of, refuse_options_of_files
from file_cdk.cli.messages import load_object
from file_cdk.cli.pipe import observer_on, pipe_options
from file_cdk.cli.screen.display import PlainDisplay, log_level, logs_to
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import escaped, plural, table_lines
from file_cdk.core.errors import ConfigError, FileCdkError
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.uris import redacted
from file_cdk.pipeline.apis.recognising import name_of_manifest

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.ledger import SliceLedger
    from file_cdk.pipeline.piping.looking import LookedSlice

_HEADINGS = ("stream", "decision", "why", "slice")
_TAKEN = frozenset({"config", "to", "stream", "limit", "json", "quiet", "verbose", "source"})


def list_manifest(arguments: argparse.Namespace) -> ExitCode:
    """Tells on stdout of each slice that is known without a request; a summary goes to stderr."""
    from file_cdk.pipeline.apis.manifest import manifest_in
    from file_cdk.pipeline.piping.looking import look

    refuse_options_of_files(arguments, _TAKEN)
    say = PlainDisplay(sys.stderr).line
    counts: Counter[tuple[str, str]] = Counter()
    shown = 0

    def counted(slices: "Iterator[LookedSlice]") -> "Iterator[LookedSlice]":
        nonlocal shown
        limit = getattr(arguments, "limit", None)
        for each in slices:
            counts[each.stream, each.decision] += 1
            if limit is None or shown < limit:
                shown += 1
                yield each

    with logs_to(say, log_level(quiet=arguments.quiet, verbose=arguments.verbose)):
        ledger = None if arguments.to is None else _ledger(arguments.to)
        name = name_of_manifest(arguments.source)
        slices = counted(look(manifest_in(arguments.source), _config(arguments), name, ledger, names(arguments.stream)))
        lines = map(_json_line, slices) if arguments.json else table_lines(_HEADINGS, map(_cells, slices))
        written = write_lines(lines, all_at_hand=True)
    if written and not arguments.quiet:
        for stream in dict.fromkeys(stream for stream, _ in counts):
            told = [f"{n:,} to {decision}" for (of, decision), n in counts.items() if of == stream]
            say(f"{escaped(stream)}: {', '.join(told)}")
        if shown < counts.total():
            say(f"shown: {shown:,} of {plural(counts.total(), 'slice')} (--limit)")
    return ExitCode.DONE


def _config(arguments: argparse.Namespace) -> dict[str, Any]:
    return {} if arguments.config is None else load_object(arguments.config, "config")


def _ledger(url: str) -> "SliceLedger":
    """Not opened. Raises ConfigError."""
    from file_cdk.core.ledger import SliceLedger
    from file_cdk.destinations.registry import destination_for

    destination = destination_for(url)
    if not isinstance(destination, SliceLedger):
        raise ConfigError(
            f"{redacted(url)!r} has no ledger of slices",
            remedy="Name a DuckDB, SQLite or Postgres database, or a folder",
        )
    return destination


def _cells(each: "LookedSlice") -> tuple[str, ...]:
    unknown = f"one for each record of {', '.join(each.parents)}" if each.parents else ""
    why = f"{each.why}; goes on at page {each.page}" if each.page else each.why
    return (escaped(each.stream), each.decision, escaped(why), escaped(each.slice or unknown))


def _json_line(each: "LookedSlice") -> str:
    return json.dumps({**asdict(each), "slice": None if each.slice is None else json.loads(each.slice)})


def check_manifest(arguments: argparse.Namespace, interruption: Interruption) -> ExitCode:
    """Reports on stdout."""
    from file_cdk.core.ports import Inspectable
    from file_cdk.destinations.registry import destination_for
    from file_cdk.pipeline.piping.pipe import check_source

    refuse_options_of_files(arguments, _TAKEN - {"limit", "stream"})
    display = PlainDisplay(sys.stderr)
    steps: list[tuple[str, Failure | None]] = []
    exists = None
    with logs_to(display.line, log_level(quiet=arguments.quiet, verbose=arguments.verbose)):
        try:
            options = pipe_options(arguments, name=name_of_manifest(arguments.source))
            observer = observer_on(display, quiet=arguments.quiet)
            check_source(command_of(arguments.source), _config(arguments), options, observer)
            steps.append(("source", None))
        except FileCdkError as exc:
            steps.append(("source", failure_of(exc, interruption)))
        if arguments.to is not None:
            try:
                destination = destination_for(arguments.to)
                exists = destination.check() if isinstance(destination, Inspectable) else None
                steps.append(("destination", None))
            except FileCdkError as exc:
                steps.append(("destination", failure_of(exc, interruption)))
    failures = [failure for _, failure in steps if failure is not None]
    code = failures[0].code if failures else ExitCode.DONE
    if arguments.json:
        document = {
            "ok": not failures,
            "exit_code": int(code),
            "source": redacted(arguments.source),
            "destination": None if arguments.to is None else redacted(arguments.to),
            "destination_exists": exists,
            "steps": [
                {"step": name, "ok": failure is None, "error": None if failure is None else failure.message}
                for name, failure in steps
            ],
        }
        write_lines([json.dumps(document, indent=2)])
        return code
    existence = {True: "can be written", False: "would be created", None: "can be opened"}[exists]
    details = {
        "source": "the first records of the streams that the manifest's check names can be read",
        "destination": f"{redacted(arguments.to or '')} {existence}",
    }
    lines = [
        f"  ok      {name:<11}  {escaped(details[name])}"
        if failure is None
        else f"  failed  {name:<11}  {escaped(failure.message)}"
        for name, failure in steps
    ]
    end = f"{len(failures)} of {plural(len(steps), 'step')} failed" if failures else "all is well"
    write_lines([*lines, end])
    return code
