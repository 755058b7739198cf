"""`source-local` on the fixtures: every line is a message of the official models, and the same whatever the workers."""

import json
import re
import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from airbyte_protocol_dataclasses import models
from commands import FIXTURES, configured, local_config, run, write_json

pytestmark = pytest.mark.scenario

STREAMS = {"flights": "csv", "weather": "jsonl", "planes": "parquet"}
ROWS = {"flights": 2699, "weather": 576, "planes": 3322}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_json(tmp_path / "config.json", local_config(FIXTURES, **STREAMS))


@pytest.fixture
def catalog(config: Path, tmp_path: Path) -> Path:
    return write_json(tmp_path / "catalog.json", configured(discover(config)))


def discover(config: Path) -> dict[str, Any]:
    (message,) = (
        m for m in messages(run("source-local", "discover", "--config", config).stdout) if m["type"] == "CATALOG"
    )
    return typing.cast("dict[str, Any]", message["catalog"])


def messages(output: str) -> list[dict[str, Any]]:
    parsed = [json.loads(line) for line in output.splitlines()]
    for message in parsed:
        assert_is(message, models.AirbyteMessage, "message")
    return parsed


def assert_is(value: Any, model: Any, at: str) -> None:
    """The value has the model's shape: known fields, required ones present, enums and scalars of their type."""
    origin = typing.get_origin(model)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(model)
        if value is None:
            assert type(None) in options, at
        else:
            assert_is(value, next(option for option in options if option is not type(None)), at)
    elif origin is list:
        assert isinstance(value, list), at
        for index, item in enumerate(value):
            assert_is(item, typing.get_args(model)[0], f"{at}[{index}]")
    elif is_dataclass(model):
        if model is models.AirbyteStateBlob:
            return
        hints = typing.get_type_hints(model)
        known = {field.name: field for field in fields(model)}
        assert isinstance(value, dict), at
        assert set(value) <= set(known), f"{at} has {set(value) - set(known)}"
        for name, item in value.items():
            assert_is(item, hints[name], f"{at}.{name}")
    elif isinstance(model, type) and issubclass(model, Enum):
        assert value in [member.value for member in model], f"{at}: {value}"
    elif model in (int, float):
        assert isinstance(value, int | float), at
    elif isinstance(model, type):
        assert isinstance(value, model), f"{at}: {value!r} is no {model}"


def test_spec_and_check(config: Path) -> None:
    (spec,) = messages(run("source-local", "spec").stdout)
    properties = spec["spec"]["connectionSpecification"]["properties"]
    assert {"path", "streams", "start_date", "delivery_method"} <= set(properties)
    assert "$ref" not in json.dumps(spec)
    status = messages(run("source-local", "check", "--config", config).stdout)[-1]
    assert status["connectionStatus"] == {"status": "SUCCEEDED"}


