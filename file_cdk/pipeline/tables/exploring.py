"""What a sync would decide of a stream before it loads anything: format, dialect, columns and types; and the first rows, as it
would read them.

Of each file that is looked at, no more than its beginning is read; only where files disagree are some read further, as by a
sync, 64 MB at most.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import field, replace
from itertools import islice
from typing import TYPE_CHECKING

from file_cdk.core.config import FormatConfig
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import DialectRefutedError, FileCdkError, SeveralFormatsError, TypeMismatchError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import Rejects
from file_cdk.destinations.definitions import Definition
from file_cdk.engine.listing import Selection, list_matching, select
from file_cdk.engine.planning import split_bytes
from file_cdk.formats.registry import kind_of, with_dialect
from file_cdk.pipeline.dialects import Reading, format_of_files
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.recognition import NOT_RECOGNISED, Recognised, extension_hint, format_of
from file_cdk.pipeline.sources import streams_of
from file_cdk.pipeline.sourcing.dividing import may_be_divided, streams_divided
from file_cdk.pipeline.stream import FolderKeys, Stream
from file_cdk.pipeline.tables.columns import TableColumns
from file_cdk.pipeline.tables.guessing import FirstColumns
from file_cdk.pipeline.tables.options import SyncOptions
from file_cdk.pipeline.tables.rules import StreamRules, with_rules

if TYPE_CHECKING:
    from file_cdk.engine.executor import Executor
    from file_cdk.engine.work import Job

_SAMPLE_BYTES = 1 << 20
"""About what a format reads of a file to find its columns."""

_PIECE_BYTES = 256 << 10
"""Of a file whose first rows are read, at a time."""

_MAX_READINGS = 100
"""Maximum times that these rows are read anew, for wider columns or in another dialect."""


@dataclass(slots=True)
class FirstRows:
    """Of one file, as JSON lines. is_all: the file has no more. rejects: of the pieces that were read to their end. error: why
    there are no more."""

    file: RemoteFile
    lines: list[bytes] = field(default_factory=list)
    is_all: bool = False
    rejects: Rejects = field(default_factory=Rejects)
    error: FileCdkError | None = None


@dataclass(slots=True)
class Exploration:
    """One stream's. files, size_bytes, skipped: of those listed; of all there are when `complete`. latest: the last modified
    file, an empty one only where there is no other. format: what its files are read as, as `--format` takes it. unreadable: why
    files that were looked at tell nothing. warnings: what a sync would say."""

    stream: Stream
    files: int
    size_bytes: int
    skipped: Mapping[str, int]
    complete: bool
    latest: RemoteFile
    format: str
    reading: Reading
    definition: Definition
    warnings: list[str]
    unreadable: list[FileCdkError]
    _columns: TableColumns = field(repr=False)
    _executor: "Executor" = field(repr=False)

    @property
    def name(self) -> str:
        return self.stream.name

    @property
    def sampled(self) -> int:
        """How many files the columns were found in."""
        return len(self._columns.sampled)

    def rows(self, count: int) -> FirstRows:
        """The first of the latest file. Columns get wider where these rows need it."""
        from file_cdk.engine.ordering import FileBlock, FileDone, FileFailed, OrderedRun, SplitDone

        found = FirstRows(self.latest)
        job = self._job()
        run = OrderedRun(self._executor, job, [self.latest])
        splittable = job.format.facts.reads_forward and split_bytes(self.latest, job.format) is not None
        readings = 0
        try:
            for event in run:
                match event:
                    case FileBlock(_, block, _):
                        wanted = count - len(found.lines)
                        found.lines += bytes(block.read()).splitlines()[:wanted]
                        if len(found.lines) >= count and not splittable:
                            return found
                    case SplitDone(tally) | FileDone(tally):
                        found.rejects = tally.rejects
                        found.is_all = isinstance(event, FileDone) and tally.rows == len(found.lines)
                        if len(found.lines) >= count:
                            return found
                    case FileFailed():
                        readings += 1
                        found = FirstRows(self.latest)
                        again = self._again(event.error) if readings < _MAX_READINGS else None
                        if again is None:
                            found.error = event.error
                            return found
                        run.retry(self.latest, again)
        finally:
            self._executor.reset()
        return found

    def _again(self, error: FileCdkError) -> "Job | None":
        """As a sync would read the file again; None where that would not help."""
        match error:
            case TypeMismatchError() if self._columns.ask(self.latest, error.columns):
                return self._job()
            case DialectRefutedError():
                self.warnings.append(f"file {self.latest.uri!r} is read again: it {error.message}")
                self.reading = replace(self.reading, format=with_dialect(self.reading.format, error))
                return self._job()
        return None

    def _job(self) -> "Job":
        from file_cdk.engine.work import Job, TableShape
        from file_cdk.protocol.row_lines import RowLinesEncoder

        shape = TableShape(self.definition.schema)
        return Job(self.stream.reader, self.reading.format, RowLinesEncoder(), shape, _PIECE_BYTES)


@contextmanager
def explored(
    stream: Stream, options: SyncOptions, database: str | None = None, max_listed: int | None = None
) -> Iterator[Exploration]:
    """stream: with the rules of the options. database: types are those of its tables (see destinations.definitions); None: of
    Arrow. max_listed: listing ends after so many files that match.

    Raises AccessError where no file would be read, ConfigError where a sync would refuse the stream.
    """
    recognised = Recognised()
    keys = FolderKeys(tuple) if stream.finds_partitions else None
    with ExitStack() as opened:
        files = list_matching(stream.reader, stream.matcher)
        executors = opened.enter_context(closing(Executors(options.workers)))
        selection = select(islice(files, max_listed), stream.rules(recognised=recognised, wanted=keys))
        opened.callback(selection.close)
        if not selection.files:
            remedy = extension_hint() if selection.skipped[NOT_RECOGNISED] else None
            raise stream.nothing_to_read("", selection.skipped, remedy)
        chosen = stream.format or format_of(recognised.kinds)
        exploration = explore(stream, chosen, selection, keys, options, executors, database)
        exploration.complete = max_listed is None or next(files, None) is None
        yield exploration


def explore(
    stream: Stream,
    chosen: FormatConfig,
    selection: Selection,
    keys: FolderKeys | None,
    options: SyncOptions,
    executors: Executors,
    database: str | None = None,
) -> Exploration:
    """Of files that were selected, one at least. keys: was asked about each of them. Raises ConfigError where a sync would."""
    rules = StreamRules(stream)
    warnings: list[str] = []
    definition = Definition(database)
    columns = TableColumns(
        definition, rules.stated, options.all_text, warnings.append, rules.fixed, rules.plan.contract
    )
    reading = format_of_files(stream, chosen, options.dialect, selection.latest)
    executor = executors.for_work(_SAMPLE_BYTES, reading.format)
    first = FirstColumns(columns, rules, keys, options.max_rejects, warnings.append)
    with_folders = replace(reading, format=first.begin(executor, reading.format, selection))
    latest = _latest_with_bytes(selection)
    return Exploration(
        stream,
        selection.files,
        selection.size_bytes,
        selection.skipped,
        True,
        latest,
        chosen.filetype if stream.format else kind_of(latest.uri) or chosen.filetype,
        with_folders,
        definition,
        warnings,
        first.unreadable,
        columns,
        executor,
    )


def _latest_with_bytes(selection: Selection) -> RemoteFile:
    return max(selection, key=lambda file: (file.size_bytes > 0, file.sort_key))


def explorations_of(
    source: str, options: SyncOptions, database: str | None = None, max_listed: int | None = None
) -> Iterator[Exploration]:
    """One for each table that a sync would make of SOURCE, to be used before the next is asked for. Raises as `explored` does."""
    for stream in streams_of(
        source, options.filetype, options.stream, options.connector, options.partitions, options.only
    ):
        try:
            yield from _explorations(stream, options, database, max_listed)
        except SeveralFormatsError:
            if not may_be_divided(stream):
                raise
            for part in streams_divided(stream, {}, limit=max_listed):
                yield from _explorations(part, options, database, max_listed)


def _explorations(
    stream: Stream, options: SyncOptions, database: str | None, max_listed: int | None
) -> Iterator[Exploration]:
    with explored(with_rules(stream.hasty(), options), options, database, max_listed) as exploration:
        yield exploration
