"""What a sync tells whoever watches it, and what it says in the end."""

import logging
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import FileCdkError, InternalError, TooManyRejectsError
from file_cdk.core.exit_codes import ExitCode, of_files
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import RefusedFile
from file_cdk.core.progress import LoadProgress
from file_cdk.engine.effort import Effort
from file_cdk.pipeline.rejects import rejected_facts
from file_cdk.pipeline.tables.deletes import Gone

if TYPE_CHECKING:
    from file_cdk.engine.ordering import FileTally

_log = logging.getLogger(__name__)


class SyncObserver(Protocol):
    """Told how a sync goes, from the thread that runs it."""

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        """Files to read and files skipped, by reason; once per stream."""

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        """Rows and bytes of a file done since the last call; negative when a file starts again or fails."""

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        """The file was read to its end and handed to the destination; it is durable when `sync` returns."""

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        """uri: empty where files that are gone were not removed."""

    def warned(self, message: str) -> None: ...


@runtime_checkable
class ResumeObserver(Protocol):
    """What a SyncObserver may be told besides."""

    def resumed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        """Of what `progressed` tells of the file, this much an earlier run did; negative when the file starts again or fails."""


class FileResult(NamedTuple):
    """What came of a file that was to be read. rejected: how many of its records; rows: how many of them were loaded. error: why
    none was."""

    uri: str
    rows: int = 0
    rejected: int = 0
    size_bytes: int = 0
    error: FileCdkError | None = None


@runtime_checkable
class EffortObserver(Protocol):
    """What a SyncObserver may be told besides."""

    def begins(self, effort: Effort) -> None:
        """Before anything else: whom to ask what the sync waits for, from the same thread."""


@runtime_checkable
class FileObserver(Protocol):
    """What a SyncObserver may be told besides."""

    def file_ended(
        self, stream: str, file: RemoteFile, rows: int, rejected: int, skipped: int, error: FileCdkError | None
    ) -> None:
        """A file was loaded, or failed: rejected and skipped count its records. After it was told of as loaded, a destination may
        refuse a file all the same."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    stream: str
    files_read: int
    files_failed: int
    skipped: Mapping[str, int]
    rows: int
    size_bytes: int
    rejected: int = 0
    """Records rejected in files that were loaded."""
    gone: int = 0
    """Loaded files that are gone from the source."""
    removed: int = 0
    """Those of them that were removed."""
    over_limit: int = 0
    """Of the files that failed, those that had too many rejected records and no other fault."""
    replaced: bool | None = None
    """Of a full refresh: whether the table was replaced. If not, nothing of what was read counts. None: it was none."""
    rows_resumed: int = 0
    """Of the rows, those that an earlier run read."""
    shown: int | None = None
    """Rows that a table has which shows one of each key. None of any other, and where nothing has changed."""
    files: tuple[FileResult, ...] = ()
    """The first MAX_FILES that came to their end, in that order."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """failures holds the first MAX_FAILURES errors; the count of all is in the streams' files_failed."""

    streams: tuple[StreamResult, ...]
    seconds: float
    failures: tuple[FileCdkError, ...]

    @property
    def exit_code(self) -> ExitCode:
        return of_files(
            sum(stream.files_failed for stream in self.streams), sum(stream.over_limit for stream in self.streams)
        )

    def raise_for_failures(self) -> None:
        """Raises the first of the failures, where there is any, with a note of how many more there are."""
        if self.failures:
            first, more = self.failures[0], sum(stream.files_failed for stream in self.streams) - 1
            if more > 0:
                first.add_note(f"and {more:,} more; see SyncResult.failures")
            raise first


MAX_FAILURES = 1000
MAX_FILES = 10_000


class Silence:
    """The observer of a sync that nobody watches."""

    def listed(self, stream: str, files: int, size_bytes: int, skipped: Mapping[str, int]) -> None:
        pass

    def progressed(self, stream: str, uri: str, rows: int, size_bytes: int) -> None:
        pass

    def file_loaded(self, stream: str, uri: str, rows: int) -> None:
        pass

    def file_failed(self, stream: str, uri: str, error: FileCdkError) -> None:
        pass

    def warned(self, message: str) -> None:
        _log.info("%s", message)


