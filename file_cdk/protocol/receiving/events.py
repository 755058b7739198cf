"""What a destination learns from the messages of a source, in the order in which it has to act on them."""

from array import array
from dataclasses import field
from enum import StrEnum
from typing import NamedTuple

from file_cdk.core.dataclass import dataclass
from file_cdk.protocol.messages import StreamStatus


class StreamDescriptor(NamedTuple):
    """The protocol's `stream_descriptor`: which stream is meant. Of a RECORD, its members `stream` and `namespace`."""

    name: str
    namespace: str | None = None


class StateKind(StrEnum):
    """The protocol's `state.type`."""

    STREAM = "STREAM"
    GLOBAL = "GLOBAL"
    LEGACY = "LEGACY"


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive records of one stream: those of other streams and messages that are neither STATE nor STREAM_STATUS may
    have come between them.

    first_line: 1-based number of the line of the first one. data: the members `data`, each an object, as JSON Lines without a
    line feed at the end; their bytes are the source's, but for escapes of halves of surrogate pairs, in whose place U+FFFD
    stands (lone_surrogates: how many records have any). emitted_at_ms: of each record, since the epoch, signed 64 bits.
    changes: `meta.changes`, a JSON array, by the record's index, of those that have it.
    """

    stream: StreamDescriptor
    first_line: int
    rows: int
    data: bytes = field(repr=False)
    emitted_at_ms: "array[int]" = field(repr=False)
    changes: dict[int, bytes] = field(default_factory=dict, repr=False)
    lone_surrogates: int = 0


@dataclass(frozen=True, slots=True)
class StateReceived:
    """line: 1-based. raw: the message as it came, without a line end: it is to be passed on when all records before it are
    durable. streams: those that it names; none of a LEGACY state, which is about all. is_partial: it does not stand for all
    records before it, of which some are of a slice that was read in part. with_next: records that it does not stand for came
    before it, which the next state stands for: both are to be passed on together."""

    line: int
    raw: bytes = field(repr=False)
    kind: StateKind
    streams: tuple[StreamDescriptor, ...]
    is_partial: bool = False
    with_next: bool = False


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """A stream's status (TRACE STREAM_STATUS)."""

    line: int
    stream: StreamDescriptor
    status: StreamStatus


@dataclass(frozen=True, slots=True)
class OtherReceived:
    """Any other message: LOG, CONTROL, TRACE ERROR, … It may come before records that it followed, never behind ones that
    followed it."""

    line: int
    kind: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinePassedOver:
    """A line that is no message, or none that is taken. reason: the same words for the same fault, without values."""

    line: int
    reason: str


Event = Records | StateReceived | StatusReceived | OtherReceived | LinePassedOver
