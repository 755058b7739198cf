"""Files of a test: their contents and times, and a reader that has them in memory."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

from file_cdk.core.config import SourceConfig
from file_cdk.core.connector import Connector
from file_cdk.core.errors import FileAccessError, FileCdkError
from file_cdk.core.files import RemoteFile
from file_cdk.core.instants import parse_instant

WRITTEN_AT = datetime(2024, 1, 1, tzinfo=UTC)
"""The time of a file that names none."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A version of a file. modified: `2024-01-31` or `2024-01-31T12:00:00Z`. fault: what opening it raises."""

    data: bytes | str
    modified: str | None = None
    fault: FileCdkError | None = None

    @property
    def content(self) -> bytes:
        return self.data.encode() if isinstance(self.data, str) else self.data

    @property
    def modified_at(self) -> datetime:
        return WRITTEN_AT if self.modified is None else parse_instant(self.modified)


Files = Mapping[str, GivenFile | bytes | str]
"""Uri -> the file, or its contents alone."""


def as_files(files: Files) -> dict[str, GivenFile]:
    return {uri: file if isinstance(file, GivenFile) else GivenFile(file) for uri, file in files.items()}


@dataclass(frozen=True)
class MemoryReader:
    """A StreamReader of these files. Workers get copies of them."""

    files: Mapping[str, GivenFile] = field(repr=False)

    def list_files(self, prefix: str) -> Iterator[RemoteFile]:
        for uri, file in self.files.items():
            if uri.startswith(prefix):
                yield RemoteFile(uri, len(file.content), file.modified_at)

    def open(self, file: RemoteFile) -> IO[bytes]:
        found = self.files.get(file.uri)
        if found is None:
            raise FileAccessError("is not among the files of the test", uri=file.uri)
        if found.fault is not None:
            raise found.fault
        return io.BytesIO(found.content)


def memory_source(files: Files) -> Connector:
    """A connector that has these files and no fields of its own, for tests of formats and of what the engine makes of them."""
    reader = MemoryReader(as_files(files))
    return Connector("source-memory", SourceConfig, lambda _: reader)
