"""Files out of buckets and into tables: one engine behind Airbyte-protocol connectors, the `file-cdk` command and this library.

What stands here is the public API; everything else may change. Names are imported when first used, so that importing the
package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from file_cdk.cli.connector import run_connector
    from file_cdk.connector import Connector
    from file_cdk.core.config import SourceConfig, StreamConfig
    from file_cdk.core.cursor import renamed_state
    from file_cdk.core.errors import (
        AccessError,
        ConfigError,
        DestinationError,
        FileAccessError,
        FileCdkError,
        FileChangedError,
        FileError,
        MalformedFileError,
        MalformedRecordError,
        SequentialOnlyError,
        TooManyRejectsError,
        TransientError,
        TypeMismatchError,
    )
    from file_cdk.core.files import RemoteFile, Split
    from file_cdk.core.ports import (
        Destination,
        Encoder,
        FileLoad,
        Format,
        JsonLines,
        LoadedFile,
        Location,
        Reject,
        Rejects,
        SplitReport,
        StreamReader,
        StreamTable,
    )
    from file_cdk.core.uris import redacted, split_member
    from file_cdk.pipeline.rejects import MaxRejects
    from file_cdk.pipeline.sync import StreamResult, SyncObserver, SyncOptions, SyncResult, sync
    from file_cdk.readers.by_obstore import NotByObstoreError, ObstoreBucket, ObstoreEndpoint
    from file_cdk.readers.connections import connection_fault
    from file_cdk.readers.globbing import GlobPatterns
    from file_cdk.readers.keys import globs_of_key
    from file_cdk.readers.local import LocalReader
    from file_cdk.readers.objects import ObjectReader, ObjectStore, Page
    from file_cdk.readers.retries import RetryPolicy

_ORIGINS = {
    "file_cdk.cli.connector": ["run_connector"],
    "file_cdk.connector": ["Connector"],
    "file_cdk.core.config": ["SourceConfig", "StreamConfig"],
    "file_cdk.core.cursor": ["renamed_state"],
    "file_cdk.core.errors": [
        "AccessError",
        "ConfigError",
        "DestinationError",
        "FileAccessError",
        "FileCdkError",
        "FileChangedError",
        "FileError",
        "MalformedFileError",
        "MalformedRecordError",
        "SequentialOnlyError",
        "TooManyRejectsError",
        "TransientError",
        "TypeMismatchError",
    ],
    "file_cdk.core.files": ["RemoteFile", "Split"],
    "file_cdk.core.ports": [
        "Destination",
        "Encoder",
        "FileLoad",
        "Format",
        "JsonLines",
        "LoadedFile",
        "Location",
        "Reject",
        "Rejects",
        "SplitReport",
        "StreamReader",
        "StreamTable",
    ],
    "file_cdk.core.uris": ["redacted", "split_member"],
    "file_cdk.pipeline.rejects": ["MaxRejects"],
    "file_cdk.pipeline.sync": ["StreamResult", "SyncObserver", "SyncOptions", "SyncResult", "sync"],
    "file_cdk.readers.by_obstore": ["NotByObstoreError", "ObstoreBucket", "ObstoreEndpoint"],
    "file_cdk.readers.globbing": ["GlobPatterns"],
    "file_cdk.readers.connections": ["connection_fault"],
    "file_cdk.readers.keys": ["globs_of_key"],
    "file_cdk.readers.local": ["LocalReader"],
    "file_cdk.readers.objects": ["ObjectReader", "ObjectStore", "Page"],
    "file_cdk.readers.retries": ["RetryPolicy"],
}
_ORIGIN_OF = {name: module for module, names in _ORIGINS.items() for name in names}

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # a source
    "Connector",
    "run_connector",
    "SourceConfig",
    "StreamConfig",
    "Location",
    "LocalReader",
    "ObjectReader",
    "ObjectStore",
    "Page",
    "ObstoreBucket",
    "ObstoreEndpoint",
    "NotByObstoreError",
    "RetryPolicy",
    "GlobPatterns",
    "connection_fault",
    "globs_of_key",
    "split_member",
    "redacted",
    "renamed_state",
    # ports and nouns
    "RemoteFile",
    "Split",
    "StreamReader",
    "Format",
    "SplitReport",
    "Reject",
    "Rejects",
    "JsonLines",
    "Encoder",
    "Destination",
    "StreamTable",
    "FileLoad",
    "LoadedFile",
    # a sync
    "sync",
    "SyncOptions",
    "MaxRejects",
    "SyncObserver",
    "SyncResult",
    "StreamResult",
    # errors
    "FileCdkError",
    "ConfigError",
    "AccessError",
    "TransientError",
    "FileError",
    "FileAccessError",
    "FileChangedError",
    "MalformedFileError",
    "MalformedRecordError",
    "TooManyRejectsError",
    "SequentialOnlyError",
    "TypeMismatchError",
    "DestinationError",
]


def __getattr__(name: str) -> Any:
    if name not in _ORIGIN_OF:
        raise AttributeError(f"module 'file_cdk' has no attribute {name!r}")
    value = getattr(import_module(_ORIGIN_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
