"""`file-cdk check` on real folders: the steps as lines and as JSON, exit codes, and that nothing changes or leaks."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from in_process import Run, command_with

from file_cdk.core.connector import Connector
from file_cdk.core.errors import AccessError
from file_cdk.pipeline import sources


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, in a folder with `orders`."""
    monkeypatch.chdir(tmp_path)
    Path("orders").mkdir()
    Path("orders/a.csv").write_text("id,item\n1,apple\n")
    return command_with(capsys)


def test_all_is_well(run: Run, tmp_path: Path) -> None:
    ran = run("check", "orders", "--to", "shop.duckdb")
    assert (ran.code, ran.err) == (0, [])
    origin = (tmp_path / "orders").as_uri()
    assert [re.sub(r"modified .*", "modified …", line) for line in ran.out] == [
        "orders:",
        f"  ok      reach        source-local, {origin}",
        "  ok      list         1 file matches, 16 bytes",
        "  ok      open         a.csv, 16 bytes, modified …",
        "  ok      read         csv, 2 columns: id int64, item string",
        "  ok      destination  shop.duckdb would be created",
        "all is well",
    ]
    assert not Path("shop.duckdb").exists()


def test_json(run: Run, tmp_path: Path) -> None:
    Path("orders/notes.txt").write_text("?")
    ran = run("check", "orders", "--json")
    document = ran.document
    modified_at = document["streams"][0]["file"].pop("modified_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", modified_at)
    assert document["streams"][0]["file"].pop("etag")
    assert (ran.code, ran.err) == (0, [])
    assert document == {
        "ok": True,
        "exit_code": 0,
        "source": "orders",
        "destination": None,
        "destination_exists": None,
        "steps": [],
        "streams": [
            {
                "stream": "orders",
                "ok": True,
                "connector": "source-local",
                "origin": (tmp_path / "orders").as_uri(),
                "credential": None,
                "steps": [{"step": name, "ok": True, "error": None} for name in ("reach", "list", "open", "read")],
                "files": {
                    "listed": 2,
                    "matched": 2,
                    "size_bytes": 17,
                    "complete": True,
                    "skipped": {"unknown extension": 1},
                },
                "file": {
                    "uri": "a.csv",
                    "size_bytes": 16,
                    "format": "csv",
                    "columns": [{"name": "id", "type": "int64"}, {"name": "item", "type": "string"}],
                    "note": None,
                },
            }
        ],
    }


def test_each_stream_and_the_destination_are_tried_whatever_failed_before(run: Run) -> None:
    Path("orders/bad.csv").write_bytes(b",,\n")
    Path("both.yaml").write_text(
        "path: orders\nstreams:\n"
        "- {name: none, globs: ['z*'], format: {filetype: csv}}\n"
        "- {name: bad, globs: ['bad*'], format: {filetype: csv}}\n"
        "- {name: good, globs: ['a*'], format: {filetype: csv}}\n"
    )
    ran = run("check", "both.yaml", "--to", "no/shop.duckdb")
    assert ran.code == 3, "that of the first failure"
    assert [line[:23].rstrip() for line in ran.out] == [
        "none:",
        "  ok      reach",
        "  failed  list",
        "bad:",
        "  ok      reach",
        "  ok      list",
        "  ok      open",
        "  failed  read",
        "good:",
        "  ok      reach",
        "  ok      list",
        "  ok      open",
        "  ok      read",
        "  failed  destination",
        "3 of 11 steps failed",
    ]
    assert "no file matches 'z*'. Check that" in ran.out[2]
    assert "(file 'bad.csv'" in ran.out[7]
    document = run("check", "both.yaml", "--to", "no/shop.duckdb", "--json").document
    assert (document["ok"], document["exit_code"]) == (False, 3)
    assert [stream["ok"] for stream in document["streams"]] == [False, False, True]
    [step] = document["steps"]
    assert (step["step"], step["ok"]) == ("destination", False)
    assert "there is no folder 'no'" in step["error"]


