"""Which files a stream still has to read: the incremental state, its decisions and how often it is worth emitting.

State is `{"history": {"<uri>": "<modified>"}, "_ab_source_file_last_modified": "<modified>_<uri>"}`, the form that users
of the Airbyte file sources have stored, and for files that the history has no room for a field of our own (forgotten.py).
Nothing here reads a clock or does I/O.
"""

import heapq
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.core.files import MODIFIED_COLUMN, RemoteFile
from file_cdk.core.instants import parse_instant
from file_cdk.core.state.forgotten import BYTES_PER_FILE, FORGOTTEN_FIELD, Forgotten
from file_cdk.core.uris import split_member

CURSOR_FIELD = MODIFIED_COLUMN
HISTORY_FIELD = "history"
SYNCED_BEFORE_FIELD = "v3_min_sync_date"
"""All files modified before this time are synced: in states that began with a version without a whole history."""
DEFAULT_HISTORY_LIMIT = 10_000

_Key = tuple[datetime, str]
_START_OF_TIME: _Key = (datetime.min.replace(tzinfo=UTC), "")
_STATE_BYTES_PER_FILE = 34
"""Length of `"":"2024-01-01T00:00:00.000000Z",` with room for an escape or two."""

_FORGOTTEN_BYTES = 60
"""Length of the field for files that the history has no room for, without them."""


class SkipReason(StrEnum):
    """Why a listed file is not read; the value is the text a person sees."""

    ALREADY_SYNCED = "already synced"
    OLDER_THAN_SYNCED = "older than the version already synced"
    BEFORE_WINDOW = "older than the history and outside its window"
    BEFORE_HISTORY = "older than the history began"


