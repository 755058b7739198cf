"""One message's members as they are needed, and what is wrong with a line that is none.

`decode_together` decodes many lines in one go, in whatever order their members come, and `decode_line` one line: where the first
answers, the second would have answered the same for each line. What it does not answer, `decode_line` tells apart.
"""

from array import array
from collections.abc import Sequence
from operator import attrgetter, itemgetter

import msgspec

from file_cdk.core.json_lines import without_lone_surrogates
from file_cdk.protocol.messages import StreamStatus
from file_cdk.protocol.receiving.events import StateKind, StreamDescriptor

TOO_LONG = "line is longer than the limit"
NOT_UTF8 = "line is not valid UTF-8"
NOT_JSON = "line is not valid JSON"
INCOMPLETE = "line is not a complete JSON object"
GOES_ON = "line goes on after its JSON object"
TOO_DEEP = "line is nested too deeply"
NOT_AN_OBJECT = "line is JSON, but not an object"
NO_TYPE = "message has no type"
UNKNOWN_TYPE = "message is of an unknown type"
NO_RECORD = "RECORD has no member 'record' that is an object"
NO_STREAM = "RECORD has no stream"
NO_DATA = "RECORD has no data that is an object"
NO_TIME = "RECORD has no emitted_at in milliseconds"
ODD_MEMBER = "RECORD has a namespace, meta or file_reference of a wrong type"
FILE_REFERENCE = "RECORD stands for a file that was copied (file_reference), which is not taken"
NO_STATE = "STATE has neither stream nor global nor data as the protocol has them"
NO_TRACE = "TRACE has no type"
NO_STATUS = "TRACE STREAM_STATUS has no stream, or none of the protocol's statuses"

_TYPES = frozenset(
    ("RECORD", "STATE", "LOG", "TRACE", "CONTROL", "SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG")
)

_LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, in milliseconds since the epoch."""

_EARLIEST_MS = -62_135_596_800_000
"""The beginning of the year 1."""

_first, _last, _last_but_one = itemgetter(0), itemgetter(-1), itemgetter(-2)
_OPENING, _CLOSING, _CARRIAGE_RETURN = b"{}\r"
_file_reference_of = attrgetter("file_reference")

_ABSENT = msgspec.Raw(b"")


class RefusedError(Exception):
    """A line that is no message, or none that is taken. reason: one of the words above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Meta(msgspec.Struct, gc=False):
    """changes: a JSON array, or null."""

    changes: msgspec.Raw = _ABSENT


class Record(msgspec.Struct, gc=False):
    stream: str
    data: msgspec.Raw
    emitted_at: int
    namespace: str | None = None
    meta: Meta | None = None
    file_reference: dict[str, msgspec.Raw] | None = None


class Message(msgspec.Struct, gc=False):
    type: str
    record: Record | None = None
    state: msgspec.Raw = _ABSENT
    trace: msgspec.Raw = _ABSENT


class _AnyMessage(msgspec.Struct, gc=False):
    """Of whatever type: `record` may be anything where it is not looked at."""

    type: str
    state: msgspec.Raw = _ABSENT
    trace: msgspec.Raw = _ABSENT


class _Descriptor(msgspec.Struct, gc=False):
    name: str
    namespace: str | None = None

    @property
    def stream(self) -> StreamDescriptor:
        return StreamDescriptor(self.name, self.namespace)


class _StreamState(msgspec.Struct, gc=False):
    stream_descriptor: _Descriptor


class _GlobalState(msgspec.Struct, gc=False):
    stream_states: list[_StreamState]


class _Progress(msgspec.Struct, gc=False, frozen=True):
    """What our own sources say beside a state; see pipeline/apis/progress."""

    partial: bool = False


_WHOLE = _Progress()


class _State(msgspec.Struct, gc=False, rename={"of_all": "global"}):
    type: StateKind | None = None
    stream: _StreamState | None = None
    of_all: _GlobalState | None = None
    data: dict[str, msgspec.Raw] | None = None
    file_cdk: _Progress = _WHOLE


class _StreamStatus(msgspec.Struct, gc=False):
    stream_descriptor: _Descriptor
    status: StreamStatus


class _Trace(msgspec.Struct, gc=False):
    type: str
    stream_status: msgspec.Raw = _ABSENT


_decode_lines = msgspec.json.Decoder(Message).decode_lines
_decode_message = msgspec.json.Decoder(Message).decode
_decode_any = msgspec.json.Decoder(_AnyMessage).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_state = msgspec.json.Decoder(_State).decode
_decode_trace = msgspec.json.Decoder(_Trace).decode
_decode_status = msgspec.json.Decoder(_StreamStatus).decode
_decode_integer = msgspec.json.Decoder(int).decode


