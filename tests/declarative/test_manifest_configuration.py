"""Configurations against a spec: what is told, and that no value is."""

from typing import Any

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.configuration import check_configuration

SPEC = {
    "type": "object",
    "required": ["api_key", "start"],
    "additionalProperties": False,
    "properties": {
        "api_key": {"type": "string", "airbyte_secret": True},
        "start": {
            "type": "string",
            "format": "date-time",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            "default": "2020-01-01",
        },
        "pages": {"type": "integer", "minimum": 1, "maximum": 9},
        "names": {"type": "array", "items": {"type": "string", "minLength": 2}, "uniqueItems": True},
        "auth": {
            "oneOf": [
                {"required": ["token"], "properties": {"kind": {"const": "token"}, "token": {"type": "string"}}},
                {"required": ["user"], "properties": {"kind": {"const": "basic"}, "user": {"type": "string"}}},
            ]
        },
    },
}
GOOD = {"api_key": "secret", "start": "2024-01-31"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"__injected": {}, "_limit": 5, "_page_size": 1}, None),
        ({"api_key": 5551}, "api_key: must be string"),
        ({"start": "31.01.5551"}, "start: does not match the pattern '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'"),
        ({"pages": 5551}, "pages: must be 9 or less"),
        ({"pages": True}, "pages: must be integer"),
        ({"names": ["5551", "x"]}, "names[1]: must have 2 characters or more"),
        ({"names": ["5551", "5551"]}, "names[1]: stands in the list twice"),
        ({"other": "5551"}, "other: is no field of the configuration"),
        ({"auth": {"kind": "basic", "token": "5551"}}, "auth.user: is missing"),
        ({"auth": "5551"}, "auth: is of several kinds of which it must be one"),
        ({"auth": {"kind": "5551"}}, "auth: is of none of the kinds that it may be"),
    ],
)
def test_what_is_told(change: dict[str, Any], told: str | None) -> None:
    config = GOOD | change
    if told is None:
        check_configuration(config, SPEC)
        return
    with pytest.raises(ConfigError) as caught:
        check_configuration(config, SPEC)
    assert str(caught.value) == f"invalid configuration: {told}"
    assert "5551" not in str(caught.value)


def test_a_spec_of_older_drafts() -> None:
    """`required` in a field says nothing."""
    check_configuration({"a": {}}, {"properties": {"a": {"type": "object", "required": True, "enum": None}}})


def test_defaults_are_not_filled_in() -> None:
    config = {"api_key": "secret"}
    with pytest.raises(ConfigError, match="start: is missing"):
        check_configuration(config, SPEC)
    assert config == {"api_key": "secret"}


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        check_configuration({"pages": 0, "names": 1}, SPEC)
    assert caught.value.message.removeprefix("invalid configuration: ").split("; ") == [
        "api_key: is missing",
        "start: is missing",
        "pages: must be 1 or more",
        "names: must be array",
    ]


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(ConfigError, match="the manifest's spec has the pattern '\\(', which is no regular expression"):
        check_configuration({"a": "b"}, {"properties": {"a": {"type": "string", "pattern": "("}}})
