"""`$ref`: what wins, what is refused, and that circles and bombs are named."""

from typing import Any

import pytest

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.references import ReferenceNotResolvedError, nearest, without_references


def resolved(**parts: Any) -> dict[str, Any]:
    return without_references(parts, "m.yaml")


def test_a_part_that_is_referred_to_twice_is_one_object() -> None:
    made = resolved(a={"b": [1]}, c="#/a", d="#/a", e={"$ref": "#/a/b"})
    assert made == {"a": {"b": [1]}, "c": {"b": [1]}, "d": {"b": [1]}, "e": [1]}
    assert made["c"] is made["d"]


def test_siblings_win() -> None:
    assert resolved(a={"x": 1, "y": 2}, b={"y": 3, "$ref": "#/a"})["b"] == {"x": 1, "y": 3}


def test_keys_with_slashes_come_first() -> None:
    assert resolved(**{"a": {"b": 1}, "a/b": 2, "c": "#/a/b"})["c"] == 2


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"a": {"x": "#/a"}}, "references go in a circle: #/a → #/a"),
        ({"a": "#/b", "b": "#/c", "c": {"$ref": "#/a"}}, "references go in a circle: #/b → #/c → #/a → #/b"),
        ({"a": "#/"}, "references go in a circle: #/ → #/"),
        ({"a": {"$ref": "other.yaml#/x"}}, "the reference 'other.yaml#/x' does not begin with '#/'"),
        ({"a": {"$ref": "https://example.com/x"}}, "Parts of other files cannot be referred to"),
        ({"definitions": {"requester": 1}, "a": "#/definitions/requestor"}, "Was '#/definitions/requester' meant?"),
        ({"a": "#/nothing/at/all"}, "the reference '#/nothing/at/all' is to nothing"),
        ({"a": [1], "b": "#/a/1"}, "the reference '#/a/1' is to nothing"),
        ({"a": "text", "b": "#/a/0"}, "the reference '#/a/0' is to nothing"),
        ({"a": {"$ref": "#/b"}, "b": {"c": 1}, "d": "#/a/c"}, "the reference '#/a/c' is to nothing"),
    ],
)
def test_refused(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ReferenceNotResolvedError) as caught:
        resolved(**parts)
    assert told in str(caught.value)


def test_a_bomb_of_references() -> None:
    parts: dict[str, Any] = {"a0": ["x"] * 10}
    parts |= {f"a{n}": [f"#/a{n - 1}"] * 10 for n in range(1, 40)}
    with pytest.raises(ManifestError, match="stands for more than 1,000,000 values"):
        resolved(**parts)


def test_a_deep_chain_of_references() -> None:
    parts: dict[str, Any] = {f"a{n}": {"x": f"#/a{n + 1}"} for n in range(2000)}
    with pytest.raises(ManifestError, match="is nested more than"):
        resolved(**parts, a2000=1)


def test_configurations_have_no_references() -> None:
    check = {"config_overrides": {"a": "#/none", "b": {"$ref": "x"}}}
    assert resolved(check=check) == {"check": check}


def test_nearest() -> None:
    document = {"definitions": {"base_requester": {"path": "x"}}}
    assert nearest(document, "#/definitions/base_requestor") == "#/definitions/base_requester"
    assert nearest(document, "#/definition") == "#/definitions"
    assert nearest(document, "#/other/base_requester") is None


def test_a_chain_of_references_that_are_resolved_one_by_one() -> None:
    """Each stands on what was resolved before it."""
    parts: dict[str, Any] = {"a0": 1} | {f"a{n}": {"x": f"#/a{n - 1}"} for n in range(1, 2000)}
    with pytest.raises(ManifestError, match="is nested more than"):
        resolved(**parts)
