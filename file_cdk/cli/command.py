"""The `file-cdk` command: its subcommands, and what they have in common. What one of them needs is imported when it is
called for."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from file_cdk.cli.arguments import EXAMPLES, EXIT_CODES
from file_cdk.cli.ending import Interruption, failure_of, leave
from file_cdk.cli.environment import fill_in, name_variables
from file_cdk.cli.parser import LinesParser
from file_cdk.cli.screen.stdout import fill_standard_descriptors
from file_cdk.core.exit_codes import ExitCode
from file_cdk.core.uris import redacted
from file_cdk.core.version import VERSION

_COMMANDS: Mapping[str, str] = {
    "sync": "load files into a destination",
    "pipe": "run an Airbyte source, and load what it sends into a destination",
    "ls": "list what a sync would read, and why it would skip the rest",
    "explain": "say what a sync would do with each file, and why",
    "check": "try whether a sync would work",
    "status": "say what a database holds, how the last run ended, and what failed",
    "state": "show, export, import or reset what a database has of each file",
    "rejects": "list the records that were rejected",
    "preview": "show the first rows of a source, and how it would be read",
    "schema": "show the columns and types that a table would get: as a table, JSON Schema, Arrow or SQL",
    "init": "look at a bucket or folder, and write a configuration of its streams",
    "new": "write a project for a source, format or destination of your own",
    "convert": "turn an Airbyte connector's configuration into YAML, or back",
    "manifest": "say what is wrong with the manifest of an API; print the JSON Schema of manifests",
    "completion": "print what completes this command's line in a shell",
}
"""Each is a module of this room, or of `beginning`, with DESCRIPTION, EPILOG, `add_arguments` and `run`."""

_OF_THE_BEGINNING = frozenset({"preview", "schema", "init", "new", "convert", "completion"})


def console() -> NoReturn:
    """The console script: `main`, and the end of the process."""
    leave(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code; usage errors, `--help` and `--version` leave through SystemExit."""
    fill_standard_descriptors()
    arguments = argparse.Namespace(verbose=False)
    with Interruption(process_ends=argv is None) as interruption:
        try:
            arguments, unknown = _parser(sys.argv[1:] if argv is None else argv).parse_known_args(argv, arguments)
            if unknown:
                _refuse(arguments, unknown)
            fill_in(arguments.parser, arguments, os.environ)
            code: ExitCode = arguments.run(arguments, interruption)
            return code
        except (KeyboardInterrupt, Exception) as exc:  # noqa: BLE001 - the command's boundary, the one place that may
            return _tell(exc, interruption, verbose=arguments.verbose)


def _tell(error: BaseException, interruption: Interruption, *, verbose: bool) -> ExitCode:
    failure = failure_of(error, interruption)
    lines = list(failure.lines(verbose=verbose))
    if failure.code.is_interruption:
        lines.append("interrupted")
    if lines:
        from file_cdk.cli.screen.display import PlainDisplay

        display = PlainDisplay(sys.stderr)
        for line in lines:
            display.line(line)
    return failure.code


def _refuse(arguments: argparse.Namespace, unknown: Sequence[str]) -> NoReturn:
    """What a command does not know, with the usage of that command."""
    parser: argparse.ArgumentParser = arguments.parser
    # Of an option that means nothing here, the value may be a password.
    shown = [redacted(arg.partition("=")[0] if arg.startswith("-") else arg) for arg in unknown]
    if "source" in arguments and not any(argument.startswith("-") for argument in unknown):
        parser.error(
            f"SOURCE is one path; put a pattern in quotes: {redacted(arguments.source)!r} is followed by {shown[0]!r}"
            + (f" and {len(unknown) - 1} more" if len(unknown) > 1 else "")
        )
    parser.error(f"unrecognized arguments: {' '.join(shown)}")


class _YamlSchema(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import json

        from file_cdk.cli.screen.stdout import write_lines
        from file_cdk.pipeline.sources import SHIPPED
        from file_cdk.pipeline.sourcing.schema import configuration_schema

        write_lines([json.dumps(configuration_schema(SHIPPED), indent=1)])
        parser.exit()


def whole_parser() -> argparse.ArgumentParser:
    """With the arguments of all commands."""
    return _parser([*_COMMANDS])


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """argv: of the commands that it does not name, no module is imported."""
    parser = LinesParser(
        prog="file-cdk",
        description="Loads files into database tables: each file version exactly once, in parallel.",
        epilog=f"{EXAMPLES}\n{EXIT_CODES}",
    )
    parser.add_argument("--version", action="version", version=f"file-cdk {VERSION}", help="show the version and exit")
    parser.add_argument(
        "--yaml-schema", action=_YamlSchema, nargs=0, help="print the JSON Schema of YAML files, for editors, and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in argv:
            room = "cli.beginning" if name in _OF_THE_BEGINNING else "cli"
            module = import_module(f"file_cdk.{room}.{name}")
            command.description, command.epilog = module.DESCRIPTION, module.EPILOG
            module.add_arguments(command)
            name_variables(command, os.environ)
            command.set_defaults(parser=command, run=module.run)
    return parser
