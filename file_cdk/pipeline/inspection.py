"""Which files a sync would read, and why it would skip the others. Nothing is opened to write, and no file is read."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Inspectable, Known, Matcher, StreamReader
from file_cdk.core.uris import redacted
from file_cdk.destinations.registry import destination_for
from file_cdk.engine.listing import (
    BY_TIME,
    BY_URI,
    CHUNK_FILES,
    Decide,
    Selection,
    list_matching,
    reasons_to_skip,
    select,
)
from file_cdk.formats.registry import kind_of
from file_cdk.pipeline.recognition import NOT_RECOGNISED, Recognised, extension_hint, format_of
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.sourcing.dividing import is_divided, may_be_divided, streams_divided, tables_known
from file_cdk.pipeline.sourcing.parts import PartOfPatterns
from file_cdk.pipeline.stream import NO_PATTERN_MATCHES, Stream, check_settle, not_loaded
from file_cdk.readers.archives.reader import ArchiveReader, MatchesMembers

_UNSORTED_AT_ONCE = 1000
"""Files of a listing that is not sorted, to be told of soon; each asks the ledger once more, which takes as long as it is."""

Seen = Callable[[RemoteFile], None]
"""Told of each file as it is listed, before it is known what comes of it."""


class Order(StrEnum):
    """modified: in which a sync reads. none: as the store lists them, each as soon as it is known."""

    MODIFIED = "modified"
    URI = "uri"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class InspectionOptions:
    """filetype, stream, connector, since, until, settle_s, only: as SyncOptions. destination: whose ledger is asked what is
    loaded; None: nothing is.

    everything: also files below the listing prefixes that no pattern matches.
    """

    filetype: str | None = None
    stream: str | None = None
    connector: str | None = None
    destination: str | None = None
    everything: bool = False
    since: datetime | None = None
    until: datetime | None = None
    settle_s: float | None = None
    order: Order = Order.MODIFIED
    only: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_settle(self.settle_s or 0)


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """format: what it is read as, as `--format` takes it; None for what has no known extension. reason: why it would be
    skipped; None when it would be read."""

    stream: str
    file: RemoteFile
    format: str | None
    reason: str | None


Decided = tuple[Sequence[RemoteFile], Sequence[str | None]]
"""Files, and for each why it would be skipped; None when it would be read."""


@dataclass(slots=True)
class Inspection:
    """One stream's files. The counts are of the chunks that were yielded, and complete when all were."""

    stream: Stream
    options: InspectionOptions
    destination: Inspectable | None = None
    files_read: int = 0
    size_bytes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    recognised: Recognised = field(default_factory=Recognised)
    listed: Selection | None = None
    """The listing, where it was made already."""

    def parts(self, opened: ExitStack, seen: Seen | None = None) -> list["Inspection"]:
        """One for each table that a sync would make of the stream's files, which are listed for that, unless each file is to be
        told of as soon as it is known and no sync has divided the source yet. opened: closes what they share."""
        if not may_be_divided(self.stream):
            return [self]
        known = tables_known(self.stream, self.destination)
        if self.options.order is Order.NONE and not is_divided(self.stream, known):
            return [self]
        self.listed = self._sorted(self._found(seen), opened)
        wanted: Iterable[RemoteFile] = self.listed
        if self.options.everything:  # else what no pattern matches is not listed
            wanted = (file for file in self.listed if self.stream.matcher.matches(file.uri))
        parts = streams_divided(self.stream, known, wanted)
        return [Inspection(part, self.options, self.destination, listed=self.listed) for part in parts]

    def files(self, seen: Seen) -> Generator[InspectedFile, None, None]:
        """As `decided`, each with its format."""
        with closing(self.decided(seen)) as chunks:
            for chunk in chunks:
                for file, reason in zip(*chunk, strict=True):
                    kind = None if file.fault else self._format(file.uri)
                    yield InspectedFile(self.stream.name, file, kind, reason)

    def decided(self, seen: Seen | None = None) -> Generator[Decided, None, None]:
        """In the order that was asked for, chunk by chunk; memory stays bounded. Close it to drop what it holds before its end.

        Raises AccessError, TransientError, DestinationError and ConfigError, as a sync does.
        """
        with ExitStack() as opened:
            rules = self._rules(opened.enter_context(self._known()))
            found = self._found(seen)
            at_once = _UNSORTED_AT_ONCE
            if self.options.order is not Order.NONE:
                at_once = CHUNK_FILES
                if self.listed is None:  # else it is of what is sorted
                    found = iter(self._sorted(found, opened))
            while files := list(islice(found, at_once)):
                reasons = reasons_to_skip(files, rules)
                self._count(files, reasons)
                yield files, reasons

    def warnings(self) -> Iterator[str]:
        """What a person should know who is surprised."""
        matched = self.files_read + self.skipped.total() - self.skipped[NO_PATTERN_MATCHES]
        if not matched and isinstance(self.stream.matcher, PartOfPatterns):
            yield "no file of this table is there any more"
        elif not matched:
            yield f"no file matches {', '.join(map(repr, self.stream.config.globs))}"
        elif self.skipped[NOT_RECOGNISED] == matched:
            yield f"no file has a known extension. {extension_hint()}"
        if self.stream.format is None:
            try:
                format_of(self.recognised.kinds)
            except ConfigError as exc:
                yield f"a sync would make several tables: {exc.message}" if may_be_divided(self.stream) else str(exc)

    def _known(self) -> AbstractContextManager[Known | None]:
        if self.destination is None:
            return nullcontext()
        return self.destination.known(self.stream.table)

    def _found(self, seen: Seen | None) -> Iterator[RemoteFile]:
        if self.listed is not None:
            is_part = isinstance(self.stream.matcher, PartOfPatterns)
            return filter(self._is_own, self.listed) if is_part else iter(self.listed)
        reader = self.stream.reader
        matcher: Matcher = self.stream.matcher
        if self.options.everything:
            matcher = everything = Everything(self.stream.matcher)
            reader = _with_all_members(reader, everything)
        files = list_matching(reader, matcher)
        return files if seen is None else _telling(files, seen)

    def _is_own(self, file: RemoteFile) -> bool:
        """Of what was listed for all parts of a source; of what no pattern matches, one of them tells."""
        matcher = self.stream.matcher
        assert isinstance(matcher, PartOfPatterns)
        return matcher.matches(file.uri) or (matcher.takes_rest and not matcher.patterns.matches(file.uri))

    def _sorted(self, files: Iterator[RemoteFile], opened: ExitStack) -> Selection:
        selection = select(files, [], key=BY_URI if self.options.order is Order.URI else BY_TIME)
        opened.callback(selection.close)
        return selection

    def _rules(self, known: Known | None) -> list[Decide]:
        loaded = None if known is None else not_loaded(known)
        return self.stream.rules(loaded, recognised=self.recognised, lists_all=self.options.everything)

    def _format(self, uri: str) -> str | None:
        return kind_of(uri) if self.stream.format is None else self.stream.format.filetype

    def _count(self, files: Sequence[RemoteFile], reasons: Sequence[str | None]) -> None:
        by_reason = Counter(reasons)
        if read := by_reason.pop(None, 0):
            self.files_read += read
            self.size_bytes += sum([file.size_bytes for file, reason in zip(files, reasons, strict=True) if not reason])
        self.skipped.update({reason: count for reason, count in by_reason.items() if reason is not None})