@dataclass(slots=True)
class StreamReport:
    """Counts of one stream while it is synced; passed on to the observer as they change.

    failures: of all streams, the first MAX_FAILURES. several: the sync has more streams, so that messages name theirs.
    """

    stream: str
    observer: SyncObserver
    failures: list[FileCdkError]
    several: bool = False
    files_read: int = 0
    files_failed: int = 0
    over_limit: int = 0
    rows: int = 0
    rows_resumed: int = 0
    rejected: int = 0
    size_bytes: int = 0
    file_progress: tuple[int, int] = (0, 0)
    file_resumed: tuple[int, int] = (0, 0)
    gone: Gone = field(default_factory=Gone)
    is_replaced: bool | None = None
    shown: int | None = None
    files: dict[str, FileResult] = field(default_factory=dict)

    def result(self, skipped: Mapping[str, int]) -> StreamResult:
        return StreamResult(
            self.stream,
            self.files_read,
            self.files_failed,
            dict(skipped),
            self.rows,
            self.size_bytes,
            self.rejected,
            self.gone.files,
            self.gone.removed,
            self.over_limit,
            self.is_replaced,
            self.rows_resumed,
            self.shown,
            tuple(self.files.values()),
        )

    def warn(self, message: str) -> None:
        self.observer.warned(f"{self.stream}: {message}" if self.several else message)

    def progressed(self, file: RemoteFile, rows: int, size_bytes: int) -> None:
        self.file_progress = (self.file_progress[0] + rows, self.file_progress[1] + size_bytes)
        self.observer.progressed(self.stream, file.uri, rows, size_bytes)

    def goes_on(self, progress: LoadProgress) -> None:
        """Counts what an earlier run read of a file."""
        file = progress.file
        self.warn(
            f"file {file.uri!r} goes on at byte {progress.position:,} of {file.size_bytes:,}: "
            f"{progress.rows:,} rows before it were kept by an earlier run"
        )
        self.file_resumed = (progress.rows, progress.position)
        self._tell_resumed(file, *self.file_resumed)
        self.progressed(file, progress.rows, progress.position)

    def begins_again(self, file: RemoteFile) -> None:
        """Or has failed: what was told of it does not count."""
        if any(self.file_resumed):
            rows, size_bytes = self.file_resumed
            self.file_resumed = (0, 0)
            self._tell_resumed(file, -rows, -size_bytes)
        self.progressed(file, -self.file_progress[0], -self.file_progress[1])

    def _tell_resumed(self, file: RemoteFile, rows: int, size_bytes: int) -> None:
        if isinstance(self.observer, ResumeObserver):
            self.observer.resumed(self.stream, file.uri, rows, size_bytes)

    def _tell_ended(self, file: RemoteFile, rows: int, rejected: int, skipped: int, error: FileCdkError | None) -> None:
        if isinstance(self.observer, FileObserver):
            self.observer.file_ended(self.stream, file, rows, rejected, skipped, error)

    def loaded(self, tally: "FileTally") -> None:
        file = tally.file
        self.files_read += 1
        self.rows += tally.rows
        self.rows_resumed += self.file_resumed[0]
        self.rejected += tally.rejects.total()
        self.size_bytes += file.size_bytes
        self.file_progress = self.file_resumed = (0, 0)
        self._note(FileResult(file.uri, tally.rows, tally.rejects.total(), file.size_bytes))
        self.observer.file_loaded(self.stream, file.uri, tally.rows)
        self._tell_ended(file, tally.rows, tally.rejects.total(), tally.skipped.total(), None)
        if tally.rejects.first:
            self.warn(f"file {file.uri!r}: {rejected_facts(tally.rejects)}")
        self._pass_on(file, tally.warnings)
        self._pass_on(file, {f"skipped: {reason}": count for reason, count in tally.skipped.items()})

    def failed(self, file: RemoteFile, error: FileCdkError) -> None:
        if isinstance(error, InternalError):
            _log.debug("file %r: %s", file.uri, error.trace)
        self._failed(file.uri, error)
        rejected = error.rejected if isinstance(error, TooManyRejectsError) else 0
        self._tell_ended(file, 0, rejected, 0, error)

    def settled(self, gone: Gone, refused: FileCdkError | None) -> bool:
        """Takes what became of files that are gone; whether that is what was to become of them. What was refused counts as a file
        that failed: not all was done that was to be done."""
        self.gone = gone
        if refused is not None:
            self._failed("", refused)
        return refused is None

    def replaced(self) -> None:
        """By a full refresh, with which the files went that are gone from the source."""
        self.is_replaced = True
        self.gone = Gone(self.gone.files, self.gone.files)

    def not_replaced(self) -> None:
        """Since files failed: those that were read are not loaded either."""
        self.is_replaced = False
        self.files_read = self.rows = self.rejected = self.size_bytes = 0
        self.files = {uri: each for uri, each in self.files.items() if each.error is not None}

    def _note(self, result: FileResult) -> None:
        if len(self.files) < MAX_FILES or result.uri in self.files:
            self.files[result.uri] = result

    def _failed(self, uri: str, error: FileCdkError) -> None:
        self.files_failed += 1
        self.over_limit += isinstance(error, TooManyRejectsError)
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(error)
        if uri:
            rejected = error.rejected if isinstance(error, TooManyRejectsError) else 0
            self._note(FileResult(uri, rejected=rejected, error=error))
        self.observer.file_failed(self.stream, uri, error)

    def not_loaded_after_all(self, refused: RefusedFile) -> None:
        file, loaded = refused.file, refused.loaded
        self.files_read -= 1
        self.rows -= loaded.rows
        self.rejected -= loaded.rejects.total()
        self.size_bytes -= file.size_bytes
        self.observer.progressed(self.stream, file.uri, -loaded.rows, -file.size_bytes)
        self.failed(file, refused.error)

    def _pass_on(self, file: RemoteFile, warnings: Mapping[str, int]) -> None:
        for message, count in warnings.items():
            times = f" ({count} records)" if count > 1 else ""
            self.warn(f"file {file.uri!r}: {message}{times}")
