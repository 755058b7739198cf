"""`read`: records of the configured streams as protocol lines, with states that say how far they are."""

import contextlib
import copy
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import field
from typing import TYPE_CHECKING, Any

from file_cdk.core.config import CsvConfig, FileTransfer, SourceConfig, ValidationPolicy
from file_cdk.core.connector import Connector
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DestinationError, FileCdkError, InternalError, OutputClosedError, StopStreamError
from file_cdk.core.files import RemoteFile
from file_cdk.core.state.cursor import StateThrottle
from file_cdk.core.system.memory import budget_of
from file_cdk.engine.conform import Conform
from file_cdk.engine.executor import Block
from file_cdk.engine.listing import Selection, list_matching, select
from file_cdk.engine.ordering import FileBlock, FileDone, FileFailed, FilesDone, FileTally, OrderedRun
from file_cdk.engine.work import Job, RecordShape
from file_cdk.formats.registry import format_for
from file_cdk.pipeline.early import modules_for_records
from file_cdk.pipeline.execution import Executors, shares_of
from file_cdk.pipeline.history import History, history_limit
from file_cdk.pipeline.output import Output, now_ms
from file_cdk.pipeline.run import FileBeginsAgain, StoreGone, StreamRun
from file_cdk.pipeline.stream import Stream, configured
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import parse_configured_catalog
from file_cdk.protocol.deferred_encoding import DeferredEncoder
from file_cdk.protocol.messages import Message, StreamStatus
from file_cdk.protocol.state import parse_state

if TYPE_CHECKING:  # what copies files is imported where files are copied
    from file_cdk.pipeline.transfer import RawFiles

_log = logging.getLogger(__name__)

MAX_LOGGED_FAILURES = 100


def read_streams(
    connector: Connector, raw: Mapping[str, Any], catalog: Any, state: Any, out_fd: int, workers: int | None
) -> int:
    """Writes records, states and statuses to `out_fd`; 0, or 1 when something could not be read.

    Raises ConfigError before any I/O, OutputClosedError and DestinationError when `out_fd` cannot be written.
    """
    config, warnings = configured(connector, raw)
    by_name = {stream.name: stream for stream in config.streams}
    chosen = parse_configured_catalog(catalog, by_name)
    states = {name: connector.own_state(config, each) for name, each in parse_state(state).items()}
    output = Output(out_fd)
    for text in warnings:
        output.log(logging.WARNING, text)
    reader = connector.reader(config)
    memory = shares_of(budget_of(os.environ), workers, [reader], database=False)
    executors = Executors(workers, memory)
    raw_files = _raw_files(connector, config, workers)

    def prepared(name: str, properties: Mapping[str, Any] | None, incremental: bool) -> "_StreamRead":
        stream = Stream.of(connector, config, by_name[name], reader).within(memory)
        limit = history_limit(connector, stream.config, os.environ)
        history = History.of(stream.config, states.get(name), limit, incremental=incremental)
        return _StreamRead(stream, properties, history, executors, _StreamOutput(name, output, history), raw_files)

    # All before the first, so that what is wrong in the last stream's state or globs is said before any I/O.
    reads = [prepared(each.name, each.properties, each.incremental) for each in chosen]
    complete = True
    with output.signals:
        try:
            for read in reads:
                complete &= read.run()
        finally:
            executors.close()
    return 0 if complete else 1


def _raw_files(connector: Connector, config: SourceConfig, workers: int | None) -> "RawFiles | None":
    """None where records are wanted."""
    if not isinstance(config.delivery_method, FileTransfer):
        return None
    from file_cdk.pipeline.transfer import RawFiles

    return RawFiles.of(connector, config, config.delivery_method, workers)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@dataclass(slots=True)
