"""Records that states stand between, put together: columns of ten records cost as much as those of a thousand."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError
from file_cdk.protocol.receiving.events import Event, OtherReceived, Records, StateReceived, StreamDescriptor


def grouped(events: Iterator[Event]) -> Iterator[Event]:
    """Those of a piece. Of each stream, records before its last state come as one, then the states, of which only the last comes
    behind all records that were before it: the others have `with_next`. Nothing changes its place with a status or a line that is
    passed over.

    Raises what the events raise, behind all that came before it.
    """
    group = _Group()
    try:
        for event in events:
            match event:
                case Records():
                    group.behind.setdefault(event.stream, []).append(event)
                case StateReceived():
                    group.add(event)
                case OtherReceived():
                    yield event
                case _:
                    yield from group.take()
                    yield event
    except FileCdkError:
        yield from group.take()
        raise
    yield from group.take()


_ByStream = dict[StreamDescriptor, list[Records]]


@dataclass(slots=True)
class _Group:
    """before: records before the last state of their stream. between: since that, and before the last of all. behind: since
    that."""

    before: _ByStream = field(default_factory=dict)
    between: _ByStream = field(default_factory=dict)
    behind: _ByStream = field(default_factory=dict)
    states: list[StateReceived] = field(default_factory=list)

    def add(self, state: StateReceived) -> None:
        for stream, records in self.behind.items():
            self.between.setdefault(stream, []).extend(records)
        self.behind = {}
        for stream in state.streams or list(self.between):
            if stream in self.between:
                self.before.setdefault(stream, []).extend(self.between.pop(stream))
        self.states.append(state)

    def take(self) -> Iterator[Event]:
        yield from map(_as_one, self.before.values())
        for state in self.states[:-1]:
            yield replace(state, with_next=True)
        yield from map(_as_one, self.between.values())
        yield from self.states[-1:]
        yield from map(_as_one, self.behind.values())
        self.before, self.between, self.behind, self.states = {}, {}, {}, []


def _as_one(parts: Sequence[Records]) -> Records:
    """first_line: of the first."""
    first, *others = parts
    if not others:
        return first
    rows, emitted_at_ms, changes = 0, array("q"), dict[int, bytes]()
    for part in parts:
        emitted_at_ms += part.emitted_at_ms
        changes |= {rows + index: each for index, each in part.changes.items()}
        rows += part.rows
    data = b"\n".join(part.data for part in parts)
    surrogates = sum(part.lone_surrogates for part in parts)
    return Records(first.stream, first.first_line, rows, data, emitted_at_ms, changes, surrogates)
