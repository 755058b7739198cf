"""`file-cdk ls`: what a sync would read and what it would skip, as a table for a person or as JSON lines."""

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC

from file_cdk.cli.display import Display, PlainDisplay, display_for
from file_cdk.cli.exit_codes import ExitCode
from file_cdk.cli.failure import failure_of
from file_cdk.cli.interruption import Interruption
from file_cdk.cli.logs import log_level, logs_to
from file_cdk.cli.stdout import write_lines
from file_cdk.cli.table import table_lines
from file_cdk.cli.tally import ListingTally
from file_cdk.cli.wording import escaped, instant, plural, reasons, size
from file_cdk.core.files import RemoteFile
from file_cdk.pipeline.inspection import InspectedFile, Inspection, InspectionOptions, Order, inspections_of

_HEADINGS = ("modified", "size", "format", "decision", "uri")


@dataclass(frozen=True, slots=True)
class LsRequest:
    """The command line, as given."""

    source: str
    filetype: str | None = None
    table: str | None = None
    connector: str | None = None
    destination: str | None = None
    everything: bool = False
    limit: int | None = None
    sort: str = "modified"
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


def run_ls(request: LsRequest, interruption: Interruption) -> ExitCode:
    """Lists on stdout; progress, a summary, warnings and errors go to stderr."""
    with _Screen(quiet=request.quiet) as screen:
        try:
            with logs_to(screen.line, log_level(quiet=request.quiet, verbose=request.verbose)):
                return _list(request, screen)
        except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the command's boundary, the one place that may
            failure = failure_of(exc, interruption)
            screen.stop_progress()
            if failure.code not in (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.HUNG_UP):
                screen.line(failure.line())
            if request.verbose:
                for line in failure.trace.splitlines():
                    screen.line(line)
            return failure.code


class _Screen:
    """Progress on stderr for as long as no lines of ours come between on the same terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._tally = ListingTally()
        self._open = ExitStack()
        self._display: Display = PlainDisplay(sys.stderr, interval_s=None)

    def __enter__(self) -> "_Screen":
        self._display = self._open.enter_context(display_for(sys.stderr, quiet=self._quiet))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_progress()

    def seen(self, file: RemoteFile) -> None:
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


def _list(request: LsRequest, screen: _Screen) -> ExitCode:
    options = InspectionOptions(
        filetype=request.filetype,
        stream=request.table,
        connector=request.connector,
        destination=request.destination,
        everything=request.everything,
        order=Order(request.sort),
    )
    listing = _Listing(inspections_of(request.source, options), request, screen)
    with closing(listing.files()) as files:
        written = write_lines(listing.lines(files))
    screen.stop_progress()
    if written and not request.quiet:
        for line in listing.summary():
            screen.line(line)
    return ExitCode.DONE


@dataclass(slots=True)
class _Listing:
    inspections: Sequence[Inspection]
    request: LsRequest
    screen: _Screen
    shown: int = 0
    stopped: bool = False
    """Whether the listing ended at the limit, with nothing known of what would have followed."""

    def files(self) -> Generator[InspectedFile, None, None]:
        """What is to be shown; goes on to the end all the same, for the counts, unless that is not known to be near."""
        limit = self.request.limit
        for inspection in self.inspections:
            with closing(inspection.files(self.screen.seen)) as files:
                for file in files:
                    if limit is None or self.shown < limit:
                        self.shown += 1
                        yield file
                    elif self.request.sort == Order.NONE:
                        self.stopped = True
                        return

    def lines(self, files: Iterator[InspectedFile]) -> Iterator[str]:
        lines = iter(map(_json_line, files) if self.request.as_json else self._table_lines(files))
        if (first := next(lines, None)) is not None:
            self.screen.output_begins()
            yield first
            yield from lines

    def _table_lines(self, files: Iterator[InspectedFile]) -> Iterator[str]:
        if len(self.inspections) > 1:
            rows = ((escaped(file.stream), *_cells(file)) for file in files)
            return table_lines(("stream", *_HEADINGS), rows, right=("size",))
        return table_lines(_HEADINGS, map(_cells, files), right=("size",))

    def summary(self) -> Iterator[str]:
        if self.stopped:
            yield f"listing ended at --limit {self.request.limit}: there are more files"
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


def _cells(file: InspectedFile) -> tuple[str, ...]:
    return (
        file.file.modified_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        size(file.file.size_bytes),
        file.format or "",
        "read" if file.reason is None else f"skipped: {file.reason}",
        escaped(file.file.uri),
    )


def _json_line(file: InspectedFile) -> str:
    return json.dumps(
        {
            "stream": file.stream,
            "uri": file.file.uri,
            "size_bytes": file.file.size_bytes,
            "modified_at": instant(file.file.modified_at),
            "etag": file.file.etag,
            "format": file.format,
            "decision": "read" if file.reason is None else "skip",
            "reason": file.reason,
        }
    )
