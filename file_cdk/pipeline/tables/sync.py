"""Sync files into a destination's tables, each version of a file exactly once."""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import field, replace
from functools import partial
from os import PathLike, fspath

from file_cdk.core.config import FormatConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, FileCdkError, SeveralFormatsError
from file_cdk.core.gathering import encoder_of
from file_cdk.core.merging import MergingTable, merging
from file_cdk.core.ports import Destination, StreamTable
from file_cdk.core.progress import resumable
from file_cdk.engine.listing import Selection, list_matching, select
from file_cdk.pipeline.early import modules_for_tables
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.recognition import Recognised, format_of
from file_cdk.pipeline.run import Youngest, seconds_to_settle
from file_cdk.pipeline.stream import FolderKeys, Stream, not_loaded
from file_cdk.pipeline.tables.deletes import Listed, settle_gone
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import (
    EffortObserver,
    Silence,
    StreamReport,
    StreamResult,
    SyncObserver,
    SyncResult,
)
from file_cdk.pipeline.tables.rules import StreamRules, check_merged, with_rules

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
    # Here, since `read` of the library does without: it needs StreamSync alone.
    from file_cdk.pipeline.sourcing.dividing import all_parts, in_parts
    from file_cdk.pipeline.tables.run_log import recorded
    from file_cdk.pipeline.tables.stdout import STDOUT, destination_of
    from file_cdk.pipeline.tables.waiting import open_in_turn

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
    rules: StreamRules = field(init=False)
    known: StreamTable = field(init=False)
    """As earlier syncs left it."""
    table: StreamTable = field(init=False)
    """What is loaded into: the same, or a new one that takes its place."""
    merged: MergingTable | None = field(init=False)
    """The same, where it shows one row of each key."""

    def __post_init__(self) -> None:
        name = self.stream.table
        self.table = self.destination.table(name, anew=self.options.is_anew)
        self.merged = merging(self.table, name)
        # Asked for after the new one, since the old may show other rows.
        self.known = self.destination.table(name) if self.options.is_anew else self.table
        self.rules = StreamRules(self.stream)

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
        keys = FolderKeys(lambda: self.rules.sources(table.schema.names)) if stream.finds_partitions else None
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
            self._forget_begun(listed)
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

    def _forget_begun(self, listed: Listed) -> None:
        """What is kept of files that are gone."""
        kept = resumable(self.table)
        if kept is not None and (begun := [each.file.uri for each in kept.begun()]):
            kept.forget_begun(list(listed.gone(begun, self.stream.matcher)))

    def _load(self, chosen: FormatConfig, selection: Selection, keys: FolderKeys | None) -> None:
        from file_cdk.pipeline.tables.loading import StreamLoading  # which a sync without news has no use for

        settle_s = self.wait_s or self.stream.settle_s
        loading = StreamLoading(
            self.stream,
            self.destination,
            self.table,
            self.executors,
            self.options,
            self.report,
            self.rules,
            settle_s,
        )
        loading.load(chosen, selection, keys)

    def _put_in_place(self) -> None:
        """What was loaded anew, if that is all."""
        if self.report.files_failed:
            self.report.not_replaced()
        else:
            self.destination.put_in_place(self.stream.table)
            self.report.replaced()
