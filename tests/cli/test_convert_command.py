"""`file-cdk convert`: configurations of Airbyte's connectors as YAML and back, and what is said of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from in_process import Run, command_with

from file_cdk.core.config import parse_config
from file_cdk.pipeline.sources import connector_for

STREAM = {
    "name": "orders",
    "globs": ["orders/*.csv"],
    "primary_key": ["id"],
    "input_schema": '{"id": "integer", "at": "string"}',
    "validation_policy": "Skip Record",
    "format": {
        "filetype": "csv",
        "delimiter": "\\t",
        "null_values": ["", "NULL"],
        "header_definition": {"header_definition_type": "User Provided", "column_names": ["id", "at"]},
    },
}
S3 = {
    "bucket": "b",
    "aws_access_key_id": "AKIAEXAMPLE",
    "aws_secret_access_key": "very-secret",
    "start_date": "2024-01-01T00:00:00.000000Z",
    "streams": [STREAM, {"name": "events", "format": {"filetype": "jsonl"}}],
}
SFTP = {
    "host": "h",
    "username": "me",
    "credentials": {"auth_type": "password", "password": "very-secret"},
    "streams": [{"name": "all", "format": {"filetype": "excel"}}],
}
AZURE = {
    "azure_blob_storage_account_name": "acme",
    "azure_blob_storage_container_name": "acme",
    "credentials": {"auth_type": "storage_account_key", "azure_blob_storage_account_key": "dmVyeS1zZWNyZXQ="},
    "streams": [{"name": "all", "format": {"filetype": "avro", "double_as_string": True}}],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_with(capsys)


@pytest.mark.parametrize(("scheme", "config"), [("s3", S3), ("sftp", SFTP), ("az", AZURE)])
def test_there_and_back_is_the_same_configuration(run: Run, scheme: str, config: dict[str, Any]) -> None:
    Path("config.json").write_text(json.dumps(config))
    ran = run("convert", "config.json", "-o", "shop.yaml")
    assert ran.code == 0
    text = Path("shop.yaml").read_text()
    assert not any(secret in text for secret in ("very-secret", "AKIAEXAMPLE", "dmVyeS1z"))
    assert yaml.safe_load(text)["source"] == scheme
    values = {line.split()[4].rstrip(":"): at(config, line.split()[-1]) for line in ran.err}
    assert values
    back = run("convert", "shop.yaml", "--as", "airbyte")
    assert back.code == 0
    document = "\n".join(back.out)
    for name, value in values.items():
        document = document.replace(f"${{{name}}}", value)
    model = connector_for(scheme).config_class
    assert parse_config(model, json.loads(document)) == parse_config(model, config)


def at(config: Any, path: str) -> str:
    for key in path.split("."):
        config = config[key]
    return str(config)


def test_what_is_for_tables_is_left_out_for_airbyte(run: Run) -> None:
    Path("data").mkdir()
    Path("data/a.csv").write_text("id\n1\n")
    Path("t.yaml").write_text(
        "path: data\nstreams:\n  - name: t\n    format: {filetype: csv}\n    mode: merge\n    key: id\n"
        "    columns: {drop: [x]}\n    on_delete: remove\n    input_schema: {id: integer}\n"
    )
    ran = run("convert", "t.yaml", "--as", "airbyte")
    assert (ran.code, ran.document["streams"]) == (
        0,
        [{"name": "t", "format": {"filetype": "csv"}, "input_schema": '{"id": "integer"}'}],
    )
    assert ran.err == [
        *(f"stream 't': left out, as it is for tables: {key}" for key in ("mode", "key", "columns", "on_delete")),
        "this is for source-local",
    ]


def test_older_configurations_become_todays(run: Run) -> None:
    older = {
        "dataset": "orders",
        "path_pattern": "**/*.csv",
        "format": {"filetype": "csv", "delimiter": ";"},
        "schema": "{}",
        "provider": {"bucket": "b", "path_prefix": "in/"},
    }
    Path("old.json").write_text(json.dumps(older))
    ran = run("convert", "old.json")
    assert ran.code == 0
    document = yaml.safe_load("\n".join(ran.out))
    assert (document["source"], document["bucket"]) == ("s3", "b")
    assert document["streams"][0]["format"]["delimiter"] == ";"


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ("{", (), "is not JSON"),
        ("[]", (), "must hold a JSON object"),
        ('{"bucket": "b", "streams": [{"name": "a", "format": {"filetype": "csv"}}]}', (), "may be one of"),
        ('{"streams": []}', (), "Say whose with --connector"),
        ('{"bucket": "b", "streams": [{"name": "a"}]}', ("--connector", "s3"), "streams[0].format: is missing"),
        ('{"bucket": "b"}', ("--connector", "nosuch"), "no connector is installed for nosuch"),
    ],
)
def test_what_is_wrong_is_said(run: Run, text: str, more: tuple[str, ...], told: str) -> None:
    Path("config.json").write_text(text)
    ran = run("convert", "config.json", *more)
    assert (ran.code, ran.out) == (2, [])
    assert told in ran.err[-1]


def test_nothing_is_overwritten(run: Run) -> None:
    Path("config.json").write_text(json.dumps(SFTP))
    Path("x.yaml").write_text("mine")
    assert run("convert", "config.json", "-o", "x.yaml").code == 2
    assert run("convert", "nosuch.json").err == ["error: nosuch.json cannot be read: No such file or directory"]
    assert Path("x.yaml").read_text() == "mine"
