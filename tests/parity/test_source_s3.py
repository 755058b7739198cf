"""The same files of configuration, catalog and state, byte for byte, through airbyte-source-s3 and ours, on SeaweedFS.

FILE_CDK_PEER_SOURCE_S3 names the peer's command, in an environment of its own: both call themselves source-s3.
"""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import warm

from file_cdk.testing.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.scenario

Json = dict[str, Any]
Command = partial[CompletedProcess[str]]

FIXTURES = Path(__file__).parents[2] / "fixtures"
OURS = partial(warm.captured, "source-s3")
ORDERS = "id,name,price\n1,Ann,2.5\n2,Bób,3\n3,,\n"
EVENTS = '{"id": 1, "tags": ["a"], "at": {"x": 1.5}}\n{"id": 2, "note": null, "big": 12345678901234567890}\n'


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedFS]:
    with SeaweedFS() as running:
        running.create_bucket("parity")
        for name in ("csv/a.csv", "csv/deep/b.csv"):
            running.put("parity", name, ORDERS.encode())
        for name in ("jsonl/a.jsonl", "jsonl/b.jsonl"):
            running.put("parity", name, EVENTS.encode())
        parquet = sorted(FIXTURES.glob("planes/*.parquet"))
        for number, path in enumerate(parquet[:2]):
            running.put("parity", f"parquet/month={number}/{path.name}", path.read_bytes())
        assert parquet
        yield running


@pytest.fixture(scope="module")
def peer() -> Command:
    command = os.environ.get("FILE_CDK_PEER_SOURCE_S3")
    assert command, "FILE_CDK_PEER_SOURCE_S3 must name airbyte-source-s3's command; `tox -e parity` installs it"
    python = str(Path(command).with_name("python"))
    forks = warm.Forks(python, ("source_s3.run", "pandas", "pyarrow.parquet"))
    return partial(warm.captured, "source-s3", by=forks)


@pytest.mark.parametrize("filetype", ["csv", "jsonl", "parquet"])
def test_the_same_files_give_the_same_catalog_records_and_state(
    server: SeaweedFS, peer: Command, filetype: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(_config(server, filetype)))
    theirs, ours = (_catalog(_run(command, "discover", config=config)) for command in (peer, OURS))
    assert ours == theirs
    catalog = tmp_path / "catalog.json"
    stream = {"stream": theirs, "sync_mode": "incremental", "destination_sync_mode": "append"}
    catalog.write_text(json.dumps({"streams": [stream]}))
    first = [_run(command, "read", config=config, catalog=catalog) for command in (peer, OURS)]
    assert _records(first[1]) == _records(first[0])
    assert len(_records(first[0])) > 3
    assert _state(first[1]) == _state(first[0])

    state = tmp_path / "state.json"
    state.write_text(json.dumps([_last_state(first[0])]))
    server.put("parity", f"{filetype}/z.{filetype}", _one_more(filetype))
    second = [_run(command, "read", config=config, catalog=catalog, state=state) for command in (peer, OURS)]
    assert _records(second[1]) == _records(second[0])
    assert {record["_ab_source_file_url"] for record in _records(second[1])} == {f"{filetype}/z.{filetype}"}
    assert _state(second[1]) == _state(second[0])


OLDER_FORMATS: dict[str, Json] = {
    "csv": {"filetype": "csv", "additional_reader_options": '{"strings_can_be_null": true}'},
    "jsonl": {"filetype": "jsonl"},
}


@pytest.mark.parametrize("filetype", OLDER_FORMATS)
def test_a_configuration_of_version_3_gives_the_same(
    server: SeaweedFS, peer: Command, filetype: str, tmp_path: Path
) -> None:
    provider = {key: value for key, value in _config(server, filetype).items() if key != "streams"}
    older = {
        "dataset": "files",
        "path_pattern": f"{filetype}/*.{filetype}|{filetype}/deep/*",
        "format": OLDER_FORMATS[filetype],
        "schema": "{}",
        "provider": {**provider, "path_prefix": f"{filetype}/"},
    }
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps(older))
    theirs, ours = (_catalog(_run(command, "discover", config=config)) for command in (peer, OURS))
    assert ours == theirs
    stream = {"stream": theirs, "sync_mode": "incremental", "destination_sync_mode": "append"}
    catalog.write_text(json.dumps({"streams": [stream]}))
    read = [_run(command, "read", config=config, catalog=catalog) for command in (peer, OURS)]
    assert _records(read[1]) == _records(read[0])
    assert len(_records(read[0])) > 3
    assert _state(read[1]) == _state(read[0])


def _one_more(filetype: str) -> bytes:
    if filetype == "parquet":
        return min(FIXTURES.glob("planes/*.parquet")).read_bytes()
    return {"csv": ORDERS, "jsonl": EVENTS}[filetype].encode()


def _config(server: SeaweedFS, filetype: str) -> Json:
    return {
        "bucket": "parity",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
        "endpoint": server.endpoint,
        "region_name": "us-east-1",
        "streams": [{"name": "files", "globs": [f"{filetype}/**"], "format": {"filetype": filetype}}],
    }


def _run(command: Command, verb: str, **files: Path) -> list[Json]:
    """Messages that it prints. Both must end well."""
    arguments = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    done = command(verb, *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _catalog(messages: list[Json]) -> Json:
    (catalog,) = (message["catalog"] for message in messages if message["type"] == "CATALOG")
    (stream,) = catalog["streams"]
    assert isinstance(stream, dict)
    return {key: value for key, value in stream.items() if value not in (None, [], False)}


def _records(messages: list[Json]) -> list[Json]:
    """In order, without nulls: absent and null mean the same."""
    found = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
    return [{key: value for key, value in record.items() if value is not None} for record in found]


def _last_state(messages: list[Json]) -> Json:
    state = [message["state"] for message in messages if message["type"] == "STATE"][-1]
    return {"type": "STREAM", "stream": state["stream"]}


def _state(messages: list[Json]) -> Any:
    return _last_state(messages)["stream"]["stream_state"]
