"""How the files of one stream get into its table: each is read, and again where its types or its dialect turn out to be
others, until it is committed or has failed."""

from collections.abc import Sequence
from dataclasses import field

from file_cdk.core.config import FormatConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import (
    DialectRefutedError,
    FileCdkError,
    InternalError,
    RowsRefusedError,
    TypeMismatchError,
)
from file_cdk.core.files import RemoteFile
from file_cdk.core.gathering import encoder_of
from file_cdk.core.ports import Destination, FileLoad, Format, LoadedFile, StreamTable
from file_cdk.core.system.collecting import take_up_collecting
from file_cdk.engine.listing import Selection
from file_cdk.engine.ordering import (
    FileBegan,
    FileBlock,
    FileDone,
    FileFailed,
    FileTally,
    OrderedRun,
    SplitDone,
)
from file_cdk.engine.work import Job, TableShape
from file_cdk.formats.registry import with_dialect
from file_cdk.pipeline.dialects import format_of_files
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.rejects import too_many
from file_cdk.pipeline.run import FileBeginsAgain, StoreGone, StreamRun
from file_cdk.pipeline.stream import FolderKeys, Stream
from file_cdk.pipeline.tables.columns import TableColumns
from file_cdk.pipeline.tables.guessing import FirstColumns
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.report import StreamReport
from file_cdk.pipeline.tables.resuming import BegunFiles
from file_cdk.pipeline.tables.rules import StreamRules


@dataclass(slots=True)
class StreamLoading:
    """table: what is loaded into. settle_s: how old a file has to be for it to be whole, in seconds."""

    stream: Stream
    destination: Destination
    table: StreamTable
    executors: Executors
    options: SyncOptions
    report: StreamReport
    rules: StreamRules
    settle_s: float
    columns: TableColumns = field(init=False)
    begun: BegunFiles = field(init=False)

    def __post_init__(self) -> None:
        rules, stated = self.rules, self.rules.stated
        self.begun = BegunFiles(self.table, [stated, self.options.all_text])
        self.columns = TableColumns(
            self.table, stated, self.options.all_text, self.report.warn, rules.fixed, rules.plan.contract
        )

    def load(self, chosen: FormatConfig, selection: Selection, keys: FolderKeys | None) -> None:
        known = self.rules.sources(self.table.schema.names)
        reading = format_of_files(self.stream, chosen, self.options.dialect, selection.latest, known)
        if reading.note is not None:
            self.report.observer.warned(f"{self.stream.name}: {reading.note}")
        executor = self.executors.for_work(selection.size_bytes, reading.format)
        first = FirstColumns(self.columns, self.rules, keys, self.options.max_rejects, self.report.warn)
        file_format = first.begin(executor, reading.format, selection)
        take_up_collecting()
        try:
            job = self._job(file_format)
            self._take(OrderedRun(executor, job, selection, self.begun.tally, selection.size_bytes))
        except BaseException:
            executor.reset()  # for the streams after this one
            raise
        finally:
            self._flush()
        self.columns.end()

    def _take(self, ordered: OrderedRun) -> None:
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
        return StreamRun(self.stream.reader, self.report.warn, settle_s=self.settle_s)

    def _asks_again(self, ordered: OrderedRun, file: RemoteFile) -> bool:
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

    def _commit(self, load: FileLoad, tally: FileTally) -> FileCdkError | None:
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

    def _settle(self, ordered: OrderedRun, tally: FileTally, error: FileCdkError | None) -> None:
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

    def _read_again(self, ordered: OrderedRun, file: RemoteFile, error: FileCdkError) -> FileCdkError | None:
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

    def _withdraw(self, ordered: OrderedRun) -> None:
        """The file at work is not loaded, as it was read."""
        if self.columns.withdraw():
            ordered.go_on(self._job(ordered.job.format))

    def _job(self, file_format: Format) -> Job:
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

    def _failed(self, tally: FileTally, error: FileCdkError) -> None:
        self.table.record_failure(tally.file, str(error), tally.rejects)
        self.report.failed(tally.file, error)
