"""Options that the environment may give: `FILE_CDK_TO` is `--to`, for every command that has it.

What stands on the command line counts more, and what a YAML file says less.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

PREFIX = "FILE_CDK_"

WITHOUT = frozenset({"--help", "--settle", "--salt", "--file", "--repair", "--as", "--output", "--force"})
"""Options that the environment does not give. FILE_CDK_SETTLE and FILE_CDK_SALT say something else than the options (how long a
sync waits; the salt itself); which file is meant, what is to be written, and that a ledger is to change, is said on the spot."""

_TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def variable_of(action: argparse.Action) -> str | None:
    """Of an option; None for what the environment does not give."""
    long = next((name for name in action.option_strings if name.startswith("--")), None)
    return None if long is None or long in WITHOUT else PREFIX + long[2:].replace("-", "_").upper()


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    # argparse has no other way to ask a parser what it takes.
    return (action for action in parser._actions if action.option_strings)


def name_variables(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """In the help of each option, also of a command's operations. What the environment gives need not be on the command line."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for operation in action.choices.values():
                name_variables(operation, environment)
        elif (variable := variable_of(action)) is not None:
            action.help = f"{action.help} [{variable}]"
            if environment.get(variable):
                action.required, action.default = False, None


def fill_in(parser: argparse.ArgumentParser, arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Options that the command line does not have, and the environment does. Ends the command where the value is none."""
    for action in options_of(parser):
        variable = variable_of(action)
        text = None if variable is None else environment.get(variable)
        if text and not getattr(arguments, action.dest, None):
            try:
                setattr(arguments, action.dest, _value(action, text))
            except argparse.ArgumentTypeError as exc:
                parser.error(f"environment variable {variable}: {exc}")


def _value(action: argparse.Action, text: str) -> Any:
    if action.nargs == 0:
        if (truth := _TRUTHS.get(text.lower())) is None:
            raise argparse.ArgumentTypeError("give 1 or 0")
        return truth is bool(action.const)
    value: Any = action.type(text) if callable(action.type) else text
    if action.choices is not None and value not in action.choices:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(map(str, action.choices))}")
    return [value] if isinstance(action, argparse._AppendAction) else value


def given(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, as JSON has it: the values of options that are not their defaults, by the options' names."""
    found: dict[str, Any] = {}
    for action in options_of(parser):
        value = getattr(arguments, action.dest, None)
        if action.dest not in ("help", "to") and value not in (None, [], action.default):
            found[action.dest] = value if isinstance(value, bool | int | float | str | list) else str(value)
    return found
