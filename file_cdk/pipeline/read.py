"""`read`: records of the configured streams as protocol lines, with states that say how far they are."""

import contextlib
import copy
import fcntl
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from airbyte_protocol_dataclasses.models import AirbyteMessage, AirbyteStreamStatus

from file_cdk.core.config import CsvConfig, ValidationPolicy
from file_cdk.core.connector import Connector
from file_cdk.core.cursor import DEFAULT_HISTORY_LIMIT, Cursor, StateThrottle
from file_cdk.core.errors import DestinationError, FileCdkError, InternalError, OutputClosedError, StopStreamError
from file_cdk.core.files import RemoteFile
from file_cdk.engine.conform import Conform
from file_cdk.engine.executor import Block, write_all
from file_cdk.engine.interrupts import HeldSignals
from file_cdk.engine.listing import Selection, list_matching, select
from file_cdk.engine.ordering import FileBlock, FileDone, FileFailed, FileTally, OrderedRun
from file_cdk.engine.transfer import TransferFailed, Transferred
from file_cdk.engine.work import Job, RecordShape
from file_cdk.formats.registry import format_for, module_of
from file_cdk.pipeline.execution import RECORD_ENCODING, Executors
from file_cdk.pipeline.failures import StoreFailures
from file_cdk.pipeline.history import Untold, history_limit
from file_cdk.pipeline.rejects import rejected_facts
from file_cdk.pipeline.stream import Stream
from file_cdk.pipeline.support import configured
from file_cdk.pipeline.transfer import RawFiles
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import ConfiguredStream, parse_configured_catalog
from file_cdk.protocol.state import parse_state

_log = logging.getLogger(__name__)

NO_CURSOR_STATE = {"__ab_no_cursor_state_message": True}
"""State of a full refresh: there is nothing to go on from."""

MAX_LOGGED_FAILURES = 100
_PIPE_BYTES = 1 << 20


def read_streams(
    connector: Connector, raw: Mapping[str, Any], catalog: Any, state: Any, out_fd: int, workers: int | None
) -> int:
    config, warnings = configured(connector, raw)
    by_name = {stream.name: stream for stream in config.streams}
    chosen = parse_configured_catalog(catalog, by_name)
    states = {name: connector.own_state(config, each) for name, each in parse_state(state).items()}
    output = _Output(out_fd)
    for text in warnings:
        output.log(logging.WARNING, text)
    reader = connector.reader(config)
    executors = Executors(workers)
    raw_files = RawFiles.wanted(connector, config, workers)
    # All before the first, so that what is wrong in the last stream's state or globs is said before any I/O.
    limit = history_limit(connector, os.environ)
    reads = [
        _StreamRead(
            Stream.of(config, by_name[stream.name], reader),
            stream,
            states.get(stream.name),
            executors,
            output,
            raw_files,
            limit,
        )
        for stream in chosen
    ]
    complete = True
    with output.signals:
        try:
            for read in reads:
                complete &= read.run()
        finally:
            executors.close()
    return 0 if complete else 1


