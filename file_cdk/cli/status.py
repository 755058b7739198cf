"""`file-cdk status`: what a database holds by its ledger, how runs ended, what failed, and whether the rows are still there."""

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from textwrap import indent
from typing import TYPE_CHECKING, Any

from file_cdk.cli.arguments import add_json, add_stream
from file_cdk.cli.ending import Interruption
from file_cdk.cli.parser import number
from file_cdk.cli.screen.json_text import entry_object
from file_cdk.cli.screen.stdout import write_lines
from file_cdk.cli.screen.wording import age, duration, escaped, json_instant, plural, second, table_lines
from file_cdk.core.exit_codes import ExitCode

DESCRIPTION = """\
Says what DATABASE holds: for each table how many files and rows, how old its newest file is, and what failed; of tables of APIs
which slices were read (in the last 30 days, where rows are added); and how the last run ended. It is opened to read only, but for
--repair. The records of a table's files are its rows, those rejected because they cannot be read, and those skipped because the
configuration leaves them out.

--verify counts the rows of each file in the tables and compares them with the ledger. What was deleted or added by hand is
told; --repair sees to it that the next sync loads those files again in place of what is there.
"""

EPILOG = """\
examples:
  file-cdk status shop.duckdb
  file-cdk status shop.duckdb --runs 10
  file-cdk status shop.duckdb --verify --stream orders
  file-cdk status shop.duckdb --json | jq '.streams[] | {stream, files, failed}'

exit codes:
  0    told; with --verify: every file has the rows that it should have, or will have again after --repair and a sync
  2    wrong usage, or no such table
  3    the database cannot be opened or read, or no sync made it
  5    --verify found files whose rows are missing or too many
"""

_HEADINGS = ("table", "files", "rows", "rejected", "skipped", "failed", "newest file", "age", "last loaded")
_NUMBERS = ("files", "rows", "rejected", "skipped", "failed", "age")
_RUN_HEADINGS = ("started", "took", "ended", "read", "failed", "rows", "source", "run")
_RUN_NUMBERS = ("took", "read", "failed", "rows")
_SLICE_HEADINGS = ("table of an API", "slices", "pages", "records", "left out", "rejected", "last read")
_SLICE_NUMBERS = ("slices", "pages", "records", "left out", "rejected")
_SHOWN = 20

if TYPE_CHECKING:  # `--help` needs none of them
    from file_cdk.core.ledger import LedgerEntry, Mismatch, Run, StreamStatus
    from file_cdk.pipeline.piping.history import SlicesOfTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", metavar="DATABASE", help="what --to was for the sync: x.duckdb, or duckdb:///x.db")
    add_stream(parser, also=["--table"])
    parser.add_argument(
        "--runs", metavar="N", type=number(), default=1, help="how many runs to show, the last first (default: 1)"
    )
    parser.add_argument(
        "--verify", action="store_true", help="count the rows of each file, and compare with the ledger"
    )
    parser.add_argument(
        "--repair", action="store_true", help="as --verify; and have the next sync load again what does not agree"
    )
    add_json(parser, "one JSON object")


def run(arguments: argparse.Namespace, _: Interruption) -> ExitCode:
    """Tells on stdout."""
    from file_cdk.pipeline.piping.history import slices_of
    from file_cdk.pipeline.tables.explaining import ledger_keeper

    ledger = ledger_keeper(arguments.database)
    streams = ledger.streams(arguments.stream)
    runs = ledger.runs(arguments.runs)
    failed = ledger.entries(arguments.stream and streams[0].stream, failed=True)
    wrong: Sequence[Mismatch] | None = None
    if arguments.verify or arguments.repair:
        wrong = ledger.mismatches(arguments.stream, repair=arguments.repair)
    read = slices_of(ledger, arguments.stream and streams[0].stream)
    if arguments.json:
        lines = _document(streams, read, runs, failed, wrong)
    else:
        lines = _lines(streams, read, runs, failed, wrong, repaired=arguments.repair)
    write_lines(lines)
    return ExitCode.FILES_FAILED if wrong and not arguments.repair else ExitCode.DONE


def _lines(
    streams: "Sequence[StreamStatus]",
    read: "Sequence[SlicesOfTable]",
    runs: "Sequence[Run]",
    failed: "Iterator[LedgerEntry]",
    wrong: "Sequence[Mismatch] | None",
    *,
    repaired: bool,
) -> Iterator[str]:
    if not streams:
        yield "no table was loaded"
    yield from table_lines(_HEADINGS, map(_cells, streams), right=_NUMBERS)
    for stream in streams:
        if 0 < stream.uncounted < stream.files:
            files = plural(stream.uncounted, "file")
            yield f"{stream.stream}: skipped records were not counted in {files} that an earlier version loaded"
        if stream.again:
            yield f"{stream.stream}: the next sync loads {plural(stream.again, 'file')} again"
    if read:
        yield ""
        yield from table_lines(_SLICE_HEADINGS, map(_slice_cells, read), right=_SLICE_NUMBERS)
        for each in read:
            if each.begun is not None:
                left = f", inside of {plural(each.begun, 'slice')}" if each.begun else ""
                yield f"{escaped(each.stream)}: a run did not come to the end of it; the next sync goes on there{left}"
    if runs:
        yield ""
        yield from table_lines(_RUN_HEADINGS, map(_run_cells, runs), right=_RUN_NUMBERS)
        for one in runs:
            if one.error is not None:
                yield f"run {one.name} ended early: {escaped(one.error)}"
    several = len(streams) > 1
    shown = [
        f"failed: {f'{escaped(entry.stream)}: ' if several else ''}{escaped(entry.error or entry.url)}"
        for entry in islice(failed, _SHOWN)
    ]
    if shown:
        yield ""
        yield from shown
        if (more := sum(stream.failed for stream in streams) - len(shown)) > 0:
            yield f"and {plural(more, 'more file')} failed"
    if wrong is not None:
        yield ""
        yield from _verified(streams, wrong, repaired=repaired)


