"""A stream, and the one place that says which of its files are read, and why others are not."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from file_cdk.core.config import FileTransfer, FormatConfig, SourceConfig, StreamConfig
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.engine.listing import ALREADY_LOADED, Decide, list_matching, newer_than, reason_to_skip
from file_cdk.pipeline.first_file import nothing_to_read
from file_cdk.pipeline.sources import Recognised, SourceStream
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns

NO_PATTERN_MATCHES = "no pattern matches"


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream reads, and where from. format: None until the files' extensions have told it, or where files are only
    copied. copies: files go out as they are; an archive is one file, and nothing is taken for litter."""

    source: SourceConfig
    config: StreamConfig
    matcher: GlobPatterns
    reader: StreamReader
    format: FormatConfig | None
    copies: bool = False

    @classmethod
    def of(cls, source: SourceConfig, config: StreamConfig, reader: StreamReader) -> "Stream":
        """As a configuration has it. reader: the connector's own. Raises ConfigError for patterns that cannot be used."""
        matcher = GlobPatterns(config.globs, config.legacy_prefix)
        if isinstance(source.delivery_method, FileTransfer):
            return cls(source, config, matcher, reader, None, copies=True)
        return cls(source, config, matcher, ArchiveReader(reader, matcher, config.max_expansion_ratio), config.format)

    @classmethod
    def of_table(cls, loads: SourceStream) -> "Stream":
        """As a stream that is loaded into a table has it."""
        return cls(loads.source, loads.stream, loads.matcher, loads.reader, loads.format)

    @property
    def name(self) -> str:
        return self.config.name

    def rules(
        self,
        loaded: Decide | None = None,
        *,
        recognised: Recognised | None = None,
        present: Decide | None = None,
        wanted: Decide | None = None,
        lists_all: bool = False,
    ) -> list[Decide]:
        """Whether a listed file is read, and why not, asked in turn: the first that has a reason skips the file.

        loaded: skips what was read before. recognised: keeps the formats of files where the configuration has none.
        present and wanted skip nothing: they are told of every file but litter, and of those that are read or were before.
        lists_all: the listing holds files that no pattern matches.
        """
        rules: list[Decide | None] = [
            self._matched if lists_all else None,
            None if self.copies else no_litter(self.matcher),
            present,
            (recognised or Recognised()) if self.format is None and not self.copies else None,
            newer_than(self.source.start_at),
            wanted,
            loaded,
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
        raise nothing_to_read(f"stream {self.name!r}: ", self.config.globs, skipped, self.source.start_date)

    def _matched(self, files: Sequence[RemoteFile]) -> list[str | None]:
        matches = self.matcher.matches
        return [None if matches(file.uri) or file.is_closed_folder else NO_PATTERN_MATCHES for file in files]


def no_litter(matcher: GlobPatterns) -> Decide:
    """Passes over what other programs leave beside the data; see GlobPatterns.litter."""

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        return [matcher.litter(file.uri) for file in files]

    return decide


def not_loaded(unloaded: Callable[[Sequence[RemoteFile]], Sequence[bool]]) -> Decide:
    """unloaded: for each file, whether the ledger does not have it as loaded."""

    def decide(files: Sequence[RemoteFile]) -> list[str | None]:
        return [None if wanted else ALREADY_LOADED for wanted in unloaded(files)]

    return decide
