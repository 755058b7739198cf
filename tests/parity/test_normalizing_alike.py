"""Configurations through the rules of a spec, in airbyte-cdk and here: the same comes out."""

import json
import warnings
from typing import Any

import pytest
import yaml
from test_resolving import BASE

from file_cdk.declarative import language
from file_cdk.declarative.normalizing import normalized

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the peer's own are not ours to mend
    from airbyte_cdk.connector_builder.connector_builder_handler import (  # type: ignore[import-not-found, unused-ignore]
        create_source,
        get_limits,
    )

Json = dict[str, Any]
GIVEN: Json = {"key": "k", "n": "12", "empty": "", "site": {"code": "eu", "list": [{"a": 1}, {"a": 2}]}, "none": None}


def add(path: list[str], value: str, condition: str = "", **more: Any) -> Json:
    field = {"type": "AddedFieldDefinition", "path": path, "value": value, **more}
    return {"type": "ConfigAddFields", "fields": [field], **({"condition": condition} if condition else {})}


def remove(*pointers: list[str], condition: str = "") -> Json:
    return {
        "type": "ConfigRemoveFields",
        "field_pointers": [*pointers],
        **({"condition": condition} if condition else {}),
    }


def remap(path: list[str], mapping: Json) -> Json:
    return {"type": "ConfigRemapField", "field_path": path, "map": mapping}


def of_copies() -> list[Json]:
    """Each changes a part of its own, which is a copy of GIVEN: the peer is started once for all of them."""
    return [
        add(["c0", "credentials", "key"], "{{ config['key'] }}", "{{ config.get('key', False) }}"),
        add(["c1", "credentials", "key"], "x", "{{ config.get('other', False) }}"),
        add(["c2", "number"], "{{ config['n'] }}"),
        add(["c3", "number"], "{{ config['n'] }}", value_type="string"),
        add(["c4", "number"], "{{ config['n'] }}", value_type="boolean"),
        add(["c5", "nothing"], "{{ config['empty'] }}"),
        add(["c6", "nothing"], "{{ config['other'] }}"),
        add(["c7", "seen"], "a", "{{ value == 'a' and path == ['c7', 'seen'] }}"),
        remove(["c8", "key"], ["c8", "site", "code"], ["c8", "other", "more"]),
        remove(["c9", "site", "*"]),
        remove(["c10", "s*", "list"]),
        remove(["c11", "key"], condition="{{ config.other }}"),
        remap(["c12", "site", "code"], {"eu": "{{ config['key'] }}.example.com"}),
        remap(["c13", "site", "code"], {"us": "x"}),
        remap(["c14", "n"], {"12": 13}),
        remap(["c15", "n"], {"{{ 6 * 2 }}": "13"}),
        remap(["c16", "site", "code"], {"e{{ 'u' }}": "1,2"}),
        remap(["c17", "site", "code"], {"eu": "{{ config.other }}"}),
        remap(["c18", "site", "code"], {"eu": ["{{ config.key }}"]}),
        remap(["c19", "other", "more"], {"a": "b"}),
        remap(["c20", "{{ 'site' }}", "code"], {"eu": None}),
    ]


@pytest.mark.parametrize("is_kept", [True, False])
def test_rules(is_kept: bool) -> None:
    transformations = of_copies()
    migration = {"type": "ConfigMigration", "transformations": transformations}
    rules = {"config_migrations": [migration]} if is_kept else {"transformations": transformations}
    spec = {
        "type": "Spec",
        "connection_specification": {"type": "object"},
        "config_normalization_rules": {"type": "ConfigNormalizationRules", **rules},
    }
    manifest = {**yaml.safe_load(BASE), "definitions": {}, "spec": spec}
    given = {**GIVEN, **{f"c{n}": GIVEN for n in range(len(transformations))}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = {**json.loads(json.dumps(given)), "__injected_declarative_manifest": manifest}
        source = create_source(config=config, limits=get_limits({}), catalog=None, state=[])
    expected = {key: value for key, value in source._config.items() if not key.startswith("__")}
    made = normalized(language.source_of(language.resolved(json.dumps(manifest), "m")).spec, given)
    assert made.config == expected
    # The peer does not see what changed below the first level, and neither writes nor announces it.
    assert made.migrated == (expected if is_kept else None)
