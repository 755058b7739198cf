"""`file-cdk ls`, `explain`, `check`, `status` and `rejects` of a manifest: before a sync, and after one that failed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import run, write_json
from paced_api import MANIFEST, PacedApi, serving

pytestmark = pytest.mark.scenario


class Shop:
    def __init__(self, folder: Path, api: PacedApi) -> None:
        self.api = api
        self.manifest = folder / "shop.yaml"
        self.manifest.write_text(MANIFEST)
        self.config = write_json(folder / "config.json", {"url": api.url, "until": "2024-01-10"})
        self.to = folder / "shop.duckdb"

    def run(self, command: str, *options: str | Path, code: int = 0) -> str:
        done = run("file-cdk", command, self.manifest, "--config", self.config, *options)
        assert done.returncode == code, done.stderr
        return done.stdout if command != "sync" else done.stderr

    def slices(self, command: str, *options: str | Path) -> list[tuple[str, Any, str]]:
        lines = map(json.loads, self.run(command, "--json", *options).splitlines())
        return [(each["stream"], each["slice"], each["decision"]) for each in lines]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with serving(PacedApi(pause_s=0.0, days=10)) as api:
        yield Shop(tmp_path, api)


def interval(first: str, last: str) -> Any:
    return [{}, {"start_time": f"2024-01-{first}", "end_time": f"2024-01-{last}"}]


def test_what_would_be_read_is_told_without_a_request(shop: Shop) -> None:
    assert shop.slices("ls") == [
        ("notes", [{}, {}], "read"),
        ("customers", [{}, {}], "read"),
        ("payments", None, "read"),
        ("orders", interval("01", "05"), "read"),
        ("orders", interval("06", "10"), "read"),
        ("events", [{}, {}], "read"),
    ]
    assert "one for each record of customers" in shop.run("ls", "--stream", "payments")
    assert not shop.api.asked


def test_a_stream_whose_answers_are_files_is_as_any(shop: Shop) -> None:
    plain = "    name: notes\n    retriever:\n      type: SimpleRetriever\n"
    assert plain in MANIFEST
    shop.manifest.write_text(MANIFEST.replace(plain, f"{plain}      decoder: {{type: CsvDecoder}}\n"))
    assert ("notes", [{}, {}], "read") in shop.slices("ls", "--stream", "notes")


def test_what_a_failed_run_left_is_told_by_each_command(shop: Shop) -> None:
    shop.api.refuses = "page=3&since=2024-01-06"
    shop.run("sync", "--to", shop.to, "--stream", "orders", code=3)
    assert shop.slices("explain", "--to", shop.to, "--stream", "orders") == [
        ("orders", interval("06", "10"), "go on"),
        ("orders", interval("01", "05"), "skip"),
    ]
    assert "goes on at page 2" in shop.run("ls", "--to", shop.to, "--stream", "orders")
    told = run("file-cdk", "status", shop.to).stdout
    assert "orders: a run did not come to the end of it; the next sync goes on there, inside of 1 slice" in told
    shop.api.refuses = None
    shop.run("sync", "--to", shop.to, "--stream", "orders")
    [read] = json.loads(run("file-cdk", "status", shop.to, "--json").stdout)["slices"]
    counts = {name: read["counts"][name] for name in ("slices", "pages", "records", "rejected")}
    assert (read["stream"], read["begun"], counts) == (
        "orders",
        None,
        {"slices": 2, "pages": 8, "records": 30, "rejected": 0},
    )
    assert shop.slices("explain", "--to", shop.to, "--stream", "orders") == [("orders", interval("10", "10"), "read")]


def test_records_that_are_no_json_are_told_with_stream_and_page(shop: Shop) -> None:
    shop.api.odd = True
    shop.run("sync", "--to", shop.to, "--stream", "notes")
    [record] = map(json.loads, run("file-cdk", "rejects", shop.to, "--json").stdout.splitlines())
    assert (record["stream"], record["url"], record["row"]) == ("notes", "slice [{},{}], page 1", 3)
    assert "NaN" in record["reason"] or "JSON" in record["reason"]
    assert "notes" in run("file-cdk", "rejects", shop.to).stdout


def test_a_check_tries_the_streams_that_the_manifest_names(shop: Shop) -> None:
    assert shop.run("check", "--to", shop.to).splitlines()[-1] == "all is well"
    shop.api.refuses = "notes"
    told = json.loads(shop.run("check", "--json", code=3))
    assert (told["ok"], [step["step"] for step in told["steps"]]) == (False, ["source"])
    assert "there is no such page" in told["steps"][0]["error"]
