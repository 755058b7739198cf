"""Histories of folders through airbyte-cdk's cursor and ours, with room for three to five files.

Sync after sync, both begin with the same state and are shown the same listing: the files to read, their order and the state
that is left are compared, whichever side wrote the state. They may differ in two things alone, each of which follows
from what docs/differences.md says of a file that failed while the history is full: see `extra_files` and `expected_cursor`.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import (  # type: ignore[import-not-found, unused-ignore]
        FileBasedStreamConfig,
    )
    from airbyte_cdk.sources.file_based.remote_file import (  # type: ignore[import-not-found, unused-ignore]
        RemoteFile as PeerFile,
    )
    from airbyte_cdk.sources.file_based.stream.cursor import (  # type: ignore[import-not-found, unused-ignore]
        default_file_based_cursor as peer,
    )

from file_cdk.core.files import RemoteFile
from file_cdk.core.state.cursor import CURSOR_FIELD, HISTORY_FIELD, Cursor
from file_cdk.core.state.forgotten import FORGOTTEN_FIELD

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

State = dict[str, Any]
Key = tuple[datetime, str]

BEGIN = datetime(2024, 6, 30, 12, tzinfo=UTC)
START_OF_TIME: Key = (datetime.min.replace(tzinfo=UTC), "")
WINDOW_DAYS = 3
HOURS_OLD = (0, 1, 5, 24, 47, 71, 72, 73, 96, 500)
"""How old a file is when it appears: new, late inside the window, on both sides of its edge, and late outside of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens before a sync, and how it goes. put: uri -> hours old. failing: uris that cannot be read.
    cut: files that are come to before the sync is killed; None when it ends by itself."""

    hours: int
    put: dict[str, int]
    removed: frozenset[str]
    failing: frozenset[str]
    cut: int | None


uris = st.text("abé_/!", min_size=1, max_size=2)
some_uris = st.frozensets(uris, max_size=2)
steps = st.builds(
    Step,
    st.sampled_from([1, 24, 71, 72, 200]),
    st.dictionaries(uris, st.sampled_from(HOURS_OLD), min_size=1, max_size=6),
    some_uris,
    st.one_of(st.just(frozenset[str]()), st.just(frozenset[str]()), some_uris),
    st.one_of(st.none(), st.none(), st.none(), st.integers(0, 4)),
)


class PeerCursor(peer.DefaultFileBasedCursor):  # type: ignore[misc, unused-ignore] # not installed everywhere
    """With room for fewer files, as its users set it."""

    def __init__(self, limit: int) -> None:
        self.DEFAULT_MAX_HISTORY_SIZE = limit
        super().__init__(
            FileBasedStreamConfig(
                name="s", globs=["**"], format={"filetype": "csv"}, days_to_sync_if_history_is_full=WINDOW_DAYS
            )
        )


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[type["Clock"]]:
    monkeypatch.setattr(peer, "datetime", Clock)
    logging.disable()
    yield Clock
    logging.disable(logging.NOTSET)


class Clock(datetime):
    """What the peer takes for datetime: its times have no zone, and its now is the one that the test sets."""

    instant = BEGIN

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        assert tz is None
        return cls.instant.replace(tzinfo=None)


@dataclass(slots=True)
class Outcome:
    """Of one side and one sync: uris to read, in order, and the state that it leaves."""

    read: list[str]
    state: State


def peer_sync(state: State | None, listing: list[RemoteFile], limit: int, step: Step) -> Outcome:
    cursor = PeerCursor(limit)
    if state is not None:
        cursor.set_initial_state(copy.deepcopy(state))
    listed = [PeerFile(uri=file.uri, last_modified=file.modified_at.replace(tzinfo=None)) for file in listing]
    chosen = sorted(
        cursor.get_files_to_sync(listed, logging.getLogger("peer")), key=lambda file: (file.last_modified, file.uri)
    )
    for file in chosen[: step.cut]:
        if file.uri not in step.failing:
            cursor.add_file(file)
    return Outcome([file.uri for file in chosen], dict(copy.deepcopy(cursor.get_state())))


def our_sync(state: State | None, listing: list[RemoteFile], limit: int, step: Step) -> Outcome:
    """By the documented fields alone: what ours remembers besides, the peer cannot."""
    cursor = Cursor(state, now=Clock.instant, history_limit=limit, days_to_sync_if_history_is_full=WINDOW_DAYS)
    chosen = sorted((file for file in listing if cursor.decide(file) is None), key=lambda file: file.sort_key)
    for file in chosen[: step.cut]:
        if file.uri in step.failing:
            cursor.leave_unread(file)
        else:
            cursor.add(file)
    if step.cut is None:
        cursor.finish()
    documented = {name: value for name, value in cursor.to_state().items() if name != FORGOTTEN_FIELD}
    return Outcome([file.uri for file in chosen], documented)


def parsed(cursor: str) -> Key:
    instant, uri = cursor.split("_", 1)
    return datetime.fromisoformat(instant), uri


def extra_files(state: State | None, listing: list[RemoteFile], limit: int) -> set[str]:
    """Files that we read and the peer does not: not in a full history and older than all of it, but not before a cursor
    that was held back because a file failed, or a sync was cut, before the history. The peer does not look at the
    cursor, and so loses that file."""
    if state is None or len(state[HISTORY_FIELD]) < limit or state[CURSOR_FIELD] is None:
        return set()
    held, earliest = parsed(state[CURSOR_FIELD]), earliest_of(state)
    window_begins = Clock.instant - timedelta(days=WINDOW_DAYS)
    return {
        file.uri
        for file in listing
        if file.uri not in state[HISTORY_FIELD]
        and held <= file.sort_key < earliest
        and (file.modified_at < window_begins or file.modified_at == earliest[0])  # of its own time no window is asked
    }


def earliest_of(state: State) -> Key:
    return min((datetime.fromisoformat(at), uri) for uri, at in state[HISTORY_FIELD].items())


def latest_of(state: State) -> Key | None:
    return max(((datetime.fromisoformat(at), uri) for uri, at in state[HISTORY_FIELD].items()), default=None)


def tell(state: State | None, listing: list[RemoteFile], limit: int, read: set[str], extra: set[str]) -> None:
    """What the example is about, for --hypothesis-show-statistics."""
    if state is None or len(state[HISTORY_FIELD]) < limit:
        return
    event("full history")
    late = {file.uri for file in listing if file.uri not in state[HISTORY_FIELD] and file.sort_key < earliest_of(state)}
    for what, uris in (("read", late & read), ("left out", late - read - extra), ("read by us alone", extra)):
        if uris:
            event(f"full history, late files {what}")


def compare_states(before: State | None, ours: State, theirs: State, failed: list[RemoteFile], cut: bool) -> None:
    """The histories are equal. So are the cursors, but that ours stays at the first file that failed and, when a sync that
    began with a cursor behind its history is cut, at what it had come to."""
    assert ours[HISTORY_FIELD] == theirs[HISTORY_FIELD]
    if ours[CURSOR_FIELD] == theirs[CURSOR_FIELD]:
        event("equal states")
        return
    latest, cursor = latest_of(theirs), parsed(ours[CURSOR_FIELD])
    assert latest is None or cursor < latest
    if failed and not cut:
        event("cursor held at a failed file")
        # The first instant there is, as airbyte-cdk's concurrent cursor has it, while nothing at all was synced.
        assert cursor == min((latest or START_OF_TIME), *(file.sort_key for file in failed))
        return
    event("cursor held by a cut sync")
    assert cut
    held = (
        before is not None
        and before[CURSOR_FIELD] is not None
        and parsed(before[CURSOR_FIELD]) < (latest_of(before) or (Clock.instant, ""))
    )
    assert held or failed


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(3, 5), st.lists(st.tuples(steps, st.booleans()), min_size=3, max_size=8))
def test_decisions_and_states_are_equal(limit: int, history: list[tuple[Step, bool]]) -> None:
    state: State | None = None
    world: dict[str, datetime] = {}
    Clock.instant = BEGIN
    for step, goes_on_with_theirs in history:
        Clock.instant += timedelta(hours=step.hours)
        world |= {uri: Clock.instant - timedelta(hours=hours) for uri, hours in step.put.items()}
        world = {uri: at for uri, at in world.items() if uri not in step.removed}
        listing = [RemoteFile(uri, 1, at) for uri, at in world.items()]
        theirs, ours = peer_sync(state, listing, limit, step), our_sync(state, listing, limit, step)
        extra = extra_files(state, listing, limit)
        tell(state, listing, limit, set(theirs.read), extra)
        assert [uri for uri in ours.read if uri not in extra] == theirs.read
        assert extra <= set(ours.read)
        read = [file for file in sorted(listing, key=lambda file: file.sort_key) if file.uri in ours.read]
        if extra and step.cut is not None:
            step_of_theirs = len([file for file in read[: step.cut] if file.uri not in extra])
            theirs.state = peer_sync(
                state, listing, limit, Step(0, {}, frozenset(), step.failing, step_of_theirs)
            ).state
        failed = [file for file in read[: step.cut] if file.uri in step.failing]
        compare_states(state, ours.state, theirs.state, failed, step.cut is not None)
        state = theirs.state if goes_on_with_theirs else ours.state
