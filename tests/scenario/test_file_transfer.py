"""`delivery_method: use_file_transfer` through the installed command: the files themselves, with records about them."""

import json
import os
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import warm
from commands import FIXTURES, configured, run, write_json

pytestmark = pytest.mark.scenario

MODIFIED = {"b/orders.csv.gz": 1704067200, "a/orders.csv": 1704153600, "archive.zip": 1704153600, "empty": 1704240000}
ORDER = ["b/orders.csv.gz", "a/orders.csv", "archive.zip", "empty"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, seconds in MODIFIED.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(3_000_000) if name == "b/orders.csv.gz" else b"id\n1\n" if name != "empty" else b"")
        if name == "archive.zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inside.csv", "id\n1\n")
        os.utime(path, (seconds, seconds))
    return folder


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


def config(source: Path, filetype: str = "unstructured", preserve: bool = True) -> dict[str, Any]:
    return {
        "path": str(source),
        "streams": [{"name": "files", "globs": ["**"], "format": {"filetype": filetype}}],
        "delivery_method": {"delivery_type": "use_file_transfer", "preserve_directory_structure": preserve},
    }


def messages(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


class Connection:
    """source-local with the files that it takes."""

    def __init__(self, folder: Path, staging: Path, settings: dict[str, Any], sync_mode: str = "incremental") -> None:
        self.folder, self.staging = folder, staging
        self.config = write_json(folder / "config.json", settings)
        (catalog,) = [m["catalog"] for m in self.run("discover") if m["type"] == "CATALOG"]
        self.discovered = catalog
        self.catalog = write_json(folder / "catalog.json", configured(catalog, sync_mode))

    def run(self, command: str, *arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
        done = run(
            "source-local",
            command,
            "--config",
            self.config,
            *arguments,
            AIRBYTE_STAGING_DIRECTORY=str(self.staging),
        )
        assert done.returncode == code, done.stderr
        return messages(done.stdout)

    def read(self, *arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
        return self.run("read", "--catalog", self.catalog, *arguments, code=code)


def records(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["record"] for m in found if m["type"] == "RECORD"]


def last_state(found: list[dict[str, Any]]) -> dict[str, Any]:
    state: dict[str, Any] = [m["state"] for m in found if m["type"] == "STATE"][-1]
    return state


def staged(staging: Path) -> list[Path]:
    # Not rglob: folders may vanish meanwhile.
    return sorted(Path(parent, name) for parent, _, names in os.walk(staging) for name in names)


def test_the_catalog_is_about_files(tmp_path: Path, source: Path, staging: Path) -> None:
    connection = Connection(tmp_path, staging, config(source))
    (stream,) = connection.discovered["streams"]
    assert stream["is_file_based"] is True
    assert list(stream["json_schema"]["properties"])[:4] == ["folder", "file_name", "source_uri", "bytes"]
    assert stream["default_cursor_field"] == ["_ab_source_file_last_modified"]
    (status,) = [m["connectionStatus"] for m in connection.run("check") if m["type"] == "CONNECTION_STATUS"]
    assert status["status"] == "SUCCEEDED"
    assert staged(staging) == []


@pytest.mark.parametrize("workers", ["0", "3"])
def test_files_arrive_as_they_are(tmp_path: Path, source: Path, staging: Path, workers: str) -> None:
    connection = Connection(tmp_path, staging, config(source, "csv"))
    found = connection.read("--workers", workers)
    about = records(found)
    assert [record["file_reference"]["source_file_relative_path"] for record in about] == ORDER
    assert [record["data"]["source_uri"] for record in about] == ORDER
    copies = [Path(record["file_reference"]["staging_file_url"]) for record in about]
    assert staged(staging) == sorted(copies)
    for name, copy, record in zip(ORDER, copies, about, strict=True):
        assert copy.is_absolute()
        assert copy.read_bytes() == (source / name).read_bytes()
        assert record["data"]["bytes"] == record["file_reference"]["file_size_bytes"] == copy.stat().st_size
    assert about[0]["data"]["folder"] == "b"
    assert about[0]["data"]["file_name"] == "orders.csv.gz"
    assert about[0]["data"]["updated_at"] == "2024-01-01T00:00:00.000000Z"
    state = last_state(found)
    assert list(state["stream"]["stream_state"]["history"]) == ORDER
    assert state["sourceStats"]["recordCount"] == len(ORDER)
    statuses = [m["trace"]["stream_status"]["status"] for m in found if m["type"] == "TRACE"]
    assert statuses == ["STARTED", "RUNNING", "COMPLETE"]


def test_what_was_copied_is_not_copied_again(tmp_path: Path, source: Path, staging: Path) -> None:
    connection = Connection(tmp_path, staging, config(source))
    state = write_json(tmp_path / "state.json", [last_state(connection.read())])
    assert records(connection.read("--state", state)) == []
    (source / "empty").write_bytes(b"no longer")
    (record,) = records(connection.read("--state", state))
    assert Path(record["file_reference"]["staging_file_url"]).read_bytes() == b"no longer"


def test_names_without_folders(tmp_path: Path, source: Path, staging: Path) -> None:
    connection = Connection(tmp_path, staging, config(source, preserve=False), "full_refresh")
    about = records(connection.read())
    names = ["orders.csv.gz", "orders.csv", "archive.zip", "empty"]
    assert [record["file_reference"]["source_file_relative_path"] for record in about] == names
    assert [record["data"]["folder"] for record in about] == ["b", "a", "", ""]
    (source / "b" / "orders.csv").write_bytes(b"x")
    found = connection.read(code=1)
    assert records(found) == []
    (error,) = [m["trace"]["error"] for m in found if m["type"] == "TRACE" and m["trace"]["type"] == "ERROR"]
    assert error["failure_type"] == "config_error"
    assert "a/orders.csv" in error["message"]
    assert "b/orders.csv" in error["message"]


def test_a_missing_staging_folder_is_named(tmp_path: Path, source: Path, staging: Path) -> None:
    connection = Connection(tmp_path, staging, config(source))
    staging.rmdir()
    found = connection.read(code=1)
    assert not [m for m in found if m["type"] in ("RECORD", "STATE")]
    (error,) = [m["trace"]["error"] for m in found if m["type"] == "TRACE" and m["trace"]["type"] == "ERROR"]
    assert str(staging) in error["message"]
    assert "AIRBYTE_STAGING_DIRECTORY" in error["message"]
    assert found[-1]["trace"]["stream_status"]["status"] == "INCOMPLETE"


SLOW_SOURCE = """
import io, sys, time
from dataclasses import dataclass
from datetime import UTC, datetime
from file_cdk import Connector, FileAccessError, RemoteFile, SourceConfig


class Endless(io.BytesIO):
    def read(self, size=-1):
        data = super().read(5)
        if not data:
            time.sleep(600)
        return data


@dataclass(frozen=True)
class Reader:
    def list_files(self, prefix):
        for number, uri in enumerate(["../one", "gone", "hang/two", "three"]):
            yield RemoteFile(uri, 10, datetime(2024, 1, 1 + number, tzinfo=UTC))

    def open(self, file):
        if file.uri == "gone":
            raise FileAccessError("gone", uri=file.uri)
        return Endless(b"01234") if "hang" in file.uri else io.BytesIO(b"0123456789")


if __name__ == "__main__":
    Connector("source-slow", SourceConfig, lambda config: Reader()).main()
"""


def slow_arguments(folder: Path) -> list[str | Path]:
    settings = config(folder)
    del settings["path"]
    settings["streams"][0]["globs"].append("../*")
    catalog = configured({"streams": [{"name": "files"}]}, "incremental")
    return [
        "--config",
        write_json(folder / "config.json", settings),
        "--catalog",
        write_json(folder / "catalog.json", catalog),
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_whole_announced_files_alone(
    tmp_path: Path, staging: Path, number: signal.Signals, code: int
) -> None:
    script = tmp_path / "source_slow.py"
    script.write_text(SLOW_SOURCE)
    environment = {**os.environ, "AIRBYTE_STAGING_DIRECTORY": str(staging)}
    command = [script, "read", *slow_arguments(tmp_path)]
    process = warm.Process(warm.PYTHON, *command, env=environment, stdout=warm.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while [path.name for path in staged(staging)] != ["one", "%~part", "three"]:
            assert time.monotonic() < deadline, staged(staging)
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.3)  # so that the first file's record is out
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == code
    (record,) = records(messages(output))
    assert record["file_reference"]["source_file_relative_path"] == "%2E%2E/one"
    assert staged(staging) == [Path(record["file_reference"]["staging_file_url"])]
    assert staged(staging)[0].read_bytes() == b"0123456789"


def test_a_file_that_cannot_be_copied_stays_unread(tmp_path: Path, staging: Path) -> None:
    script = tmp_path / "source_slow.py"
    script.write_text(SLOW_SOURCE.replace('"hang/two", ', ""))
    environment = {**os.environ, "AIRBYTE_STAGING_DIRECTORY": str(staging)}
    done = warm.captured(warm.PYTHON, script, "read", *slow_arguments(tmp_path), env=environment)
    found = messages(done.stdout)
    assert done.returncode == 1, done.stderr
    assert [record["data"]["source_uri"] for record in records(found)] == ["../one", "three"]
    assert list(last_state(found)["stream"]["stream_state"]["history"]) == ["../one", "three"]
    (error,) = [m["trace"]["error"] for m in found if m["type"] == "TRACE" and m["trace"]["type"] == "ERROR"]
    assert "'gone'" in error["message"]
    assert found[-1]["trace"]["stream_status"]["status"] == "INCOMPLETE"


def test_tables_take_no_files(tmp_path: Path) -> None:
    settings = tmp_path / "shop.yaml"
    settings.write_text(json.dumps(config(FIXTURES, "csv")))
    done = run("file-cdk", "sync", settings, "--to", tmp_path / "x.duckdb")
    assert done.returncode == 2
    assert "use_file_transfer" in done.stderr
