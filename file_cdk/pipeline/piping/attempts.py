"""Slices of streams in a destination: which were read, and where a run that is killed left the others.

The hazard: rows of a slice that is read anew, beside those of its pages that were kept. So pages are gone on with only as one
attempt, of the same slices of the same requests, and not after a day; else what no state stands for is removed, and a new
attempt begins. A stream that is read as a whole has each attempt's rows in a table of their own until it ends.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import msgspec

from file_cdk.core.dataclass import dataclass
from file_cdk.core.ledger import KeptState, SliceEntry, SliceKeeper, SliceReject, SlicesRead, StateKeeper
from file_cdk.core.merging import merging
from file_cdk.core.ports import Destination
from file_cdk.pipeline.apis.progress import Attempt, BegunSlice, Progress
from file_cdk.pipeline.writing.units import Units
from file_cdk.protocol.receiving.events import StreamDescriptor
from file_cdk.protocol.written_streams import WrittenStream

GOES_ON_S = 24 * 3600
"""Maximum time, in seconds, after which an attempt is gone on with: what an API has now is not what it had."""

HISTORY_S = 30 * 24 * 3600
"""How long slices of a table that is added to stay in its ledger, in seconds; of one that is replaced, those of its rows do."""

_ABOUT = "slices "
"""How `about` begins of the state that is an attempt's."""


class KeptAttempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """As the destination has it among the states of the source. number: when it began, in milliseconds since 1970, or more.
    state: what the attempt began with. Times: seconds since 1970."""

    fingerprint: str
    number: int
    began_at: float
    kept_at: float
    state: msgspec.Raw = msgspec.Raw(b"null")
    cursor: tuple[str, str] | None = None
    begun: list[BegunSlice] = []
    ended: bool = False

    def goes_on(self, fingerprint: str, now: float) -> bool:
        """Whether a run of this fingerprint that begins now may go on with it, if its rows are there."""
        return self.fingerprint == fingerprint and 0 <= now - self.kept_at <= GOES_ON_S


_decode = msgspec.json.Decoder(KeptAttempt).decode


@runtime_checkable
class AttemptKeeper(StateKeeper, SliceKeeper, Protocol):
    """A destination that keeps both."""


