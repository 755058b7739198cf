from itertools import combinations, permutations
from typing import Any

import pytest

from file_cdk.core.json_schema import merge, merge_properties, nullable, plain_type

SCALARS = ["null", "boolean", "integer", "number", "string"]


def test_an_enumeration_grows_and_gives_way_to_any_string() -> None:
    left, right = {"type": "string", "enum": ["A", "B"]}, {"type": "string", "enum": ["B", "C"]}
    assert merge(left, right) == {"type": "string", "enum": ["A", "B", "C"]}
    assert merge(left, {"type": "string"}) == {"type": "string"}
    assert merge({"type": "integer"}, left) == {"type": "string"}
    assert merge({"type": "null"}, left) == left


@pytest.mark.parametrize(("narrow", "wide"), list(combinations(SCALARS, 2)))
def test_of_two_scalars_the_wider_wins(narrow: str, wide: str) -> None:
    assert merge({"type": narrow}, {"type": wide}) == {"type": wide}
    assert merge({"type": wide}, {"type": narrow}) == {"type": wide}


@pytest.mark.parametrize("kind", ["object", "array"])
@pytest.mark.parametrize("scalar", ["boolean", "integer", "number", "string"])
def test_a_scalar_and_a_nested_type_widen_to_string(kind: str, scalar: str) -> None:
    assert merge({"type": kind}, {"type": scalar}) == {"type": "string"}
    assert merge({"type": scalar}, {"type": kind}) == {"type": "string"}


def test_null_takes_the_other_schema_whole() -> None:
    date = {"type": "string", "format": "date"}
    assert merge({"type": "null"}, date) == date
    assert merge(date, {"type": "null"}) == date


def test_objects_merge_member_by_member() -> None:
    left = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
    right = {"type": "object", "properties": {"c": {"type": "boolean"}, "a": {"type": "number"}}}
    merged = merge(left, right)
    assert merged == {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "string"}, "c": {"type": "boolean"}},
    }
    assert list(merged["properties"]) == ["a", "b", "c"]


def test_an_object_of_unknown_members_hides_known_ones() -> None:
    known = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert merge(known, {"type": "object"}) == {"type": "object"}


def test_arrays_merge_their_items() -> None:
    integers = {"type": "array", "items": {"type": "integer"}}
    numbers = {"type": "array", "items": {"type": "number"}}
    assert merge(integers, numbers) == numbers
    assert merge(integers, {"type": "array"}) == {"type": "array"}


def test_columns_come_in_order_of_first_appearance() -> None:
    samples = [{"b": {"type": "integer"}}, {"a": {"type": "string"}, "b": {"type": "null"}}, {"c": {"type": "boolean"}}]
    merged = merge_properties(samples)
    assert list(merged.items()) == [("b", {"type": "integer"}), ("a", {"type": "string"}), ("c", {"type": "boolean"})]


def test_the_order_of_files_does_not_change_a_type() -> None:
    kinds = ("null", "integer", "boolean", "number")
    for order in permutations(kinds):
        assert merge_properties([{"x": {"type": kind}} for kind in order]) == {"x": {"type": "number"}}


def test_merging_leaves_its_input_alone() -> None:
    sample: dict[str, Any] = {"a": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    merge_properties([sample, {"a": {"type": "object", "properties": {"x": {"type": "string"}}}}])
    assert sample == {"a": {"type": "object", "properties": {"x": {"type": "integer"}}}}


def test_nullable_reaches_nested_types() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string", "format": "date"}}},
        "additionalProperties": {"type": "boolean"},
    }
    assert nullable(schema) == {
        "type": ["null", "object"],
        "properties": {
            "n": {"type": ["null", "integer"]},
            "l": {"type": ["null", "array"], "items": {"type": ["null", "string"], "format": "date"}},
        },
        "additionalProperties": {"type": ["null", "boolean"]},
    }


def test_nullable_types_stay_as_they_are() -> None:
    assert nullable({"type": ["null", "string"]}) == {"type": ["null", "string"]}
    assert nullable({"type": ["string", "integer"]}) == {"type": ["null", "string", "integer"]}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": ["null", "integer"]}, "integer"),
        ({"type": "array"}, "array"),
        ({"type": ["null"]}, "null"),
        ({"type": ["null", "integer", "string"]}, "string"),
        ({"type": ["null", "object", "string"]}, "object"),
        ({}, "string"),
    ],
)
def test_plain_type(schema: dict[str, Any], kind: str) -> None:
    assert plain_type(schema) == kind
