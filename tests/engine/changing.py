"""A store in memory whose files change while they are read, by a schedule."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from file_cdk.core.errors import FileAccessError, FileChangedError
from file_cdk.core.files import RemoteFile

T0 = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class ChangingStore:
    """A StreamReader. schedule: after how many pieces read, of whichever file, which file becomes what; None: it is gone.

    A `#` in a text becomes `version.line`: records of two versions cannot be taken for one another.
    """

    schedule: list[tuple[int, str, str | None]]
    texts: dict[RemoteFile, bytes] = field(default_factory=dict)
    current: dict[str, RemoteFile] = field(default_factory=dict)
    listed: list[RemoteFile] = field(default_factory=list)
    """What the first whole listing found."""
    pieces: int = 0

    def put(self, uri: str, text: str | None) -> None:
        if text is None:
            self.current.pop(uri, None)
            return
        version = len(self.texts) + 1
        lines = text.splitlines(keepends=True)
        data = "".join(line.replace("#", f"{version}.{number}") for number, line in enumerate(lines)).encode()
        file = RemoteFile(uri, len(data), T0 + timedelta(seconds=version), etag=str(version))
        self.texts[file] = data
        self.current[uri] = file

    def read_one_more(self) -> None:
        self.pieces += 1
        while self.schedule and self.schedule[0][0] <= self.pieces:
            self.put(*self.schedule.pop(0)[1:])

    def check(self, file: RemoteFile) -> None:
        self.read_one_more()
        if file.uri not in self.current:
            raise FileAccessError("gone", uri=file.uri)
        if self.current[file.uri] != file:
            raise FileChangedError("changed", uri=file.uri)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        self.read_one_more()
        found = [file for uri, file in self.current.items() if uri.startswith(prefix)]
        if not prefix and not self.listed:
            self.listed = sorted(found, key=lambda file: file.sort_key)
        yield from found

    def open(self, file: RemoteFile) -> IO[bytes]:
        self.check(file)
        return _Checked(self, file)


class _Checked(io.BytesIO):
    def __init__(self, store: ChangingStore, file: RemoteFile) -> None:
        super().__init__(store.texts[file])
        self._store, self._file = store, file

    def readline(self, size: int | None = -1, /) -> bytes:
        self._store.check(self._file)
        return super().readline(size)

    def read(self, size: int | None = -1, /) -> bytes:
        self._store.check(self._file)
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self._store.check(self._file)
        return super().readinto(buffer)
