"""The catalog of streams whose columns are declared, and whose paths have columns too."""

import json
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk.pipeline.connector import check_lines, discover_lines

TEXT = {"type": ["null", "string"]}


def columns(folder: Path, **stream: Any) -> dict[str, Any]:
    """Of the catalog, without those that say where records came from."""
    config = {"path": str(folder), "streams": [{"name": "s", "format": {"filetype": "csv"}, **stream}]}
    messages = [json.loads(line) for line in discover_lines(connector, config)]
    (catalog,) = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
    properties = catalog["streams"][0]["json_schema"]["properties"]
    return {name: schema for name, schema in properties.items() if not name.startswith("_ab_source_file")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in ("year=2024/month=1", "year=2024/day=2"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.csv").write_text("id\n1\n")
    return tmp_path


DECLARED = '{"id": "integer"}'


def test_declared_columns_and_those_of_the_paths(folder: Path) -> None:
    found = columns(folder, input_schema=DECLARED, path_partitions=True)
    assert found == {"id": {"type": "integer"}, "year": TEXT, "month": TEXT, "day": TEXT}


def test_without_path_columns_only_what_is_declared(folder: Path) -> None:
    assert columns(folder, input_schema=DECLARED) == {"id": {"type": "integer"}}


def test_groups_of_a_pattern_need_no_file(tmp_path: Path) -> None:
    found = columns(tmp_path, input_schema=DECLARED, path_pattern="(?P<name>[a-z]+)[.]csv")
    assert found == {"id": {"type": "integer"}, "name": TEXT}


def test_a_path_column_is_text_whatever_is_declared(folder: Path) -> None:
    found = columns(folder, input_schema='{"year": "integer", "id": "integer"}', path_partitions=True)
    assert (found["year"], found["id"]) == (TEXT, {"type": "integer"})


def test_patterns_that_match_nothing_are_named(tmp_path: Path) -> None:
    streams = [{"name": "s", "globs": ["*.csv", "!old*"], "format": {"filetype": "csv"}}]
    config = {"path": str(tmp_path), "streams": streams}
    for lines in (check_lines(connector, config), discover_lines(connector, config)):
        first = json.loads(next(iter(lines)))
        assert first["log"]["message"].startswith("stream 's': no file matches '*.csv', '!old*'")
