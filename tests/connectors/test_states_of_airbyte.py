"""States as Airbyte's connectors write them, given to ours: nothing is read twice, nothing is missed, no secret stays."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import source_gcs.source
import source_s3.source
import source_sftp.source
from source_sftp.config import SftpConfig

from file_cdk import Connector
from file_cdk.core.config import parse_config
from file_cdk.testing.servers.fake_gcs import FakeGCS

pytest_plugins = ["file_cdk.testing.plugin"]

Json = dict[str, Any]
STREAM = {"name": "s", "globs": ["**"], "format": {"filetype": "csv"}}
EARLY, LATE = "2024-05-01T10:00:00.000000Z", "2024-05-02T10:00:00.000000Z"
CURSOR = "_ab_source_file_last_modified"
SIGNED = "?Expires=1&GoogleAccessId=me%40project&Signature=s3cr3t%2Bs1gn4ture"


def own_state(connector: Connector, state: Json, **fields: Any) -> Mapping[str, Any]:
    return connector.own_state(parse_config(connector.config_class, {**fields, "streams": [STREAM]}), state)


def gcs(state: Json) -> Mapping[str, Any]:
    return own_state(source_gcs.source.connector, state, bucket="b-1")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("https://storage.googleapis.com/b-1/in/sp%20ace/%C3%BC~1.csv", "in/sp ace/ü~1.csv"),
        ("https://storage.googleapis.com/b-1/q%3Fx%23%2525.csv", "q?x#%25.csv"),
        (f"https://storage.googleapis.com/b-1/in/a.csv{SIGNED}", "in/a.csv"),
        ("gs://b-1/in/pct%20x.csv", "in/pct%20x.csv"),
        ("gs://b-1//lead.csv", "/lead.csv"),
        ("in/a.csv", "in/a.csv"),
        ("https://example.org/page?id=1", "https://example.org/page?id=1"),
        ("gs://other/a.csv", "gs://other/a.csv"),
        (f"https://storage.googleapis.com/other/a.csv{SIGNED}", "https://storage.googleapis.com/other/a.csv"),
    ],
)
def test_urls_of_gcs_are_keys(theirs: str, ours: str) -> None:
    state = gcs({"history": {theirs: EARLY}, CURSOR: f"{EARLY}_{theirs}"})
    assert state == {"history": {ours: EARLY}, CURSOR: f"{EARLY}_{ours}"}


def test_two_signatures_of_one_object_are_one_file_as_late_as_the_later() -> None:
    address = "https://storage.googleapis.com/b-1/a.csv"
    history = {f"{address}?Signature=1": EARLY, f"{address}?Signature=2": LATE, "gs://b-1/a.csv": EARLY}
    assert gcs({"history": history})["history"] == {"a.csv": LATE}


@pytest.mark.parametrize("state", [{}, {"history": None}, {"history": [1], CURSOR: 3}, {CURSOR: "2024-05-01"}])
def test_what_is_malformed_stays_so(state: Json) -> None:
    assert gcs(state) == state


@pytest.mark.parametrize(
    ("folder", "theirs", "ours"),
    [
        ("/", "//in/x.csv", "in/x.csv"),
        ("", "//x.csv", "x.csv"),
        ("/data", "/data/in/x.csv", "in/x.csv"),
        ("/data/", "/data//in/x.csv", "in/x.csv"),
        ("/data", "data/x.csv", "data/x.csv"),
        ("/data", "/database/x.csv", "/database/x.csv"),
        ("in", "in/x.csv", "in/x.csv"),
    ],
)
def test_paths_of_sftp_are_from_the_folder_on(folder: str, theirs: str, ours: str) -> None:
    state = {"history": {theirs: EARLY}, CURSOR: f"{EARLY}_{theirs}"}
    found = own_state(source_sftp.source.connector, state, host="h", username="u", folder_path=folder)
    assert found == {"history": {ours: EARLY}, CURSOR: f"{EARLY}_{ours}"}


@pytest.mark.parametrize(
    ("folder", "glob", "ours"),
    [
        ("/data", "/data/*.csv", ["*.csv"]),
        ("/data", "/*/in/*.csv", ["in/*.csv"]),
        ("/data/in", "/**/*.csv", ["**/*.csv"]),
        ("/data/in", "/**/in/*.csv", ["**/in/*.csv", "*.csv"]),
        ("/data/in", "!/data/in/tmp/**", ["!tmp/**"]),
        ("/", "/in/*.csv", ["in/*.csv"]),
        ("/", "//in/*.csv", ["in/*.csv"]),
        (None, "/in/*.csv", ["in/*.csv"]),
        ("/data", "**/*.csv", ["**/*.csv"]),
        ("/data", "/other/*.csv", ["/other/*.csv"]),
        ("in", "/in/*.csv", ["/in/*.csv"]),
    ],
)
def test_globs_of_sftp_are_from_the_folder_on(folder: str | None, glob: str, ours: list[str]) -> None:
    raw = {"host": "h", "username": "u", "folder_path": folder, "streams": [{**STREAM, "globs": [glob]}]}
    assert parse_config(SftpConfig, raw).streams[0].globs == ours


def test_a_state_of_s3_before_version_4_says_until_when() -> None:
    state = {"history": {"2024-05-01": ["a.csv", "b.csv"]}, CURSOR: "2024-05-01T10:00:00Z", "schema": {"id": "integer"}}
    assert own_state(source_s3.source.connector, state, bucket="b") == {
        "history": {},
        CURSOR: None,
        "v3_min_sync_date": "2024-05-01T09:00:00.000000Z",
    }


@pytest.mark.parametrize(
    "state",
    [
        {"history": {"a.csv": EARLY}, CURSOR: f"{EARLY}_a.csv"},
        {"history": {"a.csv": EARLY}, CURSOR: "2024-05-01T10:00:00Z"},
        {"history": {}, CURSOR: None},
        {},
    ],
)
def test_a_state_of_s3_today_stays_as_it_is(state: Json) -> None:
    assert own_state(source_s3.source.connector, state, bucket="b") == state


def test_a_state_of_airbytes_source_gcs_is_gone_on_from(
    fake_gcs: FakeGCS, fake_gcs_bucket: str, tmp_path: Path
) -> None:
    keys = ["in/a b.csv", "in/ü.csv", "in/old.csv", "in/new.csv"]
    fake_gcs.put_many(fake_gcs_bucket, dict.fromkeys(keys, b"id\n1\n"))
    config = {"bucket": fake_gcs_bucket, "endpoint": fake_gcs.endpoint, "streams": [{**STREAM, "globs": ["in/*.csv"]}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    times = _read(tmp_path, None)[1]["history"]
    assert set(times) == set(keys)

    address = f"https://storage.googleapis.com/{fake_gcs_bucket}"
    history = {
        f"{address}/in/a%20b.csv": times["in/a b.csv"],
        f"{address}/in/%C3%BC.csv{SIGNED}": times["in/ü.csv"],
        f"gs://{fake_gcs_bucket}/in/old.csv": "2020-01-01T00:00:00.000000Z",
    }
    newest = max(history, key=lambda uri: (history[uri], uri))
    read, state, output = _read(tmp_path, {"history": history, CURSOR: f"{history[newest]}_{newest}"})
    assert read == ["in/new.csv", "in/old.csv"]
    assert state["history"] == times
    assert "s1gn4ture" not in output
    assert "googleapis" not in output
    assert _read(tmp_path, state)[0] == []


def _read(folder: Path, state: Json | None) -> tuple[list[str], Json, str]:
    """Keys of the files read, the last state, and all that was printed."""
    stream = {"name": "s", "json_schema": {"properties": {"id": {}}}, "supported_sync_modes": ["incremental"]}
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    (folder / "catalog.json").write_text(json.dumps({"streams": [{"stream": stream, **modes}]}))
    command = [sys.executable, "-m", "source_gcs", "read", "--workers", "0"]
    command += ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
    if state is not None:
        message = {"stream_descriptor": {"name": "s"}, "stream_state": state}
        (folder / "state.json").write_text(json.dumps([{"type": "STREAM", "stream": message}]))
        command += ["--state", str(folder / "state.json")]
    environment = {**os.environ, "NO_GCE_CHECK": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    records = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
    states = [message["state"]["stream"]["stream_state"] for message in messages if message["type"] == "STATE"]
    return sorted(record["_ab_source_file_url"] for record in records), states[-1], done.stdout + done.stderr
