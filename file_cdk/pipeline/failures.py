"""What becomes of a run when a file fails for a reason that lies with the store."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from file_cdk.core.errors import FileCdkError, FileChangedError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader

MAX_NEWER_VERSIONS = 2
"""How often in one run a file that changes while it is read is begun anew; the last time only if it rests."""

REST_S = 0.5
"""So long a file has to stay as it is to count as at rest."""

_LOOKS = 2
"""So often it is given the time."""

MAX_UNREACHABLE = 3
"""So many files in a row that cannot be reached, each after all its retries, mean that the store cannot."""


@dataclass(slots=True)
class StoreFailures:
    """Told of every file of a stream, in order."""

    reader: StreamReader
    verb: str = "read"
    """What is done to files, in messages."""
    _begun_anew: Counter[str] = field(default_factory=Counter)
    _unreachable: int = 0

    def file_read(self) -> None:
        self._unreachable = 0

    def newer_version(
        self, file: RemoteFile, error: FileCdkError, warn: Callable[[str], None]
    ) -> RemoteFile | FileCdkError:
        """The version to read instead, whole, if the file changed while it was read; otherwise the error to tell.

        A second change asks whether somebody goes on writing it, which takes `_LOOKS` times `REST_S`.
        """
        if not isinstance(error, FileChangedError):
            return error
        before = self._begun_anew[file.uri]
        self._begun_anew[file.uri] += 1
        if before >= MAX_NEWER_VERSIONS:
            return _still_written(file)
        changed = f"changed{' again' if before else ''} while it was {self.verb}"
        if not before:
            found = self._now(file)
            if found is None or found == file:
                return error
            warn(f"file {file.uri!r} {changed}; its new version is {self.verb} from the beginning")
            return found
        warn(f"file {file.uri!r} {changed}; it is {self.verb} once more if nobody writes to it for {REST_S:g} s")
        found = self._at_rest(file)
        return _still_written(file) if found is None or found == file else found

    def _at_rest(self, file: RemoteFile) -> RemoteFile | None:
        before = self._now(file)
        for _ in range(_LOOKS):
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

    def gives_up(self, error: FileCdkError) -> TransientError | None:
        """What ends the stream, once it is clear that the files after this one cannot be reached either."""
        self._unreachable = self._unreachable + 1 if isinstance(error, TransientError) else 0
        if self._unreachable < MAX_UNREACHABLE:
            return None
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
