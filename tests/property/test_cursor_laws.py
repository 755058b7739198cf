"""Laws of the incremental state, over random worlds of files that appear, change and fail."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from file_cdk.core.files import RemoteFile
from file_cdk.core.state.cursor import Cursor, SkipReason, StateThrottle
from file_cdk.core.state.forgotten import FORGOTTEN_FIELD

NOW = datetime(2024, 6, 30, tzinfo=UTC)

uris = st.text("ab_é/", min_size=1, max_size=3)
ages = st.sampled_from([timedelta(hours=h) for h in (0, 1, 12, 30, 60, 71, 73, 100, 500)])
worlds = st.lists(st.dictionaries(uris, ages, max_size=8), min_size=1, max_size=5)
limits = st.integers(1, 6)


def files_of(world: dict[str, timedelta]) -> list[RemoteFile]:
    return sorted((RemoteFile(uri, 1, NOW - age) for uri, age in world.items()), key=lambda f: f.sort_key)


def begin(state: object, limit: int) -> Cursor:
    return Cursor(json.loads(json.dumps(state)), now=NOW, history_limit=limit, days_to_sync_if_history_is_full=3)


@given(worlds, limits)
def test_history_is_the_latest_files_and_the_cursor_the_greatest(
    worlds: list[dict[str, timedelta]], limit: int
) -> None:
    state: object = None
    known: dict[str, datetime] = {}
    for world in worlds:
        cursor = begin(state, limit)
        for file in [f for f in files_of(world) if cursor.decide(f) is None]:
            cursor.add(file)
            known[file.uri] = file.modified_at
            if len(known) > limit:
                del known[min(known, key=lambda uri: (known[uri], uri))]
        cursor.finish()
        state = cursor.to_state()
        spelled = {uri: modified.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for uri, modified in known.items()}
        greatest = max(((text, uri) for uri, text in spelled.items()), default=None)
        documented = {name: value for name, value in state.items() if name != FORGOTTEN_FIELD}
        assert documented == {"history": spelled, "_ab_source_file_last_modified": greatest and "_".join(greatest)}


@given(worlds)
def test_a_synced_file_is_read_again_only_when_modified(worlds: list[dict[str, timedelta]]) -> None:
    state: object = None
    synced: dict[str, datetime] = {}
    for world in worlds:
        cursor = begin(state, limit=10_000)
        for file in files_of(world):
            skipped = cursor.decide(file)
            changed = file.uri not in synced or file.modified_at > synced[file.uri]
            assert (skipped is None) == changed
            if skipped is None:
                cursor.add(file)
                synced[file.uri] = file.modified_at
                assert cursor.decide(file) is SkipReason.ALREADY_SYNCED
        state = cursor.to_state()


@given(worlds, limits)
def test_the_cursor_never_goes_back_while_nothing_fails(worlds: list[dict[str, timedelta]], limit: int) -> None:
    state: object = None
    last = ""
    for world in worlds:
        cursor = begin(state, limit)
        for file in [f for f in files_of(world) if cursor.decide(f) is None]:
            cursor.add(file)
            text = cursor.to_state()["_ab_source_file_last_modified"]
            assert text >= last
            last = text
        state = cursor.to_state()


@given(worlds, limits, st.data())
def test_a_failed_file_is_offered_again_wherever_a_sync_is_cut(
    worlds: list[dict[str, timedelta]], limit: int, data: st.DataObject
) -> None:
    """Files only appear and are never changed, so that every file must be added or still on offer."""
    state: object = None
    seen: dict[str, timedelta] = {}
    added: set[str] = set()
    offered: set[str] = set()
    for world in worlds:
        seen = {**world, **seen}
        cursor = begin(state, limit)
        chosen = [f for f in files_of(seen) if cursor.decide(f) is None]
        assert offered - added <= {f.uri for f in chosen}
        offered |= {f.uri for f in chosen}
        cut = data.draw(st.integers(0, len(chosen)))
        for file in chosen[:cut]:
            if data.draw(st.booleans()):
                cursor.add(file)
                added.add(file.uri)
            else:
                cursor.leave_unread(file)
        if cut == len(chosen):
            cursor.finish()
        else:
            # What a cut sync did not come to is on offer again only as far as the history reaches back.
            offered &= added | {f.uri for f in chosen[:cut]}
        state = cursor.to_state()


@given(worlds, limits)
def test_state_round_trips_and_its_size_is_known(worlds: list[dict[str, timedelta]], limit: int) -> None:
    cursor = begin(None, limit)
    for file in files_of({uri: age for world in worlds for uri, age in world.items()}):
        cursor.add(file)
    state = cursor.to_state()
    again = begin(state, limit)
    assert again.to_state() == state
    length = len(json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode())
    for size in (cursor.state_bytes, again.state_bytes):
        assert size == again.state_bytes
        assert length <= size + 50
        assert size <= length + 40 * (len(cursor) + 2)


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 30)), max_size=300), st.integers(1, 200))
def test_states_are_linear_in_files_and_records(syncs: list[tuple[int, float]], history_limit: int) -> None:
    """Each entry is a file: bytes of its records, seconds until it is acknowledged."""
    now = 0.0
    throttle = StateThrottle(lambda: now)
    bytes_per_file = 60
    files = emitted = records = 0
    for record_bytes, seconds in syncs:
        now += seconds
        files += 1
        records += record_bytes
        throttle.count(files=1, record_bytes=record_bytes)
        history = min(files, history_limit)
        if throttle.due(state_bytes=history * bytes_per_file, history_files=history):
            throttle.emitted()
            emitted += history * bytes_per_file
    assert emitted <= records / 16 + files * 64 * bytes_per_file


@given(worlds, limits, st.sets(st.sampled_from("ab_/é")))
def test_every_version_is_read_once_whatever_the_limit(
    worlds: list[dict[str, timedelta]], limit: int, failing: set[str]
) -> None:
    """Files come late, with equal times, vanish and come back; versions go back in time. Those that fail are read again."""
    state: object = None
    synced: dict[str, datetime] = {}
    for world in worlds:
        cursor = begin(state, limit)
        assert cursor.knows_all
        files = files_of(world)
        chosen = [file for file in files if cursor.decide(file) is None]
        assert chosen == [f for f in files if f.uri not in synced or f.modified_at > synced[f.uri]]
        for file in chosen:
            if file.uri[0] in failing:
                cursor.leave_unread(file)
            else:
                cursor.add(file)
                synced[file.uri] = file.modified_at
        cursor.finish()
        state = cursor.to_state()


@given(worlds, worlds, limits)
def test_after_another_connectors_state_no_version_is_read_twice(
    before: list[dict[str, timedelta]], worlds: list[dict[str, timedelta]], limit: int
) -> None:
    """What it had forgotten may be read once more where the window has it, and never after that."""
    state: dict[str, object] | None = None
    for world in before:
        cursor = begin(state, limit)
        for file in [file for file in files_of(world) if cursor.decide(file) is None]:
            cursor.add(file)
        state = {name: value for name, value in cursor.to_state().items() if name != FORGOTTEN_FIELD}
    read: set[RemoteFile] = set()
    for world in worlds:
        cursor = begin(state, limit)
        for file in [file for file in files_of(world) if cursor.decide(file) is None]:
            assert file not in read
            cursor.add(file)
            read.add(file)
        state = cursor.to_state()
