"""`file-cdk ls` on real folders: what it prints, in which order, and how it ends."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from in_process import Run, command_with

from file_cdk.cli import main

COMMAND = Path(sys.executable).parent / "file-cdk"
AT = 1_704_110_400  # 2024-01-01 12:00:00 UTC


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, in a folder with `orders`."""
    monkeypatch.chdir(tmp_path)
    put("orders/2024-02.csv", 1)
    put("orders/2024-01.csv", 2)
    put("orders/notes.txt", 3)
    return command_with(capsys)


def put(name: str, minute: int, text: str = "id\n1\n") -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (AT + 60 * minute, AT + 60 * minute))


def test_the_table_has_every_file_in_the_order_of_a_sync(run: Run) -> None:
    ran = run("ls", "orders")
    assert ran.code == 0
    assert ran.out == [
        "modified                 size  format  decision                    uri",
        "--------------------  -------  ------  --------------------------  -----------",
        "2024-01-01 12:01:00Z  5 bytes  csv     read                        2024-02.csv",
        "2024-01-01 12:02:00Z  5 bytes  csv     read                        2024-01.csv",
        "2024-01-01 12:03:00Z  5 bytes          skipped: unknown extension  notes.txt",
    ]
    assert ran.err == ["orders: 2 files to read, 10 bytes; skipped: 1 unknown extension"]


def test_json_is_exact(run: Run) -> None:
    put("orders/big.csv.gz", 0, "x" * 12_345)
    name = "orders/line\nfeed\x1b[2J \u202e.csv"
    put(name, 4)
    os.utime(name, ns=(AT * 10**9, AT * 10**9 + 1_500))
    ran = run("ls", "orders", "--json", "--sort", "uri")
    documents = ran.documents
    assert [list(document) for document in documents] == [
        ["stream", "uri", "size_bytes", "modified_at", "etag", "format", "decision", "reason"]
    ] * 5
    assert [document["uri"] for document in documents] == [
        "2024-01.csv", "2024-02.csv", "big.csv.gz", "line\nfeed\x1b[2J \u202e.csv", "notes.txt",
    ]  # fmt: skip
    big, odd, notes = documents[2:]
    assert (big["size_bytes"], big["modified_at"], big["format"]) == (12_345, "2024-01-01T12:00:00.000000Z", "csv")
    assert odd["modified_at"] == "2024-01-01T12:00:00.000001Z"
    assert (odd["decision"], odd["reason"]) == ("read", None)
    assert (notes["decision"], notes["reason"], notes["format"]) == ("skip", "unknown extension", None)


def test_what_would_act_on_the_terminal_is_spelled_out(run: Run) -> None:
    put("odd/line\nfeed\x1b[2J.csv", 1)
    ran = run("ls", "odd")
    assert ran.out[2].endswith("  line\\nfeed\\x1b[2J.csv")
    assert len(ran.out) == 3


def test_what_a_database_has_is_skipped_and_it_stays_as_it_is(run: Run) -> None:
    assert run("ls", "orders", "--to", "shop.duckdb").err[0].startswith("orders: 2 files to read")
    assert not Path("shop.duckdb").exists()
    assert run("sync", "orders", "--to", "shop.duckdb", "--workers", "0").code == 0
    before = Path("shop.duckdb").read_bytes()
    put("orders/2024-03.csv", 0)
    ran = run("ls", "orders", "--to", "shop.duckdb", "--json")
    assert [(document["uri"], document["reason"]) for document in ran.documents] == [
        ("2024-03.csv", None),
        ("2024-02.csv", "already loaded"),
        ("2024-01.csv", "already loaded"),
        ("notes.txt", "unknown extension"),
    ]
    assert ran.err == ["orders: 1 file to read, 5 bytes; skipped: 2 already loaded, 1 unknown extension"]
    assert Path("shop.duckdb").read_bytes() == before
    assert run("ls", "orders", "--to", "shop.duckdb", "--table", "other").err[0].startswith("other: 3 files to read")


