"""A stream, and the one place that says which of its files are read, and why others are not."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from file_cdk.core.config import (
    FileTransfer,
    FormatConfig,
    SourceConfig,
    StreamConfig,
    ValidationPolicy,
    parse_config,
    unknown_keys,
)
from file_cdk.core.connector import Connector
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import AccessError, ConfigError, FileAccessError
from file_cdk.core.files import RemoteFile
from file_cdk.core.memory_ports import FetchesAhead
from file_cdk.core.ports import MergeRule, StreamReader, TableName
from file_cdk.core.system.memory import MemoryShares
from file_cdk.core.uris import is_archive
from file_cdk.engine.listing import (
    ALREADY_LOADED,
    BEFORE_START_DATE,
    Decide,
    list_matching,
    newer_than,
    reason_to_skip,
)
from file_cdk.formats.path_columns import folder_values
from file_cdk.formats.registry import require_format
from file_cdk.pipeline.recognition import Recognised
from file_cdk.readers.archives.reader import ArchiveReader, MatchesMembers
from file_cdk.readers.globbing import GlobPatterns
from file_cdk.readers.litter import may_have_litter

NO_PATTERN_MATCHES = "no pattern matches"
BEFORE_SINCE = "modified before --since"
FROM_UNTIL = "modified at or after --until"
NOT_SETTLED = "modified less than --settle ago"
NOT_NAMED = "not among the files that are asked for"


class StreamMatcher(MatchesMembers, Protocol):
    """As GlobPatterns does."""

    def litter(self, uri: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream reads, and where from.

    format: None until the files' extensions have told it, or where files are only copied. copies: files go out as they are;
    an archive is one file, and nothing is taken for litter. since, until: of the files, those are read that were modified at
    or after the one and before the other. settle_s: and not less than so long ago. finds_dialect: no configuration says how
    its CSV files are written. finds_partitions: `key=value` folders become columns though no configuration says so. file: the
    one file that a person named, if they did. folder: where the stream is named after a folder or file below the root, what
    the uris of all its files begin with. base: the folder that is on the way to all files, whatever the stream is called. merge:
    by which rule its table is merged.
    """

    connector: Connector
    source: SourceConfig
    config: StreamConfig
    matcher: StreamMatcher
    reader: StreamReader
    format: FormatConfig | None
    copies: bool = False
    since: datetime | None = None
    until: datetime | None = None
    settle_s: float = 0
    only: frozenset[str] | None = None
    finds_dialect: bool = False
    finds_partitions: bool = False
    file: str | None = None
    folder: str = ""
    base: str = ""
    merge: MergeRule | None = None

    @classmethod
    def of(cls, connector: Connector, source: SourceConfig, config: StreamConfig, reader: StreamReader) -> "Stream":
        """As a configuration has it. reader: the connector's own. Raises ConfigError for patterns that cannot be used."""
        matcher = GlobPatterns(config.globs, config.legacy_prefix)
        if isinstance(source.delivery_method, FileTransfer):
            return cls(connector, source, config, matcher, reader, None, copies=True)
        with_archives = ArchiveReader(reader, matcher, config.max_expansion_ratio)
        merge = MergeRule(tuple(config.key_columns), config.cursor, config.deleted) if config.mode == "merge" else None
        return cls(connector, source, config, matcher, with_archives, config.format, merge=merge)

    def within(self, memory: MemoryShares) -> "Stream":
        """The same, of which no process fetches more ahead than its share."""
        match self.reader:
            case ArchiveReader(inner=FetchesAhead() as inner):
                reader = replace(self.reader, inner=inner.fetching_ahead(memory.ahead_bytes))
                return replace(self, reader=reader)
            case _:
                return self

    @property
    def connectors_reader(self) -> StreamReader:
        """Without the archives."""
        return self.reader.inner if isinstance(self.reader, ArchiveReader) else self.reader

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def origin(self) -> str | None:
        """The root that uris are relative to; see Connector.origin."""
        return self.connector.origin(self.source)

    @property
    def table(self) -> TableName:
        return TableName(self.name, self.origin, self.folder, self.merge)

    def rules(
        self,
        loaded: Decide | None = None,
        *,
        recognised: Recognised | None = None,
        present: Decide | None = None,
        wanted: Decide | None = None,
        selected: Sequence[Decide] = (),
        lists_all: bool = False,
    ) -> list[Decide]:
        """Whether a listed file is read, and why not, asked in turn: the first that has a reason skips the file.

        loaded: skips what was read before. recognised: keeps the formats of files where the configuration has none.
        present, wanted and selected skip nothing: they are told of every file, of those that are read or were before, and of
        those that are read.
        lists_all: the listing holds files that no pattern matches.
        """
        rules: list[Decide | None] = [
            present,
            self._matched if lists_all else None,
            None if self.only is None else self._named,
            None if self.copies else no_litter(self.matcher),
            (recognised or Recognised()) if self.format is None and not self.copies else None,
            newer_than(self.source.start_at),
            None if self.since is None and self.until is None else self._in_period,
            wanted,
            loaded,
            settled(self.settle_s) if self.settle_s else None,
            *selected,
        ]
        return [rule for rule in rules if rule is not None]

    def files(self, *, in_order: bool = False) -> Iterator[RemoteFile]:
        """Those that are read by whoever has read none before, as the store lists them; see list_matching."""
        rules = self.rules()
        files = list_matching(self.reader, self.matcher, in_order=in_order)
        return (file for file in files if reason_to_skip(file, rules) is None)

    def first_file(self, *, in_order: bool = False) -> RemoteFile:
        """The first of `files`. Raises AccessError, which says what to look at, when there is none."""
        rules = self.rules()
        skipped = Counter[str]()
        for file in list_matching(self.reader, self.matcher, in_order=in_order):
            reason = reason_to_skip(file, rules)
            if reason is None:
                return file
            skipped[reason] += 1
        raise self.nothing_to_read(f"stream {self.name!r}: ", skipped)

    def nothing_to_read(self, whose: str, skipped: Mapping[str, int], remedy: str | None = None) -> AccessError:
        """whose: the stream, as the message begins. skipped: how many files match, by the reason why they would not be read.
        remedy: for reasons of several kinds."""
        patterns = ", ".join(map(repr, self.config.globs))
        matched = sum(skipped.values())
        if not matched:
            return AccessError(
                f"{whose}no file matches {patterns}",
                remedy="Check that the files are there and that the patterns, which are relative to the root, are theirs",
            )
        if skipped.get(BEFORE_START_DATE) != matched:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
            return AccessError(
                f"{whose}no file would be read of the {matched:,} that match {patterns}: {reasons}",
                remedy=remedy or "Check that these are the files that are meant",
            )
        those = (
            f"the one file that matches {patterns} was"
            if matched == 1
            else f"all {matched:,} that match {patterns} were"
        )
        return AccessError(
            f"{whose}no file would be read: {those} modified before start_date, {self.source.start_date}",
            remedy="Set an earlier start_date, or check that newer files are where the patterns look",
        )

    def warning_of_nothing(self) -> str | None:
        """What to say where the listing has no file; nothing, where that is counted otherwise. Raises AccessError where one file
        was named."""
        if self.file is not None and not self.is_archive_without_members():
            raise AccessError(f"there is no file {self.file!r} in {self.origin}")
        # Of a table of several, the files are gone.
        is_whole = isinstance(self.matcher, GlobPatterns)
        return f"no file matches {', '.join(map(repr, self.config.globs))}" if is_whole else None

    def try_to_open(self, file: RemoteFile) -> None:
        """Reads one byte of it. Raises what opening raises, FileAccessError for errors of the operating system."""
        try:
            with closing(self.reader.open(file)) as opened:
                opened.read(1)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise FileAccessError(f"the file cannot be read: {reason}", uri=file.uri) from exc

    def is_archive_without_members(self) -> bool:
        """Whether the one file that was named is an archive, and is there: none of its members may be wanted."""
        if self.file is None or not is_archive(self.file) or not isinstance(self.reader, ArchiveReader):
            return False
        return any(found.uri == self.file for found in self.reader.inner.list_files(self.file))

    def hasty(self) -> "Stream":
        """The same stream, but that it gives up soon on a store that does not answer, where it would try again."""
        return replace(self, reader=_hasty(self.reader))

    def _in_period(self, files: Sequence[RemoteFile]) -> list[str | None]:
        since, until = self.since, self.until
        return [
            BEFORE_SINCE
            if since is not None and file.modified_at < since
            else FROM_UNTIL
            if until is not None and file.modified_at >= until
            else None
            for file in files
        ]

    def _named(self, files: Sequence[RemoteFile]) -> list[str | None]:
        only = self.only or ()
        return [None if file.uri in only else NOT_NAMED for file in files]

    def _matched(self, files: Sequence[RemoteFile]) -> list[str | None]:
        matches = self.matcher.matches
        return [None if matches(file.uri) or file.is_closed_folder else NO_PATTERN_MATCHES for file in files]


