"""Messages out of a pipe. No record is decoded here, or becomes an object that outlives its piece: its data is passed on."""

from array import array
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import IO, cast

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import InvalidMessageError
from file_cdk.protocol.receiving.events import (
    Event,
    LinePassedOver,
    OtherReceived,
    Records,
    StateReceived,
    StatusReceived,
    StreamDescriptor,
)
from file_cdk.protocol.receiving.lines import MAX_LINE_BYTES, Piece, pieces
from file_cdk.protocol.receiving.messages import (
    NO_RECORD,
    NO_TIME,
    TOO_LONG,
    Message,
    Record,
    RefusedError,
    check,
    check_together,
    decode_line,
    decode_together,
    state_of,
    status_of,
)

_BLANKS = b" \t\r\n"
_NO_CHANGES = (b"", b"null", b"[]")

_type_of = attrgetter("type")
_data_of = attrgetter("data")
_emitted_at_of = attrgetter("emitted_at")
_meta_of = attrgetter("meta")
_name_of = attrgetter("stream")
_namespace_of = attrgetter("namespace")


def receive(
    source: IO[bytes],
    *,
    lenient: bool = False,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Event]:
    """All that a source says, in order: of each stream, and of records and the STATE or STREAM_STATUS behind them.

    source: has `read1`, as stdin and a process's stdout have; it is read as far as events are asked for. lenient: lines that are
    refused are told of and passed over.

    Lines are counted from 1, and blank ones too. Raises InvalidMessageError at a line that is refused, when all before it was
    yielded; it says nothing of what the line holds.
    """
    for events in receive_by_pieces(source, lenient=lenient, max_line_bytes=max_line_bytes):
        yield from events


def receive_by_pieces(
    source: IO[bytes], *, lenient: bool = False, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[Iterator[Event]]:
    """The same, by what came at a time: between the events of a piece, nothing is waited for."""
    receiving = _Receiving(lenient)
    for piece in pieces(source, max_line_bytes):
        yield receiving.events(piece)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Messages, and the lines that they stood on. surrogates: indices of those with halves of surrogate pairs."""

    numbers: Sequence[int]
    messages: list[Message]
    raw: Sequence[bytes]
    surrogates: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Receiving:
    lenient: bool

    def events(self, piece: Piece) -> Iterator[Event]:
        if piece.too_long:
            yield self._refused(piece.first_line, TOO_LONG)
            return
        events = self._together(piece)
        yield from self._line_by_line(piece) if events is None else events

    def _together(self, piece: Piece) -> list[Event] | None:
        """All events of the piece; None where a line is refused, or cannot be decoded together with the others."""
        if (messages := decode_together(piece.text, piece.lines)) is None:
            return None
        numbers = range(piece.first_line, piece.first_line + len(messages))
        try:
            if set(map(_type_of, messages)) == {"RECORD"}:
                return [*self._records(_Taken(numbers, messages, ()), range(len(messages)))]
            for message in messages:
                if message.type != "RECORD":
                    check(message)
            return [*self._events_of(_Taken(numbers, messages, piece.lines))]
        except RefusedError:
            return None

    def _line_by_line(self, piece: Piece) -> Iterator[Event]:
        numbers, messages, raw, surrogates = list[int](), list[Message](), list[bytes](), set[int]()
        for number, line in enumerate(piece.lines, piece.first_line):
            if not (line := line.strip(_BLANKS)):
                continue
            try:
                message, has_surrogates = decode_line(line)
                check(message)
            except RefusedError as refused:
                yield from self._events_of(_Taken(numbers, messages, raw, frozenset(surrogates)))
                numbers, messages, raw, surrogates = [], [], [], set()
                yield self._refused(number, refused.reason)
                continue
            if has_surrogates:
                surrogates.add(len(messages))
            numbers.append(number)
            messages.append(message)
            raw.append(line)
        yield from self._events_of(_Taken(numbers, messages, raw, frozenset(surrogates)))

    def _refused(self, line: int, reason: str) -> LinePassedOver:
        if self.lenient:
            return LinePassedOver(line, reason)
        raise InvalidMessageError(f"line {line:,} of the source's output is refused: {reason}", line=line)

    def _events_of(self, taken: _Taken) -> Iterator[Event]:
        """Raises RefusedError for a record that is refused, unless each one was checked."""
        waiting: list[int] = []
        for index, message in enumerate(taken.messages):
            if message.type == "RECORD":
                waiting.append(index)
                continue
            event = _event(message, taken.numbers[index], taken.raw[index].rstrip(_BLANKS))
            if waiting and not isinstance(event, OtherReceived):
                yield from self._records(taken, waiting)
                waiting = []
            yield event
        if waiting:
            yield from self._records(taken, waiting)

    def _records(self, taken: _Taken, indices: Sequence[int]) -> Iterator[Records]:
        """Those at the indices, by stream, in the order in which these come first. Raises RefusedError as `_events_of`."""
        records = [taken.messages[index].record for index in indices]
        if not all(records):
            raise RefusedError(NO_RECORD)
        found = cast(list[Record], records)
        if len(set(map(_name_of, found))) == len(set(map(_namespace_of, found))) == 1:
            groups = [(indices, found)]
        else:
            by_stream: dict[tuple[str, str | None], tuple[list[int], list[Record]]] = {}
            for index, record in zip(indices, found, strict=True):
                of_indices, of_records = by_stream.setdefault((record.stream, record.namespace), ([], []))
                of_indices.append(index)
                of_records.append(record)
            groups = [*by_stream.values()]
        for of_group, records_of_group in groups:
            yield self._group(taken, of_group, records_of_group)

    def _group(self, taken: _Taken, indices: Sequence[int], records: list[Record]) -> Records:
        stream = StreamDescriptor(records[0].stream, records[0].namespace)
        data = b"\n".join(map(_data_of, records))
        try:
            emitted_at_ms = array("q", map(_emitted_at_of, records))
        except OverflowError:
            raise RefusedError(NO_TIME) from None
        check_together(records, data, emitted_at_ms)
        surrogates = len(taken.surrogates.intersection(indices)) if taken.surrogates else 0
        first_line = taken.numbers[indices[0]]
        return Records(stream, first_line, len(records), data, emitted_at_ms, _changes(records), surrogates)


def _event(message: Message, line: int, raw: bytes) -> Event:
    """Of a message that was checked, and is no RECORD."""
    if message.type == "STATE":
        return StateReceived(line, raw, *state_of(message))
    if message.type == "TRACE" and (status := status_of(message)):
        return StatusReceived(line, *status)
    return OtherReceived(line, message.type, raw)


def _changes(records: list[Record]) -> dict[int, bytes]:
    metas = [*map(_meta_of, records)]
    if not any(metas):
        return {}
    changes = {index: bytes(meta.changes) for index, meta in enumerate(metas) if meta is not None}
    return {index: each for index, each in changes.items() if each not in _NO_CHANGES}