@dataclass(slots=True)
class Attempts:
    """Those of one run. is_staged: whether the destination can build a table over several runs, in place of another; else streams
    that are read as a whole begin anew with each run. clock: seconds since 1970."""

    keeper: AttemptKeeper
    source: str
    is_staged: bool = True
    clock: Callable[[], float] = time.time
    _found: dict[str, KeptState] = field(default_factory=dict)
    _now: dict[StreamDescriptor, KeptAttempt] = field(default_factory=dict)
    _written: dict[StreamDescriptor, WrittenStream] = field(default_factory=dict)
    _reach: dict[StreamDescriptor, int] = field(default_factory=dict)
    _changed: dict[str, KeptState] = field(default_factory=dict)
    _forgotten: set[str] = field(default_factory=set)
    _entries: list[SliceEntry] = field(default_factory=list)
    _rejects: list[SliceReject] = field(default_factory=list)
    _obsolete: dict[str, int] = field(default_factory=dict)
    _read: dict[StreamDescriptor, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._found = {each.about: each for each in self.keeper.states(self.source) if is_attempt(each)}

    def is_complete(self, stream: WrittenStream, fingerprint: str, target: Destination) -> bool:
        """Whether a run that did not come to its end read all of the stream, and its table is as it should be."""
        kept = self._valid(stream, fingerprint)
        if kept is None or not kept.ended or not self._goes_on(stream):
            return False
        own = target.table(stream.table)
        if stream.replaces:
            return kept.number in Units.of(own).found
        if (merged := merging(own, stream.table)) is not None:
            merged.merge()
        return self._is_there(stream, kept, target)

    def begin(self, stream: WrittenStream, fingerprint: str, target: Destination) -> WrittenStream:
        """As it is to be written: into a table of the attempt where it is read as a whole. What of that is behind the last page
        that was kept is removed."""
        kept = self._valid(stream, fingerprint)
        about = _about(stream)
        if kept is not None and self._goes_on(stream) and self._is_there(stream, kept, target):
            self._reach[stream.descriptor] = self._found[about].units[stream.table.stream]
        else:
            at, before = self.clock(), self._found.get(about)
            last = -1 if before is None else _decode(before.state).number
            if stream.replaces:  # rows of the same number would be taken for those of this attempt
                last = max([last, *(number or 0 for number in Units.of(target.table(stream.table)).found)])
            number = max(round(at * 1000), last + 1)
            kept = KeptAttempt(fingerprint, number, at, at)
            if before is not None:
                self._forgotten.add(about)
        self._now[stream.descriptor] = kept
        if stream.replaces and self._goes_on(stream):
            stream = replace(stream, generation=kept.number, minimum_generation=kept.number)
            self._remove_behind(stream, target)
        self._written[stream.descriptor] = stream
        return stream

    def _goes_on(self, stream: WrittenStream) -> bool:
        """Whether another run may go on with what this one does."""
        return not stream.is_anew and (self.is_staged or not stream.replaces)

    def _valid(self, stream: WrittenStream, fingerprint: str) -> KeptAttempt | None:
        if (found := self._found.get(_about(stream))) is None:
            return None
        kept = _decode(found.state)
        return kept if kept.goes_on(fingerprint, self.clock()) and stream.table.stream in found.units else None

    def _is_there(self, stream: WrittenStream, kept: KeptAttempt, target: Destination) -> bool:
        """Whether the rows are that were kept."""
        last = self._found[_about(stream)].units[stream.table.stream]
        if not stream.replaces:
            return last == 0 or last in Units.of(target.table(stream.table)).found.get(None, ())
        own, staged = (Units.of(target.table(each)) for each in (stream.table, stream.staging))
        # Their numbers follow those of the table that they are to replace.
        return last == own.last or last in staged.found.get(kept.number, ())

    def _remove_behind(self, stream: WrittenStream, target: Destination) -> None:
        if (last := self._reach.get(stream.descriptor)) is None:
            return
        table = target.table(stream.staging)
        found = Units.of(table).found.get(stream.generation, {})
        if after := [uri for number, uri in sorted(found.items()) if number > last]:
            table.remove(after)

    def reach(self) -> Mapping[StreamDescriptor, int]:
        """The last units of the attempts that are gone on with."""
        return self._reach

    def began_with(self, states: Mapping[StreamDescriptor, bytes]) -> None:
        """states: of the streams that begin a new attempt, as JSON."""
        for stream, kept in self._now.items():
            if stream not in self._reach and stream in states:
                self._now[stream] = msgspec.structs.replace(kept, state=msgspec.Raw(states[stream]))

    def given(self) -> bytes:
        """What the source is told."""
        attempts = {}
        for stream, kept in self._now.items():
            if stream in self._reach:
                table = self._written[stream].table.stream
                done = {each.slice: each.highest for each in self.keeper.slices(table, kept.number)}
                attempts[stream.name] = Attempt(
                    msgspec.json.decode(kept.state), self.clock() - kept.began_at, kept.cursor, done, kept.begun
                )
        return msgspec.json.encode(attempts)

    def read_of(self, stream: StreamDescriptor) -> tuple[int, int]:
        """How many slices of it this run has kept whole, and pages, those of slices that are begun among them."""
        slices, pages = self._read.get(stream, (0, 0))
        return slices, pages + sum(each.so_far.pages for each in self._now[stream].begun)

    def take(self, stream: StreamDescriptor, progress: Progress, last_unit: int) -> None:
        """To be kept with the next states. last_unit: of rows of the stream, which it stands for."""
        written, kept, at = self._written[stream], self._now[stream], self.clock()
        table, read_at = written.table.stream, datetime.fromtimestamp(at, UTC)
        for each in progress.done:
            counts = each.pages, each.records, each.filtered, each.rejected, each.highest
            self._entries.append(SliceEntry(table, kept.number, each.key, *counts, read_at, self.keeper.run))
        for reject in progress.rejected:
            place = reject.key, reject.page, reject.number, reject.reason
            self._rejects.append(SliceReject(table, kept.number, *place, read_at, self.keeper.run))
        slices, pages = self._read.get(stream, (0, 0))
        self._read[stream] = slices + len(progress.done), pages + sum(each.pages for each in progress.done)
        if progress.ended:
            self._obsolete[table] = kept.number if written.replaces else kept.number - HISTORY_S * 1000
        kept = msgspec.structs.replace(
            kept, kept_at=at, cursor=progress.cursor, begun=progress.begun, ended=progress.ended
        )
        self._now[stream], about = kept, _about(written)
        if not self._goes_on(written):
            return  # all of its rows are there at the end, or none
        if progress.void:
            self._changed.pop(about, None)
            self._forgotten.add(about)
        else:
            self._forgotten.discard(about)
            self._changed[about] = KeptState(about, msgspec.json.encode(kept).decode(), {table: last_unit})

    def keep(self, states: Sequence[KeptState], forgotten: Iterable[str]) -> None:
        """Also what was taken. All in one transaction."""
        slices = SlicesRead(self._entries, self._rejects, self._obsolete)
        changed, gone = [*self._changed.values()], sorted({*forgotten, *self._forgotten})
        self._entries, self._rejects, self._obsolete, self._changed, self._forgotten = [], [], {}, {}, set()
        if states or changed or gone or slices.entries:
            self.keeper.keep_slices(self.source, [*states, *changed], gone, slices)

    def close(self) -> None:
        """The source came to its end, whatever that was: streams that it read whole are to be read again by the next run."""
        self._forgotten |= {_about(self._written[stream]) for stream, kept in self._now.items() if kept.ended}
        self._forgotten |= {about for about, found in self._found.items() if _decode(found.state).ended}
        self.keep([], ())


def attempt_of(table: str, states: Iterable[KeptState]) -> KeptAttempt | None:
    """The one that was not ended by its run. states: of its source."""
    return next((_decode(each.state) for each in states if each.about == _ABOUT + table), None)


def unfinished(states: Iterable[KeptState]) -> dict[str, int]:
    """Of tables that an attempt did not come to the end of: how many slices it has begun. states: of all sources."""
    found = {each.about.removeprefix(_ABOUT): _decode(each.state) for each in states if is_attempt(each)}
    return {table: len(kept.begun) for table, kept in found.items() if not kept.ended}


def is_attempt(kept: KeptState) -> bool:
    return kept.about.startswith(_ABOUT)


def _about(stream: WrittenStream) -> str:
    return _ABOUT + stream.table.stream