@dataclass(slots=True)
class _Output:
    """Where the messages go, whole lines at a time."""

    fd: int
    signals: HeldSignals = field(default_factory=HeldSignals)

    def __post_init__(self) -> None:
        # A larger pipe saves switches between us and the reader; where it is no pipe, there is nothing to do.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def send(self, message: AirbyteMessage) -> None:
        self.line(messages.to_line(message))

    def line(self, line: bytes) -> None:
        with self._writing():
            write_all(self.fd, line)

    def copy(self, block: Block) -> None:
        with self._writing():
            block.copy_to(self.fd)

    def log(self, level: int, text: str) -> None:
        self.send(messages.log(level, text))

    def status(self, stream: str, status: AirbyteStreamStatus) -> None:
        self.send(messages.stream_status(stream, status, emitted_at_ms=_now_ms()))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self.signals.held():
                yield
        except OSError as exc:
            raise DestinationError(f"the output cannot be written: {exc.strerror}") from exc


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _StreamRead:
    stream: Stream
    choice: ConfiguredStream
    state: Mapping[str, Any] | None
    executors: Executors
    output: _Output
    raw_files: RawFiles | None = None
    history_limit: int = DEFAULT_HISTORY_LIMIT
    cursor: Cursor | None = field(init=False, default=None)
    untold: Untold = field(default_factory=Untold)
    store: StoreFailures = field(init=False)
    throttle: StateThrottle = field(default_factory=lambda: StateThrottle(time.monotonic))
    records: int = 0
    records_since_state: int = 0
    files_failed: int = 0
    first_error: FileCdkError | None = None

    def __post_init__(self) -> None:
        self.store = StoreFailures(self.stream.reader, "copied" if self.stream.copies else "read")
        if self.choice.incremental:
            days = self.stream.config.days_to_sync_if_history_is_full
            self.cursor = Cursor(
                self.state,
                now=datetime.now(UTC),
                history_limit=self.history_limit,
                days_to_sync_if_history_is_full=days,
            )

    def run(self) -> bool:
        """Reads the stream; whether all of it could be read."""
        name = self.stream.name
        self.output.status(name, AirbyteStreamStatus.STARTED)
        try:
            self._read_files()
        except (OutputClosedError, DestinationError):
            raise
        except FileCdkError as exc:
            self.first_error = self.first_error or exc
        verb, noun = ("read", "record") if self.raw_files is None else ("copied", "file")
        self.output.log(logging.INFO, f"{verb} {_counted(self.records, noun)} of stream {name!r}")
        if self.first_error is None:
            self._emit_state()
            self.output.status(name, AirbyteStreamStatus.COMPLETE)
            return True
        if self.files_failed or self.records:
            self._emit_state()
        error = self._summed_up(self.first_error)
        self.output.send(messages.error_trace(error, emitted_at_ms=_now_ms(), stream=name))
        self.output.status(name, AirbyteStreamStatus.INCOMPLETE)
        return False

    def _read_files(self) -> None:
        with ExitStack() as opened:
            listed = list_matching(self.stream.reader, self.stream.matcher)
            selection = select(listed, self.stream.rules(self._not_synced))
            opened.callback(selection.close)
            skipped = "".join(f", {count} skipped: {reason}" for reason, count in selection.skipped.items())
            self.output.log(
                logging.INFO, f"stream {self.stream.name!r}: {_counted(selection.files, 'file')} to read{skipped}"
            )
            if (text := self.untold.warning(self.stream.config, self.history_limit)) is not None:
                self.output.log(logging.WARNING, text)
            complete = (
                self._read_records(selection) if self.raw_files is None else self._copy(selection, self.raw_files)
            )
        if complete and self.cursor is not None:
            self.cursor.finish()

    def _read_records(self, selection: Selection) -> bool:
        """Whether all files were gone through."""
        self.executors.announce(selection.size_bytes, module_of(self.stream.config.format.filetype), RECORD_ENCODING)
        from file_cdk.protocol.record_encoding import RecordEncoder  # pyarrow loads while the workers start

        shape = self._shape()
        encoder = RecordEncoder(self.stream.name, schemaless=self.stream.config.schemaless)
        decoder = format_for(self.stream.config.format, self.stream.config)
        executor = self.executors.for_work(selection.size_bytes, decoder)
        complete = False
        try:
            complete = self._emit(OrderedRun(executor, Job(self.stream.reader, decoder, encoder, shape), selection))
        finally:
            if not complete:
                executor.reset()  # for the streams after this one
        return complete

    def _copy(self, selection: Selection, raw_files: RawFiles) -> bool:
        """Whether all files were gone through: where nothing can be written any more there is no point in it."""
        try:
            outcomes = raw_files.copies(self.stream.reader, selection, self._newer_version)
        except DestinationError as exc:
            self.first_error = exc
            return False
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                match outcome:
                    case Transferred(file):
                        self.store.file_read()
                        self._emit_file(raw_files, outcome)
                        if self.cursor is not None:
                            self.cursor.add(file)
                            self._emit_state_if_due(self.cursor)
                    case TransferFailed(file, error):
                        self._fail(file, error)
                        if isinstance(error, DestinationError):
                            return False
                        if (given_up := self.store.gives_up(error)) is not None:
                            self.first_error = given_up
                            return False
        return True

    def _emit_file(self, raw_files: RawFiles, copied: Transferred) -> None:
        self._say_running()
        line = messages.to_line(raw_files.record(self.stream.name, copied, _now_ms()))
        self.throttle.count(record_bytes=len(line))
        self.output.line(line)
        self.records += 1
        self.records_since_state += 1

    def _shape(self) -> RecordShape:
        if self.stream.config.schemaless:
            return RecordShape(None)
        is_text = isinstance(self.stream.config.format, CsvConfig)
        # CSV takes None for a record that goes out whole, with its nulls.
        properties = {} if is_text and self.choice.properties is None else self.choice.properties
        if self.stream.config.validation_policy is ValidationPolicy.EMIT_RECORD:
            return RecordShape(properties)
        # CSV needs the schema to tell what its text means; other formats would leave out the columns that the policy is for.
        return RecordShape(
            properties if is_text else None,
            Conform(properties or {}, stops=self.stream.config.validation_policy is ValidationPolicy.WAIT_FOR_DISCOVER),
        )

    def _not_synced(self, files: Sequence[RemoteFile]) -> Sequence[str | None]:
        if self.cursor is None:
            return [None] * len(files)
        reasons = [self.cursor.decide(file) for file in files]
        self.untold.look(self.cursor, files, reasons)
        return reasons

    def _emit(self, run: OrderedRun) -> bool:
        """Whether all files were gone through: a record that does not fit the schema may end the stream before."""
        for event in run:
            match event:
                case FileBlock(block=block):
                    self._emit_block(block)
                case FileDone(tally):
                    self.store.file_read()
                    self._warn(tally)
                    if self.cursor is not None:
                        self.cursor.add(tally.file)
                        self._emit_state_if_due(self.cursor)
                case FileFailed(tally, StopStreamError() as stop):
                    self._warn(tally)
                    self.output.log(logging.WARNING, f"the sync of stream {self.stream.name!r} ends here: {stop}")
                    if self.cursor is not None:
                        self.cursor.leave_unread(tally.file)
                    return False
                case FileFailed(tally, error):
                    self._warn(tally)
                    if isinstance(then := self._newer_version(tally.file, error), RemoteFile):
                        # What was emitted of the older one stays: a destination that keeps one record per key has the newer.
                        run.retry(then, run.job)
                        continue
                    self._fail(tally.file, then)
                    if (given_up := self.store.gives_up(then)) is not None:
                        self.first_error = given_up
                        return False
        return True

    def _newer_version(self, file: RemoteFile, error: FileCdkError) -> RemoteFile | FileCdkError:
        return self.store.newer_version(file, error, partial(self.output.log, logging.WARNING))

    def _emit_block(self, block: Block) -> None:
        self._say_running()
        self.throttle.count(record_bytes=block.size_bytes)
        rows = block.rows
        self.output.copy(block)
        self.records += rows
        self.records_since_state += rows

    def _say_running(self) -> None:
        if not self.records:
            self.output.status(self.stream.name, AirbyteStreamStatus.RUNNING)

    def _fail(self, file: RemoteFile, error: FileCdkError) -> None:
        self.files_failed += 1
        self.first_error = self.first_error or error
        if self.files_failed <= MAX_LOGGED_FAILURES:
            self.output.log(logging.ERROR, str(error))
        if isinstance(error, InternalError):
            _log.debug("file %r: %s", file.uri, error.trace)
        if self.cursor is not None:
            self.cursor.leave_unread(file)

    def _warn(self, tally: FileTally) -> None:
        if not (tally.warnings or tally.skipped or tally.rejects.first):
            return
        counts = Counter(tally.warnings)
        counts.update({f"skipped: {reason}": count for reason, count in tally.skipped.items()})
        for text, count in counts.items():
            self.output.log(logging.WARNING, f"file {tally.file.uri!r}: {text} ({_counted(count, 'record')})")
        if tally.rejects.first:
            self.output.log(logging.WARNING, f"file {tally.file.uri!r}: {rejected_facts(tally.rejects)}")

    def _emit_state_if_due(self, cursor: Cursor) -> None:
        self.throttle.count(files=1)
        if self.throttle.due(state_bytes=cursor.state_bytes, history_files=len(cursor)):
            self._emit_state()

    def _emit_state(self) -> None:
        state = NO_CURSOR_STATE if self.cursor is None else self.cursor.to_state()
        self.output.send(messages.stream_state(self.stream.name, state, record_count=self.records_since_state))
        self.records_since_state = 0
        self.throttle.emitted()

    def _summed_up(self, error: FileCdkError) -> FileCdkError:
        if self.files_failed < 2:
            return error
        # The same kind of error, so that the platform sees whether the configuration or the moment is to blame.
        summed_up = copy.copy(error)
        summed_up.message = f"{self.files_failed} files could not be read; the first: {error.message}"
        return summed_up
