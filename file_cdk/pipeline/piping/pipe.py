"""One run of a source's command into a destination."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Protocol

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError, InvalidMessageError, SourceFailedError
from file_cdk.core.exit_codes import known_error, of_error
from file_cdk.core.ledger import Replacing, RunCounts, RunLog, StateKeeper
from file_cdk.core.merging import NoMergeError, merging
from file_cdk.core.ports import Destination, StreamTable
from file_cdk.core.system.run_folder import run_folder
from file_cdk.core.version import VERSION
from file_cdk.destinations.registry import destination_for
from file_cdk.pipeline.apis.progress import FINGERPRINT
from file_cdk.pipeline.piping.attempts import AttemptKeeper, Attempts
from file_cdk.pipeline.piping.catalog import chosen, configured, is_incremental, written
from file_cdk.pipeline.piping.configuration import SourceConfiguration
from file_cdk.pipeline.piping.naming import source_name, words_of
from file_cdk.pipeline.piping.process import SourceProcess
from file_cdk.pipeline.piping.saying import Said
from file_cdk.pipeline.piping.secrets import Secrets
from file_cdk.pipeline.piping.states import SourceStates
from file_cdk.pipeline.receiving.columns import DecodedRecords
from file_cdk.pipeline.receiving.process import Receiver
from file_cdk.pipeline.receiving.worker import DecodedEvent, ReceivingOrder
from file_cdk.pipeline.tables.waiting import open_in_turn
from file_cdk.pipeline.writing.write import IncompleteError, Writing
from file_cdk.protocol.messages import StreamStatus
from file_cdk.protocol.receiving.events import OtherReceived, StatusReceived, StreamDescriptor
from file_cdk.protocol.receiving.receive import receive
from file_cdk.protocol.written_streams import WrittenStream

_AFTER_A_LINE_S = 1.0
"""How long a source may take to exit, in seconds, for its end to be the reason of a line that is refused."""


class PipeObserver(Protocol):
    """Told how a run goes, by several threads."""

    def warned(self, message: str) -> None: ...

    def source_said(self, line: str) -> None:
        """A line of the source's stderr, without secrets."""

    def received(self, stream: str, records: int, slices: int, pages: int) -> None:
        """Records that came now; slices that were read whole so far and pages, of which the source tells now and then."""


@dataclass(frozen=True, slots=True)
class PipeOptions:
    """name: of the source in the ledger; by default its program's. streams: names of those to read; None: all. full_refresh: from
    the beginning, into new tables that take the old ones' places. lenient: lines that are no messages are passed over.
    config_file: that the configuration was read from, where it is kept when the source changes it. slices: the source is one of
    ours, of an API: it tells of its slices, and goes on inside of them."""

    name: str | None = None
    streams: Sequence[str] | None = None
    full_refresh: bool = False
    lenient: bool = False
    wait_s: float = 0
    config_file: Path | None = None
    slices: bool = False


@dataclass(frozen=True, slots=True)
class PipeResult:
    """rows: received, by the stream as people call it. passed_over: lines that were no messages, by what was wrong with them.
    complete: streams that were not read, since an earlier run, which did not come to its end, had read all of them."""

    rows: Mapping[str, int]
    passed_over: Mapping[str, int]
    complete: Sequence[str] = ()


def pipe(command: str, config: Any, destination: str, options: PipeOptions, observer: PipeObserver) -> PipeResult:
    """Raises ConfigError before the source is asked for records, SourceFailedError, DestinationError; what the source's states
    stand for that are kept then is in the destination, and no more: the next run goes on from there."""
    words = words_of(command)
    secrets, source = Secrets(config), options.name or source_name(words)
    configuration = SourceConfiguration(source, config, options.config_file, secrets)
    run = _Run(words, source, options, observer, secrets, configuration)
    target = destination_for(destination)
    if not isinstance(target, StateKeeper):
        raise ConfigError(
            "the destination keeps no states of sources", remedy="Choose another: DuckDB, SQLite, Postgres, or a folder"
        )
    with run.files(config=json.dumps(config).encode()) as [config_file]:
        configuration.handed_over = Path(config_file)
        catalog = run.discover(config_file)
        streams = chosen(catalog, options.streams)
        open_in_turn(target, options.wait_s, observer)
        with closing(target), run.recorded(target):
            known = {str(each.get("name")) for each in catalog["streams"]}
            return run.read(config_file, streams, known, target, target)


