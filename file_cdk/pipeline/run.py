"""A stream's files, each brought to its final outcome: read anew when it changed meanwhile, given up with its store."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from file_cdk.core.connector import Connector
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, FileCdkError, FileChangedError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader

if TYPE_CHECKING:
    from file_cdk.engine.ordering import FileEvent, FileTally, OrderedRun
    from file_cdk.engine.transfer import Handover

MAX_NEWER_VERSIONS = 2
"""Maximum times in one run that a file which changes while it is read is begun anew; the last time only if it rests."""

REST_S = 0.5
"""How long a file has to stay as it is to count as at rest."""

_MAX_LOOKS = 2
"""Maximum times that it is given to come to rest."""

MAX_UNREACHABLE = 3
"""Files in a row that cannot be reached, each after all its retries, that mean that the store cannot be reached."""


SETTLE_VARIABLE = "FILE_CDK_SETTLE"


def seconds_to_settle(connector: Connector, environment: Mapping[str, str]) -> float:
    """How old the youngest file has to be before any is read, as the environment has it, else the connector. Raises
    ConfigError."""
    text = environment.get(SETTLE_VARIABLE)
    if not text:
        return connector.settle_s
    if re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text, re.ASCII) is None:
        raise ConfigError(
            f"environment variable {SETTLE_VARIABLE} must be a number of seconds, 0 or more and below 10,000",
            remedy="Give a number such as 1, or unset it",
        )
    return float(text)


@dataclass(slots=True)
class Youngest:
    """When the last file of a listing was modified. As a rule, it skips nothing."""

    modified_at: datetime | None = None

    def look(self, files: Sequence[RemoteFile]) -> list[str | None]:
        for file in files:
            if self.modified_at is None or file.modified_at > self.modified_at:
                self.modified_at = file.modified_at
        return [None] * len(files)

    def wait(self, settle_s: float) -> None:
        """Until that is `settle_s` ago; no longer than that, where the store's clock is ahead of ours."""
        if self.modified_at is None:
            return
        age_s = (datetime.now(UTC) - self.modified_at).total_seconds()
        if age_s < settle_s:
            time.sleep(min(settle_s, settle_s - age_s))


@dataclass(frozen=True, slots=True)
class FileBeginsAgain:
    """What came out of the file so far does not count: next comes a newer version of it, from the beginning."""

    tally: "FileTally"


@dataclass(frozen=True, slots=True)
class StoreGone:
    """Go no further: the files after the one that failed last cannot be reached either."""

    error: TransientError


@dataclass(slots=True)
class StreamRun:
    """verb: what is done to files, in messages. warn: takes what a person should know of a file that is begun anew. settle_s: how
    long files have rested that are read at all; above 0, one that changes all the same has a writer at work.
    """

    reader: StreamReader
    warn: Callable[[str], None]
    verb: str = "read"
    settle_s: float = 0
    _begun_anew: Counter[str] = field(default_factory=Counter)
    _unreachable: int = 0

    def outcomes(self, ordered: "OrderedRun") -> "Iterator[FileEvent | FileBeginsAgain | StoreGone]":
        """The events, but that each file ends once in FileDone or FileFailed.

        Whoever takes a FileFailed may mend what made it fail and call `ordered.retry`.
        """
        from file_cdk.engine.ordering import (  # which a sync without new files does without
            FileDone,
            FileFailed,
            FilesDone,
        )

        for event in ordered:
            if isinstance(event, FileFailed) and isinstance(event.error, FileChangedError):
                newer = self.newer_version(event.tally.file, event.error)
                if isinstance(newer, RemoteFile):
                    yield FileBeginsAgain(event.tally)
                    ordered.retry(newer, ordered.job)
                    continue
                event = FileFailed(event.tally, newer)
            yield event
            if isinstance(event, FilesDone):
                self._unreachable = 0
            elif isinstance(event, FileDone | FileFailed):
                error = event.error if isinstance(event, FileFailed) else None
                if (gone := self._store_gone(error)) is not None:
                    yield gone

    def copied(self, outcomes: "Iterable[Handover]") -> "Iterator[Handover | StoreGone]":
        """The same of files that are copied; whoever copies them has asked `newer_version`."""
        from file_cdk.engine.transfer import TransferFailed  # which only who copies has imported

        for outcome in outcomes:
            yield outcome
            if (gone := self._store_gone(outcome.error if isinstance(outcome, TransferFailed) else None)) is not None:
                yield gone

    def newer_version(self, file: RemoteFile, error: FileCdkError) -> RemoteFile | FileCdkError:
        """The version to read instead, whole, if the file changed while it was read; otherwise the error to tell.

        A second change asks whether somebody goes on writing it, which takes `_MAX_LOOKS` times `REST_S`; so does the first where
        files have to settle. What has to settle for longer is left.
        """
        if not isinstance(error, FileChangedError):
            return error
        before = self._begun_anew[file.uri]
        self._begun_anew[file.uri] += 1
        if before >= MAX_NEWER_VERSIONS or self.settle_s > _MAX_LOOKS * REST_S:
            return _still_written(file)
        changed = f"changed{' again' if before else ''} while it was {self.verb}"
        if not before and not self.settle_s:
            found = self._now(file)
            if found is None or found == file:
                return error
            self.warn(f"file {file.uri!r} {changed}; its new version is {self.verb} from the beginning")
            return found
        self.warn(f"file {file.uri!r} {changed}; it is {self.verb} once more if nobody writes to it for {REST_S:g} s")
        found = self._at_rest(file)
        return _still_written(file) if found is None or found == file else found

    def _at_rest(self, file: RemoteFile) -> RemoteFile | None:
        before = self._now(file)
        for _ in range(_MAX_LOOKS):
            time.sleep(REST_S)
            now = self._now(file)
            if now == before:
                return now
            before = now
        return None

    def _now(self, file: RemoteFile) -> RemoteFile | None:
        """The version that a listing tells; None when it tells none, so that the change is the error to tell."""
        try:
            return next((found for found in self.reader.list_files(file.uri) if found.uri == file.uri), None)
        except (FileCdkError, OSError):
            return None

    def _store_gone(self, error: FileCdkError | None) -> StoreGone | None:
        """error: what a file failed with, if it did."""
        if not isinstance(error, TransientError):
            self._unreachable = 0
            return None
        self._unreachable += 1
        return StoreGone(_rest_not_tried(error)) if self._unreachable >= MAX_UNREACHABLE else None


def _rest_not_tried(error: TransientError) -> TransientError:
    return TransientError(
        f"{MAX_UNREACHABLE} files in a row could not be reached, so the rest was not tried; the last: {error.message}",
        remedy="Run it again when the store answers: it goes on with the files that are left",
    )


def _still_written(file: RemoteFile) -> FileChangedError:
    return FileChangedError(
        "the file is still being written: it changed each time it was begun",
        uri=file.uri,
        remedy="Run it again when its writer is done. A writer that never is should write under another name and rename the "
        "file when it is complete; or leave the file out with the globs",
    )