def test_check_says_what_to_do(tmp_path: Path) -> None:
    config = write_json(tmp_path / "config.json", local_config(tmp_path / "missing", flights="csv"))
    status = messages(run("source-local", "check", "--config", config).stdout)[-1]["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "missing" in status["message"]


def test_read_gives_every_row_between_its_statuses(config: Path, catalog: Path) -> None:
    done = run("source-local", "read", "--config", config, "--catalog", catalog)
    assert done.returncode == 0, done.stderr
    read = messages(done.stdout)
    for name, rows in ROWS.items():
        mine = [m for m in read if m["type"] == "RECORD" and m["record"]["stream"] == name]
        assert len(mine) == rows
        assert all(
            list(m["record"]["data"])[-2:] == ["_ab_source_file_last_modified", "_ab_source_file_url"] for m in mine
        )
        statuses = [
            m["trace"]["stream_status"]["status"]
            for m in read
            if m["type"] == "TRACE" and m["trace"]["stream_status"]["stream_descriptor"]["name"] == name
        ]
        assert statuses == ["STARTED", "RUNNING", "COMPLETE"]
        states = [
            m["state"]
            for m in read
            if m["type"] == "STATE" and m["state"]["stream"]["stream_descriptor"]["name"] == name
        ]
        assert sum(state["sourceStats"]["recordCount"] for state in states) == rows


def without_times(output: str) -> str:
    """Times of emission and of logs go; everything else stays, byte for byte."""
    return re.sub(r'"emitted_at":[0-9.]+', '"emitted_at":0', output)


def test_output_is_the_same_with_any_number_of_workers(config: Path, catalog: Path) -> None:
    outputs = [
        run("source-local", "read", "--config", config, "--catalog", catalog, "--workers", workers).stdout
        for workers in ("0", "1", "2", "8")
    ]
    assert len(outputs[0]) > 1_000_000
    assert len({without_times(output) for output in outputs}) == 1


def test_an_incremental_read_goes_on_where_the_last_one_ended(config: Path, tmp_path: Path) -> None:
    catalog = write_json(tmp_path / "catalog.json", configured(discover(config), "incremental"))
    first = messages(run("source-local", "read", "--config", config, "--catalog", catalog).stdout)
    states = [m["state"] for m in first if m["type"] == "STATE"]
    assert sum(m["type"] == "RECORD" for m in first) == sum(ROWS.values())
    state = write_json(tmp_path / "state.json", states)
    done = run("source-local", "read", "--config", config, "--catalog", catalog, "--state", state)
    second = messages(done.stdout)
    assert done.returncode == 0
    assert not [m for m in second if m["type"] == "RECORD"]
    assert [m["state"]["stream"]["stream_state"] for m in second if m["type"] == "STATE"] == [
        state["stream"]["stream_state"] for state in states
    ]


def test_a_bad_file_is_reported_and_left_out_of_the_state(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "a.csv").write_text("id,name\n1,a\n")
    (folder / "bad.csv").write_text("id,name\n1,a\n2\n")
    config = write_json(tmp_path / "config.json", local_config(tmp_path, s="csv"))
    catalog = write_json(tmp_path / "catalog.json", configured(discover(config), "incremental"))
    done = run("source-local", "read", "--config", config, "--catalog", catalog)
    assert done.returncode == 1
    read = messages(done.stdout)
    (state,) = (m["state"]["stream"]["stream_state"] for m in read if m["type"] == "STATE")
    assert set(state["history"]) == {"s/a.csv"}
    traces = [m["trace"] for m in read if m["type"] == "TRACE"]
    assert [t["stream_status"]["status"] for t in traces if t["type"] == "STREAM_STATUS"][-1] == "INCOMPLETE"
    (error,) = (t["error"] for t in traces if t["type"] == "ERROR")
    assert "bad.csv" in error["message"]
    assert "row 2" in error["message"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"globs": ["{1..99999}"]}, "{1..99999}"),
        ({"format": {"filetype": "xml"}}, "xml"),
        ({"format": {"filetype": "csv", "delimiter": "a" * 17}}, "delimiter"),
    ],
)
def test_what_is_wrong_with_the_last_stream_is_said_before_the_first_is_read(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    config = local_config(FIXTURES, flights="csv", weather="jsonl")
    config["streams"][1] |= change
    found: dict[str, Any] = {
        "streams": [
            {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
            for name in ("flights", "weather")
        ]
    }
    catalog = write_json(tmp_path / "catalog.json", configured(found))
    done = run("source-local", "read", "--config", write_json(tmp_path / "config.json", config), "--catalog", catalog)
    assert done.returncode == 1
    (message,) = messages(done.stdout)
    assert message["trace"]["error"]["failure_type"] == "config_error"
    assert said in message["trace"]["error"]["message"]


def test_a_broken_state_is_said_before_anything_is_read(tmp_path: Path) -> None:
    config = write_json(tmp_path / "config.json", local_config(FIXTURES, flights="csv"))
    found = {"streams": [{"name": "flights", "json_schema": {}, "supported_sync_modes": ["incremental"]}]}
    catalog = write_json(tmp_path / "catalog.json", configured(found, "incremental"))
    stream = {"stream_descriptor": {"name": "flights"}, "stream_state": {"history": {"a.csv": "yesterday"}}}
    state = write_json(tmp_path / "state.json", [{"type": "STREAM", "stream": stream}])
    done = run("source-local", "read", "--config", config, "--catalog", catalog, "--state", state)
    assert done.returncode == 1
    (message,) = messages(done.stdout)
    assert "a.csv" in message["trace"]["error"]["message"]
