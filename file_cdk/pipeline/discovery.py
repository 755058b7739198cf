"""`check` and `discover`: what a configuration reaches, and the schemas of what is there."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from file_cdk.core.config import SourceConfig, StreamConfig
from file_cdk.core.errors import FileCdkError, MalformedFileError
from file_cdk.core.files import RemoteFile
from file_cdk.core.json_schema import merge_properties
from file_cdk.core.ports import SourceConnector, StreamReader
from file_cdk.engine.listing import list_matching, newer_than, select
from file_cdk.engine.planning import plan_file
from file_cdk.engine.sampling import SAMPLE_FILES, sample
from file_cdk.engine.work import Began, Failed, Job, RecordShape, Task
from file_cdk.formats.registry import format_for
from file_cdk.pipeline.connector import configured
from file_cdk.pipeline.execution import Executors
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import (
    SCHEMALESS_PROPERTIES,
    declared_properties,
    discovered_stream,
    inferred_properties,
)
from file_cdk.protocol.record_encoding import RecordEncoder
from file_cdk.readers.globbing import GlobPatterns

SAMPLE_BYTES = 1 << 20
"""About what a format reads of each."""

_NO_FILES = "stream {!r}: no file matches its globs{}"


def warning(text: str) -> bytes:
    return messages.to_line(messages.log(logging.WARNING, text))


def stream_files(config: SourceConfig, stream: StreamConfig, reader: StreamReader) -> Iterator[RemoteFile]:
    """Files of the stream that were not modified before start_date, as the store lists them."""
    matcher = GlobPatterns(stream.globs, stream.legacy_prefix)
    old = newer_than(config.start_at)
    return (file for file in list_matching(reader, matcher) if old([file]) == [None])


def check(connector: SourceConnector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    executors = Executors(None)
    try:
        config, warnings = configured(connector, raw)
        yield from map(warning, warnings)
        reader = connector.reader(config)
        for stream in config.streams:
            file = next(stream_files(config, stream, reader), None)
            if file is None:
                yield warning(_NO_FILES.format(stream.name, ""))
            else:
                _read_beginning(executors, reader, stream, file)
    except FileCdkError as exc:
        yield messages.to_line(messages.connection_status(str(exc)))
    else:
        yield messages.to_line(messages.connection_status())
    finally:
        executors.close()


def _read_beginning(executors: Executors, reader: StreamReader, stream: StreamConfig, file: RemoteFile) -> None:
    """Raises what reading the first records of the file raises."""
    decoder = format_for(stream.format)
    first = next(plan_file(file, decoder.split_size_bytes(file)))
    executor = executors.for_work(first.size_bytes, decoder)
    job = Job(reader, decoder, RecordEncoder(stream.name), RecordShape(None))
    attempt = executor.submit(Task(job, first, 0))
    event = attempt.next_event()
    if isinstance(event, Began):
        event = attempt.next_event()
    executor.reset()
    if isinstance(event, Failed):
        raise event.error


def discover(connector: SourceConnector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    config, warnings = configured(connector, raw)
    yield from map(warning, warnings)
    reader = connector.reader(config)
    executors = Executors(None)
    streams = []
    try:
        for stream in config.streams:
            properties, warnings = _properties(executors, config, stream, reader)
            yield from map(warning, warnings)
            streams.append(discovered_stream(stream.name, properties, primary_key=stream.primary_key_columns))
    finally:
        executors.close()
    yield messages.to_line(messages.catalog(streams))


def _properties(
    executors: Executors, config: SourceConfig, stream: StreamConfig, reader: StreamReader
) -> tuple[Mapping[str, Any], list[str]]:
    if stream.schemaless:
        return SCHEMALESS_PROPERTIES, []
    if stream.input_types is not None:
        return declared_properties(stream.input_types), []
    files = _sample(config, stream, reader)
    if not files:
        return SCHEMALESS_PROPERTIES, [_NO_FILES.format(stream.name, "; its schema is a single object column")]
    decoder = format_for(stream.format)
    executor = executors.for_work(sum(min(file.size_bytes, SAMPLE_BYTES) for file in files), decoder)
    found = list(sample(executor, reader, decoder, files, "json"))
    errors = [item for item in found if isinstance(item, FileCdkError)]
    samples = [item for item in found if not isinstance(item, FileCdkError)]
    if not samples:
        raise MalformedFileError(
            f"stream {stream.name!r}: none of the {len(files)} files sampled can be read; the first fails with: {errors[0]}",
            remedy="Check that the stream's format is that of its files",
        )
    return inferred_properties(merge_properties(samples)), [f"left out of the schema: {error}" for error in errors]


def _sample(config: SourceConfig, stream: StreamConfig, reader: StreamReader) -> list[RemoteFile]:
    """The latest files, oldest of them first; one file if the configuration says so."""
    files: Iterable[RemoteFile] = stream_files(config, stream, reader)
    if stream.use_first_found_file_for_schema_discovery:
        first = next(iter(files), None)
        return [] if first is None else [first]
    selection = select(files, [])
    try:
        latest = selection.latest(stream.recent_n_files_to_read_for_schema_discovery or SAMPLE_FILES)
    finally:
        selection.close()
    return latest[::-1]
