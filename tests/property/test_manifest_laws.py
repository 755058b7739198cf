"""Laws of manifests: which configurations are valid, that resolving is done once, and that any text is read or refused."""

from typing import Any

import jsonschema
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.configuration import is_valid
from file_cdk.declarative.language.mistakes import mistakes
from file_cdk.declarative.language.parameters import with_parameters
from file_cdk.declarative.language.reading import read
from file_cdk.declarative.language.references import without_references

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([0.0, 1.0, 1.5])
    | st.sampled_from(["", "a", "ab", "b1"])
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c1"]), below, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])


def schemas_of(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(below, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(["a", "b", "c1"]), below, max_size=3)
    count = st.integers(0, 3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "1$"]), below, max_size=1),
            "additionalProperties": below,
            "required": st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
            "items": below | some,
            "additionalItems": below,
            "contains": below,
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "pattern": st.sampled_from(["^a", "[0-9]"]),
            "allOf": some,
            "anyOf": some,
            "oneOf": some,
            "not": below,
            "if": below,
            "then": below,
            "else": below,
            "uniqueItems": st.booleans(),
            "minimum": count,
            "maximum": count,
            "exclusiveMinimum": count,
            "exclusiveMaximum": count,
            "minLength": count,
            "maxLength": count,
            "minItems": count,
            "maxItems": count,
            "minProperties": count,
            "maxProperties": count,
        },
    )


@settings(max_examples=40)
@given(VALUES, st.recursive(st.booleans(), schemas_of, max_leaves=5))
def test_valid_is_what_jsonschema_says_is_valid(value: Any, schema: Any) -> None:
    assert is_valid(value, schema) == jsonschema.Draft7Validator(schema).is_valid(value)


NAMES = st.sampled_from(["a", "b", "c", "type", "$ref", "$parameters", "streams", "definitions", "retriever", "name"])
TEXTS = st.sampled_from(["#/a", "#/definitions/b", "#/a/0", "SimpleRetriever", "object", "{{ config.a }}", "x"])
PARTS = st.recursive(
    TEXTS | st.none() | st.integers(0, 3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=12,
)
MANIFESTS = st.dictionaries(NAMES, PARTS, max_size=5)


@settings(max_examples=40)
@given(MANIFESTS)
def test_resolving_is_done_once(manifest: dict[str, Any]) -> None:
    """What is resolved has no references, and resolving it changes nothing more; parameters are pushed down as far as they go."""
    try:
        once = without_references(manifest, "m")
    except ManifestError:
        return
    assert without_references(once, "m") == once
    try:
        pushed = with_parameters(once, "m")
    except ManifestError:
        return
    assert with_parameters(pushed, "m") == pushed


@settings(max_examples=40)
@given(MANIFESTS)
def test_whatever_is_written_is_told_of_where_it_is(manifest: dict[str, Any]) -> None:
    text = yaml.safe_dump(manifest)
    lines = text.splitlines()
    for mistake in mistakes(text):
        assert 1 <= mistake.line <= len(lines) + 1
        assert mistake.message


@settings(max_examples=40)
@given(
    st.recursive(
        SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3)
    )
)
def test_what_pyyaml_writes_is_read_as_it_was(value: Any) -> None:
    document = {"value": value}
    for flow in (True, False):
        assert read(yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True), "m").value == document
