import dataclasses
import json
import logging
import types
import typing
from enum import Enum
from typing import Any

import pytest
from airbyte_protocol_dataclasses import models
from airbyte_protocol_dataclasses.models import AirbyteStreamStatus

from file_cdk.core.errors import AccessError, ConfigError, MalformedRecordError, TransientError
from file_cdk.protocol import messages
from file_cdk.protocol.catalog import discovered_file_stream, discovered_stream
from file_cdk.protocol.messages import Message, StreamStatus

MESSAGES = [
    messages.spec({"type": "object", "properties": {}}),
    messages.spec({"type": "object"}, documentation_url="https://example.org/docs"),
    messages.connection_status(),
    messages.connection_status("bucket not found"),
    messages.catalog([discovered_stream("s", {"a": {"type": "string"}}, primary_key=["a"])]),
    messages.stream_state("s", {"history": {"é.csv": "2024"}, "x": None}, record_count=3),
    messages.log(logging.INFO, "hello", stack_trace="trace"),
    messages.error_trace(MalformedRecordError("bad record", uri="a.csv", row=3), emitted_at_ms=5, stream="s"),
    messages.stream_status("s", StreamStatus.STARTED, emitted_at_ms=5),
    messages.catalog([discovered_file_stream("s"), discovered_stream("t", {})]),
    messages.file_record("s", {"bytes": 3}, staged="/staging/a", relative="a", size_bytes=3, emitted_at_ms=5),
]


def load(kind: Any, raw: Any) -> Any:
    """Builds the official model strictly: every key a field, every field of its type."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = (option for option in typing.get_args(kind) if option is not types.NoneType)
    if kind is models.AirbyteStateBlob:
        assert isinstance(raw, dict)
        return raw
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        assert isinstance(raw, dict)
        assert raw.keys() <= hints.keys(), f"{kind} has no field {raw.keys() - hints.keys()}"
        assert None not in raw.values()
        return kind(**{name: load(hints[name], value) for name, value in raw.items()})  # type: ignore[operator]
    if typing.get_origin(kind) is list:
        return [load(typing.get_args(kind)[0], item) for item in raw]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(raw)
    if kind is float:
        assert isinstance(raw, int | float)
    elif isinstance(kind, type):
        assert isinstance(raw, kind)
    return raw


def plain(value: Any) -> Any:
    """A model as a mapping with the members that have a value, in the model's order."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if not dataclasses.is_dataclass(value):
        return value
    members = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return {name: plain(member) for name, member in members if member is not None}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m["type"])
def test_every_line_is_what_the_official_model_gives(message: Message) -> None:
    line = messages.to_line(message)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    official = plain(load(models.AirbyteMessage, json.loads(line)))
    assert json.dumps(official, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" == line


def wire(message: Message) -> Any:
    return json.loads(messages.to_line(message))


def test_spec() -> None:
    spec = wire(messages.spec({"type": "object"}, documentation_url="https://example.org"))["spec"]
    assert spec["connectionSpecification"] == {"type": "object"}
    assert spec["documentationUrl"] == "https://example.org"
    assert spec["supportsIncremental"] is True
    assert "documentationUrl" not in wire(messages.spec({}))["spec"]


def test_connection_status() -> None:
    assert wire(messages.connection_status()) == {
        "type": "CONNECTION_STATUS",
        "connectionStatus": {"status": "SUCCEEDED"},
    }
    assert wire(messages.connection_status("no such bucket"))["connectionStatus"] == {
        "status": "FAILED",
        "message": "no such bucket",
    }


def test_state_on_the_wire() -> None:
    state = {"history": {"ü.csv": "2024-01-01T00:00:00.000000Z"}, "_ab_source_file_last_modified": None}
    line = messages.to_line(messages.stream_state("s", state, record_count=12))
    assert line.decode() == (
        '{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"s"},"stream_state":'
        '{"history":{"ü.csv":"2024-01-01T00:00:00.000000Z"},"_ab_source_file_last_modified":null}},'
        '"sourceStats":{"recordCount":12.0}}}\n'
    )


def test_a_file_name_that_is_not_text_comes_back_from_the_state() -> None:
    name = b"\xff.csv".decode("utf-8", "surrogateescape")
    state = wire(messages.stream_state("s", {"history": {name: "x"}}, record_count=0))["state"]["stream"][
        "stream_state"
    ]
    assert state == {"history": {name: "x"}}


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (logging.CRITICAL, "FATAL"),
        (logging.ERROR, "ERROR"),
        (logging.WARNING, "WARN"),
        (35, "WARN"),
        (logging.INFO, "INFO"),
        (logging.DEBUG, "DEBUG"),
        (5, "TRACE"),
    ],
)
def test_log_levels(level: int, name: str) -> None:
    assert wire(messages.log(level, "x")) == {"type": "LOG", "log": {"level": name, "message": "x"}}


def test_error_trace_says_what_and_where() -> None:
    error = MalformedRecordError("unterminated quote", uri="a.csv", row=3, remedy="Mend the file")
    assert wire(messages.error_trace(error, emitted_at_ms=7, stream="s")) == {
        "type": "TRACE",
        "trace": {
            "type": "ERROR",
            "emitted_at": 7,
            "error": {
                "message": "unterminated quote (file 'a.csv', row 3). Mend the file",
                "internal_message": "MalformedRecordError: unterminated quote",
                "failure_type": "system_error",
                "stream_descriptor": {"name": "s"},
            },
        },
    }


@pytest.mark.parametrize(
    ("error", "failure_type"),
    [
        (ConfigError("x"), "config_error"),
        (AccessError("x"), "config_error"),
        (TransientError("x"), "transient_error"),
        (MalformedRecordError("x"), "system_error"),
    ],
)
def test_failure_types(error: Any, failure_type: str) -> None:
    trace = wire(messages.error_trace(error, emitted_at_ms=1))["trace"]["error"]
    assert trace["failure_type"] == failure_type
    assert "stream_descriptor" not in trace


def test_statuses_are_those_of_the_protocol() -> None:
    assert [status.value for status in StreamStatus] == [status.value for status in AirbyteStreamStatus]


@pytest.mark.parametrize("status", list(StreamStatus))
def test_stream_status(status: StreamStatus) -> None:
    assert wire(messages.stream_status("s", status, emitted_at_ms=7)) == {
        "type": "TRACE",
        "trace": {
            "type": "STREAM_STATUS",
            "emitted_at": 7,
            "stream_status": {"stream_descriptor": {"name": "s"}, "status": status.name},
        },
    }