class _StreamOutput:
    """One stream's messages. records: sent in all, or files where those are copied."""

    stream: str
    output: Output
    history: History
    records: int = 0
    _records_since_state: int = 0
    _throttle: StateThrottle = field(default_factory=lambda: StateThrottle(time.monotonic))

    def log(self, level: int, text: str) -> None:
        self.output.log(level, text)

    def warn(self, text: str) -> None:
        self.output.log(logging.WARNING, text)

    def status(self, status: StreamStatus) -> None:
        self.output.send(messages.stream_status(self.stream, status, emitted_at_ms=now_ms()))

    def error(self, error: FileCdkError) -> None:
        self.output.send(messages.error_trace(error, emitted_at_ms=now_ms(), stream=self.stream))

    def block(self, block: Block) -> None:
        rows, size_bytes = block.rows, block.size_bytes
        self._count(rows, size_bytes)
        self.output.copy(block)

    def record(self, message: Message) -> None:
        line = messages.to_line(message)
        self._count(1, len(line))
        self.output.line(line)

    def _count(self, records: int, record_bytes: int) -> None:
        """Before they are sent."""
        if not self.records:
            self.status(StreamStatus.RUNNING)
        self._throttle.count(record_bytes=record_bytes)
        self.records += records
        self._records_since_state += records

    def synced(self, files: int) -> None:
        """All records of so many more files that the history holds were sent."""
        self._throttle.count(files=files)
        if self._throttle.due(state_bytes=self.history.state_bytes, history_files=len(self.history)):
            self.state()

    def state(self) -> None:
        state = messages.stream_state(self.stream, self.history.state(), record_count=self._records_since_state)
        self.output.send(state)
        self._records_since_state = 0
        self._throttle.emitted()


