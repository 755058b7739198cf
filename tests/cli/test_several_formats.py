"""A source of several formats is several tables, whose names no file that comes or goes ever changes."""

import json
import zipfile
from pathlib import Path

import pytest
from in_process import Run, command_with

from file_cdk import SyncOptions, sync
from file_cdk.cli import main
from file_cdk.pipeline.sourcing.dividing import MAX_TABLES
from file_cdk.pipeline.sourcing.parts import Division

CSV, JSON = "id\n1\n", '{"id": 1}\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_with(capsys)


def put(name: str) -> None:
    path = Path("exports", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CSV if name.endswith("csv") else JSON)


def load(run: Run, to: str, *arguments: str) -> list[str]:
    """Of the sync's warnings, and its errors."""
    ran = run("sync", "exports", "--to", to, "--workers", "0", *arguments)
    assert ran.code == 0, ran.err
    return [line for line in ran.err if line.startswith(("warning", "error"))]


def tables(run: Run, database: str) -> dict[str, int]:
    """How many files each has."""
    return {each["stream"]: each["files"] for each in run("status", database, "--json").document["streams"]}


@pytest.mark.parametrize("to", ["x.duckdb", "x.sqlite", "lake/"])
def test_each_format_in_each_top_folder_is_a_table(run: Run, to: str) -> None:
    for name in ("a.csv", "orders/b.csv", "orders/deep/c.csv", "orders/d.jsonl", "events/year=2024/e.jsonl"):
        put(name)
    put("year=2025/f.csv")
    said, *_ = load(run, to)  # and that folders are columns
    names = "exports_csv, exports_events_jsonl, exports_orders_csv, exports_orders_jsonl"
    assert said.endswith(f"each format in each top folder has a table; the new tables are {names}")
    assert tables(run, to) == {
        "exports_csv": 2,
        "exports_events_jsonl": 1,
        "exports_orders_csv": 2,
        "exports_orders_jsonl": 1,
    }
    assert load(run, to) == [], "it says so once"
    put("events/g.csv")
    [said] = load(run, to)
    assert said.endswith("the new table is exports_events_csv")


@pytest.mark.parametrize("mode", [[], ["--mode", "merge", "--key", "id"], ["--full-refresh"]])
def test_a_table_that_is_there_keeps_its_files_when_another_format_comes(run: Run, mode: list[str]) -> None:
    put("a.csv")
    put("orders/b.csv")
    assert load(run, "x.duckdb", *mode) == []
    assert tables(run, "x.duckdb") == {"exports": 2}
    put("orders/c.jsonl")
    [said] = load(run, "x.duckdb", *mode)
    assert said.endswith("the new table is exports_orders_jsonl")
    put("new/d.csv")
    assert load(run, "x.duckdb", *mode) == []
    assert tables(run, "x.duckdb") == {"exports": 3, "exports_orders_jsonl": 1}


def test_tables_stay_apart_when_the_files_of_one_format_are_gone(run: Run) -> None:
    put("a.csv")
    put("b.jsonl")
    load(run, "x.duckdb")
    Path("exports/b.jsonl").unlink()
    put("c.csv")
    ran = run("sync", "exports", "--to", "x.duckdb", "--workers", "0")
    shown = [line.split() for line in ran.err]
    assert ["stream", "files", "read", "skipped", "rows", "files", "gone", "size"] in shown
    assert ["exports_jsonl", "0", "0", "1", "0", "bytes"] in shown
    assert tables(run, "x.duckdb") == {"exports_csv": 2, "exports_jsonl": 1}
    assert run("check", "exports", "--to", "x.duckdb").code == 0, "a table without files is no fault"


def test_gone_files_of_one_table_are_removed_from_that(run: Run) -> None:
    for name in ("a.csv", "b.jsonl", "c.jsonl"):
        put(name)
    load(run, "x.duckdb")
    Path("exports/c.jsonl").unlink()
    load(run, "x.duckdb", "--on-delete", "remove")
    assert tables(run, "x.duckdb") == {"exports_csv": 1, "exports_jsonl": 1}


