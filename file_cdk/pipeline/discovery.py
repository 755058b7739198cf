"""`check` and `discover`: what a configuration reaches, and the schemas of what is there."""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from file_cdk.core.config import FileTransfer, StreamConfig
from file_cdk.core.connector import Connector
from file_cdk.core.errors import FileCdkError, MalformedFileError, SequentialOnlyError
from file_cdk.core.files import RemoteFile
from file_cdk.core.json_schema import merge_properties, nullable
from file_cdk.engine.executor import Event, Executor
from file_cdk.engine.listing import select
from file_cdk.engine.planning import plan_file, split_bytes
from file_cdk.engine.sampling import SAMPLE_FILES, sample
from file_cdk.engine.work import Began, Ended, Failed, Job, RecordShape, Task
from file_cdk.formats.path_columns import WithPathColumns, partition_values
from file_cdk.formats.registry import format_for
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.stream import Stream, configured
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import (
    SCHEMALESS_PROPERTIES,
    declared_properties,
    discovered_file_stream,
    discovered_stream,
    inferred_properties,
)
from file_cdk.protocol.deferred_encoding import DeferredEncoder

SAMPLE_BYTES = 1 << 20
"""About what a format reads of each."""

_NO_FILES = "stream {!r}: no file matches {}{}"


def warning(text: str) -> bytes:
    return messages.to_line(messages.log(logging.WARNING, text))


def check(connector: Connector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    """A CONNECTION_STATUS, FAILED with the remedy when the configuration cannot work; and what to know besides."""
    executors = Executors(None)
    try:
        config, warnings = configured(connector, raw)
        yield from map(warning, warnings)
        reader = connector.reader(config)
        streams = [Stream.of(connector, config, each, reader).hasty() for each in config.streams]
        for stream in streams:
            file = stream.first_file(in_order=not stream.copies)
            if stream.copies:
                stream.try_to_open(file)
            else:
                _read_beginning(executors, stream, file)
    except FileCdkError as exc:
        yield messages.to_line(messages.connection_status(str(exc)))
    else:
        yield messages.to_line(messages.connection_status())
    finally:
        executors.close()


def _read_beginning(executors: Executors, stream: Stream, file: RemoteFile) -> None:
    """Raises what reading the first records of the file raises, MalformedFileError where every one of them is rejected."""
    file_format = format_for(stream.config.format, stream.config)
    first = next(plan_file(file, split_bytes(file, file_format)))
    executor = executors.for_work(first.size_bytes, file_format)
    job = Job(stream.reader, file_format, DeferredEncoder(stream.config.name), RecordShape(None))
    event = _first_output(executor, Task(job, first, 0))
    if isinstance(event, Failed) and isinstance(event.error, SequentialOnlyError):
        event = _first_output(executor, Task(job, first.rest_of_file(0), 0))
    if isinstance(event, Failed):
        raise event.error
    if isinstance(event, Ended) and event.report.rejects.first and not event.report.rows:
        reject = event.report.rejects.first[0]
        raise MalformedFileError(
            f"none of the first {event.report.rejects.total():,} records can be read; the first: {reject.reason}",
            uri=file.uri,
            row=reject.row,
            byte=reject.byte,
            remedy="Check that the stream's format is that of its files",
        )


def _first_output(executor: Executor, task: Task) -> Event:
    attempt = executor.submit(task)
    event = attempt.next_event()
    if isinstance(event, Began):
        event = attempt.next_event()
    executor.reset()
    return event


def discover(connector: Connector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    """The CATALOG, after warnings. Raises ConfigError, AccessError, and MalformedFileError when no file can be sampled."""
    config, warnings = configured(connector, raw)
    yield from map(warning, warnings)
    if isinstance(config.delivery_method, FileTransfer):
        found = [discovered_file_stream(each.name, primary_key=each.primary_key_columns) for each in config.streams]
        yield messages.to_line(messages.catalog(found))
        return
    reader = connector.reader(config)
    executors = Executors(None)
    streams = []
    try:
        for stream in config.streams:
            properties, warnings = _properties(executors, Stream.of(connector, config, stream, reader))
            yield from map(warning, warnings)
            streams.append(discovered_stream(stream.name, properties, primary_key=stream.primary_key_columns))
    finally:
        executors.close()
    yield messages.to_line(messages.catalog(streams))


def _properties(executors: Executors, stream: Stream) -> tuple[Mapping[str, Any], list[str]]:
    config = stream.config
    if config.schemaless:
        return SCHEMALESS_PROPERTIES, []
    if config.input_types is not None:
        return {**declared_properties(config.input_types), **_path_properties(stream)}, []
    files = _sample(stream)
    if not files:
        return SCHEMALESS_PROPERTIES, [_no_files(config, "; its schema is a single object column")]
    file_format = format_for(config.format, config)
    executor = executors.for_work(sum(min(file.size_bytes, SAMPLE_BYTES) for file in files), file_format)
    found = list(sample(executor, stream.reader, file_format, files, "json"))
    errors = [item for item in found if isinstance(item, FileCdkError)]
    samples = [item for item in found if not isinstance(item, FileCdkError)]
    if not samples:
        which = "its only file cannot" if len(files) == 1 else f"none of the {len(files)} files sampled can"
        raise MalformedFileError(
            f"stream {config.name!r}: {which} be read; the first fails with: {errors[0]}",
            remedy="Check that the stream's format is that of its files",
        )
    found_properties = merge_properties(samples)
    if not found_properties:
        raise MalformedFileError(
            f"stream {config.name!r}: the {len(samples)} files sampled, such as {files[-1].uri!r}, hold no records to find a "
            "schema in",
            remedy="Give the stream an input_schema, or leave out empty files with the globs",
        )
    return inferred_properties(found_properties), [f"left out of the schema: {error}" for error in errors]


def _path_properties(stream: Stream) -> Mapping[str, Any]:
    """Columns from the files' paths: strings in the records, whatever type is declared for them. Lists the files where the
    columns depend on them."""
    file_format = format_for(stream.config.format, stream.config)
    if not isinstance(file_format, WithPathColumns):
        return {}
    names: dict[str, None] = {}
    if file_format.partitions:
        for file in _sample(stream):
            names.update(dict.fromkeys(partition_values(file.uri)))
    if file_format.pattern is not None:
        names.update(dict.fromkeys(re.compile(file_format.pattern).groupindex))
    return {name: nullable({"type": "string"}) for name in names}


def _no_files(config: StreamConfig, consequence: str = "") -> str:
    return _NO_FILES.format(config.name, ", ".join(map(repr, config.globs)), consequence)


def _sample(stream: Stream) -> list[RemoteFile]:
    """The latest files, oldest of them first; one file if the configuration says so."""
    if stream.config.use_first_found_file_for_schema_discovery:
        first = next(stream.files(in_order=True), None)
        return [] if first is None else [first]
    selection = select(stream.files(), [])
    try:
        latest = selection.latest(stream.config.recent_n_files_to_read_for_schema_discovery or SAMPLE_FILES)
    finally:
        selection.close()
    return latest[::-1]