@dataclass(slots=True)
class _StreamRead:
    """properties: of the catalog, None where it has none. raw_files: how files are copied, None where they are read."""

    stream: Stream
    properties: Mapping[str, Any] | None
    history: History
    executors: Executors
    out: _StreamOutput
    raw_files: "RawFiles | None"
    files: StreamRun = field(init=False)
    files_failed: int = 0
    first_error: FileCdkError | None = None

    def __post_init__(self) -> None:
        self.files = StreamRun(self.stream.reader, self.out.warn, "copied" if self.stream.copies else "read")

    def run(self) -> bool:
        """Reads the stream; whether all of it could be read."""
        name, out = self.stream.name, self.out
        out.status(StreamStatus.STARTED)
        try:
            self._read_files()
        except (OutputClosedError, DestinationError):
            raise
        except FileCdkError as exc:
            self.first_error = self.first_error or exc
        noun = "file" if self.stream.copies else "record"
        out.log(logging.INFO, f"{self.files.verb} {_counted(out.records, noun)} of stream {name!r}")
        if self.first_error is None:
            out.state()
            out.status(StreamStatus.COMPLETE)
            return True
        if self.files_failed or out.records:
            out.state()
        out.error(self._summed_up(self.first_error))
        out.status(StreamStatus.INCOMPLETE)
        return False

    def _read_files(self) -> None:
        stream, history = self.stream, self.history
        with ExitStack() as opened:
            selection = select(list_matching(stream.reader, stream.matcher), stream.rules(history.not_synced))
            opened.callback(selection.close)
            skipped = "".join(f", {count} skipped: {reason}" for reason, count in selection.skipped.items())
            self.out.log(logging.INFO, f"stream {stream.name!r}: {_counted(selection.files, 'file')} to read{skipped}")
            if (text := history.untold.warning(stream.config, history.limit)) is not None:
                self.out.warn(text)
            if self._read(selection) if self.raw_files is None else self._copy(selection, self.raw_files):
                history.finish()

    def _read(self, selection: Selection) -> bool:
        """Whether all files were gone through."""
        config = self.stream.config
        self.executors.announce(selection.size_bytes, *modules_for_records(config.format.filetype))
        encoder = DeferredEncoder(self.stream.name, config.schemaless)
        file_format = format_for(config.format, config)
        executor = self.executors.for_work(selection.size_bytes, file_format)
        complete = False
        try:
            job = Job(self.stream.reader, file_format, encoder, self._shape(), self.executors.memory.max_split_bytes)
            complete = self._emit(OrderedRun(executor, job, selection, work_bytes=selection.size_bytes))
        finally:
            if not complete:
                executor.reset()  # for the streams after this one
        return complete

    def _copy(self, selection: Selection, raw_files: "RawFiles") -> bool:
        """Whether all files were gone through: where nothing can be written any more there is no point in it."""
        from file_cdk.engine.transfer import TransferFailed, Transferred

        try:
            outcomes = raw_files.copies(self.stream.reader, selection, self.files.newer_version)
        except DestinationError as exc:
            self.first_error = exc
            return False
        with contextlib.closing(outcomes):
            for outcome in self.files.copied(outcomes):
                match outcome:
                    case Transferred(file):
                        self.out.record(raw_files.record(self.stream.name, outcome, now_ms()))
                        self._synced(file)
                    case TransferFailed(file, error):
                        self._fail(file, error)
                        if isinstance(error, DestinationError):
                            return False
                    case StoreGone(gone):
                        self.first_error = gone
                        return False
        return True

    def _shape(self) -> RecordShape:
        config = self.stream.config
        if config.schemaless:
            return RecordShape(None)
        is_text = isinstance(config.format, CsvConfig)
        # CSV takes None for a record that goes out whole, with its nulls.
        properties = {} if is_text and self.properties is None else self.properties
        if config.validation_policy is ValidationPolicy.EMIT_RECORD:
            return RecordShape(properties)
        # CSV needs the schema to tell what its text means; other formats would leave out the columns that the policy is for.
        return RecordShape(
            properties if is_text else None,
            Conform(properties or {}, stops=config.validation_policy is ValidationPolicy.WAIT_FOR_DISCOVER),
        )

    def _emit(self, ordered: OrderedRun) -> bool:
        """Whether all files were gone through: a record that does not fit the schema may end the stream before.

        Of a file that changed, what was emitted of the older version stays: a destination that keeps one record per key has
        the newer.
        """
        for event in self.files.outcomes(ordered):
            match event:
                case FileBlock(block=block):
                    self.out.block(block)
                case FilesDone(files, block=together):
                    if together is not None:
                        self.out.block(together)
                    for tally in event.with_warnings:
                        self._warn(tally)
                    self._synced(*files)
                case FileDone(tally):
                    self._warn(tally)
                    self._synced(tally.file)
                case FileFailed(tally, StopStreamError() as stop):
                    self._warn(tally)
                    self.out.warn(f"the sync of stream {self.stream.name!r} ends here: {stop}")
                    self.history.leave_unread(tally.file)
                    return False
                case FileFailed(tally, error):
                    self._warn(tally)
                    self._fail(tally.file, error)
                case FileBeginsAgain(tally):
                    self._warn(tally)
                case StoreGone(gone):
                    self.first_error = gone
                    return False
        return True

    def _synced(self, *files: RemoteFile) -> None:
        """All records of the files were sent, and of no others since."""
        if remembered := sum(map(self.history.add, files)):
            self.out.synced(remembered)

    def _fail(self, file: RemoteFile, error: FileCdkError) -> None:
        self.files_failed += 1
        self.first_error = self.first_error or error
        if self.files_failed <= MAX_LOGGED_FAILURES:
            self.out.log(logging.ERROR, str(error))
        if isinstance(error, InternalError):
            _log.debug("file %r: %s", file.uri, error.trace)
        self.history.leave_unread(file)

    def _warn(self, tally: FileTally) -> None:
        if not (tally.warnings or tally.skipped or tally.rejects.first):
            return
        counts = Counter(tally.warnings)
        counts.update({f"skipped: {reason}": count for reason, count in tally.skipped.items()})
        for text, count in counts.items():
            self.out.warn(f"file {tally.file.uri!r}: {text} ({_counted(count, 'record')})")
        if tally.rejects.first:
            from file_cdk.pipeline.rejects import rejected_facts  # and with it fractions, which most reads do without

            self.out.warn(f"file {tally.file.uri!r}: {rejected_facts(tally.rejects)}")

    def _summed_up(self, error: FileCdkError) -> FileCdkError:
        if self.files_failed < 2:
            return error
        # The same kind of error, so that the platform sees whether the configuration or the moment is to blame.
        summed_up = copy.copy(error)
        summed_up.message = f"{self.files_failed} files could not be read; the first: {error.message}"
        return summed_up
