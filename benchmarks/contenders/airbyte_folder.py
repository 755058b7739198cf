"""A source over a local folder on airbyte-cdk[file-based]: what a user of that library would write.

    python airbyte_folder.py spec|check|discover|read --config F [--catalog F] [--state F]

Runs in an environment that has `airbyte-cdk[file-based]`, and takes the configuration of source-local.
"""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import IOBase
from pathlib import Path
from typing import Any

# ruff: noqa: ARG002 - the signatures are the library's
from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.file_based.config.abstract_file_based_spec import AbstractFileBasedSpec
from airbyte_cdk.sources.file_based.file_based_source import FileBasedSource
from airbyte_cdk.sources.file_based.file_based_stream_reader import AbstractFileBasedStreamReader, FileReadMode
from airbyte_cdk.sources.file_based.remote_file import RemoteFile
from airbyte_cdk.sources.file_based.stream.cursor import DefaultFileBasedCursor


def _modified_at(path: Path) -> datetime:
    """Naive UTC, as the reader's API has it; exact microseconds, which a float of seconds does not hold."""
    seconds, nanoseconds = divmod(path.stat().st_mtime_ns, 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None, microsecond=nanoseconds // 1000)


class FolderConfig(AbstractFileBasedSpec):
    path: str

    @classmethod
    def documentation_url(cls) -> str:
        return "https://docs.airbyte.com"


class FolderReader(AbstractFileBasedStreamReader):
    @property
    def config(self) -> FolderConfig:
        return self._config

    @config.setter
    def config(self, value: FolderConfig) -> None:
        self._config = value

    def _path(self, file: RemoteFile) -> Path:
        return Path(self.config.path, file.uri)

    def get_matching_files(self, globs: list[str], prefix: str | None, logger: logging.Logger) -> Iterable[RemoteFile]:
        root = Path(self.config.path)
        found = [
            RemoteFile(uri=path.relative_to(root).as_posix(), last_modified=_modified_at(path))
            for path in root.rglob("*")
            if path.is_file()
        ]
        return self.filter_files_by_globs_and_start_date(found, globs)

    def open_file(self, file: RemoteFile, mode: FileReadMode, encoding: str | None, logger: logging.Logger) -> IOBase:
        if mode is FileReadMode.READ_BINARY:
            return self._path(file).open("rb")
        return self._path(file).open(encoding=encoding, newline="")

    def file_size(self, file: RemoteFile) -> int:
        return self._path(file).stat().st_size


class FolderSource(FileBasedSource):
    # As the published connectors have it. Without, one thread reads everything, a quarter faster here than ten that take turns.
    _concurrency_level = 10


def load(path: str | None) -> Any:
    return None if path is None else json.loads(Path(path).read_text())


def main() -> None:
    arguments = AirbyteEntrypoint.parse_args(sys.argv[1:])
    catalog = load(getattr(arguments, "catalog", None))
    state = load(getattr(arguments, "state", None))
    source = FolderSource(
        stream_reader=FolderReader(),
        spec_class=FolderConfig,
        catalog=ConfiguredAirbyteCatalogSerializer.load(catalog) if catalog else None,
        config=load(getattr(arguments, "config", None)),
        state=[AirbyteStateMessageSerializer.load(message) for message in state] if state else None,
        cursor_cls=DefaultFileBasedCursor,
    )
    launch(source, sys.argv[1:])


if __name__ == "__main__":
    main()
