"""What editors are told of manifests, against manifests that are sound and one change of each kind."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from public_manifests import OWN, PUBLIC, ROOT, text_of

from file_cdk.declarative.language.mistakes import mistakes
from file_cdk.declarative.language.reading import read

SCHEMA = json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def complaints(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


@pytest.mark.parametrize("path", [*OWN, *PUBLIC[::4]], ids=lambda path: path.stem)
def test_nothing_is_marked_that_lint_passes(path: Path) -> None:
    """Lint warns of fields that components have not; an editor marks them."""
    text = text_of(path)
    unknown = {each.field for each in mistakes(text) if "passed over" in each.message}
    marked = [each for each in complaints(read(text, "m").value) if not any(f"'{name}'" in each for name in unknown)]
    assert marked == []


STREAM = {
    "type": "DeclarativeStream",
    "name": "x",
    "retriever": {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url": "https://api.example.com"},
        "record_selector": {"extractor": {"field_path": ["a"]}},
    },
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"retriever": "#/definitions/x"}, None),
        ({"retriever": {"$ref": "#/definitions/x", "requester": {"path": "/x"}}}, None),
        (
            {"retriever": {"type": "Simple"}},
            "'Simple' is not one of ['SimpleRetriever', 'AsyncRetriever', 'CustomRetriever']",
        ),
        ({"retriever": {"requestor": {}}}, "'requestor' was unexpected"),
        (
            {"retriever": {"requester": {"type": "HttpRequester", "http_method": "PUT"}}},
            "'PUT' is not one of ['GET', 'POST']",
        ),
        ({"retriever": {"type": "CustomRetriever", "class_name": "a.B", "anything": 1}}, None),
        ({"primary_key": 1}, "1 is not of type"),
        ({"naem": "x"}, "'naem' was unexpected"),
    ],
)
def test_changes(change: dict[str, Any], complaint: str | None) -> None:
    found = complaints({"version": "1.0.0", "check": {"stream_names": ["x"]}, "streams": [STREAM | change]})
    assert found == [] if complaint is None else any(complaint in each for each in found)