def _hasty(reader: StreamReader) -> StreamReader:
    from file_cdk.readers.objects import ObjectReader  # only a check asks for it
    from file_cdk.readers.retries import HASTY

    match reader:
        case ArchiveReader():
            return replace(reader, inner=_hasty(reader.inner))
        case ObjectReader():
            return replace(reader, retries=HASTY)
    return reader


def no_litter(matcher: StreamMatcher) -> Decide:
    """Passes over what other programs leave beside the data; see GlobPatterns.litter."""

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        uris = [file.uri for file in files]
        return list(map(matcher.litter, uris)) if may_have_litter(uris) else [None] * len(uris)

    return decide


def not_loaded(unloaded: Callable[[Sequence[RemoteFile]], Sequence[bool]]) -> Decide:
    """unloaded: for each file, whether the ledger does not have it as loaded."""

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        return [None if wanted else ALREADY_LOADED for wanted in unloaded(files)]

    return decide


MAX_SETTLE_S = 1e9
"""Maximum that files can be asked to be old, in seconds: 31 years. Times before the first year cannot be told."""


def check_settle(settle_s: float) -> None:
    """Raises ConfigError."""
    if not 0 <= settle_s <= MAX_SETTLE_S:
        raise ConfigError("the time that files have to settle must be a number of seconds, 0 or more")


