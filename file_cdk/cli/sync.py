"""`file-cdk sync`: runs the pipeline and turns whatever comes of it into lines, JSON and an exit code."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from file_cdk.cli.display import Display, PlainDisplay, discard, display_for
from file_cdk.cli.exit_codes import ExitCode, of_error
from file_cdk.cli.failure import failure_of
from file_cdk.cli.interruption import Interruption
from file_cdk.cli.logs import log_level, logs_to
from file_cdk.cli.progress import ProgressObserver
from file_cdk.cli.rejects import hint
from file_cdk.cli.summary import (
    failure_lines,
    files_failed,
    forget_old_summary,
    has_rejects,
    result_json,
    summary_lines,
    write_summary,
)
from file_cdk.cli.tally import Tally
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.pipeline.rejects import MaxRejects
from file_cdk.pipeline.report import SyncResult
from file_cdk.pipeline.sync import SyncOptions, sync


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """The command line, as given."""

    source: str
    destination: str
    filetype: str | None = None
    table: str | None = None
    workers: int | None = None
    all_text: bool = False
    max_rejects: str = "0"
    retry_rejects: bool = False
    dialect: Literal["auto", "default"] = "auto"
    connector: str | None = None
    partitions: bool = True
    quiet: bool = False
    verbose: bool = False
    summary_json: str | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How the pipeline ended: with a result, or with what ended it before."""

    code: ExitCode
    result: SyncResult | None = None
    error: str | None = None
    trace: str | None = None


def run_sync(request: SyncRequest, interruption: Interruption) -> ExitCode:
    """Syncs and reports on stderr; stdout stays empty but for `--summary-json -`."""
    say = PlainDisplay(sys.stderr).line
    try:
        _forget_old_summary(request.summary_json)
        level = log_level(quiet=request.quiet, verbose=request.verbose)
        with display_for(sys.stderr, quiet=request.quiet) as display, logs_to(display.line, level):
            outcome = _sync(request, display, interruption)
        for line in _closing_lines(request, outcome):
            say(line)
        _report_json(request.summary_json, outcome)
    except (ConfigError, DestinationError) as exc:  # about the summary; the sync's own are in the outcome
        say(f"error: {exc}")
        return of_error(exc)
    return outcome.code


def _sync(request: SyncRequest, display: Display, interruption: Interruption) -> _Outcome:
    observer = ProgressObserver(display, Tally(), quiet=request.quiet, verbose=request.verbose)
    try:
        options = SyncOptions(
            workers=request.workers,
            all_text=request.all_text,
            filetype=request.filetype,
            stream=request.table,
            max_rejects=MaxRejects.parse(request.max_rejects),
            retry_rejects=request.retry_rejects,
            dialect=request.dialect,
            connector=request.connector,
            partitions=request.partitions,
        )
        result = sync(request.source, request.destination, options, observer)
    except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the command's boundary, the one place that may
        return _outcome_of(exc, interruption)
    return _Outcome(interruption.exit_code or _code_of(result, observer.tally), result)


def _code_of(result: SyncResult, tally: Tally) -> ExitCode:
    if not (failed := files_failed(result)):
        return ExitCode.DONE
    return ExitCode.REJECTS if tally.files_over_limit == failed else ExitCode.FILES_FAILED


def _outcome_of(error: BaseException, interruption: Interruption) -> _Outcome:
    failure = failure_of(error, interruption)
    return _Outcome(failure.code, error=failure.message, trace=failure.trace)


def _closing_lines(request: SyncRequest, outcome: _Outcome) -> Iterator[str]:
    if outcome.result is not None:
        yield from failure_lines(outcome.result) if request.quiet else summary_lines(outcome.result)
        if not request.quiet and has_rejects(outcome.result) and (line := hint(request.destination)):
            yield line
    if outcome.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.HUNG_UP):
        # No count: of the files reported as loaded, the last group may not have been committed.
        yield "interrupted: what is committed stays, and the next run goes on with the rest"
    elif outcome.error is not None:
        kind = "internal error" if outcome.code is ExitCode.INTERNAL_ERROR else "error"
        yield f"{kind}: {outcome.error}"
    if request.verbose and outcome.trace is not None:
        yield from outcome.trace.splitlines()


def _forget_old_summary(target: str | None) -> None:
    """Raises ConfigError."""
    if target is not None and target != "-":
        forget_old_summary(Path(target))


def _report_json(target: str | None, outcome: _Outcome) -> None:
    """Raises DestinationError."""
    if target is None:
        return
    text = result_json(outcome.code, outcome.result, outcome.error)
    if target != "-":
        write_summary(Path(target), text)
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as exc:
        discard(sys.stdout)
        raise DestinationError(f"cannot write the summary to stdout: {exc.strerror}") from exc
