"""The reference of commands, made of the parsers of their command lines."""

import argparse
from collections.abc import Iterator

from reference import cell

from file_cdk.cli.command import whole_parser
from file_cdk.cli.connector import _parser as _source_parser
from file_cdk.cli.destination import _parser as _destination_parser
from file_cdk.cli.manifest_source import NAME, source_parser


def commands() -> str:
    whole = whole_parser()
    lines = [
        "# Commands",
        "",
        "`file-cdk COMMAND --help` says the same. All commands end with one of the [exit codes](errors.md).",
        "",
        "| command | |",
        "|---|---|",
        *(f"| [`file-cdk {name}`](#file-cdk-{name}) | {cell(summary)} |" for name, summary in _summaries(whole)),
        "| [`source-…`](#sources) | sources of the Airbyte protocol |",
        f"| [`{NAME}`](#sources-by-their-manifest) | sources of HTTP APIs, each described by a manifest |",
        "| [`destination-…`](#destinations) | destinations of the Airbyte protocol |",
        "",
    ]
    for name, parser in _subcommands(whole):
        lines += [f"## file-cdk {name}", "", *_command(f"file-cdk {name}", parser, "###")]
    sources, destinations = _source_parser("source-…"), _destination_parser("destination-…")
    lines += ["## Sources", "", *_command("source-…", sources, "###")]
    lines += ["## Sources by their manifest", "", *_command(NAME, source_parser(NAME), "###")]
    lines += ["## Destinations", "", *_command("destination-…", destinations, "###")]
    return "\n".join(lines).rstrip() + "\n"


def _subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _summaries(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((choice.dest, choice.help or "") for choice in action._choices_actions)


def _command(name: str, parser: argparse.ArgumentParser, heading: str) -> list[str]:
    below = list(_subcommands(parser))
    lines = ["```text", _usage(name, parser, operations=bool(below)), "```", ""]
    lines += _preformatted(parser.description)
    if rows := list(_rows(parser)):
        lines += ["| argument | meaning |", "|---|---|", *rows, ""]
    lines += _preformatted(parser.epilog)
    for operation, inner in below:
        lines += [f"{heading} {name} {operation}", "", *_command(f"{name} {operation}", inner, f"{heading}#")]
    return lines


def _usage(name: str, parser: argparse.ArgumentParser, *, operations: bool) -> str:
    needed = [_written(action) for action in parser._actions if action.required and not _is_choice_of_commands(action)]
    optional = any(action.option_strings and not action.required for action in parser._actions)
    words = [name, *(["COMMAND"] if operations else []), *needed, *(["[options]"] if optional else [])]
    return " ".join(words)


def _preformatted(text: str | None) -> list[str]:
    """Help texts are laid out for a terminal."""
    if not text:
        return []
    lines = text.strip("\n").splitlines()
    return [*lines, ""] if len(lines) == 1 else ["```text", *lines, "```", ""]


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if _is_choice_of_commands(action) or "--help" in action.option_strings or action.help == argparse.SUPPRESS:
            continue
        text = (action.help or "") % {"default": action.default, "prog": parser.prog, "metavar": action.metavar}
        yield f"| `{_written(action)}` | {cell(text)} |".replace("N|N%", "N\\|N%")


def _is_choice_of_commands(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def _written(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return value
    return ", ".join(f"{option} {value}".rstrip() for option in action.option_strings)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return ",".join(map(str, action.choices)) if action.choices else action.dest.upper()
