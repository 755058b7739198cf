"""Configurations that become others before they are used: migrations, transformations, validations."""

from typing import Any

import msgspec
import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.components.spec import Spec
from file_cdk.declarative.normalizing import normalized

Json = dict[str, Any]
ADD_CREDENTIALS = {
    "type": "ConfigMigration",
    "transformations": [
        {
            "type": "ConfigAddFields",
            "condition": "{{ config.get('api_key', False) }}",
            "fields": [
                {"type": "AddedFieldDefinition", "path": ["credentials", "key"], "value": "{{ config['api_key'] }}"},
                {
                    "type": "AddedFieldDefinition",
                    "path": ["credentials", "number"],
                    "value": "007",
                    "value_type": "string",
                },
            ],
        },
        {"type": "ConfigRemoveFields", "field_pointers": [["api_key"], ["nothing", "there"]]},
    ],
}


def spec(schema: Json | None = None, **rules: Any) -> Spec:
    return msgspec.convert(
        {
            "type": "Spec",
            "connection_specification": schema or {},
            "config_normalization_rules": {"type": "ConfigNormalizationRules", **rules},
        },
        Spec,
    )


def test_migrations_are_kept_and_what_was_given_stays_as_it_was() -> None:
    given = {"api_key": "k"}
    made = normalized(spec(config_migrations=[ADD_CREDENTIALS]), given)
    assert made.config == made.migrated == {"credentials": {"key": "k", "number": "007"}}
    assert given == {"api_key": "k"}


def test_what_is_as_it_should_be_is_not_written_back() -> None:
    new = {"credentials": {"key": "k"}}
    made = normalized(spec(config_migrations=[ADD_CREDENTIALS]), new)
    assert (made.config, made.migrated) == (new, None)


def test_transformations_are_not_kept() -> None:
    remap = {"type": "ConfigRemapField", "field_path": ["site", "code"], "map": {"eu": "https://eu.example.com"}}
    made = normalized(spec(transformations=[remap]), {"site": {"code": "eu"}})
    assert (made.config, made.migrated) == ({"site": {"code": "https://eu.example.com"}}, None)
    for unmapped in ({"site": {"code": "us"}}, {"site": "eu"}, {}):
        assert normalized(spec(transformations=[remap]), unmapped).config == unmapped


@pytest.mark.parametrize(
    ("pointer", "left"),
    [
        (["a", "b"], {"a": {"c": [1, 2]}, "d": 3}),
        (["a", "*"], {"a": {}, "d": 3}),
        (["a", "c", "0"], {"a": {"b": 1, "c": [None, 2]}, "d": 3}),
        (["x"], {"a": {"b": 1, "c": [1, 2]}, "d": 3}),
    ],
)
def test_fields_that_are_removed(pointer: list[str], left: Json) -> None:
    removal = {"type": "ConfigRemoveFields", "field_pointers": [pointer]}
    given = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert normalized(spec(transformations=[removal]), given).config == left


def test_the_spec_is_of_the_migrated_configuration() -> None:
    schema = {"required": ["credentials"], "additionalProperties": False, "properties": {"credentials": {}}}
    normalized(spec(schema, config_migrations=[ADD_CREDENTIALS]), {"api_key": "k"})
    with pytest.raises(ConfigError, match="credentials: is missing"):
        normalized(spec(schema, config_migrations=[ADD_CREDENTIALS]), {})


def test_validations() -> None:
    rule = {"type": "ValidateAdheresToSchema", "base_schema": {"type": "object", "required": ["id"]}}
    validation = {"type": "DpathValidator", "field_path": ["accounts", "*"], "validation_strategy": rule}
    of_accounts = spec(validations=[validation])
    sound: list[Json] = [{}, {"accounts": []}, {"accounts": [{"id": 1}, '{"id": 2}']}]
    for good in sound:
        normalized(of_accounts, good)
    with pytest.raises(ConfigError, match=r"invalid configuration: accounts\.\*\.id: is missing"):
        normalized(of_accounts, {"accounts": [{"name": "secret"}]})
    with pytest.raises(ConfigError, match=r"accounts\.\*: is no JSON"):
        normalized(of_accounts, {"accounts": ["{secret"]})


@pytest.mark.parametrize(
    "rules",
    [
        {"transformations": [{"type": "CustomConfigTransformation", "class_name": "a.B"}]},
        {
            "validations": [
                {
                    "type": "PredicateValidator",
                    "value": 1,
                    "validation_strategy": {"type": "ValidateAdheresToSchema", "base_schema": {}},
                }
            ]
        },
    ],
)
def test_what_is_not_run_is_refused(rules: Json) -> None:
    with pytest.raises(ConfigError, match=r"is Python code|is not supported yet"):
        normalized(spec(**rules), {})