def format_instant(instant: datetime) -> str:
    """An aware UTC datetime as state and records spell it: `%Y-%m-%dT%H:%M:%S.%fZ`."""
    # strftime("%Y") leaves years before 1000 unpadded on Linux, and is slower.
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Cursor:
    """The files of one stream that are synced.

    A state that another connector filled tells nothing of files older than its history: those inside a window of days are
    read, others not. Every file since is remembered: in the history while it is among the newest, and by its hash after.

    Decisions are taken against the state the sync began with; only "already synced" looks at files added since. So it
    does not matter whether files are decided all at once or one by one while others finish.

    history_limit: how many files the state remembers. now: aware; the window of days counts back from it.
    Memory: one dict and one heap entry per file of the history, 16 bytes for each one before. Raises ConfigError when `state`
    is malformed.
    """

    def __init__(
        self,
        state: Mapping[str, Any] | None,
        *,
        now: datetime,
        history_limit: int = DEFAULT_HISTORY_LIMIT,
        days_to_sync_if_history_is_full: int = 3,
    ) -> None:
        if history_limit < 1:
            raise ValueError("history_limit must be at least 1")
        self._limit = history_limit
        self._history = _parse_history(state or {})
        self._forgotten = Forgotten((state or {}).get(FORGOTTEN_FIELD))
        self._oldest_first = [(modified, uri) for uri, modified in self._history.items()]
        heapq.heapify(self._oldest_first)
        self._uri_bytes = sum(len(uri.encode("utf-8", "replace")) for uri in self._history)

        stored = _parse_cursor(state or {})
        synced_before = (state or {}).get(SYNCED_BEFORE_FIELD)
        self._synced_before = None if synced_before is None else _parse_instant(synced_before, SYNCED_BEFORE_FIELD)
        self._unknown_until = self._forgotten.unknown_until
        if FORGOTTEN_FIELD not in (state or {}) and len(self._history) >= history_limit:
            self._unknown_until = self._oldest_first[0]
        unknown_until = self._unknown_until or _START_OF_TIME
        self._read_after = unknown_until if stored is None else min(stored, unknown_until)
        self._read_since = min(unknown_until[0], _days_before(now, days_to_sync_if_history_is_full))

        # A stored cursor behind the history means that the last sync left files unread after it. Until this sync ends,
        # or passes the history, the cursor may only advance to where this sync has got to.
        self._known_until = max(self._oldest_first, default=_START_OF_TIME)
        self._behind = stored if stored is not None and stored < self._known_until else None
        self._first_unread: _Key | None = None

    def __len__(self) -> int:
        """Files remembered."""
        return len(self._history) + len(self._forgotten)

    @property
    def knows_all(self) -> bool:
        """Of no file the window of days alone has to tell whether it was synced."""
        return self._unknown_until is None

    @property
    def state_bytes(self) -> int:
        """About how long the state is as JSON, without building it."""
        history_bytes = self._uri_bytes + _STATE_BYTES_PER_FILE * (len(self._history) + 2)
        return history_bytes + _FORGOTTEN_BYTES + BYTES_PER_FILE * len(self._forgotten)

    def decide(self, file: RemoteFile) -> SkipReason | None:
        """None when the file is to be read."""
        if self._synced_before is not None and file.modified_at < self._synced_before:
            return SkipReason.BEFORE_HISTORY
        synced = self._synced_at(file.uri)
        if synced is not None:
            if file.modified_at > synced:
                return None
            return SkipReason.ALREADY_SYNCED if file.modified_at == synced else SkipReason.OLDER_THAN_SYNCED
        if self._unknown_until is None or file.sort_key >= self._read_after:
            # The file at the cursor itself is in the history, unless the cursor was held back because it failed.
            return None
        if file.modified_at == self._unknown_until[0]:
            return SkipReason.BEFORE_WINDOW  # of equal times the names decide, also inside the window
        return None if file.modified_at >= self._read_since else SkipReason.BEFORE_WINDOW

    def can_tell(self, file: RemoteFile) -> bool:
        """Whether the state knows if this file was synced before; not when it is older than all of a full history that another
        connector left.

        Files that it cannot tell are read when they are inside the window, perhaps again, or not at all.
        """
        if self._unknown_until is None or file.sort_key > self._unknown_until:
            return True
        synced_before = self._synced_before is not None and file.modified_at < self._synced_before
        return synced_before or self._synced_at(file.uri) is not None

    def add(self, file: RemoteFile) -> None:
        """Records that every record of this version was acknowledged. Call in (modified_at, uri) order. O(log n)."""
        if file.uri not in self._history:
            self._uri_bytes += len(file.uri.encode("utf-8", "replace"))
        self._history[file.uri] = file.modified_at
        heapq.heappush(self._oldest_first, file.sort_key)
        self._advance(file.sort_key)
        while len(self._history) > self._limit:
            self._forget_oldest()
        if len(self._oldest_first) > 2 * self._limit:  # entries of versions since replaced
            self._oldest_first = [(modified, uri) for uri, modified in self._history.items()]
            heapq.heapify(self._oldest_first)

    def leave_unread(self, file: RemoteFile) -> None:
        """Records that this file failed: the cursor stays behind it, so that a full history cannot hide it."""
        if self._first_unread is None or file.sort_key < self._first_unread:
            self._first_unread = file.sort_key
        self._advance(file.sort_key)

    def finish(self) -> None:
        """All files of the sync were added or left unread: the cursor may advance to the newest file."""
        self._behind = None

    def to_state(self) -> dict[str, Any]:
        """The state as of now, a new mapping each time; O(history)."""
        history = {uri: format_instant(modified) for uri, modified in self._history.items()}
        state: dict[str, Any] = {HISTORY_FIELD: history, CURSOR_FIELD: self._cursor_text()}
        oldest = min(((modified, uri) for uri, modified in self._history.items()), default=None)
        # A full history alone says that all files before its oldest are unknown.
        said = oldest if len(self._history) >= self._limit else None
        if len(self._forgotten) or self._unknown_until != said:
            state[FORGOTTEN_FIELD] = self._forgotten.to_state(self._unknown_until)
        if self._synced_before is not None:
            state[SYNCED_BEFORE_FIELD] = format_instant(self._synced_before)
        return state

    def _synced_at(self, uri: str) -> datetime | None:
        """When the file was synced; a member of an archive also by the archive's uri, as some other connectors remember it."""
        synced = self._history.get(uri) or self._forgotten.synced_at(uri)
        if synced is None and "!" in uri and (member := split_member(uri)):
            return self._history.get(member[0]) or self._forgotten.synced_at(member[0])
        return synced

    def _advance(self, key: _Key) -> None:
        if self._behind is not None:
            self._behind = None if key >= self._known_until else max(self._behind, key)

    def _forget_oldest(self) -> None:
        modified, uri = heapq.heappop(self._oldest_first)
        if self._history.get(uri) == modified:
            del self._history[uri]
            self._forgotten.add(uri, modified)
            self._uri_bytes -= len(uri.encode("utf-8", "replace"))

    def _cursor_text(self) -> str | None:
        if not self._history and self._first_unread is None:
            return None
        newest = max(((modified, uri) for uri, modified in self._history.items()), default=_START_OF_TIME)
        modified, uri = min(key for key in (newest, self._behind, self._first_unread) if key is not None)
        return f"{format_instant(modified)}_{uri}"