def check_source(command: str, config: Any, options: PipeOptions, observer: PipeObserver) -> None:
    """Has the source try its configuration, which is kept where it changes it. Raises SourceFailedError with what it says."""
    words = words_of(command)
    secrets, source = Secrets(config), options.name or source_name(words)
    configuration = SourceConfiguration(source, config, options.config_file, secrets)
    run = _Run(words, source, options, observer, secrets, configuration)
    with run.files(config=json.dumps(config).encode()) as [config_file]:
        configuration.handed_over = Path(config_file)
        run.check(config_file)


@dataclass(slots=True)
class _Run:
    words: Sequence[str]
    source: str
    options: PipeOptions
    observer: PipeObserver
    secrets: Secrets
    configuration: SourceConfiguration
    rows: Counter[StreamDescriptor] = field(default_factory=Counter)
    attempts: Attempts | None = None

    @contextmanager
    def files(self, **contents: bytes) -> Iterator[list[str]]:
        """Paths of files that hold them, which nobody else may read, and which are gone afterwards."""
        paths: list[Path] = []
        try:
            for name, content in contents.items():
                path = run_folder() / f"{name}-{os.urandom(4).hex()}.json"
                paths.append(path)
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(content)
            yield [str(path) for path in paths]
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def discover(self, config_file: str) -> Any:
        """The catalog of the source."""
        catalog: Any = None
        more = ["--fingerprints"] if self.options.slices else []
        with self._running("discover", "--config", config_file, *more) as (process, said):
            with process.stdout as lines:
                for event in receive(lines, lenient=True):
                    if isinstance(event, OtherReceived):
                        if event.kind == "CATALOG":
                            with suppress(ValueError):
                                catalog = json.loads(event.raw).get("catalog")
                        else:
                            said.take(event)
            if (failure := said.failure(process.wait())) is not None:
                raise failure
        if catalog is None:
            raise SourceFailedError("the source's discover gave no catalog", remedy="Is it an Airbyte source?")
        return catalog

    def check(self, config_file: str) -> None:
        told: Any = None
        with self._running("check", "--config", config_file) as (process, said):
            with process.stdout as lines:
                for event in receive(lines, lenient=True):
                    if isinstance(event, OtherReceived) and event.kind == "CONNECTION_STATUS":
                        with suppress(ValueError):
                            told = json.loads(event.raw).get("connectionStatus")
                    elif isinstance(event, OtherReceived):
                        said.take(event)
            if (failure := said.failure(process.wait())) is not None:
                raise failure
        if not isinstance(told, dict):
            raise SourceFailedError("the source's check gave no status", remedy="Is it an Airbyte source?")
        if told.get("status") != "SUCCEEDED":
            raise SourceFailedError(self.secrets.hidden(str(told.get("message") or "the source's check failed")))

    def read(
        self,
        config_file: str,
        found: Sequence[Mapping[str, Any]],
        known: set[str],
        target: Destination,
        keeper: StateKeeper,
    ) -> PipeResult:
        entries, streams, tables = [], [], dict[StreamDescriptor, StreamTable]()
        incremental: dict[StreamDescriptor, WrittenStream] = {}
        attempts = self.attempts = self._attempts(target)
        complete: list[WrittenStream] = []
        for each in found:
            entry, stream, table = self._opened(each, target)
            if attempts is not None:
                fingerprint = each.get(FINGERPRINT, "")
                if attempts.is_complete(stream, fingerprint, target):
                    complete.append(stream)
                    continue
                stream = attempts.begin(stream, fingerprint, target)
            entries.append(entry)
            streams.append(stream)
            if is_incremental(entry):
                incremental[stream.descriptor] = stream
                if table is not None:
                    tables[stream.descriptor] = table
        if not entries and attempts is not None:
            attempts.close()
            return PipeResult({}, {}, [stream.name for stream in complete])
        written(entries)  # refuses two that would share a table
        states = SourceStates(keeper, self.source, incremental, known, attempts)
        state = states.begin(tables)
        writing = Writing(target, streams, states.keep, lambda _: None)
        writing.reached = lambda durable: states.reached(
            durable, {stream: writer.last_unit for stream, writer in writing.writers.items()}
        )
        order = writing.begin(lenient=self.options.lenient)
        contents = {"catalog": json.dumps({"streams": entries}).encode()} | ({"state": state} if state else {})
        if attempts is not None:
            contents["attempts"] = attempts.given()
        with self.files(**contents) as paths:
            options = itertools.chain.from_iterable(
                (f"--{name}", path) for name, path in zip(contents, paths, strict=True)
            )
            with self._running("read", "--config", config_file, *options) as (process, said):
                try:
                    self._write(writing, order, process, said)
                except SourceFailedError:
                    if attempts is not None and (process.wait(0) or 0) >= 0:  # a signal is no end of its own
                        attempts.close()
                    raise
        if attempts is not None:
            attempts.close()
        shown = {stream.shown.strip("'"): self.rows[stream.descriptor] for stream in streams}
        return PipeResult(shown, writing.passed_over, [stream.name for stream in complete])

    def _attempts(self, target: Destination) -> Attempts | None:
        if not self.options.slices:
            return None
        if isinstance(target, AttemptKeeper):
            return Attempts(target, self.source, is_staged=isinstance(target, Replacing))
        self.observer.warned(
            "the destination has no ledger of slices: a run that is killed goes on after the last whole slice of streams that "
            "are incremental, and reads others anew"
        )
        return None

    def _opened(
        self, found: Mapping[str, Any], target: Destination
    ) -> tuple[dict[str, Any], WrittenStream, StreamTable | None]:
        """How the stream is read and written, and its table, if that is gone on with."""
        for may_merge in (True, False):
            entry = configured(found, may_merge=may_merge)
            [stream] = written([entry])
            is_anew = self.options.full_refresh
            stream = replace(stream, source=f"pipe {self.source}", is_anew=is_anew)
            if is_anew or not is_incremental(entry):
                # Whether it can be merged shows here all the same.
                try:
                    merging(target.table(stream.table, anew=True), stream.table)
                except NoMergeError:
                    continue
                return entry, stream, None
            try:
                table = target.table(stream.table)
                merging(table, stream.table)
            except NoMergeError:
                continue
            return entry, stream, table
        raise AssertionError("a table that is not merged was refused as one that is")

    def _write(self, writing: Writing, order: ReceivingOrder, process: SourceProcess, said: Said) -> None:
        try:
            with process.stdout as lines:
                receiver = Receiver(lines.fileno())
            with receiver:
                writing.run(self._events(receiver.events(order), writing, process, said))
        except IncompleteError as exc:
            failure = said.failure(process.wait()) or SourceFailedError(exc.message, remedy=exc.remedy)
            raise self._of(failure, writing) from exc
        except InvalidMessageError as exc:
            # Of a source that was killed, the last line is half of one.
            failure = said.failure(0 if (code := process.wait(_AFTER_A_LINE_S)) is None else code) or SourceFailedError(
                exc.message, remedy="What came before its last state is kept. --lenient passes over such lines"
            )
            raise self._of(failure, writing) from exc
        if (failed := said.failure(process.wait())) is not None:
            raise self._of(failed, writing)

    def _of(self, failure: SourceFailedError, writing: Writing) -> SourceFailedError:
        failure.in_part = any(writer.is_complete for writer in writing.writers.values())
        return failure

    def _events(
        self, events: Iterator[DecodedEvent], writing: Writing, process: SourceProcess, said: Said
    ) -> Iterator[DecodedEvent]:
        for event in events:
            match event:
                case DecodedRecords(stream):
                    self.rows[stream] += event.rows
                    slices, pages = self.attempts.read_of(stream) if self.attempts is not None else (0, 0)
                    self.observer.received(stream.name, event.rows, slices, pages)
                case OtherReceived():
                    said.take(event)
                case StatusReceived():
                    said.has_statuses = True
            yield event
        # Sources of before there were statuses say by their exit code alone that all has come.
        if said.failure(process.wait()) is None and not said.has_statuses:
            for stream in writing.writers:
                yield StatusReceived(0, stream, StreamStatus.COMPLETE)

    @contextmanager
    def _running(self, *arguments: str) -> Iterator[tuple[SourceProcess, Said]]:
        def told(line: str) -> None:
            self.observer.source_said(self.secrets.hidden(line))

        process = SourceProcess([*self.words, *arguments], told)
        try:
            yield process, Said(self.source, arguments[0], self.secrets, self.configuration.change)
        finally:
            process.stop()

    @contextmanager
    def recorded(self, target: Destination) -> Iterator[None]:
        """While entered, the run goes on, of which the destination keeps a record."""
        if not isinstance(target, RunLog):
            yield
            return
        options = {"streams": self.options.streams, "full_refresh": self.options.full_refresh}
        target.begin_run(VERSION, self.source, json.dumps({name: value for name, value in options.items() if value}))
        try:
            yield
        except BaseException as exc:
            error = known_error(exc)
            was_ended = isinstance(exc, KeyboardInterrupt)
            with suppress(DestinationError):  # what ended the run tells more
                code = None if was_ended else int(of_error(error))
                target.end_run(code, "interrupted" if was_ended else str(error), RunCounts(rows=self.rows.total()))
            raise
        target.end_run(0, None, RunCounts(rows=self.rows.total()))
