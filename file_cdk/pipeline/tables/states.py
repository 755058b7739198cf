"""A ledger as the state of the Airbyte protocol, and such a state as a ledger."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import LedgerEntry, LedgerKeeper
from file_cdk.core.ports import LoadedFile
from file_cdk.core.state.cursor import DEFAULT_HISTORY_LIMIT, Cursor
from file_cdk.destinations.registry import destination_for
from file_cdk.engine.listing import list_matching, reasons_to_skip, select
from file_cdk.pipeline.recognition import Recognised
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.stream import Stream
from file_cdk.protocol.state import parse_state


def exported(ledger: LedgerKeeper, stream: str | None = None) -> Iterator[Mapping[str, Any]]:
    """A STATE message for each stream: what a connector is to take for read. Files to be loaded again are left out, and so are
    those of which a newer version failed. Memory: as a Cursor. Raises DestinationError, ConfigError."""
    for status in ledger.streams(stream):
        cursor = Cursor(None, now=datetime.now(UTC), history_limit=DEFAULT_HISTORY_LIMIT)
        for entry in _by_time(ledger, status.stream):
            cursor.add(RemoteFile(entry.url, entry.size_bytes or 0, entry.modified_at))
        cursor.finish()
        descriptor = {"name": status.stream}
        stream_state = {"stream_descriptor": descriptor, "stream_state": cursor.to_state()}
        yield {"type": "STATE", "state": {"type": "STREAM", "stream": stream_state}}


def _by_time(ledger: LedgerKeeper, stream: str) -> Iterator[LedgerEntry]:
    """As they would have been read."""
    found = (each for each in ledger.entries(stream) if each.status == "loaded" and each.size_bytes is not None)
    return iter(sorted(found, key=lambda each: (each.modified_at, each.url)))


@dataclass(frozen=True, slots=True)
class Imported:
    """files: of the source that the state has as read, now in the ledger. left: others, which the next sync loads."""

    stream: str
    files: int
    left: int


def import_state(raw: Any, source: str, destination: str, name: str | None, connector: str | None) -> list[Imported]:
    """Enters those files of SOURCE, as they are now, that a state of the protocol has as read into the ledger, without rows.

    raw: the state's parsed JSON. Raises ConfigError where a stream has files in the ledger already, or the state has none of the
    source's streams; AccessError, TransientError, DestinationError.
    """
    states = parse_state(raw)
    streams = streams_of(source, None, name, connector)
    for stream in streams:
        if stream.name not in states:
            known = ", ".join(map(repr, sorted(states))) or "none"
            raise ConfigError(
                f"the state has no stream {stream.name!r}",
                remedy=f"It has {known}. The stream of a path or URL is named with --table, those of a YAML file in it",
            )
    target = destination_for(destination)
    with closing(target):
        target.open()
        return [_import_stream(stream, states[stream.name], target.table(stream.table)) for stream in streams]


def _import_stream(stream: Stream, state: Mapping[str, Any], table: Any) -> Imported:
    if next(iter(table.loaded()), ()):
        raise ConfigError(
            f"stream {stream.name!r} has files in the ledger already",
            remedy="Import the state before the first sync, or into another table (--table)",
        )
    days = stream.config.days_to_sync_if_history_is_full
    limit = stream.config.history_limit or DEFAULT_HISTORY_LIMIT
    cursor = Cursor(state, now=datetime.now(UTC), history_limit=limit, days_to_sync_if_history_is_full=days)
    rules = stream.rules(recognised=Recognised())
    files = left = 0
    with closing(select(list_matching(stream.reader, stream.matcher), [])) as selection:
        for file in selection:
            if reasons_to_skip([file], rules)[0] is not None:
                continue
            if cursor.decide(file) is None:
                left += 1
                continue
            load = table.begin(file)
            load.commit(LoadedFile(0, skipped=None))
            files += 1
        if refused := table.flush():
            raise DestinationError(refused[0].error.message)
    return Imported(stream.name, files, left)
