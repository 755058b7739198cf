import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from file_cdk.cli.command import main


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from file_cdk.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "COMMAND"),
        (["load"], "invalid choice"),
        (["sync"], "SOURCE"),
        (["sync", "folder"], "--to"),
        (["sync", "folder", "--to", "x.duckdb", "--workers", "-1"], "--workers"),
        (["sync", "folder", "--to", "x.duckdb", "--workers", "two"], "'two' is not a number of worker processes"),
        (["sync", "folder", "--to", "x.duckdb", "--work", "2"], "unrecognized arguments: --work"),
        (["rejects"], "DATABASE"),
        (["rejects", "x.duckdb", "--limit", "few"], "'few' is not a number"),
        (["rejects", "x.duckdb", "more"], "usage: file-cdk rejects"),
        (["rejects", "x.duckdb", "more"], "unrecognized arguments: more"),
        (["sync", "folder", "--to", "x.duckdb", "--work", "2"], "usage: file-cdk sync"),
        (["sync", "a.csv", "b.csv", "--to", "x.duckdb"], "usage: file-cdk sync"),
        (["sync", "a.csv", "b.csv", "--to", "x.duckdb"], "'a.csv' is followed by 'b.csv'\n"),
        (["sync", "--to", "x.duckdb", "a.csv", "b.csv", "c.csv"], "put a pattern in quotes: 'a.csv' is followed by"),
        (["sync", "a.csv", "b.csv", "c.csv", "--to", "x.duckdb"], "'b.csv' and 1 more\n"),
    ],
)
def test_wrong_usage_exits_2_and_says_why(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    said = capsys.readouterr()
    assert left.value.code == 2
    assert complaint in said.err
    assert said.out == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"file-cdk {version('file-cdk')}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["sync", "--help"]])
def test_help_has_examples_and_exit_codes(arguments: list[str]) -> None:
    shown = run(*arguments)
    assert shown.returncode == 0
    assert "file-cdk sync fixtures/flights --to flights.duckdb" in shown.stdout
    assert "143  terminated" in shown.stdout


def test_help_on_rejects() -> None:
    assert "rejects" in run("--help").stdout
    shown = run("rejects", "--help").stdout
    assert "file-cdk rejects shop.duckdb --limit 20" in shown
    assert "[--stream NAME] [--limit N] [--json]" in shown
    assert "N|N%  " in run("sync", "--help").stdout


@pytest.mark.parametrize(
    ("command", "usage", "example"),
    [
        ("ls", "[--sort {modified,uri,none}]", "file-cdk ls orders --to shop.duckdb "),
        ("check", "[--connector NAME]", "file-cdk check config.json --connector s3 "),
    ],
)
def test_help_on_ls_and_check(command: str, usage: str, example: str) -> None:
    assert f"    {command} " in run("--help").stdout
    shown = run(command, "--help").stdout
    assert usage in shown
    assert example in shown
    assert "'exports.zip!**/*.csv'" in shown


def test_help_on_sync_names_archives_and_where_more_options_are() -> None:
    shown = run("sync", "--help").stdout
    assert "'exports.zip!**/*.csv'" in shown
    assert "docs/guide/formats.md" in shown


def test_help_imports_nothing_heavy() -> None:
    """Each module of `core` here has many classes, which take longer to make than all else takes."""
    program = (
        "import sys\nfrom file_cdk.cli.command import _COMMANDS, main\n"
        "for name in _COMMANDS:\n"
        "    try: main([name, '--help'])\n    except SystemExit: pass\n"
        "heavy = ('pyarrow', 'duckdb', 'rich', 'yaml', 'multiprocessing', 'asyncio', 'file_cdk.engine')\n"
        "ours = [f'file_cdk.core.{name}' for name in ('config', 'files', 'ledger', 'ports')]\n"
        "print([m for m in (*heavy, *ours) if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"
