"""States of 20,000 files, which airbyte-cdk's cursor and ours write in turn, each going on with what the other one left.

With the peer's limit of 10,000 as it is. Of files that are older than all of its history the peer knows nothing: those of
its window of days it reads, whether it did before or not, and others never. So of a sync that begins with its state no
more can be asked than: a version that is newer than the oldest of the history is read once, whoever read the others,
and of older ones just those in the window are read. After a sync of ours the same holds for it, as it does not read our field.
Of ours, everything is asked: what it read it does not read again, and every version is read that came after the state was ours.
"""

import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.sources.file_based.config.file_based_stream_config import (  # type: ignore[import-not-found, unused-ignore]
        FileBasedStreamConfig,
    )
    from airbyte_cdk.sources.file_based.remote_file import (  # type: ignore[import-not-found, unused-ignore]
        RemoteFile as PeerFile,
    )
    from airbyte_cdk.sources.file_based.stream.cursor import (  # type: ignore[import-not-found, unused-ignore]
        DefaultFileBasedCursor,
    )

from file_cdk.core.files import RemoteFile
from file_cdk.core.state.cursor import HISTORY_FIELD, Cursor
from file_cdk.core.state.forgotten import FORGOTTEN_FIELD

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own

FILES, LIMIT = 20_000, 10_000
WINDOW = timedelta(days=3)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)  # the peer's window ends at the time that it is
NEWEST = NOW - DAY
Version = tuple[str, datetime]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@dataclass(slots=True)
class Files:
    """What a listing shows, the state that the last sync left, and how often each version was read so far."""

    listing: dict[str, datetime] = field(default_factory=dict)
    state: str = json.dumps({HISTORY_FIELD: {}})
    read: Counter[Version] = field(default_factory=Counter)

    def put(self, name: str, times: Iterable[datetime]) -> set[Version]:
        arrived = {f"{name}-{number:05}": at for number, at in enumerate(times)}
        self.listing |= arrived
        return set(arrived.items())

    def change(self, uris: Iterable[str], at: datetime) -> set[Version]:
        changed = {uri: at + number * timedelta(seconds=1) for number, uri in enumerate(uris)}
        self.listing |= changed
        return set(changed.items())

    @property
    def history(self) -> list[Version]:
        """Oldest first."""
        history = json.loads(self.state)[HISTORY_FIELD]
        return sorted(((uri, datetime.fromisoformat(at)) for uri, at in history.items()), key=_age)

    def newer_than_history(self, versions: Iterable[Version]) -> set[Version]:
        """Than its oldest file, that is."""
        oldest = _age(self.history[0])
        return {version for version in versions if _age(version) > oldest}

    def peer_syncs(self) -> set[Version]:
        cursor, chosen = self._peer_begins()
        for file in chosen:
            cursor.add_file(file)
        return self._synced([_version(file) for file in chosen], cursor.get_state())

    def peer_would_read(self) -> set[Version]:
        """Nothing is read: into a full history a file takes the peer a millisecond."""
        return {_version(file) for file in self._peer_begins()[1]}

    def _peer_begins(self) -> tuple[DefaultFileBasedCursor, list[PeerFile]]:
        cursor = DefaultFileBasedCursor(
            FileBasedStreamConfig(
                name="s", globs=["**"], format={"filetype": "csv"}, days_to_sync_if_history_is_full=WINDOW.days
            )
        )
        assert cursor.DEFAULT_MAX_HISTORY_SIZE == LIMIT
        cursor.set_initial_state(json.loads(self.state))
        listed = [PeerFile(uri=uri, last_modified=at.replace(tzinfo=None)) for uri, at in self.listing.items()]
        chosen = cursor.get_files_to_sync(listed, logging.getLogger("peer"))
        return cursor, sorted(chosen, key=lambda file: (file.last_modified, file.uri))

    def we_sync(self) -> set[Version]:
        cursor = Cursor(json.loads(self.state), now=NOW, days_to_sync_if_history_is_full=WINDOW.days)
        listed = (RemoteFile(uri, 1, at) for uri, at in self.listing.items())
        chosen = sorted((file for file in listed if cursor.decide(file) is None), key=lambda file: file.sort_key)
        for file in chosen:
            cursor.add(file)
        cursor.finish()
        return self._synced([(file.uri, file.modified_at) for file in chosen], cursor.to_state())

    def _synced(self, versions: list[Version], state: Any) -> set[Version]:
        self.state = json.dumps(state)
        self.read.update(versions)
        assert len(json.loads(self.state)[HISTORY_FIELD]) <= LIMIT
        return set(versions)

    @property
    def read_twice(self) -> set[Version]:
        return {version for version, times in self.read.items() if times > 1}


def _version(file: PeerFile) -> Version:
    return file.uri, file.last_modified.replace(tzinfo=UTC)


def _age(version: Version) -> tuple[datetime, str]:
    return version[1], version[0]


