"""What a read has to tell of the slices of one stream, so that a later one can go on with them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.pages import Token
from file_cdk.declarative.scheduling import Begun, PageReady, Resumed, SliceDone
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import slice_key
from file_cdk.declarative.slicing.stream import SlicedStream
from file_cdk.pipeline.apis.progress import Attempt, BegunSlice, Progress, ReadSlice, Reject

_REJECTS = 1_000
"""Maximum of rejected records that are told of one by one in one message; all are counted."""


def gone_on_with(attempt: Attempt, stream: SlicedStream) -> tuple[SlicedStream, Resumed]:
    """The stream with the slices of the attempt, and what is left of them."""
    if attempt.cursor is not None and stream.cursor is not None:
        start, end = map(datetime.fromisoformat, attempt.cursor)
        stream = msgspec.structs.replace(stream, cursor=msgspec.structs.replace(stream.cursor, start=start, end=end))
    done = {key.encode(): _moment(highest) for key, highest in attempt.done.items()}
    begun = {
        each.so_far.key.encode(): Begun(
            Token(each.number, each.value, each.is_next_known, each.anchor), _moment(each.so_far.highest)
        )
        for each in attempt.begun
    }
    return stream, Resumed(done, begun, attempt.seconds)


class SliceTally(msgspec.Struct):
    """begun: those that an earlier run left. can_go_on: whether all rows that came out are of whole slices, or of such as can be
    gone on with, since their token is one that JSON can hold, and has no secret in it: it is kept in the destination."""

    cursor: DatetimeCursor | None
    begun: dict[str, BegunSlice]
    can_go_on: bool = True
    hidden: Callable[[str], str] = str
    _left: set[str] = msgspec.field(default_factory=set)
    """Those that an earlier run left, of which nothing came yet and whose token only the API understands."""
    _done: list[ReadSlice] = msgspec.field(default_factory=list)
    _rejected: list[Reject] = msgspec.field(default_factory=list)
    _slice: Slice | None = None
    _key: str = ""
    _current: ReadSlice = msgspec.field(default_factory=lambda: ReadSlice(""))

    @classmethod
    def of(cls, stream: SlicedStream, attempt: Attempt | None, hidden: Callable[[str], str] = str) -> "SliceTally":
        """stream: as it is read. hidden: takes secrets out of a text."""
        begun = {each.so_far.key: each for each in attempt.begun} if attempt else {}
        return cls(
            stream.cursor, begun, hidden=hidden, _left={key for key, each in begun.items() if not each.is_next_known}
        )

    @property
    def is_partial(self) -> bool:
        return bool(self.begun) or not self.can_go_on

    def page(self, event: PageReady) -> None:
        if self._slice is not event.slice:
            self._slice, self._key = event.slice, slice_key(event.slice).decode()
            begun = self.begun.get(self._key)
            self._current = ReadSlice(self._key) if begun is None else begun.so_far
            self._left.discard(self._key)
        page, so_far = event.page, self._current
        self._current = ReadSlice(
            self._key,
            so_far.pages + 1,
            so_far.records + len(page.records),
            so_far.filtered + page.filtered,
            so_far.rejected + len(page.rejected),
            _text(event.highest),
        )
        for each in page.rejected[: max(0, _REJECTS - len(self._rejected))]:
            self._rejected.append(Reject(self._key, event.number, each.number, each.reason))
        token = page.following
        self.can_go_on = token is not None and self._is_kept(token)
        if token is not None and self.can_go_on:
            self.begun[self._key] = BegunSlice(
                self._current, token.number, token.value, token.anchor, token.is_next_known
            )
        else:
            self.begun.pop(self._key, None)

    def _is_kept(self, token: Token) -> bool:
        """Whether the token comes back from JSON as it was, and may be told."""
        told = [token.value, token.anchor]
        try:
            text = msgspec.json.encode(told).decode()
            return bool(msgspec.json.decode(text) == told) and self.hidden(text) == text
        except (TypeError, ValueError, msgspec.MsgspecError):
            return False

    def done(self, event: SliceDone) -> None:
        key = slice_key(event.slice).decode()
        self.begun.pop(key, None)
        self._left.discard(key)
        self._done.append(self._current if self._slice is event.slice else ReadSlice(key))
        self._slice, self.can_go_on = None, True

    def take(self, *, ended: bool = False, void: bool = False) -> Progress:
        """What there is to tell since it was last called."""
        done, self._done = self._done, []
        rejected, self._rejected = self._rejected, []
        ends = None if self.cursor is None else (self.cursor.start.isoformat(), self.cursor.end.isoformat())
        begun = [] if ended else [*self.begun.values()]
        return Progress(self.is_partial and not ended, done, begun, rejected, ends, ended, void)

    @property
    def waits_for_a_token(self) -> bool:
        """Whether a slice is to be gone on with by a token of the API's own that was not answered yet: the API may have
        forgotten it."""
        return bool(self._left)


def _text(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def attempts_in(text: bytes) -> Mapping[str, Attempt]:
    """By the streams' names. Raises ValueError."""
    return msgspec.json.decode(text, type=dict[str, Attempt])