def settled(settle_s: float) -> Decide:
    """Leaves for later what was modified less than `settle_s` before now: somebody may be at work on it."""
    latest = datetime.now(UTC) - timedelta(seconds=settle_s)

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        return [None if file.modified_at <= latest else NOT_SETTLED for file in files]

    return decide


class FolderKeys:
    """The keys of `key=value` folders that are columns: those that the folders of every file have, and those that the table
    has already.

    A rule that skips nothing, to be asked before the one that leaves out what is loaded. A file without a key of the table
    has no value there, and does not take it from the others. table: asks for the table's columns, where a folder has a key.
    """

    def __init__(self, table: Callable[[], Collection[str]]) -> None:
        self._columns = table
        self._common: frozenset[str] | None = None
        self._of_table: frozenset[str] = frozenset()
        self._last_folder: str | None = None

    def __call__(self, files: Sequence[RemoteFile]) -> list[str | None]:
        for file in files:
            folder = file.uri.rpartition("/")[0]
            if folder == self._last_folder:
                continue
            self._last_folder = folder
            keys = frozenset(filter(None, folder_values(file.uri)))
            self._common = keys if self._common is None else self._common & keys
            if keys:
                self._of_table |= keys & self._table
        return [None] * len(files)

    @cached_property
    def _table(self) -> frozenset[str]:
        return frozenset(self._columns())

    def besides(self, columns: Collection[str]) -> frozenset[str]:
        """Without those that the files themselves have as columns, in any case of letters: what is in a file counts."""
        own = {name.casefold() for name in columns}
        keys = (self._common or frozenset()) | self._of_table
        return frozenset(key for key in keys if key.casefold() not in own)


def configured(connector: Connector, raw: Mapping[str, Any]) -> tuple[SourceConfig, list[str]]:
    """The validated configuration, and warnings about keys that it ignores. Raises ConfigError."""
    config = parse_config(connector.config_class, raw)
    require_supported(config)
    return config, [f"configuration key {key} means nothing here and is ignored" for key in unknown_keys(config, raw)]


def require_supported(config: SourceConfig, *, loads_tables: bool = False) -> None:
    """Raises ConfigError naming the option that this version does not do. loads_tables: records go into tables, not out by
    the protocol."""
    if isinstance(config.delivery_method, FileTransfer):
        if loads_tables:
            raise ConfigError(
                "delivery_method use_file_transfer is for the Airbyte protocol",
                remedy="Leave it out: a table has records, not files",
            )
        return  # no file is looked into, so any format will do
    for stream in config.streams:
        require_format(stream.format.filetype)
        if not loads_tables and stream.on_delete is not None:
            raise ConfigError(
                f"stream {stream.name!r}: on_delete is for tables",
                remedy="Leave it out: the protocol tells of no deleted files",
            )
        if not loads_tables and stream.mode is not None:
            raise ConfigError(
                f"stream {stream.name!r}: mode is for tables",
                remedy="Leave it out: of the protocol, the catalog says how a destination writes",
            )
        for option in ("columns", "schema_contract") if not loads_tables else ():
            if getattr(stream, option) is not None:
                raise ConfigError(
                    f"stream {stream.name!r}: {option} is for tables",
                    remedy="Leave it out: a catalog says which columns the protocol's records have",
                )
        if loads_tables and stream.validation_policy is not ValidationPolicy.EMIT_RECORD:
            raise ConfigError(
                f"stream {stream.name!r}: validation_policy {stream.validation_policy.value!r} is for the Airbyte protocol",
                remedy="Leave it out: a table is widened so that it holds every record",
            )