def test_several_streams_are_named(run: Run) -> None:
    Path("both.yaml").write_text(
        "path: orders\nstreams:\n"
        "- {name: january, globs: ['2024-01*'], format: {filetype: csv}}\n"
        "- {name: later, globs: ['2025*'], format: {filetype: csv}}\n"
        "- {name: all, globs: ['*.csv'], format: {filetype: csv}}\n"
    )
    ran = run("ls", "both.yaml")
    assert [(line.split()[0], line.split()[-1]) for line in ran.out] == [
        ("stream", "uri"),
        ("-------", "-----------"),
        ("january", "2024-01.csv"),
        ("all", "2024-02.csv"),
        ("all", "2024-01.csv"),
    ]
    assert ran.err == [
        "january: 1 file to read, 5 bytes",
        "later: 0 files to read, 0 bytes",
        "all: 2 files to read, 10 bytes",
        "warning: later: no file matches '2025*'",
    ]


def test_a_limit_shortens_the_table_and_not_the_counts(run: Run) -> None:
    ran = run("ls", "orders", "--limit", "1")
    assert [line.split()[-1] for line in ran.out[2:]] == ["2024-02.csv"]
    assert ran.err == [
        "orders: 2 files to read, 10 bytes; skipped: 1 unknown extension",
        "shown: 1 of 3 files (--limit)",
    ]
    ran = run("ls", "orders", "--limit", "1", "--sort", "none")
    assert len(ran.out) == 3
    assert ran.err == ["listing ended at --limit 1: there are more files"]
    assert run("ls", "orders", "--limit", "3", "--sort", "none").err == run("ls", "orders").err


def test_all_shows_what_the_pattern_leaves_out(run: Run) -> None:
    ran = run("ls", "orders/*-02.csv", "--all")
    assert [line.split()[-1] for line in ran.out[2:]] == ["2024-02.csv", "2024-01.csv", "notes.txt"]
    assert ["skipped: no pattern matches" in line for line in ran.out[2:]] == [False, True, True]
    assert ran.err == ["orders: 1 file to read, 5 bytes; skipped: 2 no pattern matches"]


def test_members_of_an_archive(run: Run) -> None:
    with zipfile.ZipFile("in.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("a\x07.csv", (2024, 1, 1, 0, 0, 0)), "id\n1\n")
    assert run("ls", "in.zip").out[2].endswith("  in.zip!a\\x07.csv")


def test_a_connectors_configuration_in_json(run: Run) -> None:
    config = {
        "path": "orders",
        "streams": [{"name": "jan", "globs": ["2024-01*"], "format": {"filetype": "csv"}}],
        "other": 1,
    }
    Path("config.json").write_text(json.dumps(config, indent="\t"))
    for name in ("file", "source-local"):
        ran = run("ls", "config.json", "--connector", name, "--json")
        assert [document["uri"] for document in ran.documents] == ["2024-01.csv"]
        assert ran.err[0] == "warning: config.json has keys that mean nothing here: other"
    ran = run("ls", "config.json")
    assert (ran.code, ran.err[0].partition(".")[0]) == (2, "error: config")
    assert "looks like a connector's configuration" in ran.err[0]
    assert run("ls", "config.json", "--format", "jsonl").out[2].endswith("config.json"), "a file of data"
    Path("config.json").write_text(json.dumps({**config, "source": "file"}))
    assert [document["uri"] for document in run("ls", "config.json", "--json").documents] == ["2024-01.csv"]
    assert (
        run("sync", "config.json", "--to", "x.duckdb", "--workers", "0").err[-2] == "jan: 1 file read, 1 row, 5 bytes"
    )
    ran = run("ls", "config.json", "--connector", "s4")
    assert (ran.code, ran.err[0].partition(".")[0]) == (2, "error: no connector is installed for s4:")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 3, "error: no such file or folder: nope"),
        (["orders", "--format", "doc"], 2, "error: format 'doc' is not supported"),
        (["orders", "--to", "shop.txt"], 2, "error: 'shop.txt' is no destination"),
        (["orders", "--to", "orders/notes.duckdb"], 3, "error: 'orders/notes.duckdb' is not a DuckDB database"),
        (["s4://ada:s3cret@bucket/x"], 2, "error: no connector is installed for s4:"),
    ],
)
def test_errors(run: Run, arguments: list[str], code: int, said: str) -> None:
    Path("orders/notes.duckdb").write_text("not a database at all")
    ran = run("ls", *arguments)
    assert (ran.code, ran.out) == (code, [])
    assert ran.err[0].startswith(said)
    assert "s3cret" not in ran.err[0]


