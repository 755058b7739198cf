"""States of a source, kept beside the rows that they stand for, so that each record is there once whatever ends a run.

The hazard: a table and a state that are not of the same moment. So a state says, by table, which unit of rows it reaches to. What
a run that was killed wrote after it is removed before the source goes on from there; where that unit is gone (the table was
dropped, or replaced), or where there is no state, all units are removed and the source begins anew.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import msgspec

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ledger import KeptState, StateKeeper
from file_cdk.core.ports import StreamTable
from file_cdk.pipeline.apis.progress import Progress
from file_cdk.pipeline.piping.attempts import Attempts, is_attempt
from file_cdk.pipeline.writing.units import Units
from file_cdk.protocol.receiving.events import StateKind, StateReceived, StreamDescriptor
from file_cdk.protocol.written_streams import WrittenStream

_OF_ALL = {StateKind.GLOBAL: "global", StateKind.LEGACY: "legacy"}
_NULL = msgspec.Raw(b"null")


class _StreamState(msgspec.Struct):
    stream_descriptor: dict[str, msgspec.Raw]
    stream_state: msgspec.Raw = _NULL

    @property
    def descriptor(self) -> StreamDescriptor:
        name, namespace = (self.stream_descriptor.get(member, _NULL) for member in ("name", "namespace"))
        return StreamDescriptor(msgspec.json.decode(name), msgspec.json.decode(namespace))


class _GlobalState(msgspec.Struct):
    stream_states: list[_StreamState]
    shared_state: msgspec.Raw = _NULL


class _State(msgspec.Struct, rename={"of_all": "global"}, omit_defaults=True):
    """What of a STATE message a source needs to go on."""

    type: StateKind | None = None
    stream: _StreamState | None = None
    of_all: _GlobalState | None = None
    data: dict[str, msgspec.Raw] | None = None
    file_cdk: Progress | None = None

    def within(self, streams: Collection[StreamDescriptor], known: Collection[str]) -> "_State | None":
        """Without what is of other streams; None where nothing is left. known: names of all streams of the source."""
        if self.of_all is not None:
            left = [each for each in self.of_all.stream_states if each.descriptor in streams]
            return _State(self.type, of_all=_GlobalState(left, self.of_all.shared_state)) if left else None
        if self.data is not None:
            names = {stream.name for stream in streams}
            kept = {name: value for name, value in self.data.items() if name in names or name not in known}
            return _State(self.type, data=kept) if kept.keys() & names else None
        return self if self.stream is not None and self.stream.descriptor in streams else None

    def about(self) -> str:
        if self.stream is None:
            return _OF_ALL[StateKind.GLOBAL if self.of_all is not None else StateKind.LEGACY]
        descriptor = self.stream.descriptor
        return msgspec.json.encode({"name": descriptor.name, "namespace": descriptor.namespace}).decode()


class _Message(msgspec.Struct):
    state: _State


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_state = msgspec.json.Decoder(_State).decode


@dataclass(slots=True)
class SourceStates:
    """Those of one source in one destination. streams: that are read incrementally in this run; states of others are not kept.
    known: names of all streams of the source."""

    keeper: StateKeeper
    source: str
    streams: Mapping[StreamDescriptor, WrittenStream]
    known: Collection[str]
    attempts: Attempts | None = None
    _kept: dict[str, KeptState] = field(default_factory=dict)
    _reached: dict[int, Mapping[StreamDescriptor, int]] = field(default_factory=dict)
    """The last units of each state that is durable and not kept yet, by its line."""

    def begin(self, tables: Mapping[StreamDescriptor, StreamTable]) -> bytes | None:
        """What the source is to go on from, as JSON of a file of states; None: from the beginning. tables: of streams that are
        gone on with. What is in them and no state stands for is removed."""
        self._kept = {kept.about: kept for kept in self.keeper.states(self.source) if not is_attempt(kept)}
        units = {stream: _numbers(table) for stream, table in tables.items()}
        covered: dict[StreamDescriptor, int] = {}
        given: list[_State] = []
        left: list[KeptState] = []
        for kept in self._kept.values():
            state = _decode_state(kept.state)
            reach = {stream: kept.units.get(self.streams[stream].table.stream) for stream in tables}
            valid = {s: n for s, n in reach.items() if n is not None and (n == 0 or n in units[s])}
            within = state.within(valid, self.known)
            if within is not None:
                given.append(within)
                covered |= {stream: last for stream, last in valid.items() if stream not in covered}
            # What is void now would not be any more once there is another unit of that number.
            void = {self.streams[s].table.stream for s, n in reach.items() if n is not None and s not in valid}
            if within is None and not (kept.units.keys() - void):
                continue
            left.append(replace(kept, units={name: n for name, n in kept.units.items() if name not in void}))
        if self.attempts is not None:
            covered |= self.attempts.reach()
            begun = (each.stream for each in given if each.stream is not None)
            self.attempts.began_with({each.descriptor: bytes(each.stream_state) for each in begun})
        changed = [kept for kept in left if kept != self._kept[kept.about]]
        forgotten = self._kept.keys() - {kept.about for kept in left}
        self._keep(changed, forgotten)
        for stream, table in tables.items():
            last = covered.get(stream, 0)
            if after := [uri for number, uri in sorted(units[stream].items()) if number > last]:
                table.remove(after)
        return _as_file(given)

    def reached(self, states: Iterable[StateReceived], last_units: Mapping[StreamDescriptor, int]) -> None:
        """These have become durable, with the units up to these; see Writing.reached."""
        for state in states:
            self._reached.setdefault(state.line, last_units)

    def keep(self, states: Sequence[StateReceived]) -> None:
        """See Writing.hand_back."""
        kept: dict[str, KeptState] = {}
        forgotten: set[str] = set()
        for received in states:
            last_units = self._reached.pop(received.line)
            message = _decode_message(received.raw).state
            if message.stream is not None and message.file_cdk is not None and self.attempts is not None:
                descriptor = message.stream.descriptor
                self.attempts.take(descriptor, message.file_cdk, last_units[descriptor])
            if received.is_partial:
                # Nor does one stand for them that came just before, if they became durable with it.
                kept.pop(message.about(), None)
                continue
            state = message.within(self.streams, self.known)
            if state is None:
                continue
            state.file_cdk = None
            state.type = received.kind
            of = self._of(state) & last_units.keys()
            units = {self.streams[stream].table.stream: last_units[stream] for stream in of}
            about = state.about()
            # A source that changes its kind of state means the new one alone.
            others = {
                each
                for each in (*self._kept, *kept)
                if each != about and not {about, each}.isdisjoint(_OF_ALL.values())
            }
            forgotten |= others
            kept = {each: value for each, value in kept.items() if each not in others}
            kept[about] = KeptState(about, msgspec.json.encode(state).decode(), units)
        self._keep([*kept.values()], forgotten - kept.keys())

    def _of(self, state: _State) -> set[StreamDescriptor]:
        """The streams that it stands for."""
        if state.stream is not None:
            return {state.stream.descriptor}
        if state.of_all is not None:
            return {each.descriptor for each in state.of_all.stream_states}
        return {stream for stream in self.streams if stream.name in (state.data or {})}

    def _keep(self, states: Sequence[KeptState], forgotten: Collection[str]) -> None:
        if self.attempts is not None:
            self.attempts.keep(states, forgotten)
        elif states or forgotten:
            self.keeper.keep_states(self.source, states, sorted(forgotten))
        self._kept = {about: kept for about, kept in self._kept.items() if about not in forgotten}
        self._kept |= {kept.about: kept for kept in states}


def stream_states(states: Iterable[KeptState]) -> dict[str, Any]:
    """By the streams' names, those that are of one stream each."""
    decoded = (_decode_state(kept.state).stream for kept in states if not is_attempt(kept))
    return {each.descriptor.name: msgspec.json.decode(each.stream_state) for each in decoded if each is not None}


def _numbers(table: StreamTable) -> dict[int, str]:
    """The names of the table's units by their numbers."""
    return {number: uri for units in Units.of(table).found.values() for number, uri in units.items()}


def _as_file(states: Sequence[_State]) -> bytes | None:
    if not states:
        return None
    if (data := states[0].data) is not None:
        return msgspec.json.encode(data)
    return msgspec.json.encode(states)
