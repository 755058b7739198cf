"""Whether a sync would work: a stream's root is reached and listed, one of its files opened and read; nothing is loaded."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial
from itertools import chain

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import AccessError, FileCdkError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Inspectable
from file_cdk.destinations.registry import destination_for
from file_cdk.engine.listing import list_matching, reason_to_skip
from file_cdk.engine.sampling import sample
from file_cdk.formats.registry import kind_of
from file_cdk.pipeline.dialects import format_of_files
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.inspection import Everything
from file_cdk.pipeline.recognition import NOT_RECOGNISED, Recognised, extension_hint, format_of
from file_cdk.pipeline.sourcing.dividing import may_be_divided, streams_divided, tables_known
from file_cdk.pipeline.stream import Stream

MAX_MATCHES = 1000
MAX_LISTED = 100_000
"""Listing ends after so many files that match, if one of them would be read, or so many in all."""

_SAMPLE_BYTES = 1 << 20
"""About what a format reads to find a schema."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. error: why it failed."""

    name: str
    error: FileCdkError | None = None


@dataclass(slots=True)
class StreamCheck:
    """What is known of a stream so far.

    credential: what the connector says that it uses, without secrets. matched, size_bytes: files that match, of `listed`
    that were looked at; of all there are when `complete`. skipped: those of them that a sync would skip, by reason.
    file: the one that is read: of those looked at the last modified, an empty one only where there is no other.
    columns: name and type of each, as read from it. note: what is special about how it is written.
    """

    stream: Stream
    credential: str | None = None
    listed: int = 0
    matched: int = 0
    size_bytes: int = 0
    complete: bool = False
    skipped: Counter[str] = field(default_factory=Counter)
    file: RemoteFile | None = None
    format: str | None = None
    columns: Sequence[tuple[str, str]] = ()
    note: str | None = None
    _listing: Iterator[RemoteFile] = field(default=iter(()), repr=False)
    _wanted: list[RemoteFile] = field(default_factory=list, repr=False)
    _recognised: Recognised = field(default_factory=Recognised, repr=False)

    def __post_init__(self) -> None:
        self.stream = self.stream.hasty()

    @property
    def name(self) -> str:
        return self.stream.name

    def steps(self, executors: Executors) -> Iterator[Step]:
        """Each when it was tried, up to the first that fails; that no file would be read is a failure of the listing.

        Where so many files were listed that no more is looked at, and none of them would be read, none is opened.
        """
        for name, attempt in (
            ("credentials", self._identify),
            ("reach", self._reach),
            ("list", self._list),
            ("open", self._open),
            ("read", partial(self._read, executors)),
        ):
            if name in ("open", "read") and self.file is None:
                return
            try:
                attempt()
            except FileCdkError as exc:
                yield Step(name, exc)
                return
            if name != "credentials" or self.credential is not None:
                yield Step(name)

    def _identify(self) -> None:
        self.credential = self.stream.connector.credential(self.stream.source)

    def _reach(self) -> None:
        """The listing answers; asking for its first file is the first thing that needs the network."""
        listing = list_matching(self.stream.reader, Everything(self.stream.matcher))
        first = next(listing, None)
        self._listing = listing if first is None else chain([first], listing)

    def _list(self) -> None:
        rules = self.stream.rules(recognised=self._recognised)
        for file in self._listing:
            self.listed += 1
            if self.stream.matcher.matches(file.uri):
                self._count(file, reason_to_skip(file, rules))
            if (self.matched >= MAX_MATCHES and self._wanted) or self.listed >= MAX_LISTED:
                break
        else:
            self.complete = True
        self.file = max(self._wanted, key=lambda file: (file.size_bytes > 0, file.sort_key), default=None)
        if self.file is None and self.complete:
            raise self._nothing_to_read()

    def _nothing_to_read(self) -> AccessError:
        remedy = extension_hint() if self.skipped[NOT_RECOGNISED] else None
        return self.stream.nothing_to_read("", self.skipped, remedy)

    def _count(self, file: RemoteFile, reason: str | None) -> None:
        self.matched += 1
        self.size_bytes += file.size_bytes
        if reason is None:
            self._wanted.append(file)
        else:
            self.skipped[reason] += 1

    def _open(self) -> None:
        assert self.file is not None
        self.stream.try_to_open(self.file)

    def _read(self, executors: Executors) -> None:
        assert self.file is not None
        chosen = self.stream.format or format_of(self._recognised.kinds)
        self.format = chosen.filetype if self.stream.format else kind_of(self.file.uri)
        reading = format_of_files(self.stream, chosen, "auto", self._latest)
        file_format, self.note = reading.format, reading.note
        executor = executors.for_work(min(self.file.size_bytes, _SAMPLE_BYTES), file_format)
        [schema] = sample(executor, self.stream.reader, file_format, [self.file], "table")
        if isinstance(schema, FileCdkError):
            raise schema
        self.columns = [(column.name, str(column.type)) for column in schema]

    def _latest(self, count: int) -> list[RemoteFile]:
        return heapq.nlargest(count, self._wanted, key=lambda file: file.sort_key)


def parts_to_check(stream: Stream, url: str | None) -> list[Stream]:
    """One for each table that a sync would load, as far as the first MAX_LISTED files tell. url: of the destination, if there is
    one. What cannot be listed or asked is left to the steps that try it."""
    if not may_be_divided(stream):
        return [stream]
    known: Mapping[str, str] = {}
    with suppress(FileCdkError):
        known = tables_known(stream, None if url is None else destination_for(url))
    try:
        return streams_divided(stream.hasty(), known, limit=MAX_LISTED, with_gone=False)
    except (AccessError, TransientError):
        return [stream]


def check_destination(url: str, streams: Sequence[Stream]) -> bool | None:
    """Whether the destination exists; None where only opening it tells that it works. Leaves it as it is, if it can.

    Raises DestinationError when it cannot be written, ConfigError when it refuses one of the streams.
    """
    destination = destination_for(url)
    if not isinstance(destination, Inspectable):
        destination.open()
        destination.close()
        return None
    exists = destination.check()
    for stream in streams:
        with destination.known(stream.table):
            pass
    return exists
