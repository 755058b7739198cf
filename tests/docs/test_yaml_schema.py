"""What editors are told of YAML configurations, against those of the documentation and what a sync says of wrong ones."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPETS = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(
        re.findall(r"^```yaml[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )
]
STREAM = {"name": "x", "format": {"filetype": "csv"}}


def complaints(document: Any) -> list[str]:
    schema = json.loads((ROOT / "docs" / "file-cdk.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) > 5


@pytest.mark.parametrize("text", SNIPPETS)
def test_every_configuration_of_the_documentation_is_valid(text: str) -> None:
    assert complaints(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"path": "x", "streams": [{**STREAM, "globbs": ["*"]}]}, "'globbs' was unexpected"),
        ({"path": "x", "bucket": "b", "streams": [STREAM]}, "'bucket' was unexpected"),
        ({"source": "s3", "path": "x", "bucket": "b", "streams": [STREAM]}, "'path' was unexpected"),
        (
            {"path": "x", "streams": [{"name": "x", "format": {"filetype": "csv", "sheet": 1}}]},
            "'sheet' was unexpected",
        ),
        ({"path": "x", "streams": [{**STREAM, "on_delete": "never"}]}, "is not valid under any of the given schemas"),
        ({"path": "x", "streams": [{"format": {"filetype": "csv"}}]}, "'name' is a required property"),
        ({"path": "x"}, "'streams' is a required property"),
    ],
)
def test_what_a_sync_would_refuse_is_marked(document: Any, complaint: str) -> None:
    assert any(complaint in each for each in complaints(document))


def test_variables_may_stand_for_numbers() -> None:
    of_csv = {"filetype": "csv", "skip_rows_before_header": "${ROWS:-2}"}
    assert complaints({"path": "${FOLDER}", "streams": [{"name": "x", "format": of_csv}]}) == []
