"""The catalog of streams whose columns are declared, and whose paths have columns too."""

import json
from pathlib import Path
from typing import Any

import pytest
from source_local.source import connector

from file_cdk.pipeline.discovery import check, discover

TEXT = {"type": ["null", "string"]}


def columns(folder: Path, **stream: Any) -> dict[str, Any]:
    """Of the catalog, without those that say where records came from."""
    config = {"path": str(folder), "streams": [{"name": "s", "format": {"filetype": "csv"}, **stream}]}
    messages = [json.loads(line) for line in discover(connector, config)]
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
    first = json.loads(next(iter(discover(connector, config))))
    assert first["log"]["message"].startswith("stream 's': no file matches '*.csv', '!old*'")


def check_of(folder: Path, streams: list[dict[str, object]], **config: object) -> tuple[str, str]:
    """Status and message of the one message that a check gives."""
    [line] = check(connector, {"path": str(folder), "streams": streams, **config})
    status = json.loads(line)["connectionStatus"]
    return status["status"], status.get("message", "")


CSV_STREAM: dict[str, object] = {"name": "s", "globs": ["*.csv"], "format": {"filetype": "csv"}}
TRANSFER = {"delivery_type": "use_file_transfer", "preserve_directory_structure": True}


@pytest.mark.parametrize("config", [{}, {"delivery_method": TRANSFER}])
def test_a_check_fails_where_no_file_matches_or_all_are_too_old(tmp_path: Path, config: dict[str, object]) -> None:
    (tmp_path / "a.txt").write_text("id\n1\n")
    status, message = check_of(tmp_path, [CSV_STREAM], **config)
    assert status == "FAILED"
    assert message.startswith(
        "stream 's': no file matches '*.csv'. Check that the files are there and that the patterns"
    )

    (tmp_path / "a.csv").write_text("id\n1\n")
    assert check_of(tmp_path, [CSV_STREAM], **config) == ("SUCCEEDED", "")
    status, message = check_of(tmp_path, [CSV_STREAM], start_date="2999-01-01", **config)
    assert status == "FAILED"
    assert message.startswith(
        "stream 's': no file would be read: the one file that matches '*.csv' was modified before start_date, 2999-01-01. "
    )
    assert check_of(tmp_path, [CSV_STREAM], start_date="2000-01-01", **config) == ("SUCCEEDED", "")

    other = {**CSV_STREAM, "name": "other", "globs": ["*.tsv"]}
    status, message = check_of(tmp_path, [CSV_STREAM, other], **config)
    assert status == "FAILED"
    assert message.startswith("stream 'other': no file matches '*.tsv'")
