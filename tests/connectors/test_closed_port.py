"""A check of a store whose port is closed: tried a few times, and given up after seconds; no network but the loopback."""

import json
import socket
import threading
import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from file_cdk.pipeline.discovery import check
from file_cdk.readers.retries import HASTY

STREAMS = [{"name": "s", "globs": ["*.csv"], "format": {"filetype": "csv"}}]


@pytest.fixture
def port() -> int:
    """That nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By this test: not by threads that were there before it, whatever they have to try again."""
    seconds: list[float] = []
    others = set(threading.enumerate()) - {threading.current_thread()}

    def sleep(wait_s: float) -> None:
        if threading.current_thread() in others:
            time.sleep(wait_s)
        else:
            seconds.append(wait_s)

    monkeypatch.setattr("file_cdk.readers.retries.time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    return seconds


def configurations(address: str, port: int) -> dict[str, dict[str, Any]]:
    url = f"http://{address}"
    azure_key = {"auth_type": "storage_account_key", "azure_blob_storage_account_key": "a2V5"}
    return {
        "s3": {"bucket": "b", "endpoint": url, "aws_access_key_id": "a", "aws_secret_access_key": "b"},
        "gcs": {"bucket": "b", "endpoint": url, "anonymous": True},
        "azure_blob_storage": {
            "azure_blob_storage_account_name": "acc",
            "azure_blob_storage_container_name": "ccc",
            "azure_blob_storage_endpoint": f"{url}/acc",
            "credentials": azure_key,
        },
        "sftp": {
            "host": "127.0.0.1",
            "port": port,
            "username": "u",
            "credentials": {"auth_type": "password", "password": "p"},
            "folder_path": "/d",
        },
        "http": {"base_url": f"{url}/", "urls": [f"{url}/a.csv"]},
    }


@pytest.mark.parametrize("store", ["s3", "gcs", "azure_blob_storage", "sftp", "http"])
def test_a_check_gives_up_soon(store: str, port: int, waited: list[float]) -> None:
    connector = import_module(f"source_{store}.source").connector
    config = configurations(f"127.0.0.1:{port}", port)[store]
    *_, line = check(connector, {**config, "streams": STREAMS})
    status = json.loads(line)["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "refused" in status["message"]
    assert 1 <= len(waited) <= HASTY.tries - 1
    assert sum(waited) <= HASTY.total_wait_s
