"""The progress of a stream from its state, and those of the streams above that go on where they ended."""

from collections.abc import Mapping
from typing import Any

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.slicing.stream import ListRouter, Parent, ParentRouter, SlicedStream
from file_cdk.declarative.states.legacy import of_parent
from file_cdk.declarative.states.partitioned import PartitionedProgress
from file_cdk.declarative.states.plain import NoCursorProgress, PlainProgress
from file_cdk.declarative.states.progress import StreamProgress


def progress_of(stream: SlicedStream, stored: Mapping[str, Any] | None = None) -> StreamProgress:
    """stored: None or empty without a state. Raises ConfigError where it is malformed, and where partitions and
    intervals have a field of one name."""
    stored = stored or {}
    if stream.cursor is None:
        return NoCursorProgress()
    for field in (stream.cursor.start_field, stream.cursor.end_field):
        if field in _partition_fields(stream):
            raise ConfigError(
                f"stream {stream.name!r}: a partition and an interval of the cursor both have a field {field!r}",
                remedy="Name those of the cursor by partition_field_start and partition_field_end",
            )
    if not stream.routers:
        return PlainProgress(stream.cursor, stored)
    return PartitionedProgress(stream.cursor, stored, _parents(stream, stored))


def _parents(stream: SlicedStream, stored: Mapping[str, Any]) -> dict[str, StreamProgress] | None:
    match stream.routers:
        case (ParentRouter(parents),):
            return {
                parent.stream.name: progress_of(parent.stream, _stored(parent, stored))
                for parent in parents
                if parent.is_incremental
            }
        case _:
            return None


def _partition_fields(stream: SlicedStream) -> set[str]:
    lists = {router.field for router in stream.routers if isinstance(router, ListRouter)}
    parents = (router.parents for router in stream.routers if isinstance(router, ParentRouter))
    return lists | {parent.field for several in parents for parent in several}


def _stored(parent: Parent, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    cursor = parent.stream.cursor
    return of_parent(stored, parent.stream.name, cursor.field if cursor else None)
