"""Sync files into a destination's tables, each version of a file exactly once."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from typing import TYPE_CHECKING

from file_cdk.core.config import FormatConfig
from file_cdk.core.errors import (
    AccessError,
    ConfigError,
    DialectRefutedError,
    FileCdkError,
    InternalError,
    RowsRefusedError,
    TypeMismatchError,
)
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Destination, FileLoad, Format, LoadedFile, StreamTable
from file_cdk.destinations.registry import destination_for
from file_cdk.engine.executor import Executor
from file_cdk.engine.listing import ALREADY_LOADED, Decide, Selection, list_matching, newer_than, select
from file_cdk.engine.ordering import FileBegan, FileBlock, FileDone, FileFailed, FileTally, OrderedRun, SplitDone
from file_cdk.engine.sampling import SAMPLE_FILES, read_through, sample
from file_cdk.engine.work import Job, TableShape
from file_cdk.formats.path_columns import WithPathColumns
from file_cdk.formats.registry import module_of, with_dialect
from file_cdk.pipeline.decoding import Dialect, decoder_of
from file_cdk.pipeline.earlier_failures import EarlierFailures
from file_cdk.pipeline.execution import TABLE_ENCODING, Executors
from file_cdk.pipeline.failures import StoreFailures
from file_cdk.pipeline.growth import grown, grown_in_all
from file_cdk.pipeline.guess import Sample, guess
from file_cdk.pipeline.litter import no_litter
from file_cdk.pipeline.partitions import FolderKeys, note
from file_cdk.pipeline.rejects import MaxRejects, too_many
from file_cdk.pipeline.report import Silence, StreamReport, StreamResult, SyncObserver, SyncResult
from file_cdk.pipeline.sources import Recognised, SourceStream, format_of, streams_of

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

_MAX_RETRIES_PER_FILE = 100


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """workers: processes; 0 none, None chosen by the size of the work. all_text: every column as text.

    filetype, stream: format and table name for a path or URL, in place of what its files and name suggest.
    max_rejects: how many records of a file may be rejected before none of its rows is loaded. retry_rejects: load again the
    files that were loaded with rejected records. dialect: of CSV files that a path or URL names, `auto` finds it from
    their beginnings, `default` is comma, double quotes, UTF-8 and a header row. connector: the source is a configuration of
    this one, by its URL scheme or name, in JSON or YAML, whatever the file is called. partitions: whether `key=value` folders
    of the files that a path or URL names are columns, where all files have them.
    """

    workers: int | None = None
    all_text: bool = False
    filetype: str | None = None
    stream: str | None = None
    max_rejects: MaxRejects = field(default_factory=MaxRejects)
    retry_rejects: bool = False
    dialect: Dialect = "auto"
    connector: str | None = None
    partitions: bool = True

    def __post_init__(self) -> None:
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 0):
            raise ConfigError("workers must be 0 or more, or None")


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
    streams = streams_of(fspath(source), options.filetype, options.stream, options.connector, options.partitions)
    failures: list[FileCdkError] = []
    results: list[StreamResult] = []
    target = destination_for(fspath(destination))
    executors = Executors(options.workers)
    with ExitStack() as opened:
        target.open()
        opened.callback(target.close)
        opened.callback(executors.close)
        several = len(streams) > 1
        for stream in streams:
            report = StreamReport(stream.name, observer, failures, several=several)
            results.append(_StreamSync(stream, target, executors, options, report).run())
    return SyncResult(tuple(results), time.monotonic() - started, tuple(failures))


@dataclass(slots=True)
class _StreamSync:
    source: SourceStream
    destination: Destination
    executors: Executors
    options: SyncOptions
    report: StreamReport
    retries: Counter[str] = field(default_factory=Counter)
    store: StoreFailures = field(init=False)
    folder_keys: FolderKeys = field(default_factory=partial(FolderKeys, ()))
    accepted: "pa.Schema" = field(init=False)
    """What files are decoded for, as the guess and the files loaded so far have it."""
    sampled: dict[RemoteFile, Sequence[str]] = field(default_factory=dict)
    """The columns of files that were looked at beforehand."""
    asked: list[str] = field(default_factory=list)
    """Columns that the file at work is decoded for and no other."""

    def __post_init__(self) -> None:
        self.store = StoreFailures(self.source.reader)

    def run(self) -> StreamResult:
        name = self.source.name
        table = self.destination.table(self.source.table)
        failures = EarlierFailures.of(table)
        recognised = Recognised()
        rules: list[Decide] = [no_litter(self.source.matcher), failures.look]
        if self.source.format is None:
            rules.append(recognised)
        rules.append(newer_than(self.source.source.start_at))
        if self.source.finds_partitions:
            self.folder_keys = FolderKeys(table.schema.names)
            rules.append(self.folder_keys)
        rules.append(_not_loaded(table, with_rejects=self.options.retry_rejects))
        with ExitStack() as opened:
            selection = select(list_matching(self.source.reader, self.source.matcher), rules)
            opened.callback(selection.close)
            recognised.warn_if_none()
            table.forget_failed(failures.gone(self.source.matcher))
            chosen = self.source.format or format_of(recognised.kinds)
            if not selection.files and not selection.skipped:
                if self.source.file is not None and not self.source.has_archive():
                    raise AccessError(f"there is no file {self.source.file!r} in {self.source.origin}")
                globs = ", ".join(map(repr, self.source.stream.globs))
                self.report.observer.warned(f"{name}: no file matches {globs}")
            self.report.observer.listed(name, selection.files, selection.size_bytes, selection.skipped)
            if selection.files:
                self.executors.announce(selection.size_bytes, module_of(chosen.filetype), TABLE_ENCODING)
                self._load(table, self._decoder(chosen, selection, table), selection)
        return self.report.result(selection.skipped)

    def _decoder(self, chosen: FormatConfig, selection: Selection, table: StreamTable) -> Format:
        options, columns = self.options, table.schema.names
        decoder, note = decoder_of(self.source, chosen, options.dialect, selection.latest, columns)
        if note is not None:
            self.report.observer.warned(f"{self.source.name}: {note}")
        return decoder

    def _load(self, table: StreamTable, decoder: Format, selection: Selection) -> None:
        import pyarrow as pa

        executor = self.executors.for_work(selection.size_bytes, decoder)
        known = table.schema
        found = self._guess(executor, decoder, selection)
        if keys := self.folder_keys.besides(found.names):
            decoder, found = self._with_partitions(decoder, found, keys, known.names)
        table.widen(found)
        self.accepted = guessed = table.schema
        job = Job(self.source.reader, decoder, self.destination.encoder, TableShape(table.schema))
        try:
            self._take(OrderedRun(executor, job, selection), job, table)
        except BaseException:
            executor.reset()  # for the streams after this one
            raise
        finally:
            self._flush(table)
        table.widen(pa.schema([]), anew=True)  # to see what it has become
        for message in grown_in_all(known, guessed, self.accepted, table.schema):
            self.report.warn(message)

    def _take(self, run: OrderedRun, job: Job, table: StreamTable) -> None:
        load: FileLoad | None = None
        refused: RowsRefusedError | None = None
        """Why the destination does not take the file at work: the rest of it is read and dropped."""
        try:
            for event in run:
                match event:
                    case FileBegan(file):
                        load, refused = table.begin(file), None
                        self._name_columns(load, self.sampled.get(file), file, table)
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
                    case SplitDone(file, rows, size_bytes):
                        self.report.progressed(file, rows, size_bytes)
                    case FileDone(tally):
                        assert load is not None
                        error = refused or self._commit(load, tally, table)
                        load = None
                        self.store.file_read()
                        if error is None:
                            self.report.loaded(tally)
                        else:
                            self.report.begins_again(tally.file)
                            self._failed(table, tally, error)
                        # A file that the destination refuses is to widen the table for no other.
                        refused_files = self._flush(table, keep_waiting=error is not None or not self.asked)
                        if tally.file in refused_files or error is not None:
                            job = self._as_accepted(run, job, table)
                        else:
                            self._accept(table, tally.file)
                    case FileFailed(tally, error):
                        assert load is not None
                        load.abort()
                        load = None
                        self.report.begins_again(tally.file)
                        if isinstance(error, TypeMismatchError):
                            job = self._refit(run, job, table, tally, error)
                        elif isinstance(error, DialectRefutedError):
                            self.report.warn(f"file {tally.file.uri!r} is read again: it {error.message}")
                            self.sampled.pop(tally.file, None)  # its columns may have had other names there
                            job = self._as_accepted(run, job, table)
                            job = Job(job.reader, with_dialect(job.format, error), job.encoder, job.shape)
                            run.retry(tally.file, job)
                        elif isinstance(
                            then := self.store.newer_version(tally.file, error, self.report.warn), RemoteFile
                        ):
                            job = self._as_accepted(run, job, table)
                            run.retry(then, job)
                        else:
                            self._failed(table, tally, then)
                            job = self._as_accepted(run, job, table)
                            if (given_up := self.store.gives_up(then)) is not None:
                                raise given_up
        finally:
            if load is not None:
                load.abort()

    def _commit(self, load: FileLoad, tally: FileTally, table: StreamTable) -> FileCdkError | None:
        """Why the file is not loaded, if it is not."""
        if not self.options.max_rejects.allow(tally):
            load.abort()
            return too_many(tally, self.options.max_rejects)
        try:
            self._name_columns(load, self.asked, tally.file, table)
            load.commit(LoadedFile(tally.rows, tally.rejects))
        except RowsRefusedError as exc:
            load.abort()
            return exc
        return None

    def _refit(self, run: OrderedRun, job: Job, table: StreamTable, tally: FileTally, error: TypeMismatchError) -> Job:
        """Reads the file again, whole, for wider columns; files already under way may have asked for the same."""
        file = tally.file
        self.retries[file.uri] += 1
        if self.retries[file.uri] > _MAX_RETRIES_PER_FILE:
            self._failed(table, tally, InternalError("its columns fit no types", uri=file.uri))
            return self._as_accepted(run, job, table)
        import pyarrow as pa

        wanted = pa.schema(list(error.columns.items()))
        table.widen(self._asked_for(wanted) if self.options.all_text else wanted)
        self.asked += wanted.names
        job = _decoding_for(table, job)
        run.retry(file, job)
        return job

    def _accept(self, table: StreamTable, file: RemoteFile) -> None:
        """The file is loaded: what it needed, the table has."""
        if self.asked:
            self.asked = []
            before, self.accepted = self.accepted, table.schema
            for message in grown(before, self.accepted, f"file {file.uri!r}"):
                self.report.warn(message)

    def _as_accepted(self, run: OrderedRun, job: Job, table: StreamTable) -> Job:
        """The file is not loaded: what it alone needed, no other is to be decoded for."""
        if not self.asked:
            return job
        self.asked = []
        table.widen(self.accepted, anew=True)
        job = _decoding_for(table, job)
        run.go_on(job)
        return job

    def _guess(self, executor: Executor, decoder: Format, selection: Selection) -> "pa.Schema":
        """Columns and types of the latest files, merged. A file that cannot be sampled will say why when it is read."""
        files = selection.latest(SAMPLE_FILES)[::-1]
        found = sample(executor, self.source.reader, decoder, files, "table")
        samples = [
            Sample(file, self._asked_for(schema))
            for file, schema in zip(files, found, strict=True)
            if not isinstance(schema, FileCdkError)
        ]
        self.sampled = {each.file: each.schema.names for each in samples}

        def is_readable(sample: Sample) -> bool:
            tally = read_through(executor, self.source.reader, decoder, sample.file, sample.schema)
            return tally is not None and self.options.max_rejects.allow(tally)

        return guess(samples, is_readable, others=selection.files > len(samples))

    def _name_columns(self, load: FileLoad, names: Sequence[str] | None, file: RemoteFile, table: StreamTable) -> None:
        """By a block without rows, so that columns without values come into the table too; first, in the file's order."""
        if not names:
            return
        import pyarrow as pa

        schema = table.schema
        columns = pa.schema([schema.field(name) for name in dict.fromkeys(names) if schema.get_field_index(name) >= 0])
        load.write(self.destination.encoder.encode(pa.RecordBatch.from_pylist([], columns), file, 1, 0), 0)

    def _with_partitions(
        self, decoder: Format, schema: "pa.Schema", keys: frozenset[str], known: Collection[str]
    ) -> "tuple[Format, pa.Schema]":
        """The decoder with the columns of folders, and the schema with those that the table has not yet, of which is told."""
        import pyarrow as pa

        if not keys <= set(known):
            self.report.warn(note(keys))
        columns = [pa.field(key, pa.string()) for key in sorted(keys.difference(known))]
        return WithPathColumns(decoder, partitions=True, pattern=None, folders=keys), pa.schema([*schema, *columns])

    def _asked_for(self, schema: "pa.Schema") -> "pa.Schema":
        """The schema with what the person said about types in place of what the values suggest."""
        import pyarrow as pa

        stated = self.source.stream.input_types or {}
        arrow = {"boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "float": pa.float64()}
        types = {field.name: pa.string() if self.options.all_text else field.type for field in schema}
        types.update({name: arrow.get(kind, pa.string()) for name, kind in stated.items()})
        return pa.schema(list(types.items()))

    def _flush(self, table: StreamTable, *, keep_waiting: bool = False) -> list[RemoteFile]:
        """Answers files that were loaded, as far as was known, until the destination wrote them."""
        refused_files = table.flush(keep_waiting=keep_waiting)
        for refused in refused_files:
            self.report.not_loaded_after_all(refused)
        return [refused.file for refused in refused_files]

    def _failed(self, table: StreamTable, tally: FileTally, error: FileCdkError) -> None:
        table.record_failure(tally.file, str(error), tally.rejects)
        self.report.failed(tally.file, error)


def _decoding_for(table: StreamTable, job: Job) -> Job:
    return Job(job.reader, job.format, job.encoder, TableShape(table.schema))


def _not_loaded(table: StreamTable, *, with_rejects: bool) -> Decide:
    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        return [None if wanted else ALREADY_LOADED for wanted in table.unloaded(files, with_rejects=with_rejects)]

    return decide