def every(step: timedelta, count: int, newest: datetime) -> list[datetime]:
    return [newest - step * number for number in reversed(range(count))]


def test_each_goes_on_where_the_other_one_was() -> None:
    """Files of 14 days, so that the history reaches back for 7, over the window of 3: then not a file is read twice."""
    files = Files()
    first = files.put("first", every(MINUTE, FILES, NEWEST))
    assert files.peer_syncs() == first
    assert len(files.history) == LIMIT

    # Ours begins with the peer's state. What is older than all of it neither side can tell from what was read.
    oldest_of_peer = files.history[0]
    expected = files.put("new", every(MINUTE, 500, NEWEST + 6 * timedelta(hours=1)))
    expected |= files.put("late", every(MINUTE, 50, NEWEST - 4 * DAY))
    expected |= files.put("at-the-oldest", [oldest_of_peer[1]] * 2)  # by name before its oldest, not after it
    expected |= files.change([uri for uri, _ in files.history[:50]], NEWEST + DAY / 3)
    expected |= files.change([uri for uri, _ in sorted(first, key=_age)[:50]], NEWEST + DAY / 2)
    unknown = files.put("older", every(MINUTE, 50, NEWEST - 20 * DAY))
    not_after = {version for version in expected if _age(version) < _age(oldest_of_peer)}
    assert files.peer_would_read() == expected - not_after
    assert files.we_sync() == expected - not_after
    assert {uri for uri, _ in not_after} == {"at-the-oldest-00000", "at-the-oldest-00001"}
    assert FORGOTTEN_FIELD in json.loads(files.state)
    assert files.we_sync() == set()

    # Of what was since the peer's oldest, ours knows all, also where its history begins later now.
    assert files.history[0][1] > oldest_of_peer[1] + 60 * MINUTE
    expected = files.put("later", every(MINUTE, 50, oldest_of_peer[1] + 55 * MINUTE))
    assert files.newer_than_history(expected) == set()
    assert files.we_sync() == expected
    assert files.we_sync() == set()

    # The peer goes on after ours.
    expected = files.put("newer", every(MINUTE, 500, NEWEST + 15 * timedelta(hours=1)))
    expected |= files.put("latest", every(MINUTE, 50, NEWEST - 4 * DAY))
    expected |= files.change([uri for uri, _ in files.history[:50]], NEWEST + DAY * 2 / 3)
    assert files.newer_than_history(expected) == expected
    assert files.peer_syncs() == expected
    assert files.peer_syncs() == set()

    # And ours after the peer, who left our field out.
    assert FORGOTTEN_FIELD not in json.loads(files.state)
    assert files.we_sync() == set()
    expected = files.put("last", every(MINUTE, 50, NEWEST - 5 * DAY))
    assert files.we_sync() == files.newer_than_history(expected) == expected
    assert files.we_sync() == set()

    assert files.read_twice == set()
    assert set(files.listing.items()) - set(files.read) == unknown | not_after


def test_a_window_longer_than_the_history_is_read_again_by_the_peer_alone() -> None:
    """Files of 28 hours: of the half that its history has no room for, the peer knows that they are in its window."""
    files = Files()
    step = timedelta(seconds=5)
    first = files.put("first", every(step, FILES, NEWEST))
    assert files.we_sync() == first
    assert files.we_sync() == set()
    without_room = first - set(files.history)
    assert len(without_room) == FILES - LIMIT
    # Its window holds all of them, and one version that came in meanwhile, older than the history.
    expected = files.put("late", [NEWEST - DAY - 6 * MINUTE])
    assert files.peer_would_read() == without_room | expected
    assert files.we_sync() == expected
    assert files.we_sync() == set()
    assert files.read_twice == set()
    assert set(files.read) == set(files.listing.items())


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=1), MINUTE], ids=["same-time", "seconds", "minutes"])
def test_thirty_thousand_files_through_ours_alone(step: timedelta) -> None:
    """Five syncs; each finds 6,000 files, a part of them late by a second up to years, and some changed."""
    files = Files()
    for sync in range(5):
        newest = NEWEST - (4 - sync) * 5900 * step
        expected = files.put(f"{sync}-new", every(step, 5900, newest))
        expected |= files.put(f"{sync}-late", [newest - timedelta(seconds=4**number % 10**8) for number in range(50)])
        expected |= files.put(f"{sync}-old", every(DAY, 50, NEWEST - 400 * DAY))
        if sync:
            changed = [uri for number, uri in enumerate(sorted(files.listing)) if number % 997 == 0]
            expected -= {version for version in expected if version[0] in changed}
            expected |= files.change(changed, NEWEST + (sync + 1) * timedelta(hours=1))
        assert files.we_sync() == expected
        assert files.we_sync() == set()
        assert all(files.read[version] == 1 for version in files.listing.items())
    assert len(files.listing) == 30_000
    assert files.read_twice == set()
    assert len(json.loads(files.state)[HISTORY_FIELD]) == LIMIT
