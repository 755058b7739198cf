"""Where the messages of a run of a manifest go: whole lines, from any of its threads."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from file_cdk.core.errors import FileCdkError
from file_cdk.core.uris import well_formed
from file_cdk.declarative.http import Pause
from file_cdk.declarative.page_records import in_pieces
from file_cdk.declarative.states.rate import StateRate
from file_cdk.engine.interrupts import HeldSignals
from file_cdk.pipeline.apis.progress import Progress
from file_cdk.pipeline.output import Output, now_ms
from file_cdk.protocol import messages
from file_cdk.protocol.messages import Message, StreamStatus

_LONG_WAIT_S = 5.0
"""From which length on a wait is told of to those who see warnings alone."""

_LAST_WORD_S = 2.0
"""Maximum time that the end of a run waits for a line that another thread is writing."""


class ApiOutput:
    """hidden: takes secrets out of what is said."""

    def __init__(self, output: Output, hidden: Callable[[str], str] = str) -> None:
        self.hidden = hidden
        self._output = output
        self._lock = threading.Lock()
        self._main_thread = threading.main_thread().ident
        self._is_closed = False
        self._reading: set[str] = set()

    @property
    def signals(self) -> HeldSignals:
        return self._output.signals

    def send(self, message: Message) -> None:
        self.lines(messages.to_line(message))

    def lines(self, lines: bytes, *, while_reading: str | None = None) -> None:
        """One or more whole lines. Nothing once it is closed, or where the stream that is given is not read any more."""
        # Signal handlers run in the main thread, and there alone they may wait for the end of a line.
        is_main = threading.get_ident() == self._main_thread
        with self._lock:
            if self._is_closed or (while_reading is not None and while_reading not in self._reading):
                return
            if is_main:
                self._output.line(lines)
            else:
                self._output.unheld_line(lines)

    def close(self) -> None:
        """Nothing comes out after it, and no line of another thread is left half written, unless nobody reads it."""
        if self._lock.acquire(timeout=_LAST_WORD_S):
            self._is_closed = True
            self._lock.release()

    def log(self, level: int, text: str) -> None:
        self.send(messages.log(level, self.hidden(text)))

    def error(self, error: FileCdkError, stream: str | None = None) -> None:
        trace = messages.error_trace(error, emitted_at_ms=now_ms(), stream=stream)
        told = trace["trace"]["error"]
        told.update({name: self.hidden(told[name]) for name in ("message", "internal_message")})
        self.send(trace)

    def status(self, stream: str, status: StreamStatus) -> None:
        if status in (StreamStatus.STARTED, StreamStatus.RUNNING):
            self._reading.add(stream)
        else:
            self._reading.discard(stream)
        self.send(messages.stream_status(stream, status, emitted_at_ms=now_ms()))

    def paused(self, pause: Pause) -> None:
        """A wait that begins now. Where the request is of a parent, it is the stream which is read that waits; a status never
        comes behind the last one of its stream, whose requests may still be under way."""
        level = logging.WARNING if pause.seconds >= _LONG_WAIT_S else logging.INFO
        self.log(level, f"stream {pause.stream!r} waits for {pause.seconds:.1f} s: {pause.reason}")
        reading = self._waiting(pause.stream)
        if pause.is_rate_limit and reading is not None:
            status = messages.stream_status(
                reading, StreamStatus.RUNNING, emitted_at_ms=now_ms(), reasons=["RATE_LIMITED"]
            )
            self.lines(messages.to_line(status), while_reading=reading)

    def _waiting(self, asking: str | None) -> str | None:
        """The stream that is read which a request of that one is for; None where several may be."""
        reading = list(self._reading)
        if asking in reading:
            return asking
        return reading[0] if len(reading) == 1 else None

    def configured(self, config: Mapping[str, Any]) -> None:
        """The configuration is another one from now on."""
        self.send(messages.connector_config(config, emitted_at_ms=now_ms()))


class ApiStreamOutput:
    """One stream's messages. records: sent in all."""

    def __init__(self, stream: str, output: ApiOutput) -> None:
        self.stream = stream
        self.output = output
        self.records = 0
        self._since_state = 0
        self._rate, self._progress_rate = StateRate(time.monotonic), StateRate(time.monotonic)
        name = msgspec.json.encode(well_formed(stream))
        self._before = b'{"type":"RECORD","record":{"stream":%b,"data":' % name

    def page(self, records: Sequence[bytes]) -> None:
        """records: the JSON of each, without line ends."""
        if not records:
            return
        if not self.records:
            self.output.status(self.stream, StreamStatus.RUNNING)
        after = b',"emitted_at":%d}}\n' % now_ms()
        for piece in in_pieces(records):
            self.output.lines(b"".join((self._before, (after + self._before).join(piece), after)))
        self.records += len(records)
        self._since_state += len(records)

    @property
    def state_is_due(self) -> bool:
        return self._rate.is_due()

    @property
    def progress_is_due(self) -> bool:
        """Between two states."""
        return self._progress_rate.is_due()

    def state(self, state: Mapping[str, Any] | None, progress: Progress | None = None) -> None:
        told = None if progress is None else msgspec.to_builtins(progress)
        line = messages.to_line(
            messages.stream_state(self.stream, state, record_count=self._since_state, progress=told)
        )
        self.output.lines(line)
        self._since_state = 0
        (self._progress_rate if state is None else self._rate).wrote(len(line))
