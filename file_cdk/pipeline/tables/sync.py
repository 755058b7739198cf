"""Sync files into a destination's tables, each version of a file exactly once."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike, fspath
from typing import TYPE_CHECKING

from file_cdk.core.config import FormatConfig
from file_cdk.core.errors import (
    DestinationError,
    DialectRefutedError,
    FileCdkError,
    InternalError,
    RowsRefusedError,
    SeveralFormatsError,
    TypeMismatchError,
)
from file_cdk.core.files import RemoteFile
from file_cdk.core.gathering import encoder_of
from file_cdk.core.merging import MergingTable, merging
from file_cdk.core.ports import Destination, FileLoad, Format, LoadedFile, StreamTable
from file_cdk.engine.listing import Selection, list_matching, select
from file_cdk.formats.registry import with_dialect
from file_cdk.pipeline.dialects import format_of_files
from file_cdk.pipeline.early import modules_for_tables
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.recognition import Recognised, format_of
from file_cdk.pipeline.rejects import too_many
from file_cdk.pipeline.run import FileBeginsAgain, StoreGone, StreamRun, Youngest, seconds_to_settle
from file_cdk.pipeline.sourcing.dividing import all_parts, in_parts
from file_cdk.pipeline.stream import FolderKeys, Stream, not_loaded
from file_cdk.pipeline.tables.columns import TableColumns
from file_cdk.pipeline.tables.deletes import Listed, settle_gone
from file_cdk.pipeline.tables.guessing import FirstColumns
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import (
    EffortObserver,
    Silence,
    StreamReport,
    StreamResult,
    SyncObserver,
    SyncResult,
)
from file_cdk.pipeline.tables.resuming import BegunFiles
from file_cdk.pipeline.tables.rules import StreamRules, check_merged, with_rules
from file_cdk.pipeline.tables.run_log import recorded
from file_cdk.pipeline.tables.stdout import STDOUT, destination_of
from file_cdk.pipeline.tables.waiting import open_in_turn

if TYPE_CHECKING:  # and imported where there is something to load
    from file_cdk.engine.ordering import FileTally, OrderedRun
    from file_cdk.engine.work import Job

_MAX_EARLIER_FAILURES = 10_000
"""Maximum failures that are looked at whether their files are gone; of more, later syncs forget the rest."""


def sync(
    source: str | PathLike[str],
    destination: str | PathLike[str],
    options: SyncOptions | None = None,
    observer: SyncObserver | None = None,
) -> SyncResult:
    """Loads what is new or modified in `source` into `destination`, both as `file-cdk sync` takes them.

    A file that cannot be read is reported, noted in the ledger as failed and tried again next time; the others go on.
    Raises ConfigError, AccessError, TransientError and DestinationError; what was committed before stays.
    """
    started = time.monotonic()
    options = options or SyncOptions()
    observer = observer or Silence()
    named = options.streams_of(fspath(source))
    if fspath(destination) == STDOUT:  # whose lines say of which stream they are where there are several
        named = all_parts(named, observer.warned)
    streams = [options.of(with_rules(stream, options)) for stream in named]
    for stream, _ in streams:
        check_merged(stream)
    failures: list[FileCdkError] = []
    results: list[StreamResult] = []
    target = destination_of(fspath(destination), options, several=len(streams) > 1)
    memory = options.memory_of(named, target)
    executors = Executors(options.workers, memory)
    if isinstance(observer, EffortObserver):
        observer.begins(executors.effort)
    with ExitStack() as opened:
        open_in_turn(target, options.wait_s, observer)
        opened.callback(target.close)
        opened.callback(executors.close)
        reports: list[StreamReport] = []
        opened.enter_context(recorded(target, fspath(source), options, reports, results))
        for stream, own in streams:
            stream = replace(stream, since=options.since, until=options.until, settle_s=options.settle_s or 0)
            stream = stream.within(memory)
            wait_s = seconds_to_settle(stream.connector, os.environ) if options.settle_s is None else 0

            def load(part: Stream, is_divided: bool, own: SyncOptions = own, wait_s: float = wait_s) -> None:
                report = StreamReport(part.name, observer, failures, several=is_divided or len(streams) > 1)
                loading = StreamSync(part, target, executors, own, report, wait_s)
                del reports[len(results) :]  # of what turned out to be several
                reports.append(report)
                results.append(loading.run())

            in_parts(stream, target, observer.warned, load)
        if (finish := getattr(target, "finish", None)) is not None:
            finish()
    return SyncResult(tuple(results), time.monotonic() - started, tuple(failures))


@dataclass(slots=True)
class StreamSync:
    stream: Stream
    destination: Destination
    executors: Executors
    options: SyncOptions
    report: StreamReport
    wait_s: float
    """How old the youngest file has to be before any is read."""
    known: StreamTable = field(init=False)
    """As earlier syncs left it."""
    table: StreamTable = field(init=False)
    """What is loaded into: the same, or a new one that takes its place."""
    merged: MergingTable | None = field(init=False)
    """The same, where it shows one row of each key."""
    columns: TableColumns = field(init=False)
    rules: StreamRules = field(init=False)
    begun: BegunFiles = field(init=False)

    def __post_init__(self) -> None:
        name = self.stream.table
        self.table = self.destination.table(name, anew=self.options.is_anew)
        self.merged = merging(self.table, name)
        # Asked for after the new one, since the old may show other rows.
        self.known = self.destination.table(name) if self.options.is_anew else self.table
        rules = StreamRules(self.stream)
        stated = rules.stated
        self.begun = BegunFiles(self.table, [stated, self.options.all_text])
        self.columns = TableColumns(
            self.table, stated, self.options.all_text, self.report.warn, rules.fixed, rules.plan.contract
        )
        self.rules = rules

    def run(self) -> StreamResult:
        try:
            skipped = self._load_all()
        except FileCdkError as exc:
            if not (self.options.is_anew or isinstance(exc, SeveralFormatsError)):
                with suppress(DestinationError):  # what ended the sync tells more
                    self._merge()
            raise
        if not (self.options.is_anew and self.report.files_failed):
            self._merge()
        if self.options.is_anew:
            self._put_in_place()
        return self.report.result(skipped)

    def _merge(self) -> None:
        """Also what an earlier sync left to be done."""
        if self.merged is not None:
            self.report.shown = self.merged.merge()

    def _load_all(self) -> Mapping[str, int]:
        """What was skipped, by reason."""
        stream, table = self.stream, self.table
        listed, recognised, selected = Listed(), Recognised(), Listed()
        keys = FolderKeys(self.rules.sources(table.schema.names)) if stream.finds_partitions else None
        loaded = not_loaded(partial(table.unloaded, with_rejects=self.options.retry_rejects))
        youngest = Youngest()
        seen = [youngest.look, selected.look] if self.options.is_anew else [youngest.look]
        rules = stream.rules(loaded, recognised=recognised, present=listed.look, wanted=keys, selected=seen)
        with ExitStack() as opened:
            selection = select(list_matching(stream.reader, stream.matcher), rules)
            opened.callback(selection.close)
            chosen = stream.format or format_of(recognised.kinds)
            recognised.warn_if_none()
            table.forget_failed(list(listed.gone(table.failed(_MAX_EARLIER_FAILURES), stream.matcher)))
            self.begun.forget(listed.gone(self.begun.uris, stream.matcher))
            if not (selection.files or selection.skipped) and (warning := stream.warning_of_nothing()) is not None:
                self.report.observer.warned(f"{stream.name}: {warning}")
            then = self.options.on_delete or stream.config.on_delete or "keep"
            would_load, limit = selected if self.options.is_anew else None, self.options.max_deletes
            found = settle_gone((self.known, listed), would_load, stream.matcher, then, limit)
            may_load = self.report.settled(*found) or not self.options.is_anew
            self.report.observer.listed(stream.name, selection.files, selection.size_bytes, selection.skipped)
            if selection.files and may_load:
                modules = modules_for_tables(chosen.filetype, encoder_of(self.table, self.destination).__module__)
                self.executors.announce(selection.size_bytes, *modules)
                youngest.wait(self.wait_s)
                self._load(chosen, selection, keys)
        return selection.skipped

    def _put_in_place(self) -> None:
        """What was loaded anew, if that is all."""
        if self.report.files_failed:
            self.report.not_replaced()
        else:
            self.destination.put_in_place(self.stream.table)
            self.report.replaced()

    def _load(self, chosen: FormatConfig, selection: Selection, keys: FolderKeys | None) -> None:
        from file_cdk.engine.ordering import OrderedRun

        known = self.rules.sources(self.table.schema.names)
        reading = format_of_files(self.stream, chosen, self.options.dialect, selection.latest, known)
        if reading.note is not None:
            self.report.observer.warned(f"{self.stream.name}: {reading.note}")
        executor = self.executors.for_work(selection.size_bytes, reading.format)
        first = FirstColumns(self.columns, self.rules, keys, self.options.max_rejects, self.report.warn)
        file_format = first.begin(executor, reading.format, selection)
        try:
            job = self._job(file_format)
            self._take(OrderedRun(executor, job, selection, self.begun.tally, selection.size_bytes))
        except BaseException:
            executor.reset()  # for the streams after this one
            raise
        finally:
            self._flush()
        self.columns.end()

    def _take(self, ordered: "OrderedRun") -> None:
        from file_cdk.engine.ordering import FileBegan, FileBlock, FileDone, FileFailed, SplitDone

        load: FileLoad | None = None
        refused: RowsRefusedError | None = None
        """Why the destination does not take the file at work: the rest of it is read and dropped."""
        try:
            for event in self._stream_run().outcomes(ordered):
                match event:
                    case FileBegan(file, position):
                        if not position and self._asks_again(ordered, file):
                            continue
                        load, refused = self._begin(file, position), None
                        self._name_columns(load, file, self.columns.sampled.get(file, ()))
                    case FileBlock(_, block, rows_before):
                        assert load is not None
                        if refused is not None:
                            block.drop()
                            continue
                        try:
                            load.write(block.read(), rows_before)
                        except RowsRefusedError as exc:
                            load.abort()
                            refused = exc
                    case SplitDone(tally, rows, size_bytes, read_whole):
                        assert load is not None
                        self.report.progressed(tally.file, rows, size_bytes)
                        if not read_whole or refused is not None:
                            continue
                        try:
                            self.begun.keep(tally, ordered.job, self.columns.asked)
                        except RowsRefusedError as exc:
                            load.abort()
                            refused = exc
                    case FileDone(tally):
                        assert load is not None
                        error = refused or self._commit(load, tally)
                        load = None
                        self._settle(ordered, tally, error)
                    case FileBeginsAgain(tally) | FileFailed(tally):
                        assert load is not None
                        load.abort()
                        load = None
                        self.report.begins_again(tally.file)
                        if isinstance(event, FileBeginsAgain):
                            self._withdraw(ordered)
                        elif (then := self._read_again(ordered, tally.file, event.error)) is not None:
                            self._failed(tally, then)
                            self._withdraw(ordered)
                    case StoreGone(gone):
                        if self.options.is_anew:
                            gone.remedy = "The table is as it was: refresh again when the store answers"
                        raise gone
        finally:
            if load is not None:
                load.abort()

    def _stream_run(self) -> StreamRun:
        return StreamRun(self.stream.reader, self.report.warn, settle_s=self.wait_s or self.stream.settle_s)

    def _asks_again(self, ordered: "OrderedRun", file: RemoteFile) -> bool:
        """For the columns that the file asked for in the run that kept a part of it: then it comes again, from there."""
        wanted = self.begun.wanted(file, ordered.job)
        if wanted is None or not self.columns.ask(file, wanted):
            return False
        ordered.retry(file, self._job(ordered.job.format), anew=False)
        return True

    def _begin(self, file: RemoteFile, position: int) -> FileLoad:
        load, progress = self.begun.load(file, position)
        if progress is not None:
            self.report.goes_on(progress)
        return self.executors.effort.timing(load)

    def _commit(self, load: FileLoad, tally: "FileTally") -> FileCdkError | None:
        """Why the file is not loaded, if it is not."""
        if not self.options.max_rejects.allow(tally):
            load.abort()
            return too_many(tally, self.options.max_rejects)
        try:
            self._name_columns(load, tally.file, self.columns.asked)
            load.commit(LoadedFile(tally.rows, tally.rejects, tally.skipped.total()))
        except RowsRefusedError as exc:
            load.abort()
            return exc
        return None

    def _settle(self, ordered: "OrderedRun", tally: "FileTally", error: FileCdkError | None) -> None:
        """After the last row of a file; error: why the file is not loaded."""
        if error is None:
            self.report.loaded(tally)
        else:
            self.report.begins_again(tally.file)
            self._failed(tally, error)
        # A file that the destination refuses is to widen the table for no other.
        refused_files = self._flush(keep_waiting=error is not None or not self.columns.asked)
        if tally.file in refused_files or error is not None:
            self._withdraw(ordered)
        else:
            self.columns.accept(tally.file)

    def _read_again(self, ordered: "OrderedRun", file: RemoteFile, error: FileCdkError) -> FileCdkError | None:
        """For wider columns or in another dialect; where that would not help, the error to tell."""
        file_format = ordered.job.format
        match error:
            case TypeMismatchError():
                if (refused := self.columns.refusal(file, error.columns)) is not None:
                    return refused
                if not self.columns.ask(file, error.columns):
                    return InternalError("its columns fit no types", uri=file.uri)
            case DialectRefutedError():
                self.report.warn(f"file {file.uri!r} is read again: it {error.message}")
                self.columns.sampled.pop(file, None)  # its columns may have had other names there
                self.columns.withdraw()
                file_format = with_dialect(file_format, error)
            case _:
                return error
        ordered.retry(file, self._job(file_format))
        return None

    def _withdraw(self, ordered: "OrderedRun") -> None:
        """The file at work is not loaded, as it was read."""
        if self.columns.withdraw():
            ordered.go_on(self._job(ordered.job.format))

    def _job(self, file_format: Format) -> "Job":
        from file_cdk.engine.work import Job, TableShape

        encoder, max_split_bytes = encoder_of(self.table, self.destination), self.executors.memory.max_split_bytes
        return Job(self.stream.reader, file_format, encoder, TableShape(self.columns.schema), max_split_bytes)

    def _name_columns(self, load: FileLoad, file: RemoteFile, names: Sequence[str]) -> None:
        """First, in the file's order; by a block without rows, so that columns without values come into the table too."""
        if names:
            load.write(self.destination.encoder.encode(self.columns.named(names), file, 1, 0), 0)

    def _flush(self, *, keep_waiting: bool = False) -> list[RemoteFile]:
        """Answers files that were loaded, as far as was known, until the destination wrote them."""
        with self.executors.effort.writing():
            refused_files = self.table.flush(keep_waiting=keep_waiting)
        for refused in refused_files:
            self.report.not_loaded_after_all(refused)
        return [refused.file for refused in refused_files]

    def _failed(self, tally: "FileTally", error: FileCdkError) -> None:
        self.table.record_failure(tally.file, str(error), tally.rejects)
        self.report.failed(tally.file, error)