def test_usage_errors_name_no_secrets(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["sftp://ada:s3cret@host/b"], ["--sftp://ada:s3cret@host/b"], ["--x=https://h/?sig=s3cret"]):
        with pytest.raises(SystemExit) as left:
            main(["ls", "sftp://ada:s3cret@host/a", *more])
        assert left.value.code == 2
        assert "s3cret" not in capsys.readouterr().err


def test_nothing_matches(run: Run) -> None:
    ran = run("ls", "orders/*.parquet")
    assert (ran.code, ran.out) == (0, [])
    assert ran.err == ["orders: 0 files to read, 0 bytes", "warning: no file matches '*.parquet'"]
    assert run("ls", "orders/*.parquet", "--quiet").err == []


def many(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}-with-a-name-of-some-length.csv").touch()


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    many(tmp_path / "many", 3000)
    for extra in ([], ["--json"], ["--sort", "none"]):
        ran = subprocess.run(
            ["sh", "-c", f"({COMMAND} ls many {' '.join(extra)}; echo $? >code) | head -n 1"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (len(ran.stdout.splitlines()), ran.stderr) == (1, "")
        assert (tmp_path / "code").read_text() == "0\n"


SLOW = """
import sys, time
from datetime import datetime, UTC
from file_cdk.core.files import RemoteFile
from file_cdk.readers.local import LocalReader
def list_files(self, prefix):
    for number in range(100_000):
        time.sleep(0.01)
        yield RemoteFile(f"{number}.csv", 1000, datetime(2024, 1, 1, tzinfo=UTC))
LocalReader.list_files = list_files
from file_cdk.cli import main
sys.exit(main(["ls", "."]))
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_long_listing_counts_on_a_terminal_and_is_interrupted_quietly(
    tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    screen, terminal = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=tmp_path,
        stdout=terminal,
        stderr=terminal,
        env={**environment, "TERM": "xterm-256color"},
    ) as process:
        os.close(terminal)
        seen = b""
        while b"listing: " not in seen or b" files, " not in seen:
            seen += os.read(screen, 4096)
        process.send_signal(signum)
        try:
            assert process.wait(timeout=10) == code
        finally:
            process.kill()  # else one that goes on would be waited for, while nobody reads what it writes
        while True:
            try:
                chunk = os.read(screen, 4096)
            except OSError:  # the other end is closed
                break
            seen += chunk
            if not chunk:
                break
    os.close(screen)
    shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode()
    assert "Traceback" not in shown
    assert "error" not in shown


def test_a_configuration_in_yaml_says_whose_it_is_and_nothing_else(run: Run) -> None:
    Path("store.yaml").write_text("bucket: b\nstreams: [{name: s, format: {filetype: csv}}]\n")
    ran = run("ls", "store.yaml")
    assert ran.code == 2
    assert ran.err == [
        "error: store.yaml does not say which source it is for. Write `source: s3` (or gs, az, sftp …) or `path: …` into it"
    ]
    Path("orders.yaml").write_text("path: orders\nstreams: [{name: s, globz: [a], format: {filetype: csv}}]\n")
    for more in ([], ["--connector", "file"]):
        ran = run("ls", "orders.yaml", *more)
        assert (ran.code, ran.err[0].partition(":")[0]) == (2, "error")
        assert "streams[0].globz" in ran.err[0]
