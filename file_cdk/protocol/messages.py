"""The messages that are few: built from the official models, written as one JSON line each. A RECORD is made here only
where it stands for a whole file.

Times are milliseconds since the epoch, given by the caller.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from airbyte_protocol_dataclasses.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteErrorTraceMessage,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteRecordMessageFileReference,
    AirbyteStateMessage,
    AirbyteStateStats,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    AirbyteStreamStatus,
    AirbyteStreamStatusTraceMessage,
    AirbyteTraceMessage,
    ConnectorSpecification,
    FailureType,
    Level,
    Status,
    StreamDescriptor,
    TraceType,
    Type,
)

from file_cdk.core.errors import FileCdkError


def to_line(message: AirbyteMessage) -> bytes:
    """One JSON object and a line feed. Fields that are None are left out; mappings (schemas, state) stay as they are."""
    plain = _plain(message)
    try:
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # A file name that is not text: escaped, it comes back from the state file as the same name.
        text = json.dumps(plain, separators=(",", ":")).encode()
    return text + b"\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        members = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: _plain(member) for name, member in members if member is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def spec(connection_specification: Mapping[str, Any], *, documentation_url: str | None = None) -> AirbyteMessage:
    """connection_specification: as `spec.connection_specification` makes it."""
    specification = ConnectorSpecification(
        connectionSpecification=dict(connection_specification),
        documentationUrl=documentation_url,
        supportsIncremental=True,
    )
    return AirbyteMessage(type=Type.SPEC, spec=specification)


def connection_status(failure: str | None = None) -> AirbyteMessage:
    """FAILED with the text of what to do about it; SUCCEEDED when there is none."""
    status = Status.SUCCEEDED if failure is None else Status.FAILED
    return AirbyteMessage(
        type=Type.CONNECTION_STATUS, connectionStatus=AirbyteConnectionStatus(status=status, message=failure)
    )


def catalog(streams: Sequence[AirbyteStream]) -> AirbyteMessage:
    return AirbyteMessage(type=Type.CATALOG, catalog=AirbyteCatalog(streams=list(streams)))


def stream_state(stream: str, state: Mapping[str, Any], *, record_count: int) -> AirbyteMessage:
    """record_count: records of this stream emitted since its last STATE."""
    message = AirbyteStateMessage(
        type=AirbyteStateType.STREAM,
        # The model of a state blob has no fields; what is in it is ours alone.
        stream=AirbyteStreamState(stream_descriptor=StreamDescriptor(name=stream), stream_state=dict(state)),
        sourceStats=AirbyteStateStats(recordCount=float(record_count)),
    )
    return AirbyteMessage(type=Type.STATE, state=message)


def file_record(
    stream: str, data: Mapping[str, Any], *, staged: str, relative: str, size_bytes: int, emitted_at_ms: int
) -> AirbyteMessage:
    """A file that was copied. staged: absolute path of the copy; relative: what it is called in the destination."""
    reference = AirbyteRecordMessageFileReference(
        staging_file_url=staged, source_file_relative_path=relative, file_size_bytes=size_bytes
    )
    record = AirbyteRecordMessage(stream=stream, data=dict(data), emitted_at=emitted_at_ms, file_reference=reference)
    return AirbyteMessage(type=Type.RECORD, record=record)


def log(level: int, message: str, *, stack_trace: str | None = None) -> AirbyteMessage:
    """level: as in the standard library's `logging`; each counts as the greatest protocol level it reaches."""
    name = next((name for least, name in _LEVELS if level >= least), Level.TRACE)
    return AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=name, message=message, stack_trace=stack_trace))


_LEVELS = (
    (logging.CRITICAL, Level.FATAL),
    (logging.ERROR, Level.ERROR),
    (logging.WARNING, Level.WARN),
    (logging.INFO, Level.INFO),
    (logging.DEBUG, Level.DEBUG),
)


def error_trace(
    error: FileCdkError, *, emitted_at_ms: int, stream: str | None = None, stack_trace: str | None = None
) -> AirbyteMessage:
    """stream: the stream that the error stopped, if it was one."""
    trace = AirbyteErrorTraceMessage(
        message=str(error),
        internal_message=f"{type(error).__name__}: {error.message}",
        stack_trace=stack_trace,
        failure_type=FailureType(error.failure_type),
        stream_descriptor=None if stream is None else StreamDescriptor(name=stream),
    )
    return _trace(AirbyteTraceMessage(type=TraceType.ERROR, emitted_at=emitted_at_ms, error=trace))


def stream_status(stream: str, status: AirbyteStreamStatus, *, emitted_at_ms: int) -> AirbyteMessage:
    """STARTED before the first file is looked at, RUNNING before the first record, then COMPLETE or INCOMPLETE."""
    trace = AirbyteStreamStatusTraceMessage(stream_descriptor=StreamDescriptor(name=stream), status=status)
    return _trace(AirbyteTraceMessage(type=TraceType.STREAM_STATUS, emitted_at=emitted_at_ms, stream_status=trace))


def _trace(trace: AirbyteTraceMessage) -> AirbyteMessage:
    return AirbyteMessage(type=Type.TRACE, trace=trace)