def _telling(files: Iterator[RemoteFile], seen: Seen) -> Iterator[RemoteFile]:
    for file in files:
        seen(file)
        yield file


def inspections_of(source: str, options: InspectionOptions) -> list[Inspection]:
    """One for each stream that SOURCE stands for. Raises ConfigError, or AccessError when nothing is there."""
    found = streams_of(source, options.filetype, options.stream, options.connector, only=options.only)
    streams = [
        replace(stream, since=options.since, until=options.until, settle_s=options.settle_s or 0) for stream in found
    ]
    destination = None if options.destination is None else _inspectable(options.destination)
    return [Inspection(stream, options, destination) for stream in streams]


def _inspectable(url: str) -> Inspectable:
    destination = destination_for(url)
    if not isinstance(destination, Inspectable):
        raise ConfigError(
            f"{redacted(url)!r} cannot say what is loaded without being opened to write", remedy="Omit --to"
        )
    return destination


@dataclass(frozen=True, slots=True)
class Everything:
    """The listing of `wanted`, unfiltered: a Matcher, and what opens the archives that `wanted` does."""

    wanted: MatchesMembers

    @property
    def prefixes(self) -> tuple[str, ...]:
        return self.wanted.prefixes

    def matches(self, uri: str) -> bool:  # noqa: ARG002 - the port's name
        return True

    def opens(self, archive_uri: str) -> bool:
        return self.wanted.opens(archive_uri)


def _with_all_members(reader: StreamReader, matcher: Everything) -> StreamReader:
    if not isinstance(reader, ArchiveReader):
        return reader
    return replace(reader, matcher=matcher)