@pytest.mark.parametrize("is_loaded", [False, True])
def test_all_commands_agree(run: Run, is_loaded: bool) -> None:
    if is_loaded:
        put("orders/b.csv")
        load(run, "x.duckdb")
    for name in ("a.csv", "orders/b.csv", "orders/c.jsonl", "notes.txt", ".hidden.csv"):
        put(name)
    listed = run("ls", "exports", "--to", "x.duckdb", "--json").documents
    of_files = {each["uri"]: each["stream"] for each in listed}
    csv = "exports" if is_loaded else "exports_csv"
    assert of_files == {
        "a.csv": csv,
        "notes.txt": csv,
        "orders/b.csv": "exports" if is_loaded else "exports_orders_csv",
        "orders/c.jsonl": "exports_orders_jsonl",
    }
    unsorted = run("ls", "exports", "--sort", "uri", "--all", "--json").documents
    assert sorted(each["uri"] for each in unsorted) == sorted([*of_files, ".hidden.csv"])
    checked = run("check", "exports", "--to", "x.duckdb", "--json").document["streams"]
    assert {each["stream"] for each in checked} == set(of_files.values())
    if is_loaded:
        explained = run("explain", "exports", "--to", "x.duckdb", "--json").documents
        assert {each["uri"]: each["stream"] for each in explained} == of_files
    load(run, "x.duckdb")
    assert tables(run, "x.duckdb").keys() == set(of_files.values())
    again = run("ls", "exports", "--to", "x.duckdb", "--json").documents
    assert {each["uri"]: each["stream"] for each in again} == of_files
    assert {each["reason"] for each in again} == {"already loaded", "unknown extension"}


def test_unsorted_lists_say_what_a_sync_would_do(run: Run) -> None:
    put("a.csv")
    put("b.jsonl")
    ran = run("ls", "exports", "--sort", "none")
    assert ran.err[-1].startswith("warning: a sync would make several tables: the files are of several formats: csv")


def test_rows_on_stdout_say_whose_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    put("a.csv")
    put("b.jsonl")
    assert main(["sync", "exports", "--to", "-", "--workers", "0"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["_stream"] for line in lines] == ["exports_csv", "exports_jsonl"]


def test_archives_are_divided_by_the_folders_in_them(run: Run) -> None:
    with zipfile.ZipFile("exports.zip", "w") as archive:
        for name in ("orders/a.csv", "orders/b.jsonl", "c.jsonl"):
            archive.writestr(name, CSV if name.endswith("csv") else JSON)
    assert run("sync", "exports.zip", "--to", "x.duckdb", "--workers", "0").code == 0
    assert tables(run, "x.duckdb") == {"exports_jsonl": 1, "exports_orders_csv": 1, "exports_orders_jsonl": 1}


def test_a_table_named_by_hand_begins_all_names(run: Run) -> None:
    put("a.csv")
    put("b.jsonl")
    load(run, "x.duckdb", "--table", "t")
    assert tables(run, "x.duckdb") == {"t_csv": 1, "t_jsonl": 1}


def test_a_format_that_is_named_is_that_of_all(run: Run) -> None:
    Path("exports").mkdir()
    Path("exports/a.csv").write_text(CSV)
    Path("exports/b.data").write_text(CSV)
    load(run, "x.duckdb", "--format", "csv")
    assert tables(run, "x.duckdb") == {"exports": 2}


def test_more_tables_than_anyone_wants_are_refused(run: Run) -> None:
    for number in range(MAX_TABLES):
        put(f"{number}/a.csv")
    put("b.jsonl")
    ran = run("sync", "exports", "--to", "x.duckdb")
    assert ran.code == 2
    assert "would be more than 100 tables. Sync one format at a time" in ran.err[-1]


def test_folders_that_differ_in_case_are_refused_before_anything_is_loaded(run: Run) -> None:
    for name in ("orders/a.csv", "Orders/a.csv", "b.jsonl"):
        put(name)
    ran = run("sync", "exports", "--to", "x.duckdb")
    assert ran.code == 2
    assert "the same name: 'exports_Orders_csv' and 'exports_orders_csv'" in ran.err[-1]
    assert not Path("x.duckdb").exists()


def test_the_same_in_python(run: Run) -> None:
    put("a.csv")
    put("b.jsonl")
    result = sync("exports", "x.duckdb", SyncOptions(workers=0))
    assert [(each.stream, each.rows) for each in result.streams] == [("exports_csv", 1), ("exports_jsonl", 1)]


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("in/a.csv.gz", "x_csv"),
        ("in/o/p/a.csv", "x_o_csv"),
        ("in/k=v/a.csv", "x_csv"),
        ("in/a.zip!o/a.csv", "x_csv"),
        ("in/o/a.zip!p/a.csv", "x_o_csv"),
        ("in/a.txt", None),
        ("in/o/a.parquet", "x"),
    ],
)
def test_the_name_follows_from_the_uri(uri: str, table: str | None) -> None:
    assert Division("x", "in/", whole="parquet").table_of(uri) == table
