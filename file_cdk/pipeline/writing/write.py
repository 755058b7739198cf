"""Records come in, go into tables as units, and the states between them are handed back once the units are durable.

A transaction takes longer than a hundred records: states are handed back in groups, in their order.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import field
from datetime import UTC, datetime

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError, FileCdkError, InvalidMessageError
from file_cdk.core.ports import Destination
from file_cdk.pipeline.receiving.columns import DecodedRecords, Widening
from file_cdk.pipeline.receiving.worker import DecodedEvent, ReceivingOrder
from file_cdk.pipeline.writing.ahead import events_or_silence
from file_cdk.pipeline.writing.stream import StreamWriter
from file_cdk.protocol.messages import StreamStatus
from file_cdk.protocol.receiving.events import (
    LinePassedOver,
    OtherReceived,
    StateReceived,
    StatusReceived,
    StreamDescriptor,
)
from file_cdk.protocol.written_streams import WrittenStream, not_configured

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """When records that wait are written. seconds: after a state has come. rows, size_bytes: of all streams, as columns."""

    seconds: float = 2.0
    rows: int = 100_000
    size_bytes: int = 64 << 20


class IncompleteError(FileCdkError):
    """The input ended before all streams were complete; what the states stand for is kept."""

    failure_type = "transient_error"


HandBack = Callable[[Sequence[StateReceived]], None]
"""Called with states that are durable, in order."""


@dataclass(slots=True)
class Writing:
    """One run. other: called with messages that are neither records nor states nor statuses of streams."""

    destination: Destination
    streams: Sequence[WrittenStream]
    hand_back: HandBack
    other: Callable[[OtherReceived], None]
    limits: WriteLimits = field(default_factory=WriteLimits)
    reached: Callable[[Sequence[StateReceived]], None] | None = None
    """Called with states whose records are durable, before any later ones are. Some are handed back later, and come again."""
    writers: dict[StreamDescriptor, StreamWriter] = field(default_factory=dict)
    _states: list[StateReceived] = field(default_factory=list)
    _since: float = 0.0
    _rows: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    """Lines that were no messages, by what was wrong with them."""
    warnings: Counter[str] = field(default_factory=Counter)
    """What was odd about records that are kept -> how many."""

    def begin(self, *, lenient: bool = False) -> ReceivingOrder:
        """For what `run` takes. Raises ConfigError where a table cannot be what the catalog wants, and DestinationError."""
        began_at = datetime.now(UTC)
        for stream in self.streams:
            self.writers[stream.descriptor] = StreamWriter(stream, self.destination, began_at)
        schemas = {stream: writer.first_schema() for stream, writer in self.writers.items()}
        return ReceivingOrder(schemas, lenient=lenient)

    def run(self, events: Iterator[DecodedEvent]) -> None:
        """To the end of the input. Whatever ends it early, what is kept then is what states stand for that were handed back.

        Raises what the events raise, IncompleteError, ConfigError and DestinationError.
        """
        try:
            try:
                for event in events_or_silence(events, self.limits.seconds):
                    if event is not None:
                        self._take(event)
                    if self._is_due():
                        self._flush()
            except (ConfigError, InvalidMessageError):
                self._flush()  # the input is at fault, and what came before it is as good as ever
                raise
            self._flush()
            self._check_complete()
        except BaseException:
            self._drop_uncovered()
            raise

    def _take(self, event: DecodedEvent) -> None:
        match event:
            case DecodedRecords(stream):
                self.writers[stream].add(event)
                self.warnings.update(event.warnings)
                self._rows += event.rows
                if sum(writer.size_bytes for writer in self.writers.values()) >= self.limits.size_bytes:
                    self._make_room()
            case Widening():
                event.answer(self.writers[event.stream].widened(event.columns))
            case StateReceived():
                for stream in event.streams:
                    self._writer(stream, "a state")
                if event.is_partial and self._has_whole_state(event.streams):
                    self._flush()  # a state that stands for all rows before it would not stand for those since
                for stream, writer in self.writers.items():
                    if not event.streams or stream in event.streams:
                        writer.seal()
                    else:
                        writer.pass_by()
                if not self._states:
                    self._since = time.monotonic()
                self._states.append(event)
            case StatusReceived(_, stream, status):
                if status == StreamStatus.COMPLETE:
                    self._complete(self._writer(stream, "a status"))
            case LinePassedOver(line, reason):
                if not self.passed_over:
                    _log.warning("line %d of the input is passed over: %s", line, reason)
                self.passed_over[reason] += 1
            case OtherReceived():
                self.other(event)

    def _writer(self, stream: StreamDescriptor, what: str) -> StreamWriter:
        try:
            return self.writers[stream]
        except KeyError:
            raise not_configured(stream, what) from None

    def _has_whole_state(self, streams: Sequence[StreamDescriptor]) -> bool:
        """Whether the last state of theirs that waits stands for all of their records before it, and can be handed back."""
        if self._is_within_group:
            return False
        last = next((each for each in reversed(self._states) if not set(streams).isdisjoint(each.streams)), None)
        return last is not None and not last.is_partial

    @property
    def _is_within_group(self) -> bool:
        """Whether what waits is more than the last states stand for: the one that is handed back with them is yet to come."""
        return bool(self._states) and self._states[-1].with_next

    def _is_due(self) -> bool:
        if not self._states or self._is_within_group:
            return False
        return self._rows >= self.limits.rows or time.monotonic() - self._since >= self.limits.seconds

    def _make_room(self) -> None:
        if self._is_within_group:
            return
        if self._states:
            self._flush()
        largest = max(self.writers.values(), key=lambda writer: writer.size_bytes)
        if largest.size_bytes >= self.limits.size_bytes // 2:
            largest.write(all_of_it=True)

    def _flush(self) -> None:
        """What waits for a state becomes durable, and the state is handed back."""
        if self._is_within_group:
            return
        self._rows = 0
        if not self._states:
            return
        for writer in self.writers.values():
            writer.write()
        if self.reached is not None:
            self.reached(self._states)
        for writer in self.writers.values():
            writer.write_passed()
        self._hand_back()

    def _hand_back(self) -> None:
        """Those states that nothing holds back."""
        left: list[StateReceived] = []
        given: list[StateReceived] = []
        covered: dict[StreamDescriptor, StreamWriter] = {}
        for state in self._states:
            of = {each: self.writers[each] for each in state.streams} or self.writers
            if any(writer.holds_back for writer in of.values()):
                left.append(state)
            else:
                given.append(state)
                covered.update(of)
        self._states, self._since = left, time.monotonic()
        if given:
            # First: once a state may have been handed back, its records are never removed again, whatever comes then.
            for writer in covered.values():
                writer.covered()
            self.hand_back(given)

    def _complete(self, writer: StreamWriter) -> None:
        """Its last state may be yet to come, and then it is of what is durable already."""
        self._flush()
        writer.complete()
        self._hand_back()

    def _check_complete(self) -> None:
        """Raises IncompleteError."""
        missing = [writer.stream.shown for writer in self.writers.values() if not writer.is_complete]
        if missing:
            raise IncompleteError(
                f"the input ended before these streams were complete: {', '.join(missing)}",
                remedy="What came before their last states is kept; the next run goes on from there",
            )

    def _drop_uncovered(self) -> None:
        for writer in self.writers.values():
            with suppress(
                DestinationError
            ):  # what ended the run tells more; and who sends them again doubles them at worst
                writer.drop_uncovered()
