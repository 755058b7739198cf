"""`$parameters`: bounds. What they do is in test_resolved_manifests, held against the peer."""

from typing import Any

import pytest

from file_cdk.core.errors import ManifestError
from file_cdk.declarative.language.parameters import with_parameters


def test_parameters_that_are_pushed_into_one_another() -> None:
    parameters = {f"p{n}": {"type": "P"} for n in range(12)}
    with pytest.raises(ManifestError, match="has more than 300,000 fields, `\\$parameters` written out"):
        with_parameters({"type": "A", "$parameters": parameters}, "m")


def test_so_many_that_the_first_way_down_is_too_deep() -> None:
    parameters = {f"p{n}": {"type": "P"} for n in range(500)}
    with pytest.raises(ManifestError, match="is nested more than 120 deep"):
        with_parameters({"type": "A", "$parameters": parameters}, "m")


@pytest.mark.parametrize("written", [None, 1, "a", ["a"]])
def test_parameters_that_are_no_mapping(written: Any) -> None:
    with pytest.raises(ManifestError, match="`\\$parameters` of a A are no mapping"):
        with_parameters({"type": "A", "$parameters": written}, "m")


def test_what_is_given_stays_as_it_was() -> None:
    manifest = {"type": "A", "$parameters": {"b": 1}, "c": {"type": "C"}, "d": [{"type": "D"}]}
    made = with_parameters(manifest, "m")
    assert made["c"] == {"type": "C", "b": 1, "$parameters": {"b": 1}}
    assert manifest == {"type": "A", "$parameters": {"b": 1}, "c": {"type": "C"}, "d": [{"type": "D"}]}