def _cells(stream: "StreamStatus") -> tuple[str, ...]:
    return (
        escaped(stream.stream),
        f"{stream.files:,}",
        f"{stream.rows:,}",
        f"{stream.rejected:,}",
        f"{stream.skipped:,}" if stream.uncounted < max(stream.files, 1) else "unknown",
        f"{stream.failed:,}",
        _second(stream.newest_at),
        "" if stream.newest_at is None else age(datetime.now(UTC) - stream.newest_at),
        _second(stream.loaded_at),
    )


def _slice_cells(each: "SlicesOfTable") -> tuple[str, ...]:
    counts = each.counts
    if counts is None:
        return (escaped(each.stream), "0", "0", "0", "0", "0", "")
    numbers = counts.slices, counts.pages, counts.records, counts.filtered, counts.rejected
    return (escaped(each.stream), *(f"{number:,}" for number in numbers), _second(counts.read_at))


def _run_cells(each: "Run") -> tuple[str, ...]:
    took = "" if each.ended_at is None else duration((each.ended_at - each.started_at).total_seconds())
    ended = "not ended: at work, or killed" if each.ended_at is None else _ending(each)
    counts = each.counts
    return (
        _second(each.started_at),
        took,
        ended,
        f"{counts.files_read:,}",
        f"{counts.files_failed:,}",
        f"{counts.rows:,}",
        escaped(each.source),
        each.name,
    )


def _ending(each: "Run") -> str:
    return (each.error or "early") if each.exit_code is None else f"exit code {each.exit_code}"


def _verified(streams: "Sequence[StreamStatus]", wrong: "Sequence[Mismatch]", *, repaired: bool) -> Iterator[str]:
    if not wrong:
        files = sum(stream.files for stream in streams)
        yield f"verified: the rows of {plural(files, 'file')} are there, and no others"
        return
    for each in wrong[:_SHOWN]:
        whose = f"{escaped(each.stream)}: "
        if each.url is None and each.expected is not None:
            yield f"{whose}{plural(each.present, 'row')} of the merged table, where {each.expected:,} were written"
        elif each.url is None:
            yield f"{whose}{plural(each.present, 'row')} of no file, which stay until somebody deletes them"
        elif each.expected is None:
            yield f"{whose}{escaped(each.url)}: {plural(each.present, 'row')} of a file that the ledger does not have as loaded"
        else:
            yield f"{whose}{escaped(each.url)}: {plural(each.present, 'row')}, where {each.expected:,} were loaded"
    if (more := len(wrong) - _SHOWN) > 0:
        yield f"and {plural(more, 'more file')}"
    again = sum(each.expected is not None and each.url is not None for each in wrong)
    anew = sum(each.expected is not None and each.url is None for each in wrong)
    removed = sum(each.expected is None and each.url is not None for each in wrong)
    if repaired:
        gone = f"; removed: rows of {plural(removed, 'file')} that the ledger does not have" if removed else ""
        made = f" and makes {plural(anew, 'merged table')} anew" if anew else ""
        yield f"repaired: the next sync loads {plural(again, 'file')} again{made}{gone}"
    elif again or removed or anew:
        yield "see to it with --repair, and sync again"


def _document(
    streams: "Sequence[StreamStatus]",
    read: "Sequence[SlicesOfTable]",
    runs: "Sequence[Run]",
    failed: "Iterator[LedgerEntry]",
    wrong: "Sequence[Mismatch] | None",
) -> Iterator[str]:
    """One JSON object in lines, with a failure at a time in memory: there may be millions."""
    from dataclasses import asdict

    shown_runs = [{**asdict(each), "options": json.loads(each.options)} for each in runs]
    yield "{"
    yield f"{_member('streams', list(map(asdict, streams)))},"
    yield f"{_member('slices', list(map(asdict, read)))},"
    yield f"{_member('runs', shown_runs)},"
    entry = next(failed, None)
    yield '  "failed": [],' if entry is None else '  "failed": ['
    while entry is not None:
        text = _failure(entry)
        entry = next(failed, None)
        yield f"{text}\n  ]," if entry is None else f"{text},"
    yield _member("mismatches", None if wrong is None else list(map(asdict, wrong)))
    yield "}"


def _failure(entry: "LedgerEntry") -> str:
    """As `_json` and `indent` have it, which take ten times as long."""
    members = json.dumps(entry_object(entry), separators=(",\n      ", ": "))[1:-1]
    return f"    {{\n      {members}\n    }}"


def _member(name: str, value: Any) -> str:
    return indent(f'"{name}": {_json(value)}', "  ")


def _json(value: Any) -> str:
    return json.dumps(value, default=json_instant, indent=2)


def _second(at: datetime | None) -> str:
    return "" if at is None else second(at)
