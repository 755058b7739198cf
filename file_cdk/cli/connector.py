"""`source-<name> spec | check | discover | read`: a connector's command line, as the Airbyte protocol has it.

stdout carries protocol messages and nothing else; an error is a TRACE message and exit code 1.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from file_cdk.cli.messages import add_commands, execute, load, load_object, resolved, write
from file_cdk.cli.parser import Parser, number
from file_cdk.cli.screen.stdout import fill_standard_descriptors
from file_cdk.core.connector import Connector

Command = Callable[[Callable[[], Connector], argparse.Namespace, int], int]
"""Writes its messages to the file descriptor and returns the exit code."""


def run(connector: Connector | str, argv: Sequence[str] | None = None, *, ends_process: bool = False) -> NoReturn:
    """See `run_connector`."""
    fill_standard_descriptors()
    name = connector.partition(".")[0].replace("_", "-") if isinstance(connector, str) else connector.name
    arguments = _parser(name).parse_args(argv)
    command: Command = arguments.command
    execute(
        lambda out_fd: command(lambda: resolved(connector), arguments, out_fd),
        interrupted="the next read goes on from the last state",
        debug=arguments.debug,
        process_ends=argv is None,
        ends_process=ends_process,
    )


def _spec(connector: Callable[[], Connector], _: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.protocol.messages import spec, to_line
    from file_cdk.protocol.spec import connection_specification

    source = connector()
    specification = connection_specification(source.config_class, title=source.name)
    return write([to_line(spec(specification, documentation_url=source.documentation_url))], out_fd)


def _check(connector: Callable[[], Connector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.discovery import check

    return write(check(connector(), load_object(arguments.config, "config")), out_fd)


def _discover(connector: Callable[[], Connector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.discovery import discover

    return write(discover(connector(), load_object(arguments.config, "config")), out_fd)


def _read(connector: Callable[[], Connector], arguments: argparse.Namespace, out_fd: int) -> int:
    from file_cdk.pipeline.early import modules_for_records, start_early, stop_early

    config = load_object(arguments.config, "config")
    catalog = load(arguments.catalog, "catalog", lines=True)
    state = None if arguments.state is None else load(arguments.state, "state", lines=True)
    if _copies_files(config):
        stop_early()
    else:
        modules = {module: None for filetype in _filetypes(config) for module in modules_for_records(filetype)}
        start_early(modules, arguments.workers)
    source = connector()
    from file_cdk.pipeline.read import read_streams

    return read_streams(source, config, catalog, state, out_fd, arguments.workers)


def _filetypes(config: Any) -> Iterator[str]:
    """Formats that a configuration names, as far as it can be told before it is validated."""
    streams = config.get("streams")
    for stream in streams if isinstance(streams, list) else ():
        stated = stream.get("format") if isinstance(stream, dict) else None
        filetype = stated.get("filetype") if isinstance(stated, dict) else None
        if isinstance(filetype, str):
            yield filetype


def _copies_files(config: dict[str, Any]) -> bool:
    """Whether files are copied as they are, by threads: there is nothing for worker processes to do."""
    method = config.get("delivery_method")
    return isinstance(method, dict) and method.get("delivery_type") == "use_file_transfer"


def _parser(name: str) -> Parser:
    parser = Parser(prog=name, description="An Airbyte-protocol source.")
    add, config = add_commands(parser, "the source's configuration, JSON")
    add("spec", _spec, "print what a configuration may contain")
    add("check", _check, "try the configuration", config)
    add("discover", _discover, "print the catalog of streams and their schemas", config)
    read = add("read", _read, "print the records, and the state to go on from", config)
    read.add_argument("--catalog", metavar="FILE", required=True, help="the configured catalog, JSON")
    read.add_argument("--state", metavar="FILE", help="the state messages of the last read, JSON lines or a JSON list")
    read.add_argument(
        "--workers",
        metavar="N",
        type=number("number of worker processes"),
        help="worker processes; 0: none; by default as many as there are cores",
    )
    return parser
