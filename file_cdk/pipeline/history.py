"""What a read knows of files synced before, how many it remembers, and what is said of those that it has no room for."""

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from file_cdk.core.config import StreamConfig
from file_cdk.core.connector import Connector
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.state.cursor import DEFAULT_HISTORY_LIMIT, Cursor
from file_cdk.core.uris import shortened

NO_CURSOR_STATE = {"__ab_no_cursor_state_message": True}
"""State of a full refresh: there is nothing to go on from."""

LIMIT_VARIABLE = "FILE_CDK_HISTORY_LIMIT"
MAX_EXAMPLES = 3


def history_limit(connector: Connector, stream: StreamConfig, environment: Mapping[str, str]) -> int:
    """As the environment has it, else the stream, else the connector, else the default. Raises ConfigError."""
    text = environment.get(LIMIT_VARIABLE)
    if not text:
        return stream.history_limit or connector.history_limit or DEFAULT_HISTORY_LIMIT
    # int() would take "1_0" and digits of other scripts as well.
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise ConfigError(
            f"environment variable {LIMIT_VARIABLE} must be a whole number of files, at least 1",
            remedy="Give a number such as 10000, or unset it",
        )
    return int(text)


@dataclass(slots=True)
class Group:
    """Files that share a fate: how many, and the first of them by name, in whatever order they were listed."""

    files: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, uri: str) -> None:
        self.files += 1
        if len(self.examples) < MAX_EXAMPLES or uri < self.examples[-1]:
            insort(self.examples, uri)
            del self.examples[MAX_EXAMPLES:]

    def __str__(self) -> str:
        shown = [repr(shortened(uri)) for uri in self.examples]
        return f"{self.files:,} ({', '.join(shown)}{', …' if self.files > len(shown) else ''})"


@dataclass(slots=True)
class Untold:
    """Files of one listing of which the state cannot tell whether they were synced."""

    passed_over: Group = field(default_factory=Group)
    taken: Group = field(default_factory=Group)

    def look(self, cursor: Cursor, files: Sequence[RemoteFile], reasons: Sequence[str | None]) -> None:
        """reasons: what the cursor decided for each."""
        if cursor.knows_all:
            return
        for file, reason in zip(files, reasons, strict=True):
            if not cursor.can_tell(file):
                (self.taken if reason is None else self.passed_over).add(file.uri)

    def warning(self, stream: StreamConfig, limit: int) -> str | None:
        """None when the state could tell of every file."""
        fates = []
        if self.passed_over.files:
            fates.append(f"not read, though they may be new: {self.passed_over}")
        if self.taken.files:
            fates.append(f"read, though they may have been before: {self.taken}")
        if not fates:
            return None
        days = stream.days_to_sync_if_history_is_full
        return (
            f"stream {stream.name!r}: the state remembers {limit:,} files and cannot tell whether "
            f"{self.passed_over.files + self.taken.files:,} older ones were synced before; {'; '.join(fates)}. To read more "
            f"late files, raise days_to_sync_if_history_is_full (now {days}); to read fewer twice, lower it; to have every "
            f"file remembered, raise the history limit ({LIMIT_VARIABLE}) above the number of files and do a full refresh"
        )


@dataclass(slots=True)
class History:
    """The files of one stream that were synced, before and by this read. cursor: None for a full refresh, which remembers
    none. limit: how many the cursor remembers."""

    cursor: Cursor | None
    limit: int
    untold: Untold = field(default_factory=Untold)

    @classmethod
    def of(cls, stream: StreamConfig, state: Mapping[str, Any] | None, limit: int, *, incremental: bool) -> "History":
        """As the state of the stream has it. Raises ConfigError for one that is malformed."""
        if not incremental:
            return cls(None, limit)
        days = stream.days_to_sync_if_history_is_full
        now = datetime.now(UTC)
        return cls(Cursor(state, now=now, history_limit=limit, days_to_sync_if_history_is_full=days), limit)

    def __len__(self) -> int:
        return 0 if self.cursor is None else len(self.cursor)

    @property
    def state_bytes(self) -> int:
        """See Cursor.state_bytes."""
        return 0 if self.cursor is None else self.cursor.state_bytes

    def not_synced(self, files: Sequence[RemoteFile]) -> Sequence[str | None]:
        """As a rule of a selection."""
        if self.cursor is None:
            return [None] * len(files)
        reasons = [self.cursor.decide(file) for file in files]
        self.untold.look(self.cursor, files, reasons)
        return reasons

    def add(self, file: RemoteFile) -> bool:
        """All of the file was sent; whether that is remembered."""
        if self.cursor is None:
            return False
        self.cursor.add(file)
        return True

    def leave_unread(self, file: RemoteFile) -> None:
        if self.cursor is not None:
            self.cursor.leave_unread(file)

    def finish(self) -> None:
        """All files were gone through."""
        if self.cursor is not None:
            self.cursor.finish()

    def state(self) -> Mapping[str, Any]:
        return NO_CURSOR_STATE if self.cursor is None else self.cursor.to_state()
