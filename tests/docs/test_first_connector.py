"""The connector of docs/guide/first_connector.md, run as a reader of that page would run it."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "first_connector.md"
JANUARY = "id,item,price\n1,apple,1.50\n2,pear,2.25\n"
FEBRUARY = "id,item,price\n3,quince,4.00\n"


def block(language: str, containing: str) -> str:
    """The one fenced block of the page in that language which has `containing` in it."""
    fenced = rf"^```{language}\n(.*?)^```$"
    blocks: list[str] = re.findall(fenced, PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [text for text in blocks if containing in text]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "source_zip.py").write_text(block("python", "ZipConfig"))
    (tmp_path / "config.json").write_text(block("json", "archive"))
    with zipfile.ZipFile(tmp_path / "shop.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("orders/2024-02.csv", (2024, 2, 29, 12, 0, 0)), FEBRUARY)
        archive.writestr(zipfile.ZipInfo("orders/2024-01.csv", (2024, 1, 31, 12, 0, 0)), JANUARY)
        archive.writestr(zipfile.ZipInfo("orders/", (2024, 1, 1, 0, 0, 0)), "")
        archive.writestr(zipfile.ZipInfo("readme.txt", (2024, 1, 1, 0, 0, 0)), "not an order")
    return tmp_path


def run(folder: Path, command: str, *more: str) -> list[dict[str, Any]]:
    """The messages of one of the commands in the list of the page."""
    (line,) = [line for line in block("sh", "source_zip.py").splitlines() if f"source_zip.py {command}" in line]
    arguments = line.removeprefix("python ").split()
    ran = subprocess.run([sys.executable, *arguments, *more], cwd=folder, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode() + ran.stdout.decode()
    return [json.loads(line) for line in ran.stdout.splitlines()]


def write_catalog(folder: Path, discovered: list[dict[str, Any]]) -> None:
    (catalog,) = [message["catalog"] for message in discovered if message["type"] == "CATALOG"]
    streams = [
        {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append"}
        for stream in catalog["streams"]
    ]
    (folder / "catalog.json").write_text(json.dumps({"streams": streams}))


def test_the_connector_is_thirty_lines() -> None:
    lines = [line for line in block("python", "ZipConfig").splitlines() if line.strip()]
    assert len(lines) <= 30


def test_spec(folder: Path) -> None:
    (message,) = run(folder, "spec")
    properties = message["spec"]["connectionSpecification"]["properties"]
    assert "archive" in properties
    assert "streams" in properties


def test_check(folder: Path) -> None:
    messages = run(folder, "check")
    assert [m["connectionStatus"]["status"] for m in messages if m["type"] == "CONNECTION_STATUS"] == ["SUCCEEDED"]


def test_check_says_what_is_missing(folder: Path) -> None:
    (folder / "shop.zip").unlink()
    messages = run(folder, "check")
    (status,) = [m["connectionStatus"] for m in messages if m["type"] == "CONNECTION_STATUS"]
    assert status["status"] == "FAILED"
    assert "cannot read the archive shop.zip" in status["message"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_discover_and_read(folder: Path, workers: str) -> None:
    discovered = run(folder, "discover")
    (catalog,) = [message["catalog"] for message in discovered if message["type"] == "CATALOG"]
    (stream,) = catalog["streams"]
    assert stream["name"] == "orders"
    assert {"id", "item", "price"} <= set(stream["json_schema"]["properties"])

    write_catalog(folder, discovered)
    records = [m["record"]["data"] for m in run(folder, "read", "--workers", workers) if m["type"] == "RECORD"]
    assert [list(record.values()) for record in records] == [
        ["1", "apple", "1.50", "2024-01-31T12:00:00.000000Z", "orders/2024-01.csv"],
        ["2", "pear", "2.25", "2024-01-31T12:00:00.000000Z", "orders/2024-01.csv"],
        ["3", "quince", "4.00", "2024-02-29T12:00:00.000000Z", "orders/2024-02.csv"],
    ]


def test_a_second_read_has_nothing_to_do(folder: Path) -> None:
    write_catalog(folder, run(folder, "discover"))
    states = [m["state"] for m in run(folder, "read") if m["type"] == "STATE"]
    (folder / "state.json").write_text(json.dumps(states[-1:]))
    again = run(folder, "read", "--state", "state.json")
    assert [m for m in again if m["type"] == "RECORD"] == []
