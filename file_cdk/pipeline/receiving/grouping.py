"""Records that states stand between, put together: columns of ten records cost as much as those of a thousand."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from file_cdk.core.errors import FileCdkError
from file_cdk.protocol.receiving.events import Event, OtherReceived, Records, StateReceived, StreamDescriptor


def grouped(events: Iterator[Event]) -> Iterator[Event]:
    """Those of a piece. Of each stream, records before the last state come as one, then the states, of which only the last stands
    for all of them: the others have `with_next`. Nothing changes its place with a status or a line that is passed over.

    Raises what the events raise, behind all that came before it.
    """
    group = _Group()
    try:
        for event in events:
            match event:
                case Records():
                    group.behind.append(event)
                case StateReceived():
                    group.before += group.behind
                    group.behind = []
                    group.states.append(event)
                case OtherReceived():
                    yield event
                case _:
                    yield from group.take()
                    yield event
    except FileCdkError:
        yield from group.take()
        raise
    yield from group.take()


@dataclass(slots=True)
class _Group:
    """before, behind: records before the last of the states, and since."""

    before: list[Records] = field(default_factory=list)
    states: list[StateReceived] = field(default_factory=list)
    behind: list[Records] = field(default_factory=list)

    def take(self) -> Iterator[Event]:
        yield from _by_stream(self.before)
        for state in self.states[:-1]:
            yield replace(state, with_next=True)
        yield from self.states[-1:]
        yield from _by_stream(self.behind)
        self.before, self.states, self.behind = [], [], []


def _by_stream(records: Sequence[Records]) -> Iterator[Records]:
    found: dict[StreamDescriptor, list[Records]] = {}
    for each in records:
        found.setdefault(each.stream, []).append(each)
    yield from map(_as_one, found.values())


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
