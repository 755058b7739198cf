"""What a finished sync says of itself to a person, and where its report goes."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

from file_cdk.cli.rejects import hint
from file_cdk.cli.screen.stdout import discard
from file_cdk.cli.screen.wording import duration, plural, reasons, size, table_lines
from file_cdk.core.errors import ConfigError, DeletesRefusedError, DestinationError, FileCdkError, TooManyRejectsError
from file_cdk.core.system.limits import reason_and_remedy
from file_cdk.core.system.whole_file import remove_old, write_whole
from file_cdk.pipeline.tables.report import StreamResult, SyncResult

FAILURES_SHOWN = 20


def closing_lines(result: SyncResult | None, destination: str, *, quiet: bool, as_table: bool = False) -> Iterator[str]:
    """None: there is nothing to say. quiet: says only what failed. as_table: see summary_lines."""
    if result is None:
        return
    yield from failure_lines(result) if quiet else summary_lines(result, as_table=as_table)
    if not quiet and has_rejects(result) and (line := hint(destination)):
        yield line


def summary_lines(result: SyncResult, *, as_table: bool = False) -> Iterator[str]:
    """A line per stream, one for all, and the failures. as_table: several streams are rows of a table."""
    if as_table and len(result.streams) > 1:
        yield from _stream_table(result.streams)
    else:
        for stream in result.streams:
            yield f"{stream.stream}: {_stream_facts(stream)}"
    rows = sum(stream.rows for stream in result.streams)
    size_bytes = sum(stream.size_bytes for stream in result.streams)
    rows_read = rows - sum(stream.rows_resumed for stream in result.streams)
    speed = f" ({rows_read / result.seconds:,.0f} rows/s)" if rows_read and result.seconds > 0 else ""
    rejected = sum(stream.rejected for stream in result.streams)
    left_out = f", {plural(rejected, 'record')} rejected" if rejected else ""
    state = "done, but not all" if files_failed(result) else "done"
    yield f"{state}: {plural(rows, 'row')}{left_out}, {size(size_bytes)} in {duration(result.seconds)}{speed}"
    yield from failure_lines(result)


def failure_lines(result: SyncResult) -> Iterator[str]:
    """A line per failed file, of which the first 20 are named; by their streams too, where there are several. And one per table
    that they kept from being replaced."""
    for name, failure in list(failures_of(result))[:FAILURES_SHOWN]:
        yield f"error: {name}: {failure}" if len(result.streams) > 1 else f"error: {failure}"
    if (more := files_failed(result) - len(result.failures[:FAILURES_SHOWN])) > 0:
        yield f"and {plural(more, 'more file')} failed"
    refused = {name for name, failure in failures_of(result) if isinstance(failure, DeletesRefusedError)}
    for stream in result.streams:
        if stream.replaced is False and stream.stream not in refused:
            yield (
                f"error: {stream.stream}: the table is as it was: a full refresh replaces it when every file is loaded. Correct "
                "what failed, or leave it out with a glob, and run it again"
            )


def failures_of(result: SyncResult) -> Iterator[tuple[str, FileCdkError]]:
    """Stream and error of each failure kept: they are in the order in which the streams were synced, one after another."""
    streams = chain.from_iterable(repeat(stream.stream, stream.files_failed) for stream in result.streams)
    return zip(streams, result.failures, strict=False)


def has_rejects(result: SyncResult) -> bool:
    """Whether records were rejected, in files that were loaded or, as far as known, in others; but for those that a full
    refresh read and did not keep."""
    if any(stream.rejected for stream in result.streams):
        return True
    unkept = {stream.stream for stream in result.streams if stream.replaced is False}
    return any(isinstance(failure, TooManyRejectsError) and name not in unkept for name, failure in failures_of(result))


def files_failed(result: SyncResult) -> int:
    """How many files failed, of which `result.failures` holds the first ones' errors."""
    return sum(stream.files_failed for stream in result.streams)


def _stream_table(streams: Sequence[StreamResult]) -> Iterator[str]:
    """Without the columns that say nothing of any stream; why files were skipped was told when they were listed."""
    replaced = {None: "", True: "replaced", False: "not replaced"}
    columns = {
        "files read": [f"{stream.files_read:,}" for stream in streams],
        "skipped": _counts(sum(stream.skipped.values()) for stream in streams),
        "failed": _counts(stream.files_failed for stream in streams),
        "rows": [f"{stream.rows:,}" for stream in streams],
        "rows shown": ["" if stream.shown is None else f"{stream.shown:,}" for stream in streams],
        "rejected": _counts(stream.rejected for stream in streams),
        "files gone": _counts(0 if stream.removed else stream.gone for stream in streams),
        "files removed": _counts(stream.removed for stream in streams),
        "size": [size(stream.size_bytes) for stream in streams],
        "table": [replaced[stream.replaced] for stream in streams],
    }
    told = {heading: cells for heading, cells in columns.items() if any(cells)}
    names = [stream.stream for stream in streams]
    yield from table_lines(["stream", *told], zip(names, *told.values(), strict=True), right=told.keys() - {"table"})


def _counts(numbers: Iterable[int]) -> list[str]:
    return [f"{number:,}" if number else "" for number in numbers]


def _stream_facts(stream: StreamResult) -> str:
    facts = [f"{plural(stream.files_read, 'file')} read"]
    if any(stream.skipped.values()):
        facts.append(f"{sum(stream.skipped.values()):,} skipped ({reasons(stream.skipped)})")
    if stream.files_failed:
        facts.append(f"{stream.files_failed:,} failed")
    if stream.replaced is not None:
        facts.append("table replaced" if stream.replaced else "table not replaced")
    facts.append(plural(stream.rows, "row"))
    if stream.shown is not None:
        facts.append(f"{plural(stream.shown, 'row')} shown")
    if stream.rejected:
        facts.append(f"{plural(stream.rejected, 'record')} rejected")
    if stream.removed:
        verb = "is" if stream.removed == 1 else "are"
        facts.append(f"{plural(stream.removed, 'file')} removed that {verb} gone from the source")
    elif stream.gone:
        facts.append(f"{plural(stream.gone, 'loaded file')} gone from the source")
    return ", ".join([*facts, size(stream.size_bytes)])


def forget_old_report(target: str) -> None:
    """Before a sync: an old report must not be taken for this one's. Raises ConfigError when none can be written.

    target: the path of a file, or `-` for stdout.
    """
    if target == "-":
        return
    path = Path(target)
    if not path.parent.is_dir():
        raise ConfigError(f"no folder for the report {str(path)!r}", remedy="Create it, or choose another path")
    try:
        remove_old(path)
    except OSError as exc:
        raise ConfigError(f"cannot replace the report {str(path)!r}: {exc.strerror}") from exc


def write_report(target: str, text: str) -> None:
    """To a file, all of it or nothing. Raises DestinationError."""
    if target == "-":
        _write_to_stdout(text)
        return
    try:
        write_whole(Path(target), text.encode())
    except OSError as exc:
        raise _not_written(f"the report {target!r}", exc) from exc


def _write_to_stdout(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as exc:
        discard(sys.stdout)
        raise _not_written("the report to stdout", exc) from exc


def _not_written(what: str, cause: OSError) -> DestinationError:
    reason, remedy = reason_and_remedy(cause)
    return DestinationError(f"cannot write {what}: {reason}", remedy=remedy)