def test_a_source_of_which_nothing_would_be_read_fails(run: Run) -> None:
    ran = run("check", "orders/*.json")
    assert (ran.code, ran.out[-1]) == (3, "1 of 2 steps failed")
    assert ran.out[2].startswith("  failed  list         no file matches '*.json'. Check ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 3, "no such file or folder: nope"),
        (["orders", "--format", "doc"], 2, "format 'doc' is not supported"),
        (["orders/a.csv", "--connector", "s4"], 2, "no connector is installed for s4:"),
        (["nope.json", "--connector", "file"], 2, "nope.json cannot be read: No such file or directory"),
    ],
)
def test_a_source_that_is_none(run: Run, arguments: list[str], code: int, said: str) -> None:
    ran = run("check", *arguments)
    assert ran.code == code
    assert ran.out[0].startswith(f"  failed  source       {said}")
    assert ran.out[1:] == ["1 of 1 step failed"]
    document = run("check", *arguments, "--json").document
    assert (document["exit_code"], document["streams"], document["ok"]) == (code, [], False)


def test_a_table_of_another_folder_is_refused_beforehand(run: Run) -> None:
    assert run("sync", "orders", "--to", "shop.duckdb", "--workers", "0").code == 0
    before = Path("shop.duckdb").read_bytes()
    assert run("check", "orders", "--to", "shop.duckdb").out[-2:] == [
        "  ok      destination  shop.duckdb can be written",
        "all is well",
    ]
    Path("more").mkdir()
    Path("more/b.csv").write_text("id\n2\n")
    ran = run("check", "more", "--table", "orders", "--to", "shop.duckdb")
    assert ran.code == 2
    assert "  failed  destination  table 'orders' in DuckDB database 'shop.duckdb' holds the files of" in ran.out[-2]
    assert Path("shop.duckdb").read_bytes() == before


def test_names_cannot_act_on_the_terminal(run: Run) -> None:
    Path("orders/a.csv").unlink()
    Path("orders/x\x1b[2J\n.jsonl").write_text('{"id\\u0007": 1}\n')
    ran = run("check", "orders")
    assert ran.code == 0
    assert ran.out[3].startswith("  ok      open         x\\x1b[2J\\n.jsonl, ")
    assert ran.out[4] == "  ok      read         jsonl, 1 column: id\\x07 int64"


def test_the_credentials_are_named_and_a_url_is_redacted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    local = sources.connector_for("file")
    assert isinstance(local, Connector)
    location = local.location("orders")

    def describe(_: object) -> str:
        return 'profile "dev"'

    vault = replace(local, name="source-vault", locate=lambda _: location, describe_credentials=describe)
    monkeypatch.setattr(sources, "connector_for", lambda _: vault)
    url = "vault://ada:s3cret@host/orders?sig=s3cret"
    ran = run("check", url)
    assert ran.out[1] == '  ok      credentials  profile "dev"'
    document = run("check", url, "--json").document
    assert document["streams"][0]["credential"] == 'profile "dev"'
    assert document["source"] == "vault://ada:***@host/orders?sig=***"

    def expired(_: object) -> str:
        raise AccessError("the session has expired", remedy="Sign in again")

    vault = replace(vault, describe_credentials=expired)
    ran = run("check", url)
    assert ran.code == 3
    assert ran.out[1:] == ["  failed  credentials  the session has expired. Sign in again", "1 of 1 step failed"]


def test_a_bug_is_called_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    local = sources.connector_for("file")
    assert isinstance(local, Connector)

    def broken(_: object) -> str:
        raise ValueError("s3cret")

    monkeypatch.setattr(sources, "connector_for", lambda _: replace(local, describe_credentials=broken))
    ran = run("check", "orders")
    assert ran.code == 1
    [line] = ran.err
    assert line.startswith("internal error: unexpected ValueError at test_check_command.py:")
    assert "s3cret" not in line
