"""The messages that are few, as plain mappings, written as one JSON line each. A RECORD is made here only where it stands for
a whole file.

The official models (airbyte_protocol_dataclasses) take longer to import than a small read takes; tests hold what is made here
against them, its members' order too. Times are milliseconds since the epoch, given by the caller.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from file_cdk.core.errors import FileCdkError

Message = dict[str, Any]


class StreamStatus(StrEnum):
    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


def to_line(message: Message) -> bytes:
    """One JSON object and a line feed."""
    try:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # A file name that is not text: escaped, it comes back from the state file as the same name.
        text = json.dumps(message, separators=(",", ":")).encode()
    return text + b"\n"


def _present(**members: Any) -> dict[str, Any]:
    """Those that are not None: a member without a value is left out. What is inside of them (schemas, state) stays as it is."""
    return {name: member for name, member in members.items() if member is not None}


def spec(
    connection_specification: Mapping[str, Any],
    *,
    documentation_url: str | None = None,
    write_modes: Sequence[str] | None = None,
    supports_incremental: bool | None = True,
    advanced_auth: Mapping[str, Any] | None = None,
) -> Message:
    """connection_specification: as `spec.connection_specification` makes it. write_modes: of a destination.
    advanced_auth: screens of the platform for OAuth."""
    specification = _present(
        connectionSpecification=connection_specification,
        documentationUrl=documentation_url,
        supportsIncremental=supports_incremental,
        supportsNormalization=False,
        supportsDBT=False,
        supported_destination_sync_modes=write_modes,
        advanced_auth=advanced_auth,
    )
    return {"type": "SPEC", "spec": specification}


def connection_status(failure: str | None = None) -> Message:
    """FAILED with the text of what to do about it; SUCCEEDED when there is none."""
    status = "SUCCEEDED" if failure is None else "FAILED"
    return {"type": "CONNECTION_STATUS", "connectionStatus": _present(status=status, message=failure)}


def catalog(streams: Sequence[Mapping[str, Any]]) -> Message:
    """streams: as `catalog` makes them."""
    return {"type": "CATALOG", "catalog": {"streams": list(streams)}}


def stream_state(stream: str, state: Mapping[str, Any] | None, *, record_count: int, progress: Any = None) -> Message:
    """record_count: records of this stream emitted since its last STATE. progress: what `file-cdk sync` is told besides, as
    JSON; where that is partial, there is no state beside it."""
    of_stream = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": stream}, **_present(stream_state=state)},
        "sourceStats": {"recordCount": float(record_count)},
        **_present(file_cdk=progress),
    }
    return {"type": "STATE", "state": of_stream}


def file_record(
    stream: str, data: Mapping[str, Any], *, staged: str, relative: str, size_bytes: int, emitted_at_ms: int
) -> Message:
    """A file that was copied. staged: absolute path of the copy; relative: what it is called in the destination."""
    reference = {
        "staging_file_url": staged,
        "source_file_relative_path": relative,
        "file_size_bytes": size_bytes,
    }
    record = {"stream": stream, "data": data, "emitted_at": emitted_at_ms, "file_reference": reference}
    return {"type": "RECORD", "record": record}


def log(level: int, message: str, *, stack_trace: str | None = None) -> Message:
    """level: as in the standard library's `logging`; each counts as the greatest protocol level it reaches."""
    name = next((name for least, name in _LEVELS if level >= least), "TRACE")
    return {"type": "LOG", "log": _present(level=name, message=message, stack_trace=stack_trace)}


_LEVELS = (
    (logging.CRITICAL, "FATAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARN"),
    (logging.INFO, "INFO"),
    (logging.DEBUG, "DEBUG"),
)


def error_trace(
    error: FileCdkError, *, emitted_at_ms: int, stream: str | None = None, stack_trace: str | None = None
) -> Message:
    """stream: the stream that the error stopped, if it was one."""
    trace = _present(
        message=str(error),
        internal_message=f"{type(error).__name__}: {error.message}",
        stack_trace=stack_trace,
        failure_type=error.failure_type,
        stream_descriptor=None if stream is None else {"name": stream},
    )
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": emitted_at_ms, "error": trace}}


def stream_status(stream: str, status: StreamStatus, *, emitted_at_ms: int, reasons: Sequence[str] = ()) -> Message:
    """STARTED before the first file is looked at, RUNNING before the first record, then COMPLETE or INCOMPLETE. reasons: why
    nothing comes for a while (RATE_LIMITED)."""
    of_stream = {
        "stream_descriptor": {"name": stream},
        "status": status,
        **({"reasons": [{"type": reason} for reason in reasons]} if reasons else {}),
    }
    return {
        "type": "TRACE",
        "trace": {"type": "STREAM_STATUS", "emitted_at": emitted_at_ms, "stream_status": of_stream},
    }


def connector_config(config: Mapping[str, Any], *, emitted_at_ms: int) -> Message:
    """A configuration that whoever keeps it is to replace by this one."""
    control = {"type": "CONNECTOR_CONFIG", "emitted_at": emitted_at_ms, "connectorConfig": {"config": config}}
    return {"type": "CONTROL", "control": control}
