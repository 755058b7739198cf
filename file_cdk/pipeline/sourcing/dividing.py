"""A source of files of several formats as the streams that a sync makes of it: one for each format and top folder."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from file_cdk.core.errors import ConfigError, SeveralFormatsError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ledger import KnowsTables
from file_cdk.core.uris import is_archive
from file_cdk.engine.listing import list_matching
from file_cdk.formats.registry import kind_of, kinds_of
from file_cdk.pipeline.sourcing.parts import Division, PartOfPatterns
from file_cdk.pipeline.stream import Stream
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns

MAX_TABLES = 100
"""Maximum that are made of a source nobody described: of more, somebody is to say which are wanted."""

_TOLD_TOGETHER = 1000
"""Files whose formats are told at a time."""


def may_be_divided(stream: Stream) -> bool:
    """Whether its files' names say of what format they are, and there may be several."""
    return stream.format is None and not stream.copies and (stream.file is None or is_archive(stream.file))


def tables_known(stream: Stream, destination: object) -> Mapping[str, str]:
    """The tables that earlier syncs made of the source, each with the uri of one of its files."""
    if not may_be_divided(stream) or stream.origin is None or not isinstance(destination, KnowsTables):
        return {}
    return destination.tables_of(stream.origin, stream.name)


def is_divided(stream: Stream, known: Mapping[str, str]) -> bool:
    """Whether an earlier sync made several tables of the source: then its files stay in these, whatever others there are."""
    return bool(_parts_known(_division(stream, {}), known))


def streams_divided(
    stream: Stream,
    known: Mapping[str, str],
    files: Iterable[RemoteFile] | None = None,
    limit: int | None = None,
    *,
    with_gone: bool = True,
) -> list[Stream]:
    """One stream for each table, by name; the stream itself where its files are all of one format, and always were.

    files: of the listing, which is asked for where it is None. limit: how many are looked at. with_gone: also for tables of which
    no file is there any more. Raises ConfigError where there would be too many tables.
    """
    if not may_be_divided(stream):
        return [stream]
    division = _division(stream, known)
    tops = _parts_known(_division(stream, {}), known)
    if division.whole is not None:
        tops[stream.name] = ""
    earlier = min(tops, default=None)
    listed = list_matching(stream.reader, stream.matcher) if files is None else files
    formats, listed_tables = set[str](), set[str]()
    for file in _telling_more(islice(listed, limit), division.whole, formats):
        kind = None if file.fault else kind_of(file.uri)
        if kind is None:
            continue
        table = division.table_of_kind(file.uri, kind)
        if kind in formats and table in listed_tables:
            continue  # as nearly all; what follows would change nothing
        if stream.matcher.litter(file.uri) is not None:
            continue
        formats.add(kind)
        listed_tables.add(table)
        tops.setdefault(table, "" if kind == division.whole else division.top_of(file.uri))
        if len(tops) > MAX_TABLES and (len(formats) > 1 or earlier is not None):
            raise _too_many(stream, formats)
    if len(formats) < 2 and (earlier is None or tops.keys() == {stream.name}):
        return [stream]
    _check_cases(tops)
    rest = earlier or min(tops)
    if not with_gone:
        tops = {table: top for table, top in tops.items() if table in listed_tables}
    return [_part(stream, division, table, tops[table], takes_rest=table == rest) for table in sorted(tops)]


def _telling_more(files: Iterable[RemoteFile], whole: str | None, formats: Collection[str]) -> Iterator[RemoteFile]:
    """Without those that are all in one table because of their format, once that was met. formats: those met so far."""
    remaining = iter(files)
    while some := list(islice(remaining, _TOLD_TOGETHER)):
        if whole not in formats or kinds_of([file.uri for file in some]) != {whole}:
            yield from some


def in_parts(
    stream: Stream, destination: object, warn: Callable[[str], None], load: Callable[[Stream, bool], None]
) -> None:
    """Calls `load` with the stream, or with those that it is divided into, and whether that are several. Divided it is where an
    earlier sync did so, or where `load` raises SeveralFormatsError, after the listing and before all else: so a source of one
    format is listed once."""
    known = tables_known(stream, destination)
    if not _parts_known(_division(stream, {}), known):
        try:
            return load(stream, False)
        except SeveralFormatsError:
            if not may_be_divided(stream):
                raise
    parts = streams_divided(stream, known)
    if isinstance(destination, KnowsTables) and stream.name not in (part.name for part in parts):
        destination.forget_table(stream.name)
    _tell(stream, parts, known, warn)
    for part in parts:
        load(part, True)
    return None


def all_parts(streams: Sequence[Stream], warn: Callable[[str], None]) -> list[Stream]:
    """Of streams that no destination knows; each is listed for that."""
    parts: list[Stream] = []
    for stream in streams:
        divided = streams_divided(stream, {})
        _tell(stream, divided, {}, warn)
        parts += divided
    return parts


def _tell(stream: Stream, parts: Sequence[Stream], known: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Where some of them are new."""
    new = [part.name for part in parts if part.name not in known]
    if len(parts) > 1 and new:
        noun = "table is" if len(new) == 1 else "tables are"
        names = ", ".join(new)
        what = "the files are of several formats, so that each format in each top folder has a table"
        warn(f"{stream.name}: {what}; the new {noun} {names}")


def _division(stream: Stream, known: Mapping[str, str]) -> Division:
    base = stream.base if stream.file is None else f"{stream.file}!"
    sample = known.get(stream.name)
    return Division(stream.name, base, None if sample is None else kind_of(sample))


def _parts_known(division: Division, known: Mapping[str, str]) -> dict[str, str]:
    """The top folder of each table that is one of such a division's."""
    return {
        table: division.top_of(uri)
        for table, uri in known.items()
        if uri.startswith(division.base) and division.table_of(uri) == table
    }


def _part(stream: Stream, division: Division, table: str, top: str, *, takes_rest: bool) -> Stream:
    patterns = stream.matcher
    assert isinstance(patterns, GlobPatterns)
    matcher = PartOfPatterns(patterns, division, table, top, takes_rest)
    reader = stream.reader
    if isinstance(reader, ArchiveReader):
        reader = replace(reader, matcher=matcher)
    return replace(stream, config=stream.config.replace(name=table), matcher=matcher, reader=reader)


def _check_cases(tables: Iterable[str]) -> None:
    """Raises ConfigError: databases do not tell names apart by the case of their letters."""
    met: dict[str, str] = {}
    for table in sorted(tables):
        if (other := met.setdefault(table.casefold(), table)) != table:
            raise ConfigError(
                f"the folders of the source give two tables the same name: {other!r} and {table!r}",
                remedy="Rename one of the folders, sync each by itself, or name the streams in a YAML file",
            )


def _too_many(stream: Stream, formats: set[str]) -> ConfigError:
    return ConfigError(
        f"the files are of several formats ({', '.join(sorted(formats))}), and a table for each format and top folder would be "
        f"more than {MAX_TABLES} tables",
        remedy=f"Sync one format at a time with a pattern such as '{stream.name}/**/*.csv', name the format with --format, or "
        "describe the streams in a YAML file (docs/guide/sync.md)",
    )
