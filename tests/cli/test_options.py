"""One grammar: an option means the same in every command, and in the environment."""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_process import Run, command_with

from file_cdk.cli.command import _COMMANDS, _parser
from file_cdk.cli.environment import WITHOUT, options_of, variable_of


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Those of commands and of their operations."""
    subcommands = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if name and not subcommands:
        yield name, parser
    for action in subcommands:
        for each, subparser in action.choices.items():
            yield from parsers(subparser, f"{name} {each}".strip())


def all_options() -> dict[str, list[tuple[str, argparse.Action]]]:
    """By their long names: the commands that have them."""
    found = defaultdict(list)
    for command, parser in parsers(_parser(list(_COMMANDS))):
        for action in options_of(parser):
            for name in action.option_strings:
                found[name].append((command, action))
    return found


@pytest.mark.parametrize("name", sorted(all_options()))
def test_an_option_means_the_same_in_every_command(name: str) -> None:
    commands = all_options()[name]
    helps = {(action.help or "").partition(". " if name == "--to" else " [")[0] for _, action in commands}
    takes = {(action.nargs, str(action.type), str(action.choices)) for _, action in commands if name != "--wait"}
    if name == "--stream":
        assert {text.replace("these streams, which are called as their tables are", "STREAM") for text in helps} <= {
            "only STREAM; by default all",
            "only this stream, which is called as its table is; by default all",
        }
    elif name == "--json":
        assert all(text.endswith(" on stdout, with exact sizes, times and names") for text in helps)
    elif name in ("-o", "--output", "--as"):
        assert len({text.partition(" (")[0].partition(";")[0] for text in helps}) == 1
    elif name not in ("--file", "--table", "--summary-json"):
        assert len(helps) == 1, {command: action.help for command, action in commands}
        assert len(takes) <= 1 or name == "--limit"


@pytest.mark.parametrize(("command", "parser"), list(parsers(_parser(list(_COMMANDS)))))
def test_help_names_the_variable_of_each_option(command: str, parser: argparse.ArgumentParser) -> None:
    for action in options_of(parser):
        variable = variable_of(action)
        assert (variable is None) == any(name in WITHOUT for name in action.option_strings), action.option_strings
        assert variable is None or f"[{variable}]" in (action.help or "")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return command_with(capsys)


@pytest.fixture
def orders(run: Run) -> None:
    Path("orders").mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        Path("orders", name).write_text("id\n1\n")


@pytest.mark.usefixtures("orders")
def test_the_command_line_goes_before_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_CDK_LIMIT", "2")
    monkeypatch.setenv("FILE_CDK_JSON", "yes")
    monkeypatch.setenv("FILE_CDK_SORT", "uri")
    assert [each["uri"] for each in run("ls", "orders").documents] == ["a.csv", "b.csv"]
    assert len(run("ls", "orders", "--limit", "1").documents) == 1
    monkeypatch.setenv("FILE_CDK_JSON", "0")
    assert len(run("ls", "orders").out) == 4


@pytest.mark.usefixtures("orders")
def test_what_a_command_needs_may_come_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILE_CDK_TO", "x.duckdb")
    monkeypatch.setenv("FILE_CDK_DROP", "id,x")
    with pytest.raises(SystemExit):
        run("sync", "orders", "--workers", "none")
    assert run("explain", "orders").code == 0
    monkeypatch.delenv("FILE_CDK_TO")
    with pytest.raises(SystemExit):
        run("explain", "orders")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("FILE_CDK_LIMIT", "many", "environment variable FILE_CDK_LIMIT: 'many' is not a number"),
        ("FILE_CDK_SORT", "size", "environment variable FILE_CDK_SORT: 'size' is none of modified, uri, none"),
        ("FILE_CDK_ALL", "perhaps", "environment variable FILE_CDK_ALL: give 1 or 0"),
    ],
)
@pytest.mark.usefixtures("orders")
def test_what_the_environment_cannot_mean(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        run("ls", "orders")
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("orders")
def test_streams_of_a_configuration_are_chosen(run: Run) -> None:
    Path("shop.yaml").write_text(
        "path: orders\nstreams:\n- {name: one, globs: [a.csv], format: {filetype: csv}}\n"
        "- {name: two, globs: [b.csv], format: {filetype: csv}}\n"
    )
    assert [each["stream"] for each in run("ls", "shop.yaml", "--stream", "two", "--json").documents] == ["two"]
    refused = run("ls", "shop.yaml", "--stream", "two,three")
    assert refused.code == 2
    assert refused.err[-1] == "error: the configuration has no stream 'three'. It has 'one', 'two'"
    assert "only the streams of a configuration" in run("ls", "orders", "--stream", "two").err[-1]
