"""`check` and `discover`: what a configuration reaches, and the schemas of what is there."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from file_cdk.core.config import FileTransfer, SourceConfig, StreamConfig
from file_cdk.core.connector import Connector
from file_cdk.core.errors import FileCdkError, MalformedFileError, SequentialOnlyError
from file_cdk.core.files import RemoteFile
from file_cdk.core.json_schema import merge_properties, nullable
from file_cdk.core.ports import Format, StreamReader
from file_cdk.engine.executor import Event, Executor
from file_cdk.engine.listing import Decide, list_matching, newer_than, reason_to_skip, select
from file_cdk.engine.planning import plan_file, split_bytes
from file_cdk.engine.sampling import SAMPLE_FILES, sample
from file_cdk.engine.work import Began, Ended, Failed, Job, RecordShape, Task
from file_cdk.formats.path_columns import WithPathColumns, partition_values
from file_cdk.formats.registry import format_for
from file_cdk.pipeline.execution import Executors
from file_cdk.pipeline.first_file import first_file, hasty
from file_cdk.pipeline.litter import no_litter
from file_cdk.pipeline.support import configured
from file_cdk.pipeline.transfer import open_first_files
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import (
    SCHEMALESS_PROPERTIES,
    declared_properties,
    discovered_file_stream,
    discovered_stream,
    inferred_properties,
)
from file_cdk.protocol.record_encoding import RecordEncoder
from file_cdk.readers.archives.reader import ArchiveReader
from file_cdk.readers.globbing import GlobPatterns

SAMPLE_BYTES = 1 << 20
"""About what a format reads of each."""

_NO_FILES = "stream {!r}: no file matches {}{}"


def warning(text: str) -> bytes:
    return messages.to_line(messages.log(logging.WARNING, text))


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream and where it reads from."""

    source: SourceConfig
    config: StreamConfig
    matcher: GlobPatterns
    reader: StreamReader
    decoder: Format

    @classmethod
    def of(cls, source: SourceConfig, config: StreamConfig, reader: StreamReader) -> "_Stream":
        matcher = GlobPatterns(config.globs, config.legacy_prefix)
        reader = ArchiveReader(reader, matcher, config.max_expansion_ratio)
        return cls(source, config, matcher, reader, format_for(config.format, config))

    @property
    def rules(self) -> Sequence[Decide]:
        """By which files that match are skipped."""
        return [newer_than(self.source.start_at), no_litter(self.matcher)]

    def first_file(self) -> RemoteFile:
        """In the store's order. Raises AccessError when there is none to read."""
        matching = list_matching(self.reader, self.matcher, in_order=True)
        return first_file(matching, self.rules, self.config, self.source.start_date)

    def files(self, *, in_order: bool = False) -> Iterator[RemoteFile]:
        """Those that no rule skips, as the store lists them; see list_matching."""
        rules = self.rules
        files = list_matching(self.reader, self.matcher, in_order=in_order)
        return (file for file in files if reason_to_skip(file, rules) is None)


def check(connector: Connector, raw: Mapping[str, Any]) -> Iterator[bytes]:
    executors = Executors(None)
    try:
        config, warnings = configured(connector, raw)
        yield from map(warning, warnings)
        reader = hasty(connector.reader(config))
        if isinstance(config.delivery_method, FileTransfer):
            open_first_files(config, reader)
        else:
            _read_beginnings(config, reader, executors)
    except FileCdkError as exc:
        yield messages.to_line(messages.connection_status(str(exc)))
    else:
        yield messages.to_line(messages.connection_status())
    finally:
        executors.close()


def _read_beginnings(config: SourceConfig, reader: StreamReader, executors: Executors) -> None:
    """Reads the first records of each stream. Raises what listing and reading raise, AccessError where no file is read."""
    for stream in [_Stream.of(config, stream, reader) for stream in config.streams]:
        _read_beginning(executors, stream, stream.first_file())


def _read_beginning(executors: Executors, stream: _Stream, file: RemoteFile) -> None:
    """Raises what reading the first records of the file raises, MalformedFileError where every one of them is rejected."""
    first = next(plan_file(file, split_bytes(file, stream.decoder)))
    executor = executors.for_work(first.size_bytes, stream.decoder)
    job = Job(stream.reader, stream.decoder, RecordEncoder(stream.config.name), RecordShape(None))
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
            properties, warnings = _properties(executors, _Stream.of(config, stream, reader))
            yield from map(warning, warnings)
            streams.append(discovered_stream(stream.name, properties, primary_key=stream.primary_key_columns))
    finally:
        executors.close()
    yield messages.to_line(messages.catalog(streams))


def _properties(executors: Executors, stream: _Stream) -> tuple[Mapping[str, Any], list[str]]:
    config = stream.config
    if config.schemaless:
        return SCHEMALESS_PROPERTIES, []
    if config.input_types is not None:
        return {**declared_properties(config.input_types), **_path_properties(stream)}, []
    files = _sample(stream)
    if not files:
        return SCHEMALESS_PROPERTIES, [_no_files(config, "; its schema is a single object column")]
    executor = executors.for_work(sum(min(file.size_bytes, SAMPLE_BYTES) for file in files), stream.decoder)
    found = list(sample(executor, stream.reader, stream.decoder, files, "json"))
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


def _path_properties(stream: _Stream) -> Mapping[str, Any]:
    """Columns from the files' paths: strings in the records, whatever type is declared for them. Lists the files where the
    columns depend on them."""
    decoder = stream.decoder
    if not isinstance(decoder, WithPathColumns):
        return {}
    names: dict[str, None] = {}
    if decoder.partitions:
        for file in _sample(stream):
            names.update(dict.fromkeys(partition_values(file.uri)))
    if decoder.pattern is not None:
        names.update(dict.fromkeys(re.compile(decoder.pattern).groupindex))
    return {name: nullable({"type": "string"}) for name in names}


def _no_files(config: StreamConfig, consequence: str = "") -> str:
    return _NO_FILES.format(config.name, ", ".join(map(repr, config.globs)), consequence)


def _sample(stream: _Stream) -> list[RemoteFile]:
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
