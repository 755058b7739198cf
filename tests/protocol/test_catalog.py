import json
from typing import Any

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.protocol.catalog import (
    SCHEMALESS_PROPERTIES,
    ConfiguredStream,
    declared_properties,
    discovered_stream,
    inferred_properties,
    parse_configured_catalog,
)
from file_cdk.protocol.messages import catalog, to_line


def on_the_wire(*args: Any, **kwargs: Any) -> Any:
    return json.loads(to_line(catalog([discovered_stream(*args, **kwargs)])))["catalog"]["streams"][0]


def test_a_discovered_stream() -> None:
    properties = inferred_properties(
        {"id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}
    )
    stream = on_the_wire("s", properties, primary_key=["id"])
    assert stream == {
        "name": "s",
        "json_schema": {
            "type": "object",
            "properties": {
                "_ab_source_file_last_modified": {"type": "string"},
                "_ab_source_file_url": {"type": "string"},
                "id": {"type": ["null", "integer"]},
                "tags": {"type": ["null", "array"], "items": {"type": ["null", "string"]}},
            },
        },
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["_ab_source_file_last_modified"],
        "source_defined_primary_key": [["id"]],
        "is_resumable": True,
        "is_file_based": False,
    }
    order = ["_ab_source_file_last_modified", "_ab_source_file_url", "id", "tags"]
    assert list(stream["json_schema"]["properties"]) == order


def test_primary_keys() -> None:
    assert on_the_wire("s", {}, primary_key=["a", "b"])["source_defined_primary_key"] == [["a"], ["b"]]
    assert "source_defined_primary_key" not in on_the_wire("s", {})


def test_a_schemaless_stream() -> None:
    properties = on_the_wire("s", SCHEMALESS_PROPERTIES)["json_schema"]["properties"]
    assert properties["data"] == {"type": "object"}
    assert len(properties) == 3


def test_metadata_columns_are_ours() -> None:
    properties = on_the_wire("s", {"_ab_source_file_url": {"type": "integer"}, "a": {"type": "string"}})
    assert properties["json_schema"]["properties"]["_ab_source_file_url"] == {"type": "string"}


def test_declared_types_are_taken_at_their_word() -> None:
    types = {"a": "integer", "b": "float", "c": "number", "d": "object", "e": "null"}
    assert declared_properties(types) == {
        "a": {"type": "integer"},
        "b": {"type": "number"},
        "c": {"type": "number"},
        "d": {"type": "object"},
        "e": {"type": "null"},
    }


def configured(name: str, mode: str = "incremental", **stream: Any) -> dict[str, Any]:
    return {
        "stream": {"name": name, "supported_sync_modes": ["full_refresh"], **stream},
        "sync_mode": mode,
        "destination_sync_mode": "append",
    }


PROPERTIES = {"id": {"type": ["null", "integer"]}}


def test_a_configured_catalog() -> None:
    raw = {
        "streams": [
            configured("b", json_schema={"type": "object", "properties": PROPERTIES}),
            configured("a", "full_refresh", json_schema={}),
        ]
    }
    parsed = parse_configured_catalog(raw, ["a", "b", "c"])
    assert parsed == (ConfiguredStream("b", "incremental", PROPERTIES), ConfiguredStream("a", "full_refresh", None))
    assert [stream.incremental for stream in parsed] == [True, False]


def test_a_discovered_catalog_can_be_configured() -> None:
    stream = on_the_wire("s", inferred_properties({"id": {"type": "integer"}}))
    entry = {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
    (parsed,) = parse_configured_catalog({"streams": [entry]}, ["s"])
    assert parsed.properties == stream["json_schema"]["properties"]


def test_streams_that_the_configuration_lacks_are_named() -> None:
    with pytest.raises(ConfigError) as error:
        parse_configured_catalog({"streams": [configured("a"), configured("gone"), configured("lost")]}, ["a", "b"])
    assert "'gone', 'lost'" in str(error.value)
    assert "Available streams: 'a', 'b'" in str(error.value)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (None, "'streams'"),
        ([], "'streams'"),
        ({"streams": {}}, "'streams'"),
        ({"streams": [3]}, "streams[0] must be an object"),
        ({"streams": [{"sync_mode": "incremental"}]}, "streams[0].stream must be an object"),
        ({"streams": [configured("a"), configured(5)]}, "streams[1].stream.name"),  # type: ignore[arg-type]
        ({"streams": [configured("a", "sometimes")]}, "streams[0].sync_mode"),
        ({"streams": [configured("a", json_schema=[])]}, "streams[0].stream.json_schema must be an object"),
        ({"streams": [configured("a", json_schema={"properties": []})]}, "json_schema.properties must be an object"),
        ({"streams": [configured("a", json_schema={"properties": {"x": 1}})]}, "properties['x'] must be an object"),
        ({"streams": [configured("a"), configured("a")]}, "more than once: 'a'"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, named: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_configured_catalog(raw, ["a"])
    assert named in str(error.value)


DISCOVERED = {"streams": [{"name": "a", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}]}


@pytest.mark.parametrize(
    "raw",
    [
        DISCOVERED,
        {"type": "CATALOG", "catalog": DISCOVERED},
        [{"type": "LOG", "log": {}}, {"type": "CATALOG", "catalog": DISCOVERED}],
    ],
)
def test_a_catalog_that_nobody_configured(raw: Any) -> None:
    with pytest.raises(ConfigError) as error:
        parse_configured_catalog(raw, ["a"])
    assert str(error.value).startswith(
        'this is discover\'s catalog: a configured catalog is expected. Put {"stream": …'
    )
