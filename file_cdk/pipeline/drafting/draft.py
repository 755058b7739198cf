"""A configuration of the streams that a bucket or folder has, from a listing and the beginnings of a few files of each."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import field
from itertools import islice
from typing import Any

from file_cdk.core.config import FormatConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError
from file_cdk.core.files import RemoteFile
from file_cdk.engine.listing import list_matching, reasons_to_skip, select
from file_cdk.formats.registry import kind_of
from file_cdk.pipeline.dialects import format_of_files
from file_cdk.pipeline.drafting.grouping import Group, Look, grouped, merged
from file_cdk.pipeline.drafting.patterns import Universe, common_folders, patterns_for, shared_stem
from file_cdk.pipeline.drafting.plain import Referring, plain, secrets_of
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.recognition import NOT_RECOGNISED, Recognised, default_format, extension_hint
from file_cdk.pipeline.sources import scheme_of, streams_of
from file_cdk.pipeline.stream import FolderKeys, Stream
from file_cdk.pipeline.tables.exploring import explore
from file_cdk.pipeline.tables.options import SyncOptions

MAX_LISTED = 100_000
"""Files after which listing ends."""

_SAMPLED = 5
"""Files of a group in which columns are looked for, the latest."""

_SNIFFED = 20
"""Files of a group of each of which it is told how it is written, the latest."""

_NAMES_SHOWN = 3
_NO_WORD = re.compile(r"\W+")
_NO_NAMES = frozenset({"part", "data", "file", "export", "output"})
"""What many files are called, of whatever they are."""


@dataclass(slots=True)
class StreamDraft:
    """settings: of the stream, as a configuration has them. example: one of the files. columns: type by name. dialect, notes: as
    in Look."""

    settings: Mapping[str, Any]
    files: int
    size_bytes: int
    example: str
    columns: Mapping[str, str]
    dialect: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """settings: of the source, without streams. name: what the configuration may be called. variables: of the environment that
    it refers to, and for which settings. secrets: settings that are not set and hold a secret. left_out: names of a few
    files, by the reason why they are in no stream; counts: how many these are. complete: all files were listed."""

    name: str
    source: str
    settings: Mapping[str, Any]
    variables: Mapping[str, str]
    secrets: list[str]
    streams: list[StreamDraft]
    left_out: dict[str, list[str]]
    counts: Counter[str]
    listed: int
    complete: bool


def draft_of(source: str, filetype: str | None = None) -> Draft:
    """source: a path or URL, but no configuration. Raises ConfigError, and AccessError where no file would be read."""
    [stream, *others] = streams_of(source, filetype, None)
    if others or not stream.finds_dialect:
        raise ConfigError(
            "SOURCE is a configuration already", remedy="Name the bucket or folder, or sync the configuration"
        )
    stream = stream.hasty()
    listing = _Listing(stream)
    listing.take()
    if not listing.read:
        remedy = extension_hint() if NOT_RECOGNISED in listing.counts else None
        raise stream.nothing_to_read("", listing.counts, remedy)
    with closing(Executors(None)) as executors:
        looked_at = [each for group in grouped(listing.kinds()) for each in _looked_at(stream, group, executors)]
    tables = merged(looked_at)
    universe = Universe([file.uri for file in (*listing.read, *listing.unknown)])
    names = _Names(stream.name if len(tables) == 1 else None)
    scheme = scheme_of(source)
    referring = Referring(scheme)
    settings = {name: value for name, value in plain(stream.source, referring).items() if name != "streams"}
    return Draft(
        name=stream.name,
        source=scheme,
        settings=settings,
        variables=referring.variables,
        secrets=secrets_of(type(stream.source)),
        streams=[_stream_draft(table, universe, names) for table in tables],
        left_out=listing.examples,
        counts=listing.counts,
        listed=listing.listed,
        complete=listing.complete,
    )


@dataclass(slots=True)
class _Listing:
    """Of a stream's files: those that are read; those of no known extension, which a pattern may match by mistake; and how many
    are left out, by reason, with the first names."""

    stream: Stream
    read: list[RemoteFile] = field(default_factory=list)
    unknown: list[RemoteFile] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    listed: int = 0
    complete: bool = True

    def take(self) -> None:
        rules = self.stream.rules(recognised=Recognised())
        found = list_matching(self.stream.reader, self.stream.matcher)
        files = list(islice(found, MAX_LISTED))
        self.listed, self.complete = len(files), next(found, None) is None
        for file, reason in zip(files, reasons_to_skip(files, rules), strict=True):
            if reason is None and self.stream.format is None and kind_of(file.uri) is None:
                reason = "an archive that cannot be opened"
            if reason is None:
                self.read.append(file)
                continue
            self.counts[reason] += 1
            if reason == NOT_RECOGNISED:
                self.unknown.append(file)
            if len(names := self.examples.setdefault(reason, [])) < _NAMES_SHOWN:
                names.append(file.uri)

    def kinds(self) -> Iterator[tuple[RemoteFile, str]]:
        """Each file that is read, and what it is read as."""
        said = self.stream.format
        return ((file, str(kind_of(file.uri)) if said is None else said.filetype) for file in self.read)


def _looked_at(stream: Stream, group: Group, executors: Executors) -> Iterator[Group]:
    """The group, with what was found in its latest files; several where these are not written alike."""
    chosen = stream.format or default_format(group.kind)
    latest = sorted(group.files, key=lambda file: (file.size_bytes > 0, file.sort_key))[-_SNIFFED:]
    written: dict[str, Group] = {}
    for file in reversed(latest):
        options = format_of_files(stream, chosen, "auto", lambda _, file=file: [file]).options  # type: ignore[misc]
        written.setdefault(json.dumps(options, sort_keys=True), Group(group.kind)).add(file)
    [usual, *_] = sorted(written.values(), key=lambda each: -len(each.files))
    known = {file.uri for file in latest}
    for file in group.files:
        if file.uri not in known:
            usual.add(file)
    for each in written.values():
        each.look = _look(stream, chosen, each, executors)
        yield each


def _look(stream: Stream, chosen: FormatConfig, group: Group, executors: Executors) -> Look:
    latest = sorted(group.files, key=lambda file: (file.size_bytes > 0, file.sort_key))[-_SAMPLED:]
    with closing(select(iter(latest), [])) as selection:
        found = explore(stream, chosen, selection, None, SyncOptions(), executors)
    notes = tuple(f"cannot be read: {error}" for error in found.unreadable)
    columns = {column.name: str(column.type) for column in found.definition.schema}
    sniffed = found.reading.sniffed
    if sniffed is None:
        return Look(columns, plain(chosen, Referring("")), notes=notes)
    has_names = sniffed.config.header_definition.header_definition_type != "Autogenerated"
    described = None if found.reading.is_usual else f"{sniffed.describe()}: {sniffed.reason}"
    return Look(columns, found.reading.options, described, has_names, notes)


def _stream_draft(group: Group, universe: Universe, names: "_Names") -> StreamDraft:
    uris, look = {file.uri for file in group.files}, group.look
    globs, notes = patterns_for(uris, group.places, universe), list(look.notes)
    if not universe.are_exact(globs, uris):
        notes.append("no pattern tells all of these files from the others: look at globs")
    settings: dict[str, Any] = {"name": names.of(group), "globs": globs, "format": dict(look.options)}
    keys = FolderKeys(tuple)
    keys(group.files)
    if folders := sorted(keys.besides(look.columns)):
        settings["path_partitions"] = True
        notes.append(f"folders give the column{'s' if len(folders) > 1 else ''} {', '.join(folders)}")
    return StreamDraft(
        settings, len(group.files), group.size_bytes, group.latest.uri, look.columns, look.described, notes
    )


@dataclass(slots=True)
class _Names:
    """Of streams, each another. only: of the only one."""

    only: str | None
    taken: set[str] = field(default_factory=set)

    def of(self, group: Group) -> str:
        wanted = self.only or next(filter(None, map(_name_in, self._candidates(group))), group.kind)
        name, number = wanted, 1
        while name.casefold() in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name.casefold())
        return name

    def _candidates(self, group: Group) -> Iterator[str]:
        """The folder that is on the way to all its files, if they are in several; what all are called; the last folder."""
        stems = {place.stem for place in group.places}
        folders = {place.folders for place in group.places}
        shared = reversed(common_folders(list(folders)))
        if len(folders) > 1:
            yield from shared
        if len(stems) == 1:
            yield from stems
        yield from shared
        if len(last := {place.folders[-1] for place in group.places if place.folders}) == 1:
            yield from last
        yield shared_stem(list(stems))


def _name_in(pattern: str) -> str:
    """What there is of words in it."""
    words = _NO_WORD.sub("_", pattern).strip("_")
    return "" if "=" in pattern or words.isdigit() or words in _NO_NAMES else words