def renamed_state(state: Mapping[str, Any], own_uri: Callable[[str], str]) -> dict[str, Any]:
    """The same state with the uris that `own_uri` gives for those in it; of two that become one, the later time stays.

    For connectors whose users bring states in which files have other names. What is malformed stays so.
    """
    renamed = dict(state)
    if isinstance(history := state.get(HISTORY_FIELD), Mapping):
        times: dict[str, Any] = {}
        for uri, modified in history.items():
            own = own_uri(uri)
            earlier = times.get(own)
            both_texts = isinstance(earlier, str) and isinstance(modified, str)
            # As text without its zone an instant compares as time does, whether it has a fraction or not.
            times[own] = max(earlier, modified, key=lambda text: text.removesuffix("Z")) if both_texts else modified
        renamed[HISTORY_FIELD] = times
    if isinstance(cursor := state.get(CURSOR_FIELD), str) and "_" in cursor:
        instant, uri = cursor.split("_", 1)
        renamed[CURSOR_FIELD] = f"{instant}_{own_uri(uri)}"
    return renamed


def _days_before(now: datetime, days: int) -> datetime:
    try:
        return now - timedelta(days=days)
    except OverflowError:  # some write 999999 for "always"
        return _START_OF_TIME[0]


def _parse_history(state: Mapping[str, Any]) -> dict[str, datetime]:
    history = state.get(HISTORY_FIELD)
    if history is None:
        return {}
    if not isinstance(history, Mapping):
        raise ConfigError(f"invalid state: {HISTORY_FIELD!r} must be an object of uri to modification time")
    return {uri: _parse_instant(modified, f"{HISTORY_FIELD}[{uri!r}]") for uri, modified in history.items()}


def _parse_cursor(state: Mapping[str, Any]) -> _Key | None:
    text = state.get(CURSOR_FIELD)
    if text is None:
        return None
    if not isinstance(text, str) or "_" not in text:
        raise ConfigError(f"invalid state: {CURSOR_FIELD!r} must be '<modification time>_<uri>'")
    instant, uri = text.split("_", 1)
    return _parse_instant(instant, CURSOR_FIELD), uri


def _parse_instant(text: Any, key: str) -> datetime:
    if isinstance(text, str):
        with suppress(ValueError):
            # The first cursor of an empty sync is the year 1, which other writers leave unpadded.
            return parse_instant(f"000{text}" if text.startswith("1-") else text)
    raise ConfigError(f"invalid state: {key!r} must be a time such as 2024-01-31T12:00:00.000000Z")


class StateThrottle:
    """When a STATE message is worth its bytes, so that states add up to no more than a share of the sync.

    A state is due when `interval_s` seconds have passed since the last and, since then, either 16 times its size went
    out as records or 1/64 of the files it lists were synced. The first bounds state bytes by record bytes, the second by
    a constant number of bytes per file. At the end of a stream the caller emits whatever this says.

    clock: seconds, monotonic.
    """

    RECORDS_PER_STATE_BYTE = 16
    HISTORY_SHARE = 64

    def __init__(self, clock: Callable[[], float], *, interval_s: float = 10.0) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._emitted_at = clock()
        self._files = 0
        self._record_bytes = 0

    def count(self, *, files: int = 0, record_bytes: int = 0) -> None:
        """What was acknowledged since the last call."""
        self._files += files
        self._record_bytes += record_bytes

    def due(self, *, state_bytes: int, history_files: int) -> bool:
        """Whether to emit now; false while no file was synced since the last state."""
        if not self._files or self._clock() - self._emitted_at < self._interval_s:
            return False
        cheap = state_bytes * self.RECORDS_PER_STATE_BYTE <= self._record_bytes
        return cheap or self._files * self.HISTORY_SHARE >= history_files

    def emitted(self) -> None:
        """A state went out just now."""
        self._emitted_at = self._clock()
        self._files = 0
        self._record_bytes = 0
