"""Whether a sync would work: a stream's root is reached and listed, one of its files opened and read; nothing is loaded."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from file_cdk.core.errors import AccessError, FileAccessError, FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Inspectable
from file_cdk.destinations.registry import destination_for
from file_cdk.engine.listing import list_matching, newer_than
from file_cdk.engine.sampling import sample
from file_cdk.formats.registry import kind_of
from file_cdk.pipeline.decoding import decoder_of
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.first_file import hasty, nothing_to_read
from file_cdk.pipeline.inspection import Everything
from file_cdk.pipeline.sources import NOT_RECOGNISED, SourceStream, extension_hint, format_of, may_be_read

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

    source: SourceStream
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
    _kinds: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self.source = replace(self.source, reader=hasty(self.source.reader))

    @property
    def name(self) -> str:
        return self.source.name

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
        self.credential = self.source.connector.credential(self.source.source)

    def _reach(self) -> None:
        """The listing answers; asking for its first file is the first thing that needs the network."""
        listing = list_matching(self.source.reader, Everything(self.source.matcher))
        first = next(listing, None)
        self._listing = listing if first is None else chain([first], listing)

    def _list(self) -> None:
        for file in self._listing:
            self.listed += 1
            if self.source.matcher.matches(file.uri):
                self._count(file)
            if (self.matched >= MAX_MATCHES and self._wanted) or self.listed >= MAX_LISTED:
                break
        else:
            self.complete = True
        self.file = max(self._wanted, key=lambda file: (file.size_bytes > 0, file.sort_key), default=None)
        if self.file is None and self.complete:
            raise self._nothing_to_read()

    def _nothing_to_read(self) -> AccessError:
        told = ("", self.source.stream.globs, self.skipped, self.source.source.start_date)
        return nothing_to_read(*told, extension_hint()) if self.skipped[NOT_RECOGNISED] else nothing_to_read(*told)

    def _count(self, file: RemoteFile) -> None:
        self.matched += 1
        self.size_bytes += file.size_bytes
        if litter := self.source.matcher.litter(file.uri):
            self.skipped[litter] += 1
            return
        kind = None if file.fault else kind_of(file.uri)
        self._kinds.update([kind] if kind else [])
        if self.source.format is None and not (file.fault or may_be_read(file.uri, kind)):
            self.skipped[NOT_RECOGNISED] += 1
        elif reason := newer_than(self.source.source.start_at)([file])[0]:
            self.skipped[reason] += 1
        else:
            self._wanted.append(file)

    def _open(self) -> None:
        assert self.file is not None
        try:
            with closing(self.source.reader.open(self.file)) as stream:
                stream.read(1)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise FileAccessError(f"the file cannot be read: {reason}", uri=self.file.uri) from exc

    def _read(self, executors: Executors) -> None:
        assert self.file is not None
        chosen = self.source.format or format_of(self._kinds)
        self.format = chosen.filetype if self.source.format else kind_of(self.file.uri)
        decoder, self.note = decoder_of(self.source, chosen, "auto", self._latest)
        executor = executors.for_work(min(self.file.size_bytes, _SAMPLE_BYTES), decoder)
        [schema] = sample(executor, self.source.reader, decoder, [self.file], "table")
        if isinstance(schema, FileCdkError):
            raise schema
        self.columns = [(column.name, str(column.type)) for column in schema]

    def _latest(self, count: int) -> list[RemoteFile]:
        return heapq.nlargest(count, self._wanted, key=lambda file: file.sort_key)


def check_destination(url: str, streams: Sequence[SourceStream]) -> bool | None:
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
        with destination.known(stream.name, stream.origin, stream.folder):
            pass
    return exists
