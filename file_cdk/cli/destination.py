"""`destination-<name> spec | check | write`: a destination's command line, as the Airbyte protocol has it.

stdout carries protocol messages and nothing else; an error is a TRACE message and exit code 1.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from file_cdk.cli.messages import add_commands, execute, load, load_object, resolved, write
from file_cdk.cli.parser import Parser
from file_cdk.cli.screen.stdout import fill_standard_descriptors
from file_cdk.core.connector import DestinationConnector

_Command = Callable[[Callable[[], DestinationConnector], argparse.Namespace, int], int]
"""Writes its messages to the file descriptor and returns the exit code."""

_STDIN = 0


def run(
    connector: DestinationConnector | str, argv: Sequence[str] | None = None, *, ends_process: bool = False
) -> NoReturn:
    """See entry.run_destination."""
    fill_standard_descriptors()
    name = connector.partition(".")[0].replace("_", "-") if isinstance(connector, str) else connector.name
    arguments = _parser(name).parse_args(argv)
    command: _Command = arguments.command
    execute(
        lambda out_fd: command(lambda: resolved(connector), arguments, out_fd),
        interrupted="kept is what the last state stands for that was handed back",
        debug=arguments.debug,
        process_ends=argv is None,
        ends_process=ends_process,
    )


def _spec(connector: Callable[[], DestinationConnector], _: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.writing.commands import specification

    return write([specification(connector())], out_fd)


def _check(connector: Callable[[], DestinationConnector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.writing.commands import check

    return write(check(connector(), load_object(arguments.config, "config")), out_fd)


def _write(connector: Callable[[], DestinationConnector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.receiving.process import Receiver

    config, catalog = load_object(arguments.config, "config"), load(arguments.catalog, "catalog")
    with Receiver(_STDIN) as receiver:
        from file_cdk.pipeline.writing.commands import write_records  # while the other process starts

        return write_records(connector(), config, catalog, receiver.events, out_fd, lenient=arguments.lenient)


def _parser(name: str) -> Parser:
    parser = Parser(prog=name, description="An Airbyte-protocol destination.")
    add, config = add_commands(parser, "the destination's configuration, JSON")
    add("spec", _spec, "print what a configuration may contain")
    add("check", _check, "try the configuration", config)
    writes = add("write", _write, "write the records that come on stdin, and print the states that are durable", config)
    writes.add_argument("--catalog", metavar="FILE", required=True, help="the configured catalog, JSON")
    writes.add_argument(
        "--lenient", action="store_true", help="pass over lines that are no messages, and say how many there were"
    )
    return parser
