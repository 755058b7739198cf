"""What becomes of a run when a file fails for a reason that lies with the store."""

from collections import Counter
from dataclasses import dataclass, field

from file_cdk.core.errors import FileCdkError, FileChangedError, TransientError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader

MAX_NEWER_VERSIONS = 3
"""How often in one run a file that changes while it is read is begun anew."""

MAX_UNREACHABLE = 3
"""So many files in a row that cannot be reached, each after all its retries, mean that the store cannot."""


@dataclass(slots=True)
class StoreFailures:
    """Told of every file of a stream, in order."""

    reader: StreamReader
    _begun_anew: Counter[str] = field(default_factory=Counter)
    _unreachable: int = 0

    def file_read(self) -> None:
        self._unreachable = 0

    def newer_version(self, file: RemoteFile, error: FileCdkError) -> RemoteFile | None:
        """The version to read instead, whole, if the file changed while it was read."""
        if not isinstance(error, FileChangedError) or self._begun_anew[file.uri] >= MAX_NEWER_VERSIONS:
            return None
        self._begun_anew[file.uri] += 1
        try:
            now = (found for found in self.reader.list_files(file.uri) if found.uri == file.uri)
            return next((found for found in now if found != file), None)
        except (FileCdkError, OSError):
            return None  # then the change is the error to tell

    def gives_up(self, error: FileCdkError) -> TransientError | None:
        """What ends the stream, once it is clear that the files after this one cannot be reached either."""
        self._unreachable = self._unreachable + 1 if isinstance(error, TransientError) else 0
        if self._unreachable < MAX_UNREACHABLE:
            return None
        return TransientError(
            f"{MAX_UNREACHABLE} files in a row could not be reached, so the rest was not tried; the last: {error.message}",
            remedy="Run it again when the store answers: it goes on with the files that are left",
        )
