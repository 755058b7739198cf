"""Streams whose files are copied as they are (`delivery_method: use_file_transfer`) instead of read."""

import os
import posixpath
import tempfile
from collections.abc import Generator, Mapping
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from file_cdk.core.config import FileTransfer, SourceConfig
from file_cdk.core.connector import Connector
from file_cdk.core.dataclass import dataclass
from file_cdk.core.errors import ConfigError, DestinationError
from file_cdk.core.files import RemoteFile
from file_cdk.core.ports import StreamReader
from file_cdk.core.state.cursor import format_instant
from file_cdk.engine.listing import Selection, select
from file_cdk.engine.staged_names import staged_path
from file_cdk.engine.staging import Staging
from file_cdk.engine.transfer import THREADS, Handover, NewerVersion, Transferred, transfer
from file_cdk.protocol.messages import Message, file_record

STAGING_VARIABLE = "AIRBYTE_STAGING_DIRECTORY"
PLATFORM_STAGING = "/staging/files"
"""Where Airbyte mounts the folder that source and destination share."""

_OWN_STAGING = "airbyte-file-transfer"
_NAMES_SHOWN = 3


def staging_folder(environment: Mapping[str, str]) -> str:
    """The folder that AIRBYTE_STAGING_DIRECTORY names; without it the platform's, or else one for temporary files.

    Raises DestinationError when the last cannot be made. The first is not made: a folder that is not mounted is a mistake.
    """
    if named := environment.get(STAGING_VARIABLE):
        return named
    if Path(PLATFORM_STAGING).is_dir():
        return PLATFORM_STAGING
    own = Path(tempfile.gettempdir(), _OWN_STAGING)
    try:
        own.mkdir(exist_ok=True)
    except OSError as exc:
        raise DestinationError(
            f"the staging folder {str(own)!r} cannot be made: {exc.strerror}",
            remedy=f"Name the folder that files are to be copied to in {STAGING_VARIABLE}",
        ) from exc
    return str(own)


@dataclass(frozen=True, slots=True)
class RawFiles:
    """How the files of a source are copied. origin: what their uris are relative to, if known."""

    flat: bool
    origin: str | None
    threads: int

    @classmethod
    def of(cls, connector: Connector, config: SourceConfig, method: FileTransfer, workers: int | None) -> "RawFiles":
        """workers: files at a time; 0 counts as 1."""
        threads = THREADS if workers is None else max(workers, 1)
        return cls(not method.preserve_directory_structure, connector.origin(config), threads)

    def copies(
        self, reader: StreamReader, selection: Selection, newer_version: NewerVersion
    ) -> Generator[Handover, None, None]:
        """As engine.transfer.transfer.

        Before any is copied, raises ConfigError when two files would have one name, and DestinationError when there is no
        staging folder.
        """
        if self.flat:
            _refuse_equal_names(selection)
        staging = Staging.below(staging_folder(os.environ))
        return transfer(reader, selection, staging, self._relative_path, self.threads, newer_version)

    def record(self, stream: str, done: Transferred, emitted_at_ms: int) -> Message:
        file = done.file
        return file_record(
            stream,
            self._facts(file),
            staged=done.staged,
            relative=done.relative,
            size_bytes=file.size_bytes,
            emitted_at_ms=emitted_at_ms,
        )

    def _relative_path(self, file: RemoteFile) -> str:
        return staged_path(file.uri, flat=self.flat)

    def _facts(self, file: RemoteFile) -> dict[str, Any]:
        return {
            "folder": posixpath.dirname(file.uri),
            "file_name": posixpath.basename(file.uri),
            "bytes": file.size_bytes,
            "source_uri": self._source_uri(file.uri),
            "updated_at": format_instant(file.modified_at),
        }

    def _source_uri(self, uri: str) -> str:
        # In a file: URL the folder is percent-encoded and a name would have to be: it says nothing that the uri does not.
        return uri if self.origin is None or self.origin.startswith("file:") else f"{self.origin.rstrip('/')}/{uri}"


def _refuse_equal_names(selection: Selection) -> None:
    def name(file: RemoteFile) -> str:
        return staged_path(file.uri, flat=True)

    with closing(select(selection, [], key=name)) as by_name:
        for shared, files in groupby(by_name, name):
            uris = [file.uri for file, _ in zip(files, range(_NAMES_SHOWN + 1), strict=False)]
            if len(uris) > 1:
                shown = ", ".join([*map(repr, uris[:_NAMES_SHOWN]), *(["…"] if len(uris) > _NAMES_SHOWN else [])])
                raise ConfigError(
                    f"several files have the name {shared!r}, and would replace each other: {shown}",
                    remedy="Set preserve_directory_structure to true, rename files, or leave some out with the globs",
                )