def decode_together(text: bytes, lines: Sequence[bytes]) -> list[Message] | None:
    """A message for each of the lines, which are the text's, if every one is one JSON object that begins its line and ends it,
    and has the members of a message; None for anything else. Whether a message can be taken is not looked at: see `check`."""
    if not _is_utf8(text) or not all(lines) or set(map(_first, lines)) != {_OPENING}:
        return None
    # msgspec goes from object to object wherever lines end. A line feed with the end of one before it and the beginning of one
    # behind it is between two objects: inside of one, a comma would have to come first.
    if (last := set(map(_last, lines))) == {_CARRIAGE_RETURN}:
        last = set(map(_last_but_one, lines))
    if last != {_CLOSING}:
        return None
    try:
        messages = _decode_lines(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return messages if len(messages) == len(lines) else None


def decode_line(line: bytes) -> tuple[Message, bool]:
    """The message that a line is, without blanks around it; and whether it escapes half of a surrogate pair, in whose place
    U+FFFD stands. Raises RefusedError."""
    if not _is_utf8(line):
        raise RefusedError(NOT_UTF8)
    repaired = False
    try:
        try:
            found = _decode_any(line)
        except msgspec.DecodeError:
            text = without_lone_surrogates(line)
            if text == line:
                raise
            line, repaired = text, True
            found = _decode_any(line)
        if found.type == "RECORD":
            return _record_message(line), repaired
    except RecursionError:
        raise RefusedError(TOO_DEEP) from None
    except msgspec.ValidationError:
        raise RefusedError(NO_TYPE if line.startswith(b"{") else NOT_AN_OBJECT) from None
    except msgspec.DecodeError as error:
        raise RefusedError(_what_is_malformed(str(error))) from None
    return Message(found.type, None, found.state, found.trace), repaired


def check(message: Message) -> None:
    """Raises RefusedError for a message that cannot be taken."""
    record = message.record
    if message.type == "RECORD":
        if record is None:
            raise RefusedError(NO_RECORD)
        if bytes(record.data)[:1] != b"{":
            raise RefusedError(NO_DATA)
        if not _EARLIEST_MS <= record.emitted_at <= _LATEST_MS:
            raise RefusedError(NO_TIME)
        if record.file_reference:
            raise RefusedError(FILE_REFERENCE)
    elif message.type == "STATE":
        state_of(message)
    elif message.type == "TRACE":
        status_of(message)
    elif message.type not in _TYPES:
        raise RefusedError(UNKNOWN_TYPE)


def check_together(records: list[Record], data: bytes, emitted_at_ms: "array[int]") -> None:
    """Raises RefusedError where `check` would refuse one of the records. data: of all, a line each."""
    if set(map(_first, data.split(b"\n"))) != {_OPENING}:
        raise RefusedError(NO_DATA)
    if min(emitted_at_ms) < _EARLIEST_MS or max(emitted_at_ms) > _LATEST_MS:
        raise RefusedError(NO_TIME)
    if any(map(_file_reference_of, records)):
        raise RefusedError(FILE_REFERENCE)


def state_of(message: Message) -> tuple[StateKind, tuple[StreamDescriptor, ...], bool]:
    """As StateReceived has them: kind, streams, is_partial. Raises RefusedError where it is not shaped as the protocol has it."""
    try:
        state = _decode_state(message.state)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RefusedError(NO_STATE) from None
    kind = state.type or (StateKind.STREAM if state.stream else StateKind.GLOBAL if state.of_all else StateKind.LEGACY)
    match kind:
        case StateKind.STREAM if state.stream:
            return kind, (state.stream.stream_descriptor.stream,), state.file_cdk.partial
        case StateKind.GLOBAL if state.of_all:
            return kind, tuple(each.stream_descriptor.stream for each in state.of_all.stream_states), False
        case StateKind.LEGACY if state.data is not None:
            return kind, (), False
    raise RefusedError(NO_STATE)


def status_of(message: Message) -> tuple[StreamDescriptor, StreamStatus] | None:
    """None of a TRACE that is about something else. Raises RefusedError where it is not shaped as the protocol has it."""
    try:
        trace = _decode_trace(message.trace)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RefusedError(NO_TRACE) from None
    if trace.type != "STREAM_STATUS":
        return None
    try:
        status = _decode_status(trace.stream_status)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RefusedError(NO_STATUS) from None
    return status.stream_descriptor.stream, status.status


def _record_message(line: bytes) -> Message:
    """Raises RefusedError for one that lacks something."""
    try:
        return _decode_message(line)
    except msgspec.ValidationError:
        raise RefusedError(_what_is_missing(line)) from None


def _what_is_missing(line: bytes) -> str:
    try:
        record = _decode_members(_decode_members(line)["record"])
    except (msgspec.MsgspecError, KeyError):
        return NO_RECORD
    kinds = {name: bytes(value)[:1] for name, value in record.items()}
    if kinds.get("stream") != b'"':
        return NO_STREAM
    if kinds.get("data") != b"{":
        return NO_DATA
    try:
        _decode_integer(record.get("emitted_at", b"null"))
    except msgspec.MsgspecError:
        return NO_TIME
    return ODD_MEMBER


def _what_is_malformed(reason: str) -> str:
    if "truncated" in reason:
        return INCOMPLETE
    return GOES_ON if "trailing characters" in reason else NOT_JSON


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
